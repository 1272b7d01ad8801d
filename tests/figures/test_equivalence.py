"""The figure shows the arrays that it was given."""

import numpy as np

from preflare.figures import equivalence


def test_three_panels() -> None:
    wavelength = np.linspace(2794, 2806, 50)
    example = tuple(np.random.default_rng(k).normal(size=50) for k in range(3))
    linear, ranked = np.linspace(-0.5, 0.9, 30), np.linspace(-0.9, 0.5, 30)
    widths, curve = np.array([0.5, 1.0, 2.0]), np.array([0.1, 0.3, 0.2])
    names = ("HiResCAM", "log-odds of PF")
    figure = equivalence.draw(wavelength, example, (linear, ranked), widths, curve, 1.0, 2.0, names, "a note")
    one, many, fit = figure.axes
    for line, values in zip(one.lines[1:], example, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), values)
    assert sum(patch.get_height() for patch in many.patches[:40]) == 30
    np.testing.assert_array_equal(fit.lines[0].get_ydata(), curve)
    assert [line.get_xdata()[0] for line in fit.lines[1:]] == [1.0, 2.0]
    labels = [text.get_text() for text in one.get_legend().get_texts()]
    assert "... smoothed over 1.00 Å" in labels and "HiResCAM" in labels[-1] and "log-odds" in one.get_ylabel()
