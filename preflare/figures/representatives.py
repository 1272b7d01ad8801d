"""How many members stand for all: the error of few against their number."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from preflare.figures import style


def draw(chosen: np.ndarray, middle: np.ndarray, low: np.ndarray, high: np.ndarray, remark: str) -> Figure:
    """Relative RMS difference from the mean attribution of all members.

    chosen: (m,) after each member chosen. middle, low, high: (m,) median, 5 and 95% of members drawn at random.
    """
    numbers = np.arange(1, len(chosen) + 1)
    with style.applied():
        figure = Figure(figsize=(style.COLUMN, 2.6), layout="constrained")
        axes = figure.add_subplot()
        axes.fill_between(
            numbers, low, high, color=style.GREY, alpha=0.3, linewidth=0, label="drawn at random, 5 to 95%"
        )
        axes.plot(numbers, middle, color=style.GREY, label="drawn at random, median")
        axes.plot(numbers, chosen, color=style.RED, marker="o", markersize=3, label="chosen one by one")
        axes.set_xlabel("members")
        axes.set_ylabel("difference from the mean of all\n(relative RMS)")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()
        style.note(figure, remark)
    return figure
