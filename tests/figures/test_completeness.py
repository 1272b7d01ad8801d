"""The figure shows the arrays that it was given."""

import numpy as np

from preflare.figures import completeness

NOTHING = np.array([])


def test_spectra_are_counted_and_the_curves_are_the_arrays() -> None:
    residuals = np.random.default_rng(0).normal(size=500)
    samples, median = np.array([10.0, 100, 1000]), np.array([0.3, 0.2, 0.1])
    figure = completeness.draw(residuals, samples, median, 2 * median, median - 0.1, 100, "log-odds", "a note")
    left, right, other = figure.axes
    assert sum(patch.get_height() for patch in left.patches) == 500
    most, middle, used = right.lines
    np.testing.assert_array_equal(middle.get_ydata(), median)
    np.testing.assert_array_equal(most.get_ydata(), 2 * median)
    assert used.get_xdata()[0] == 100
    (blue,) = other.lines
    np.testing.assert_allclose(blue.get_ydata(), [0.2, 0.1])  # the last differs from itself by nothing
    assert "log-odds" in left.get_xlabel() and figure.get_suptitle() == "a note"


def test_residuals_alone_and_all_alike() -> None:
    figure = completeness.draw(np.zeros(5), *([NOTHING] * 4), 100, "log-odds", "")
    left, right = figure.axes
    assert sum(patch.get_height() for patch in left.patches) == 5 and not right.axison
