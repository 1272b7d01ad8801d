"""Every run has its line on each side, and the chosen one stands out."""

import numpy as np

from preflare.figures import learning_curves, style

CURVES = [np.array([0.7, 0.6, 0.5]), np.array([0.7, 0.4]), np.array([0.8, 0.8, 0.9])]


def test_every_run_is_drawn_and_the_chosen_one_red() -> None:
    figure = learning_curves.draw(CURVES, [2 * curve for curve in CURVES], 1, "test", "the simulated Sun", "seed 3")
    for axes, factor in zip(figure.axes, (1, 2), strict=True):
        assert len(axes.lines) == 3
        (red,) = [line for line in axes.lines if line.get_color() == style.RED]
        np.testing.assert_array_equal(red.get_ydata(), factor * CURVES[1])
    assert [axes.get_title() for axes in figure.axes] == ["train", "test"]
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["seed 3"]
    assert figure.get_suptitle() == "the simulated Sun"


def test_none_chosen() -> None:
    figure = learning_curves.draw(CURVES, CURVES, None, "validation", "")
    assert {line.get_color() for axes in figure.axes for line in axes.lines} == {style.GREY}
    assert figure.axes[0].get_legend() is None
