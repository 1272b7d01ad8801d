"""What features say: whether a flare comes, against when it comes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from preflare.figures import style


def draw(names: Sequence[str], area: np.ndarray, tau: np.ndarray, marks: np.ndarray, note: str) -> Figure:
    """A point for each feature with its intervals; those marked are coloured and named.

    area, tau: (feature, 3): value, low, high. marks: (feature,) bool. note: for the corner; "" for none.
    """
    with style.applied():
        figure = Figure(figsize=(4.6, 4.2), layout="constrained")
        axes = figure.subplots()
        axes.axvline(0.5, color=style.GREY, linewidth=0.8)
        axes.axhline(0, color=style.GREY, linewidth=0.8)
        there = np.isfinite(area[:, 0]) & np.isfinite(tau[:, 0])
        told = there & marks
        close = 0.05 * np.ptp(tau[there]) if there.any() else 0.0
        for place in np.flatnonzero(there).tolist():
            (x, left, right), (y, low, high) = area[place], tau[place]
            colour = style.RED if told[place] else style.GREY
            axes.plot([left, right], [y, y], color=colour, linewidth=0.7, alpha=0.6)
            axes.plot([x, x], [low, high], color=colour, linewidth=0.7, alpha=0.6)
            axes.plot(x, y, "o", color=colour, markersize=4, zorder=3)
            if told[place]:
                # A name goes to the left where another stands close by on the right.
                beside = told & (area[:, 0] > x) & (area[:, 0] < x + 0.3) & (np.abs(tau[:, 0] - y) < close)
                shift, side = (-4, "right") if beside.any() else (4, "left")
                text = axes.annotate(
                    names[place], (x, y), (shift, 3), textcoords="offset points", fontsize=8, ha=side, va="bottom"
                )
                text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
        axes.set_xlabel("if: probability that PF is above AR (0.5: chance)")
        axes.set_ylabel("when: mean tau on the way to the flare")
        axes.set_xlim(0, 1.05)
        if note:
            style.note(figure, note)
    return figure
