"""What smoother attributions cost and what they gain: curves against smoothness."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from preflare.figures import style

COLOURS = (style.BLUE, style.RED, style.GREEN, style.PINK, style.ORANGE, style.SKY)


def draw(
    curves: Mapping[str, np.ndarray],
    start: np.ndarray,
    smoothed: np.ndarray,
    strengths: Mapping[str, Sequence[str]],
    ylabels: Sequence[str],
    levels: Mapping[int, tuple[float, str]],
    remark: str,
) -> Figure:
    """A panel for each quantity, against the variation of the attributions, smoother to the right.

    curves: setting -> (strength, 1 + quantity), variation first, from weak to strong. start: (1 + quantity,) without
    a prior. smoothed: (window, 1 + quantity), the maps of the start smoothed afterwards. strengths: setting -> text at
    each point. ylabels: of the quantities. levels: panel -> a horizontal line and its name.
    """
    with style.applied():
        count = len(ylabels)
        figure = Figure(figsize=(style.PAGE if count > 1 else style.COLUMN, 2.9), layout="constrained")
        for number, (axes, ylabel) in enumerate(zip(np.ravel(figure.subplots(1, count)), ylabels, strict=True)):
            place = number + 1
            axes.plot(smoothed[:, 0], smoothed[:, place], color=style.GREY, marker=".", label="smoothed afterwards")
            for turn, (colour, (name, points)) in enumerate(zip(COLOURS, curves.items(), strict=False)):
                axes.plot(points[:, 0], points[:, place], color=colour, marker="o", markersize=3, label=name)
                for text, point in zip(strengths[name], points, strict=True):
                    if np.isfinite(point[[0, place]]).all():
                        # By turns to the right and to the left: settings end near each other.
                        axes.annotate(
                            text,
                            (point[0], point[place]),
                            (3 - 6 * (turn % 2), 2),
                            textcoords="offset points",
                            ha="right" if turn % 2 else "left",
                            fontsize=style.SMALL,
                            color=colour,
                            path_effects=[withStroke(linewidth=1.5, foreground="white")],
                        )
            axes.plot(start[0], start[place], "*", color=style.INK, markersize=9, label="without", zorder=5)
            if number in levels:
                level, text = levels[number]
                axes.axhline(level, color=style.GREY, linestyle=":", linewidth=1)
                axes.annotate(
                    text,
                    (0.01, level),
                    (0, 2),
                    ("axes fraction", "data"),
                    "offset points",
                    fontsize=style.SMALL,
                    color=style.QUIET,
                )
            axes.set_xscale("log")
            axes.invert_xaxis()
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_xlabel("variation over total\n(smoother to the right)")
            axes.set_ylabel(ylabel)
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
        style.note(figure, remark)
    return figure
