"""The figure of measures against members shows every line, band and chance level."""

import numpy as np

from preflare.figures import style
from preflare.figures.localisation import Band, draw


def test_each_panel_has_its_lines() -> None:
    sizes = np.array([1, 5, 50])
    bands = {
        (row, column): {
            method: Band(sizes, value * np.ones(3), np.zeros(3), np.ones(3), chance)
            for method, value, chance in (("hirescam", 0.9, 0.1), ("gradcam", 0.2, None))
        }
        for row in ("hit", "share")
        for column in ("plateau", "bump", "missing_line")
    }
    figure = draw(["hit", "share"], ["plateau", "bump", "missing_line"], bands, "the simulated Sun")
    assert len(figure.axes) == 6 and [axes.get_title() for axes in figure.axes[:3]] == [
        "plateau",
        "bump",
        "missing_line",
    ]
    for axes in figure.axes:
        lines = {line.get_label(): line for line in axes.lines}
        assert set(lines) >= {"hirescam", "gradcam"} and len(axes.lines) == 3 and len(axes.collections) == 2
        np.testing.assert_allclose(lines["hirescam"].get_ydata(), 0.9)
    assert figure.axes[0].get_ylabel() == "hit" and figure.axes[3].get_xlabel() == "members"
    assert figure.get_suptitle() == "the simulated Sun"
    assert style.png(figure).startswith(b"\x89PNG")
