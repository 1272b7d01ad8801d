"""Each channel has its row, and the last is their sum."""

import numpy as np

from preflare.figures import gradcam


def test_rows_and_their_sum() -> None:
    answers = np.array([[1.0, 2.0, 0.0], [0.5, 0.0, 1.0]])
    gradients = np.array([[0.3, 0.3, 0.0], [-0.6, -0.9, 0.0]])
    weights = gradients.mean(axis=1)
    figure = gradcam.draw(answers, gradients, weights, weights[:, None] * answers, "log-odds", "the simulated Sun")
    panels = np.reshape(figure.axes, (3, 3))
    for number in range(2):
        for axes, values in zip(panels[number], (answers, gradients, weights[:, None] * answers), strict=True):
            np.testing.assert_allclose([bar.get_height() for bar in axes.patches], values[number])
        assert panels[number, 1].lines[0].get_ydata()[0] == weights[number]
    total = (weights[:, None] * answers).sum(axis=0)
    heights = [bar.get_height() for bar in panels[2, 2].patches]
    np.testing.assert_allclose(heights, [*total, *np.clip(total, 0, None)])
    assert panels[0, 2].get_ylabel() == "weight\n0.200"
