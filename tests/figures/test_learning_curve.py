"""The learning curve shows the numbers it was given."""

import numpy as np
from matplotlib.colors import to_hex

from preflare.figures import learning_curve, style

TRAIN = np.array([0.69, 0.5, 0.4, 0.33])
TEST = np.array([0.68, 0.45, 0.47, 0.6])


def test_the_lines_are_the_losses_and_the_chosen_epochs() -> None:
    figure = learning_curve.draw(TRAIN, TEST, best=1, best_mean=2, choosing_side="test")
    train, test, best, best_mean = figure.axes[0].lines

    np.testing.assert_array_equal(train.get_xdata(), [0, 1, 2, 3])
    np.testing.assert_array_equal(train.get_ydata(), TRAIN)
    np.testing.assert_array_equal(test.get_ydata(), TEST)
    assert list(best.get_xdata()) == [1, 1]
    assert list(best_mean.get_xdata()) == [2, 2]
    assert [to_hex(line.get_color()) for line in (train, test, best, best_mean)] == [
        style.INK,
        style.GREY,
        style.RED,
        style.BLUE,
    ]


def test_in_the_papers_look_the_chosen_epochs_are_pure_red_and_blue() -> None:
    style.use("paper")
    try:
        figure = learning_curve.draw(TRAIN, TEST, best=1, best_mean=2, choosing_side="test", note="the simulated Sun")
    finally:
        style.use("default")
    assert [line.get_color() for line in figure.axes[0].lines[2:]] == ["red", "blue"]
    assert figure.get_suptitle() == "the simulated Sun"


def test_the_legend_names_the_side_that_chose() -> None:
    figure = learning_curve.draw(TRAIN, TEST, best=1, best_mean=1, choosing_side="validation")
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == [
        "train",
        "validation (chooses the epoch)",
        "lowest validation loss: epoch 1",
        "lowest mean of both: epoch 1",
    ]


def test_one_epoch_is_still_visible() -> None:
    figure = learning_curve.draw(TRAIN[:1], TEST[:1], best=0, best_mean=0, choosing_side="test")
    assert figure.axes[0].lines[0].get_marker() == "o"
