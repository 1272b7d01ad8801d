"""A slit against time: intensity with the X-rays, attribution with the score (paper Figs. 14, D.1 and D.2)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, StrMethodFormatter

from preflare.figures import style
from preflare.figures.spectra import AGAINST_TO_FOR
from preflare.figures.spectrogram import edges

NOTHING = "#d9d9d9"
# Of the two columns' scales.
UNITS = (("", ""), ("DN/s", "log-odds per wavelength: for PF (+), against PF (\N{MINUS SIGN})"))


@dataclass(frozen=True, eq=False)
class Map:
    """minutes: (repeat,) from the onset. along: (slit,) arcsec. intensity, attribution: (repeat, slit), in DN/s and
    signed; own_intensity, own_attribution: the same with each side of the onset on its own scale, up to 1. score:
    (repeat,) mean along the slit. xrays: minutes and W/m², (n,) each. onset: whether there is one, at 0. leads, flare,
    footpoint: arcsec of the pixel that leads before, of the brightest in the flare, and of what the simulation made
    flare; NaN for none.
    """

    title: str
    minutes: np.ndarray
    along: np.ndarray
    intensity: np.ndarray
    attribution: np.ndarray
    own_intensity: np.ndarray
    own_attribution: np.ndarray
    score: np.ndarray
    xrays: tuple[np.ndarray, np.ndarray]
    onset: bool
    leads: float = np.nan
    flare: float = np.nan
    footpoint: float = np.nan


def draw(one: Map, limit: float, classes: Mapping[str, float], note: str) -> Figure:
    """Two columns: each side of the onset on a scale of its own, as in the paper, and one scale for all.

    limit: attribution at the ends of the common scale. classes: name -> W/m² at which it begins, as dotted levels.
    note: for the corner; "" for none.
    """
    with style.applied():
        figure = Figure(figsize=(7.2, 4.4), layout="constrained")
        axes = figure.subplots(2, 2, sharex=True, sharey=True)
        common = LogNorm(*_range(one.intensity))
        columns = (
            (one.own_intensity, Normalize(0, 1), one.own_attribution, 1.0, "each side on its own scale"),
            (one.intensity, common, one.attribution, limit, "one scale"),
        )
        for column, (light, norm, values, end, kind) in enumerate(columns):
            above, below = axes[:, column]
            bright = _image(above, one, light, norm, "magma")
            evidence = _image(below, one, values, Normalize(-end, end), AGAINST_TO_FOR)
            above.set_title(kind, fontsize=9)
            _bar(figure, bright, above, "top", UNITS[column][0])
            _bar(figure, evidence, below, "bottom", UNITS[column][1])
            _xrays(above, one, classes, named=column == 1)
            _score(below, one, named=column == 1)
            for panel in (above, below):
                _places(panel, one)
        axes[0, 0].set_ylabel("intensity\narcsec along the slit", fontsize=8)
        axes[1, 0].set_ylabel("attribution\narcsec along the slit", fontsize=8)
        for panel in axes.flat:
            panel.tick_params(labelsize=7)
        figure.supxlabel("minutes to the onset" if one.onset else "minutes to the end of the window", fontsize=8)
        figure.suptitle(one.title, x=0.01, ha="left", fontsize=9)
        if note:
            figure.text(0.995, 0.985, note, ha="right", va="top", fontsize=9, style="italic", color=style.RED)
    return figure


def small(one: Map, limit: float) -> Figure:
    """Intensity above attribution for a gallery, each on one scale, without axes."""
    with style.applied():
        figure = Figure(figsize=(1.6, 1.5), layout="constrained")
        above, below = figure.subplots(2, 1)
        _image(above, one, one.intensity, LogNorm(*_range(one.intensity)), "magma")
        _image(below, one, one.attribution, Normalize(-limit, limit), AGAINST_TO_FOR)
        for panel in (above, below):
            _places(panel, one)
            panel.set(xticks=[], yticks=[])
    return figure


def _range(values: np.ndarray) -> tuple[float, float]:
    known = values[np.isfinite(values) & (values > 0)]
    if not known.size or np.ptp(np.quantile(known, [0.02, 0.995])) == 0:
        return 1.0, 10.0
    low, high = np.quantile(known, [0.02, 0.995])
    return float(low), float(high)


def _image(axes: Axes, one: Map, values: np.ndarray, norm: Normalize, colours: str | Colormap) -> QuadMesh:
    axes.set_facecolor(NOTHING)
    x, y = edges(one.minutes), edges(one.along)
    image = axes.pcolormesh(x, y, values.T, norm=norm, cmap=colours, rasterized=True)
    axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    return image


def _bar(figure: Figure, image: QuadMesh, axes: Axes, side: str, unit: str) -> None:
    plain = {"ticks": LogLocator(subs=(1, 2, 5)), "format": StrMethodFormatter("{x:g}")}
    kind = plain if isinstance(image.norm, LogNorm) else {}
    bar = figure.colorbar(image, ax=axes, location=side, aspect=40, pad=0.02, **kind)  # type: ignore[arg-type]
    bar.minorticks_off()
    bar.ax.tick_params(labelsize=6)
    bar.set_label(unit, fontsize=6)


def _places(axes: Axes, one: Map) -> None:
    """The onset; where attribution leads before it (left), where the flare is brightest (right), the true place."""
    if one.onset:
        axes.axvline(0, color="white", linewidth=2.4)
        axes.axvline(0, color=style.INK, linewidth=1.2)
    if np.isfinite(one.footpoint):
        axes.axhline(one.footpoint, color="#00b000", linewidth=0.9, linestyle=(0, (1, 2)))
    low, high = axes.get_xlim()
    for place, at, mark in ((one.leads, low, ">"), (one.flare, high, "<")):
        if np.isfinite(place):
            axes.plot([at], [place], mark, color=style.BLUE, markersize=6, clip_on=False, zorder=9)


def _xrays(axes: Axes, one: Map, classes: Mapping[str, float], named: bool) -> None:
    right = axes.twinx()
    inside = (one.xrays[0] >= axes.get_xlim()[0]) & (one.xrays[0] <= axes.get_xlim()[1])
    time, flux = one.xrays[0][inside], one.xrays[1][inside]
    for colour, width in (("white", 2.6), (style.INK, 1.2)):
        right.plot(time, flux, color=colour, linewidth=width)
    right.set_yscale("log")
    right.set_ylim(1e-7, 1e-3)
    for name, level in classes.items():
        if 1e-7 < level < 1e-3:
            right.axhline(level, color="white", linewidth=0.5, linestyle=":")
            if named:
                right.annotate(name, (1, level), (3, 0), ("axes fraction", "data"), "offset points", fontsize=6)
    right.set_yticks([])
    right.minorticks_off()
    if named:
        right.set_ylabel("GOES (line)", fontsize=7, labelpad=12)


def _score(axes: Axes, one: Map, named: bool) -> None:
    right = axes.twinx()
    for colour, width in (("white", 2.6), (style.INK, 1.2)):
        right.plot(one.minutes, one.score, color=colour, linewidth=width)
    right.set_ylim(0, 1)
    right.set_yticks([0, 0.5, 1] if named else [])
    right.tick_params(labelsize=7)
    if named:
        right.set_ylabel("mean score (line)", fontsize=7)
