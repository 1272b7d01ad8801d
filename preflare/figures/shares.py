"""Shares with intervals, of several groups, one under the other."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import style


def draw(names: Sequence[str], groups: Mapping[str, np.ndarray], xlabel: str, note: str) -> Figure:
    """A row for each name, a point with its interval for each group, at column width.

    groups: title -> (name, 3): value, low, high, as shares. note: for the corner; "" for none.
    """
    with style.applied():
        figure = Figure(figsize=(style.COLUMN, 0.9 + 0.36 * len(names)), layout="constrained")
        axes = figure.subplots()
        rows = np.arange(len(names))
        for place, (colour, shape, (title, values)) in enumerate(
            zip((style.RED, style.INK, style.BLUE), "osD", groups.items(), strict=False)
        ):
            y = rows + 0.22 * (place - (len(groups) - 1) / 2)
            axes.hlines(y, 100 * values[:, 1], 100 * values[:, 2], color=colour, linewidth=1.2)
            axes.plot(100 * values[:, 0], y, shape, color=colour, markersize=4, label=title)
        axes.set_yticks(rows, names, fontsize=style.TICK)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
        axes.set_xlabel(xlabel)
        figure.legend(loc="outside lower center", ncols=3)
        if note:
            style.note(figure, note)
    return figure
