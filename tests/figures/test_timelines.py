"""Rows are where they should be, on two scales."""

import numpy as np

from preflare.figures import timelines
from preflare.figures.timelines import Rows


def test_two_scales_of_the_same_rows() -> None:
    scores = np.array([[0.1, 0.2, 0.4], [0.5, 0.5, 0.25]])
    rows = Rows(["PF_1", "PF_2"], scores, np.array([True, False]), ["12%", "3%"])
    figure = timelines.draw({"PF": rows, "AR": rows}, np.array([-25, -12.5, 0]), "the simulated Sun")
    own, common = figure.axes[0].images[0], figure.axes[1].images[0]
    np.testing.assert_allclose(own.get_array(), [[0.25, 0.5, 1], [1, 1, 0.5]])
    np.testing.assert_array_equal(common.get_array(), scores)
    assert own.get_clim() == common.get_clim() == (0, 1)
    assert tuple(common.get_extent()[:2]) == (-25, 0)
    labels = figure.axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == ["PF_1", "PF_2"]
    assert [label.get_fontweight() for label in labels] == ["bold", "normal"]
    assert [label.get_text() for label in figure.axes[1].get_yticklabels()] == ["12%", "3%"]


def test_a_row_of_zeros_stays_zero() -> None:
    rows = Rows(["PF_1"], np.zeros((1, 3)), np.array([False]))
    figure = timelines.draw({"PF": rows}, np.array([-25, -12.5, 0]), "")
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), np.zeros((1, 3)))
