"""Points inside the limits are counted, lines and the break are where they are said to be."""

import numpy as np

from preflare.figures import density, style
from preflare.figures.density import Through


def test_points_lines_and_the_break() -> None:
    x, y = np.array([1.0, 1.0, 2.0, 9.0]), np.array([0.1, 0.1, 0.2, 0.9])
    line = Through(np.array([0, 3.0]), np.array([0, 0.3]), "R2 = 1", style.RED)
    figure = density.draw(x, y, [line], ("DN/s", "log-odds"), ((0, 3), (0, 1)), (1.5, 1.2, 1.9), "a note")
    axes, bar = figure.axes
    assert sorted(axes.collections[0].get_array().tolist()) == [1, 2]  # the last lies outside
    assert axes.lines[1].get_label() == "R2 = 1"
    assert [line.get_xdata()[0] for line in axes.lines[5:]] == [1.5, 1.2, 1.9]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["R2 = 1", "break", "its 95% interval"]
    assert (axes.get_xlabel(), axes.get_ylabel(), bar.get_ylabel()) == ("DN/s", "log-odds", "spectra")
