"""An observation in its surroundings (paper Figs. 1 and 18): X-rays on the left, images with the slit on the right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import style
from preflare.figures.xrays import Curve, panel


@dataclass(frozen=True, eq=False)
class View:
    """image: (y, x), upright, NaN where nothing is shown. extent: left, right, bottom, top, arcsec. limits: of its
    values, drawn black and white."""

    title: str
    image: np.ndarray
    extent: tuple[float, float, float, float]
    limits: tuple[float, float]


def draw(
    title: str,
    curve: Curve | None,
    views: Sequence[View],
    slits: Sequence[np.ndarray],
    classes: Mapping[str, float],
    remark: str,
) -> Figure:
    """One row: the curve, where it is known, then the images with the slit's places as green lines.

    title: of the curve. slits: (2, 2) each, the ends of the slit's places, x and y in arcsec. There must be a curve or
    a view.
    """
    widths = [2.2] * (curve is not None) + [1.5] * len(views)
    with style.applied():
        figure = Figure(figsize=(style.PAGE, 1.0 + 9.0 / sum(widths)), layout="constrained")
        panels = figure.subplots(1, len(widths), squeeze=False, gridspec_kw={"width_ratios": widths})[0]
        if curve is not None:
            panel(panels[0], curve, classes)
            panels[0].set_title(title, loc="left")
            panels[0].set_xlabel("minutes from the observation's start")
            panels[0].set_ylabel("GOES flux, 1 to 8 Å (W/m²)")
        for axes, view in zip(panels[len(widths) - len(views) :], views, strict=True):
            low, high = view.limits
            axes.imshow(
                # The square root shows plage and quiet Sun at once.
                np.sqrt(np.clip(view.image - low, 0, None)),
                vmin=0,
                vmax=np.sqrt(max(high - low, 1e-6)),
                cmap="gray",
                origin="lower",
                extent=view.extent,
            )
            for ends in slits:
                axes.plot(ends[:, 0], ends[:, 1], color=style.GREEN, linewidth=0.8, alpha=0.8)
            axes.set_title(view.title, fontsize=style.SMALL, loc="left")
            style.missing(axes)
            axes.locator_params(nbins=4)
            axes.set_xlabel("x (arcsec)")
        if views:
            panels[len(widths) - len(views)].set_ylabel("y (arcsec)")
        if remark:
            style.note(figure, remark)
    return figure
