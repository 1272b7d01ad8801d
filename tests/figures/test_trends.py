"""Each observation has its slope, interval and tau."""

import numpy as np

from preflare.figures import style, trends


def test_marked_ones_are_filled() -> None:
    figure = trends.draw(
        ["PF_1", "AR_1"],
        ["PF", "AR"],
        np.array([0.01, -0.02]),
        np.array([0.005, -0.03]),
        np.array([0.02, 0.01]),
        np.array([0.8, -0.1]),
        np.array([True, False]),
        "the simulated Sun",
    )
    left, right = figure.axes
    points = [line for line in left.lines if line.get_marker() == "o"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in points] == [(0.01, 0), (-0.02, 1)]
    assert [line.get_markerfacecolor() for line in points] == [style.RED, "white"]
    bars = [
        line.get_xdata().tolist() for line in left.lines if len(line.get_xdata()) == 2 and line.get_linewidth() == 1
    ]
    assert bars == [[0.005, 0.02], [-0.03, 0.01]]
    assert [line.get_xdata()[0] for line in right.lines if line.get_marker() == "o"] == [0.8, -0.1]


def test_an_empty_row_says_why() -> None:
    gone = np.array([np.nan])
    figure = trends.draw(["AR_1"], ["AR"], gone, gone, gone, gone, np.array([False]), "")
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == ["too few rasters"] * 2
