"""The Sun's X-rays around observations, each with its window and onset (the curves of paper Fig. 1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from preflare.figures import style


@dataclass(frozen=True, eq=False)
class Curve:
    """time: (n,) minutes from the observation's start. flux: (n,) W/m². window: first and last minute. onset: minute
    of the flare's, NaN for none. marks: minutes of images shown elsewhere."""

    title: str
    time: np.ndarray
    flux: np.ndarray
    window: tuple[float, float]
    onset: float
    marks: Sequence[float] = ()


def draw(curves: Sequence[Curve], classes: Mapping[str, float], remark: str) -> Figure:
    """A panel for each. classes: name -> W/m² at which it begins. remark: in the corner, "" for none."""
    columns = min(5, len(curves))
    rows = -(-len(curves) // columns)
    with style.applied():
        figure = Figure(figsize=(style.PAGE if columns > 2 else style.COLUMN, 0.5 + 1.05 * rows), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False, sharey=True)
        for axes in panels.flat[len(curves) :]:
            axes.set_axis_off()
        for axes, curve in zip(panels.flat, curves, strict=False):
            panel(axes, curve, classes)
            axes.set_title(curve.title, fontsize=style.SMALL)
            axes.locator_params(axis="x", nbins=4)
        figure.supxlabel("minutes from the observation's start")
        figure.supylabel("GOES flux, 1 to 8 Å (W/m²)")
        if remark:
            style.note(figure, remark)
    return figure


def panel(axes: Axes, curve: Curve, classes: Mapping[str, float]) -> None:
    """One curve: the window grey, the onset an orange line, images dashed blue lines, classes as grey levels."""
    axes.axvspan(*curve.window, color=style.SHADE, linewidth=0)
    axes.plot(curve.time, curve.flux, color=style.BLUE, linewidth=1.0)
    axes.set_yscale("log")
    axes.set_ylim(3e-8, 5e-4)
    for name, level in classes.items():
        if 3e-8 < level < 5e-4:
            axes.axhline(level, color=style.GREY, linewidth=0.5, linestyle=":", zorder=0)
            axes.annotate(
                name, (1, level), (2, 0), ("axes fraction", "data"), "offset points", fontsize=style.SMALL, va="center"
            )
    if np.isfinite(curve.onset):
        axes.axvline(curve.onset, color=style.RED, linewidth=1.0)
    for mark in curve.marks:
        axes.axvline(mark, color=style.BLUE, linewidth=0.8, linestyle="--")
