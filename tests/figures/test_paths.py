"""Every way is drawn, the mean is the mean."""

import numpy as np

from preflare.figures import paths


def test_ways_and_their_mean() -> None:
    wavelength, positions = np.linspace(1, 2, 30), np.linspace(0, 1, 5)
    attributions = np.random.default_rng(0).normal(size=(4, 30))
    spectra = np.linspace(0, 1, 5)[:, None] * np.ones(30)
    said = np.arange(20.0).reshape(4, 5)
    figure = paths.draw(wavelength, spectra, positions, said, attributions, {"k": 1.5}, "log-odds", "of one network")
    way, line, found = figure.axes
    assert len(found.lines) == 4 + 2
    np.testing.assert_allclose(found.lines[4].get_ydata(), attributions.mean(axis=0))
    assert [line.get_color() for line in way.lines[3:5]] == ["#0072b2", "#d55e00"]
    np.testing.assert_array_equal(line.lines[-2].get_ydata(), said[0])
    assert [text.get_text() for text in line.get_legend().get_texts()] == ["the way above", "others"]
    assert line.get_ylabel() == "log-odds"
