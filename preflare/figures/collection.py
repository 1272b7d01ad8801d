"""How observations were collected (paper Fig. 1): X-rays with the window, and where the slit stood."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from preflare.figures import style
from preflare.figures.context import View
from preflare.figures.xrays import Curve, panel


@dataclass(frozen=True, eq=False)
class Collected:
    """An observation. curve: its X-rays, None where unknown. cadence: minutes from one raster to the next. places:
    (n, 2) of the spectra of one raster, x and y in arcsec; intensity: (n,) theirs. view: the image behind, if any.
    more: other images of that field, shown beside it."""

    title: str
    curve: Curve | None
    cadence: float
    places: np.ndarray
    intensity: np.ndarray
    view: View | None
    more: Sequence[View] = ()


def draw(collected: Sequence[Collected], classes: Mapping[str, float], remark: str) -> Figure:
    """A row for each: left its X-rays, the window grey, the time of one raster as a black bar; right its places,
    coloured by intensity, bright where it is high; then the other images of the field.

    classes: name -> W/m² at which it begins.
    """
    with style.applied():
        beside = max((len(one.more) for one in collected), default=0)
        figure = Figure(figsize=(6.8 + 2.2 * beside, 2.9 * len(collected)), layout="constrained")
        widths = [1.7, 1, *[0.8] * beside]
        panels = figure.subplots(len(collected), len(widths), squeeze=False, gridspec_kw={"width_ratios": widths})
        for (left, right, *others), one in zip(panels, collected, strict=True):
            left.set_title(one.title, fontsize=9, loc="left")
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
                    fontsize=7,
                )
                left.set_xlabel("minutes from the observation's start")
                left.set_ylabel("GOES flux (W/m²)")
            if one.view is not None:
                _show(right, one.view)
            for axes in others[len(one.more) :]:
                axes.set_axis_off()
            for axes, view in zip(others, one.more, strict=False):
                _show(axes, view)
                axes.scatter(*one.places.T, s=1, color=style.BLUE, linewidths=0)
                axes.set_xlabel("x (arcsec)")
                axes.tick_params(labelsize=7)
            dots = right.scatter(*one.places.T, c=one.intensity, s=14, marker="s", cmap="cividis", linewidths=0)
            bar = figure.colorbar(dots, ax=right, shrink=0.8)
            bar.set_label("intensity (DN/s)", fontsize=8)
            bar.ax.tick_params(labelsize=7)
            right.set_xlabel("x (arcsec)")
            right.set_ylabel("y (arcsec)")
            right.set_aspect("equal", adjustable="datalim")
            right.margins(0.25)
        if remark:
            style.note(figure, remark)
    return figure


def _show(axes: Axes, view: View) -> None:
    shown = view.image[np.isfinite(view.image)]
    low, high = np.percentile(shown, [1, 99.5]) if shown.size else (0, 1)
    axes.imshow(view.image, vmin=low, vmax=high, cmap="gray", origin="lower", extent=view.extent)
    axes.set_title(view.title, fontsize=7, loc="left")
