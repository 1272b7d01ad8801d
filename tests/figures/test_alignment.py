"""Shares are where they should be, in percent."""

import numpy as np

from preflare.figures import alignment


def test_shares_chance_and_curves() -> None:
    shares = {"attribution": np.array([1.0, 0.5]), "intensity": np.array([0.25, 0.0])}
    curves = {"attribution": np.array([0.2, 0.75]), "intensity": np.array([0.1, 0.125])}
    figure = alignment.draw(
        ["PF_1", "PF_2"], shares, np.array([0.3, 0.2]), (2, 5), curves, np.array([0.1, 0.25]), 5, 0.78, "simulated"
    )
    left, right = figure.axes
    assert [bar.get_width() for bar in left.patches] == [30, 20]
    assert [text.get_text() for text in left.get_yticklabels()] == ["PF_1", "PF_2"]
    lines = {line.get_label(): line for line in left.lines}
    np.testing.assert_array_equal(lines["intensity"].get_xdata(), [25, 0])
    assert any(np.array_equal(line.get_ydata(), [20, 75]) for line in right.lines)
    assert any(np.array_equal(line.get_ydata(), [10, 25]) for line in right.lines)
    assert [text.get_text() for text in right.get_xticklabels()] == ["2", "5"]
