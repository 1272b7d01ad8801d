"""Every observation is a point, filled where it was seen."""

import numpy as np
from matplotlib.colors import to_hex

from preflare.figures import in_sample, style


def test_points_say_what_was_seen() -> None:
    unseen, other, alike = np.array([0.2, 0.5, 0.8]), np.array([0.3, 0.5, 0.9]), np.array([0.4, 0.6, 0.8])
    flaring, seen = np.array([False, True, True]), np.array([True, True, False])
    figure = in_sample.draw(unseen, other, alike, flaring, seen, (0.5, 0.8), "the simulated Sun")
    scores, likeness = figure.axes
    points = [line for line in scores.lines if line.get_marker() == "o"]
    assert {(float(p.get_xdata()[0]), float(p.get_ydata()[0])) for p in points} == {(0.2, 0.3), (0.5, 0.5), (0.8, 0.9)}
    by_place = {float(p.get_xdata()[0]): p for p in points}
    assert by_place[0.8].get_markerfacecolor() == "none"
    assert to_hex(by_place[0.5].get_markerfacecolor()) == style.RED
    assert to_hex(by_place[0.2].get_color()) == style.BLUE
    middles = [line.get_ydata()[0] for line in likeness.lines if line.get_linewidth() == style.BOLD]
    assert middles == [0.5, 0.8]
    told = [handle.get_markerfacecolor() for handle in figure.legends[0].legend_handles]
    assert told == [style.RED, style.BLUE, style.INK, "none"], "what is filled and what is open is told"
    assert len([line for line in likeness.lines if line.get_marker() == "o"]) == 3


def test_profiles_are_shares() -> None:
    wavelength = np.linspace(1, 2, 20)
    own, other = np.full(20, 0.05), np.arange(20.0) / 190
    figure = in_sample.profiles(wavelength, own, other, np.linspace(0, 1, 20), {"k": 1.5}, {"Ni I": 1.2}, "")
    top, below = figure.axes
    for line, values in zip(top.lines, (own, other), strict=False):
        np.testing.assert_array_equal(line.get_ydata(), values)
    assert {text.get_text() for text in top.texts} == {"k", "Ni I"}
    assert below.get_ylabel().startswith("spectra with")
    assert len(in_sample.profiles(wavelength, np.ones(20), np.ones(20), None, {}, {}, "").axes) == 1
