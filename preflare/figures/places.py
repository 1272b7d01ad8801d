"""What was found where: pixels on the Sun coloured by values, over an image."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import Colormap
from matplotlib.figure import Figure

from preflare.figures import style
from preflare.figures.context import View


def draw(cells: np.ndarray, values: Mapping[str, np.ndarray], view: View | None, remark: str) -> Figure:
    """A panel for each of some values; those that have both signs on a scale about zero, others on one from zero.

    cells: (n, 4, 2) corners of what pixels cover, x and y in arcsec. values: title -> (n,), NaN where there is none,
    which leaves the image to be seen. view: the image behind, None for none.
    """
    # Side by side, images of a long slit would stand far apart on a page.
    width = style.COLUMN if view is not None and _shape(view) < 0.5 and len(values) < 3 else style.PAGE
    with style.applied():
        figure = Figure(figsize=(width, 3.3), layout="constrained")
        panels = figure.subplots(1, len(values), squeeze=False, sharey=True)[0]
        for axes, (title, found) in zip(panels, values.items(), strict=True):
            most = float(np.nanmax(np.abs(found), initial=0.0)) or 1.0
            signed = bool(np.nanmin(found, initial=0.0) < 0)
            colours = style.look().signed if signed else "cividis"
            shown = cover(axes, cells, found, view, colours, -most if signed else 0, most)
            figure.colorbar(shown, ax=axes, label=title)
        panels[0].set_ylabel("y (arcsec)")
        if remark:
            style.note(figure, remark)
    return figure


def _shape(view: View) -> float:
    """Width by height, arcsec."""
    left, right, bottom, top = view.extent
    return (right - left) / (top - bottom)


def cover(
    axes: Axes,
    cells: np.ndarray,
    values: np.ndarray,
    view: View | None,
    colours: str | Colormap,
    low: float,
    high: float,
) -> PolyCollection:
    """Cells (n, 4, 2) coloured by values (n,) between low and high, those with none left out. Over an image both axes
    have one scale; without one they end with the cells, and say so, for a slit is long and a raster narrow."""
    if view is None:
        style.missing(axes)
        axes.set_xlabel("x (arcsec)\n(stretched)")
    else:
        axes.set_xlabel("x (arcsec)")
        axes.imshow(
            view.image, vmin=view.limits[0], vmax=view.limits[1], cmap="gray", origin="lower", extent=view.extent
        )
        axes.set_title(view.title, fontsize=style.SMALL, loc="left")
    there = np.isfinite(values)
    shown = PolyCollection(list(cells[there]), cmap=colours, linewidths=0.1, edgecolors="face")
    shown.set_array(values[there])
    shown.set_clim(low, high)
    axes.add_collection(shown)
    axes.locator_params(axis="x", nbins=4 if view is None else int(np.clip(round(4 * _shape(view)), 1, 4)))
    if view is None and len(cells):
        (left, bottom), (right, top) = cells.reshape(-1, 2).min(axis=0), cells.reshape(-1, 2).max(axis=0)
        # A file may say that all pixels are at one place; then there is nothing to end with.
        if left < right:
            axes.set_xlim(left, right)
        if bottom < top:
            axes.set_ylim(bottom, top)
    elif view is not None:
        axes.set(xlim=view.extent[:2], ylim=view.extent[2:])
    return shown
