"""Only what is marked is named."""

import numpy as np

from preflare.figures import if_and_when, style


def test_what_is_marked_is_named() -> None:
    area = np.array([[0.8, 0.7, 0.9], [0.5, 0.4, 0.6], [np.nan] * 3])
    tau = np.array([[0.1, -0.1, 0.3], [0.0, -0.1, 0.1], [np.nan] * 3])
    (axes,) = if_and_when.draw(["triplet", "width", "gone"], area, tau, np.array([True, False, True]), "").axes
    assert [text.get_text() for text in axes.texts] == ["triplet"]
    points = [line for line in axes.lines if line.get_marker() == "o"]
    assert [point.get_color() for point in points] == [style.RED, style.GREY]


def test_names_of_neighbours_stand_on_either_side() -> None:
    area = np.array([[0.7, 0.6, 0.8], [0.8, 0.7, 0.9], [0.5, 0.4, 0.6]])
    tau = np.array([[0.2, 0.1, 0.3], [0.2, 0.1, 0.3], [-0.3, -0.4, 0.1]])
    (axes,) = if_and_when.draw(["left", "right", "none"], area, tau, np.array([True, True, False]), "").axes
    assert {text.get_text(): text.get_horizontalalignment() for text in axes.texts} == {
        "left": "right",
        "right": "left",
    }
