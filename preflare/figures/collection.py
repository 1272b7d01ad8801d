"""How observations were collected (paper Fig. 1): X-rays with the window, and where the slit stood."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import places, style
from preflare.figures.context import View
from preflare.figures.xrays import Curve, panel


@dataclass(frozen=True, eq=False)
class Collected:
    """An observation. curve: its X-rays, None where unknown. cadence: minutes from one raster to the next. cells:
    (n, 4, 2) corners of what the pixels of one raster cover, x and y in arcsec; intensity: (n,) theirs. view: the image
    behind, if any. more: other images of that field, shown beside it."""

    title: str
    curve: Curve | None
    cadence: float
    cells: np.ndarray
    intensity: np.ndarray
    view: View | None
    more: Sequence[View] = ()


def draw(collected: Sequence[Collected], classes: Mapping[str, float], remark: str) -> Figure:
    """A row for each: left its X-rays, the window grey, the time of one raster as a black bar; right its pixels,
    coloured by intensity, bright where it is high; then the other images of the field.

    classes: name -> W/m² at which it begins.
    """
    with style.applied():
        beside = max((len(one.more) for one in collected), default=0)
        widths = [1.5, 1, *[0.8] * beside]
        figure = Figure(figsize=(style.PAGE, 0.3 + 2.5 * len(collected)), layout="constrained")
        panels = figure.subplots(len(collected), len(widths), squeeze=False, gridspec_kw={"width_ratios": widths})
        for (left, right, *others), one in zip(panels, collected, strict=True):
            left.set_title(one.title, loc="left")
            if one.curve is None:
                left.annotate("no X-rays known", (0.5, 0.5), xycoords="axes fraction", ha="center")
                left.set_axis_off()
            else:
                panel(left, one.curve, classes)
                start = one.curve.window[0]
                left.plot(
                    [start, start + one.cadence], [6e-8, 6e-8], color=style.INK, linewidth=4, solid_capstyle="butt"
                )
                # Beside the window, where nothing else is written.
                late = start > np.mean(left.get_xlim())
                left.annotate(
                    f"one raster, {one.cadence:.1f} min",
                    (start if late else start + one.cadence, 6e-8),
                    (-4 if late else 4, 0),
                    textcoords="offset points",
                    ha="right" if late else "left",
                    va="center",
                    fontsize=style.TICK,
                )
                left.set_xlabel("minutes from the observation's start")
                left.set_ylabel("GOES flux, 1 to 8 Å (W/m²)")
            shown = places.cover(right, one.cells, one.intensity, one.view, "cividis", 0, one.intensity.max(initial=1))
            figure.colorbar(shown, ax=right, label="intensity (DN/s)")
            for axes in others[len(one.more) :]:
                axes.set_axis_off()
            for axes, view in zip(others, one.more, strict=False):
                places.cover(axes, one.cells, np.full(len(one.cells), np.nan), view, "cividis", 0, 1)
                axes.scatter(*one.cells.mean(axis=1).T, s=1, color=style.BLUE, linewidths=0)
            right.set_ylabel("y (arcsec)")
        if remark:
            style.note(figure, remark)
    return figure
