"""Each kind has its row."""

import numpy as np

from preflare.figures import kinds


def test_a_row_for_each_kind() -> None:
    weight, changed = np.zeros(30), np.linspace(0, 1, 30)
    weight[4] = 1
    figure = kinds.draw(np.linspace(1, 2, 30), {"one": (weight, changed), "two": (weight, changed)}, {"k": 1.5}, "")
    titles = [axes.get_title(loc="right") for axes in figure.axes]
    assert titles[:2] == ["one", "two"]
    assert [bar.get_height() for bar in figure.axes[0].patches].index(100.0) == 4
    assert [text.get_text() for text in figure.axes[0].texts] == ["k"]
