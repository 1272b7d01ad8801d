"""Trends of many observations: how steadily each score rises, with the chance it does so for nothing."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from preflare.figures import style

COLOURS = {"AR": style.BLUE, "PF": style.RED}


def draw(
    names: Sequence[str],
    classes: Sequence[str],
    slopes: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    tau: np.ndarray,
    marks: np.ndarray,
    note: str,
) -> Figure:
    """Left, slopes with their intervals; right, Kendall's tau; filled where ``marks``. A row without them says so.

    All (observation,), from top to bottom; slopes, low, high in score per minute. classes: AR or PF, which colours a
    row. note: for the corner; "" for none.
    """
    rows = range(len(names))
    colours = [COLOURS.get(one, style.GREY) for one in classes]
    with style.applied():
        figure = Figure(figsize=(style.PAGE, 0.9 + 0.135 * len(names)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        for row in rows:
            face = colours[row] if marks[row] else "white"
            left.plot([low[row], high[row]], [row, row], color=colours[row], linewidth=style.LINE)
            left.plot(slopes[row], row, "o", color=colours[row], markerfacecolor=face)
            right.plot(tau[row], row, "o", color=colours[row], markerfacecolor=face)
            for panel, value in ((left, slopes[row]), (right, tau[row])):
                if not np.isfinite(value):
                    panel.annotate(
                        "too few rasters",
                        (0.98, row),
                        xycoords=("axes fraction", "data"),
                        ha="right",
                        va="center",
                        fontsize=style.SMALL,
                        color=style.QUIET,
                        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
                    )
        for panel, label in ((left, "slope of the mean score, per minute"), (right, "Kendall's tau")):
            panel.axvline(0, color=style.GREY, linewidth=0.8)
            panel.set_xlabel(label)
        right.set_xlim(-1.05, 1.05)
        left.set_yticks(list(rows), names, fontsize=style.SMALL)
        left.set_ylim(len(names) - 0.4, -0.6)
        handles = [
            Line2D([], [], marker="o", linestyle="", color=colour, label=name) for name, colour in COLOURS.items()
        ]
        handles += [
            Line2D([], [], marker="o", linestyle="", color=style.INK, markerfacecolor=face, label=text)
            for face, text in ((style.INK, "rises, beyond chance"), ("white", "does not"))
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
        if note:
            style.note(figure, note)
    return figure
