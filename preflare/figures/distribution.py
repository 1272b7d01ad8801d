"""The skill of many runs, each a dot beside a box (paper Fig. 10)."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from preflare.figures import style


def draw(
    scores: Mapping[str, np.ndarray],
    limits: tuple[float, float],
    note: str,
    chosen: Mapping[str, float] | None = None,
    label: str = "score on the test side",
    beside: Mapping[str, np.ndarray] | None = None,
) -> Figure:
    """A box and its dots for each score: grey box, red median, whiskers to the ends, every run a blue dot.

    scores: name of a score -> (run,) its values; NaN where a run has none, counted under the name.
    limits: of the axis that all share. note: what the runs are, for the corner; "" for none.
    chosen: name -> the value of the run chosen, a red cross. label: of the axis. beside: more scores, on an axis of
    their own because they spread more widely.
    """
    more = beside or {}
    count = len(scores) + len(more)
    with style.applied():
        figure = Figure(figsize=(style.COLUMN if count <= 3 else style.PAGE, 2.8), layout="constrained")
        panels = figure.subplots(
            1, 2 if more else 1, squeeze=False, width_ratios=[len(scores), len(more)][: 1 + bool(more)]
        )
        _boxes(panels[0, 0], scores, chosen or {})
        panels[0, 0].set_ylim(*limits)
        panels[0, 0].set_ylabel(label)
        if more:
            _boxes(panels[0, 1], more, chosen or {})
        if note:
            style.note(figure, note)
    return figure


def _boxes(axes: Axes, scores: Mapping[str, np.ndarray], chosen: Mapping[str, float]) -> None:
    look = style.look()
    names = []
    for place, (name, values) in enumerate(scores.items()):
        defined = np.sort(values[np.isfinite(values)])
        missing = len(values) - len(defined)
        names.append(name + (f"\n({missing} undefined)" if missing else ""))
        axes.boxplot(
            [defined],
            positions=[place],
            widths=0.5,
            whis=(0, 100),
            showfliers=False,
            patch_artist=True,
            boxprops={"facecolor": style.BOX, "edgecolor": style.GREY},
            whiskerprops={"color": style.GREY},
            capprops={"color": style.GREY},
            medianprops={"color": look.red, "linewidth": style.BOLD},
        )
        # Neighbours in value lie apart: the golden ratio never repeats.
        aside = (np.arange(len(defined)) * 0.618034 % 1 - 0.5) * 0.4
        axes.plot(place + aside, defined, "o", color=look.blue, markersize=3, alpha=0.7, linestyle="none")
        if name in chosen:
            axes.plot(place, chosen[name], "X", color=look.red, markeredgecolor="white", markersize=8, zorder=4)
    if axes.get_ylim()[0] < 0:
        axes.axhline(0, color=style.GREY, linewidth=0.6, zorder=0)
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(-0.5, len(names) - 0.5)
