"""How Grad-CAM comes about, cell by cell (paper Fig. A.2), drawn from one network and one spectrum."""

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import style


def draw(
    answers: np.ndarray,
    gradients: np.ndarray,
    weights: np.ndarray,
    weighted: np.ndarray,
    quantity: str,
    remark: str,
) -> Figure:
    """A row for each channel: its answer, the gradient there with its mean, which is the weight, and their product;
    below, the sum of products, and what its ReLU leaves.

    answers, gradients, weighted: (channel, cell). weights: (channel,). quantity: what is explained.
    """
    channels, count = answers.shape
    cells = np.arange(count)
    total = weighted.sum(axis=0)
    with style.applied():
        figure = Figure(figsize=(style.PAGE, 0.6 + 0.85 * (channels + 1)), layout="constrained")
        panels = figure.subplots(channels + 1, 3, sharex=True, sharey="col", squeeze=False)
        for number in range(channels):
            answer, gradient, product = panels[number]
            answer.bar(cells, answers[number], color=style.BLUE)
            gradient.bar(cells, gradients[number], color=style.GREY)
            gradient.axhline(weights[number], color=style.RED, linewidth=style.BOLD)
            product.bar(cells, weighted[number], color=np.where(weighted[number] < 0, style.BLUE, style.RED))
            answer.set_ylabel(f"A{number + 1}")
            weight = f"weight\n{weights[number].round(3) + 0.0:.3f}"
            product.set_ylabel(weight.replace("-", "\N{MINUS SIGN}"), color=style.RED)
        panels[0, 0].set_title(f"answer of each of Z = {count} cells")
        panels[0, 1].set_title(f"gradient of {quantity}; line: mean")
        panels[0, 2].set_title("weight × answer")
        panels[-1, 0].set_axis_off()
        panels[-1, 1].set_axis_off()
        panels[-1, 1].annotate("sum; dark: what the ReLU leaves", (1, 0.5), xycoords="axes fraction", ha="right")
        last = panels[-1, 2]
        last.bar(cells, total, color=style.SHADE)
        last.bar(cells, np.clip(total, 0, None), color=style.INK)
        for axes in (*panels[:-1].flat, last):
            axes.axhline(0, color=style.GREY, linewidth=style.FINE, zorder=0)
        for axes in (panels[-2, 0], panels[-2, 1]):
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("cell")
        last.set_xlabel("cell")
        if remark:
            style.note(figure, remark)
    return figure
