"""The trade-off shows the numbers it was given."""

import numpy as np

from preflare.figures import trade_off

CURVES = {"absolute": np.array([[0.5, 0.6, 2.0], [0.2, 0.5, np.nan]]), "squared": np.array([[0.4, 0.55, 2.2]])}


def test_a_panel_for_each_quantity() -> None:
    figure = trade_off.draw(
        CURVES,
        np.array([0.7, 0.62, 1.9]),
        np.array([[0.3, 0.62, 2.1]]),
        {"absolute": ["0.1", "1"], "squared": ["3"]},
        ("TSS", "lift"),
        {1: (1.0, "chance")},
        "simulated",
    )
    for place, (axes, ylabel) in enumerate(zip(figure.axes, ("TSS", "lift"), strict=True), start=1):
        lines = {line.get_label(): line.get_xydata() for line in axes.lines}
        for name, points in CURVES.items():
            np.testing.assert_array_equal(lines[name], points[:, [0, place]])
        np.testing.assert_array_equal(lines["without"], [[0.7, (0.62, 1.9)[place - 1]]])
        assert axes.get_ylabel() == ylabel
        # Smoother to the right.
        assert axes.get_xlim()[0] > axes.get_xlim()[1]
    said = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert said == [["0.1", "1", "3"], ["0.1", "3", "chance"]]
