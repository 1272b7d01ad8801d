"""The figure shows the arrays that it was given."""

import numpy as np

from preflare.figures import representatives


def test_the_lines_are_the_arrays() -> None:
    chosen = np.array([0.5, 0.3, 0.2])
    chance = np.array([0.8, 0.6, 0.4])
    figure = representatives.draw(chosen, chance, chance - 0.1, chance + 0.1, "of 5 members")
    (axes,) = figure.axes
    middle, line = axes.lines
    np.testing.assert_allclose(middle.get_ydata(), chance)
    (band,) = axes.collections
    low, high = band.get_datalim(axes.transData).intervaly
    np.testing.assert_allclose([low, high], [0.3, 0.9])
    np.testing.assert_allclose(line.get_ydata(), chosen)
    np.testing.assert_allclose(line.get_xdata(), [1, 2, 3])
    assert figure.get_suptitle() == "of 5 members"
