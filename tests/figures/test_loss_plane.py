"""The networks and the mean of their weights are where they should be."""

import numpy as np

from preflare.figures import loss_plane


def test_marks_are_at_the_corners_and_their_mean() -> None:
    corners = np.array([[0, 0], [3, 0], [1, 2]], dtype=float)
    x, y = np.linspace(-1, 4, 12), np.linspace(-1, 3, 10)
    figure = loss_plane.draw(
        x, y, 0.1 + np.add.outer(y**2, x**2), corners, ["a", "b", "c"], "loss", "the simulated Sun"
    )
    axes = figure.axes[0]
    dots, cross = axes.lines
    np.testing.assert_array_equal(np.transpose(dots.get_data()), corners)
    np.testing.assert_allclose(np.transpose(cross.get_data())[0], [4 / 3, 2 / 3])
    assert [text.get_text() for text in axes.texts] == ["a", "b", "c"]
    assert figure.get_suptitle() == "the simulated Sun"
    (bar,) = axes.child_axes
    low, high = bar.get_ylim()
    assert low < np.log10(1) < high
