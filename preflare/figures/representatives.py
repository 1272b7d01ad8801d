"""How many members stand for all: the error of few against their number."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from preflare.figures import style


def draw(chosen: np.ndarray, drawn: np.ndarray, remark: str) -> Figure:
    """Relative RMS difference from the mean attribution of all members.

    chosen: (m,) after each member chosen. drawn: (draws, m) of members drawn at random: median and 5 to 95%.
    """
    numbers = np.arange(1, len(chosen) + 1)
    low, middle, high = np.quantile(drawn, [0.05, 0.5, 0.95], axis=0)
    with style.applied():
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axes = figure.add_subplot()
        axes.fill_between(
            numbers, low, high, color=style.GREY, alpha=0.3, linewidth=0, label="drawn at random, 5 to 95%"
        )
        axes.plot(numbers, middle, color=style.GREY, label="drawn at random, median")
        axes.plot(numbers, chosen, color=style.RED, marker="o", markersize=4, label="chosen one by one")
        axes.set_xlabel("members")
        axes.set_ylabel("difference from the mean of all (relative RMS)")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()
        style.note(figure, remark)
    return figure
