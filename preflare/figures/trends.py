"""Trends of many observations: how steadily each score rises, with the chance it does so for nothing."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import style


def draw(
    names: Sequence[str],
    slopes: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    tau: np.ndarray,
    marks: np.ndarray,
    colours: Sequence[str],
    note: str,
) -> Figure:
    """Left, slopes with their intervals; right, Kendall's tau; filled where ``marks``.

    All (observation,), from top to bottom; slopes, low, high in score per minute. note: for the corner; "" for none.
    """
    rows = range(len(names))
    with style.applied():
        figure = Figure(figsize=(7.4, 1.3 + 0.155 * len(names)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        for row in rows:
            face = colours[row] if marks[row] else "white"
            left.plot([low[row], high[row]], [row, row], color=colours[row], linewidth=1)
            left.plot(slopes[row], row, "o", color=colours[row], markerfacecolor=face, markersize=4)
            right.plot(tau[row], row, "o", color=colours[row], markerfacecolor=face, markersize=4)
        for panel, label in ((left, "slope of the mean score, per minute"), (right, "Kendall's tau")):
            panel.axvline(0, color=style.GREY, linewidth=0.8)
            panel.set_xlabel(label)
        right.set_xlim(-1.05, 1.05)
        left.set_yticks(list(rows), names, fontsize=6)
        left.set_ylim(len(names), -1)
        if note:
            style.note(figure, note)
    return figure
