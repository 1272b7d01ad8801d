"""How many p-values are as small as any: where chance alone is at work, as many as they say."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from preflare.figures import style

COLOURS = (style.RED, style.BLUE, style.GREEN, style.PINK, style.GREY, style.ORANGE)


def draw(groups: Mapping[str, np.ndarray], level: float, note: str) -> Figure:
    """The share of p-values at or below p against p, on logarithmic axes, at column width.

    groups: title -> p-values (n,), finite. level: marked on both axes. note: for the corner; "" for none.
    """
    with style.applied():
        figure = Figure(figsize=(style.COLUMN, 3.9), layout="constrained")
        axes = figure.subplots()
        axes.plot([1e-4, 1], [1e-4, 1], color=style.INK, linewidth=style.FINE, label="chance")
        axes.axvline(level, color=style.GREY, linewidth=style.FINE, linestyle=(0, (1, 2)))
        axes.axhline(level, color=style.GREY, linewidth=style.FINE, linestyle=(0, (1, 2)))
        for place, (title, values) in enumerate(groups.items()):
            ordered = np.sort(values)
            share = np.arange(1, len(ordered) + 1) / len(ordered)
            colour = COLOURS[place % len(COLOURS)]
            axes.step(
                ordered, share, where="post", color=colour, linewidth=style.LINE, label=f"{title} ({len(ordered):,})"
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(1e-3, 1)
        axes.set_ylim(1e-3, 1)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel("p")
        axes.set_ylabel("share of p-values as small")
        figure.legend(loc="outside lower center", ncols=2)
        if note:
            style.note(figure, note)
    return figure
