"""Rows are where they should be, on two scales."""

import numpy as np

from preflare.figures import timelines
from preflare.figures.timelines import Rows


def test_two_scales_of_the_same_rows() -> None:
    scores = np.array([[0.1, 0.2, 0.4], [0.5, 0.5, 0.25]])
    own = scores / scores.max(axis=1, keepdims=True)
    rows = Rows(["PF_1", "PF_2"], scores, own, np.array([True, False]), ["X1.0, strong", "M1.2, weak"])
    ends = {"PF": "the onset", "AR": "the end"}
    figure = timelines.draw({"PF": rows, "AR": rows}, np.array([-25, -12.5, 0]), ends, "the simulated Sun")
    own, common = figure.axes[0].images[0], figure.axes[1].images[0]
    np.testing.assert_allclose(own.get_array(), [[0.25, 0.5, 1], [1, 1, 0.5]])
    np.testing.assert_array_equal(common.get_array(), scores)
    assert own.get_clim() == common.get_clim() == (0, 1)
    assert tuple(common.get_extent()[:2]) == (-25, 0)
    labels = figure.axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == ["PF_1", "PF_2"]
    assert [label.get_fontweight() for label in labels] == ["bold", "normal"]
    assert [label.get_text() for label in figure.axes[1].get_yticklabels()] == ["X1.0, strong", "M1.2, weak"]
    assert [axes.get_xlabel() for axes in figure.axes[:3:2]] == ["minutes from the onset", "minutes from the end"]
    # Each column has the scale of what it shows.
    assert [axes.get_xlabel() for axes in figure.axes[4:]] == ["mean score / its row's maximum", "mean score"]
