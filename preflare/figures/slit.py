"""A slit against time: intensity with the X-rays, attribution with the score (paper Figs. 14, D.1 and D.2)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from preflare.figures import style
from preflare.figures.spectrogram import edges

# W/m² that the axis of the X-rays shows.
FAINT, BRIGHT = 1e-7, 1e-3
# Columns -> length over breadth of a colour bar.
ASPECT = {1: 80, 2: 40}
EVIDENCE = "log-odds per wavelength, for (+) or against (\N{MINUS SIGN}) PF"


@dataclass(frozen=True, eq=False)
class Map:
    """minutes: (repeat,) from the onset. along: (slit,) arcsec. intensity, attribution: (repeat, slit), in DN/s and
    signed; own_intensity, own_attribution: the same with each side of the onset on its own scale, up to 1. light: the
    intensities at the ends of the common scale. score: (repeat,) mean along the slit. xrays: minutes and W/m², (n,)
    each. onset: whether there is one, at 0. leads, flare, footpoint: arcsec of the pixel that leads before, of the
    brightest in the flare, and of what the simulation made flare; NaN for none.
    """

    title: str
    minutes: np.ndarray
    along: np.ndarray
    intensity: np.ndarray
    attribution: np.ndarray
    own_intensity: np.ndarray
    own_attribution: np.ndarray
    light: tuple[float, float]
    score: np.ndarray
    xrays: tuple[np.ndarray, np.ndarray]
    onset: bool
    leads: float = np.nan
    flare: float = np.nan
    footpoint: float = np.nan


def draw(one: Map, limit: float, classes: Mapping[str, float], note: str) -> Figure:
    """Intensity above attribution: right on one scale; left, where there is an onset, each side of it on a scale of
    its own, as in the paper.

    limit: attribution at the ends of the common scale. classes: name -> W/m² at which it begins, as dotted levels.
    note: for the corner; "" for none.
    """
    columns: list[tuple[np.ndarray, Normalize, str, np.ndarray, float, str, str]] = [
        (
            one.intensity,
            LogNorm(*one.light),
            "intensity (DN/s)",
            one.attribution,
            limit,
            f"attribution ({EVIDENCE})",
            "one scale",
        )
    ]
    if one.onset:
        own = "over the highest of its side of the onset"
        columns.insert(
            0,
            (
                one.own_intensity,
                Normalize(0, 1),
                f"intensity {own}",
                one.own_attribution,
                1.0,
                f"attribution {own}",
                "each side on its own scale",
            ),
        )
    with style.applied():
        figure = Figure(figsize=(style.PAGE, 4.4), layout="constrained")
        axes = figure.subplots(2, len(columns), sharex=True, sharey=True, squeeze=False)
        for column, (light, norm, lit, values, end, said, kind) in enumerate(columns):
            above, below = axes[:, column]
            bright = _image(above, one, light, norm, "magma")
            evidence = _image(below, one, values, Normalize(-end, end), style.look().signed)
            above.set_title(kind)
            _bar(figure, bright, above, "top", lit, len(columns))
            _bar(figure, evidence, below, "bottom", said, len(columns))
            _xrays(above, one, classes, named=column == len(columns) - 1)
            _score(below, one, named=column == len(columns) - 1)
            for panel in (above, below):
                _places(panel, one)
        for panel in axes[:, 0]:
            panel.set_ylabel("arcsec along the slit")
        for panel in axes[1]:
            panel.set_xlabel("minutes from the onset" if one.onset else "minutes from the end of the window")
        figure.suptitle(one.title, x=0.01, ha="left", fontsize=style.TITLE)
        figure.legend(handles=_legend(one), loc="outside lower center", ncols=5)
        if note:
            figure.text(0.995, 0.99, note, ha="right", va="top", fontsize=style.TICK, style="italic", color=style.RED)
    return figure


def small(one: Map, limit: float) -> Figure:
    """Intensity above attribution for a gallery, each on one scale, without axes."""
    with style.applied():
        figure = Figure(figsize=(1.6, 1.5), layout="constrained")
        above, below = figure.subplots(2, 1)
        _image(above, one, one.intensity, LogNorm(*one.light), "magma")
        _image(below, one, one.attribution, Normalize(-limit, limit), style.look().signed)
        for panel in (above, below):
            _places(panel, one)
            panel.set(xticks=[], yticks=[])
    return figure


def _image(axes: Axes, one: Map, values: np.ndarray, norm: Normalize, colours: str | Colormap) -> QuadMesh:
    style.missing(axes)
    x, y = edges(one.minutes), edges(one.along)
    image = axes.pcolormesh(x, y, values.T, norm=norm, cmap=colours, rasterized=True)
    axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    return image


def _bar(figure: Figure, image: QuadMesh, axes: Axes, side: str, title: str, count: int) -> None:
    plain = {"ticks": LogLocator(subs=(1, 2, 5)), "format": StrMethodFormatter("{x:g}")}
    kind = plain if isinstance(image.norm, LogNorm) else {}
    bar = figure.colorbar(image, ax=axes, location=side, aspect=ASPECT[count], pad=0.02, **kind)  # type: ignore[arg-type]
    if not kind:
        bar.ax.locator_params(nbins=5)
    bar.minorticks_off()
    bar.ax.tick_params(labelsize=style.SMALL)
    bar.set_label(title, fontsize=style.SMALL)


def _places(axes: Axes, one: Map) -> None:
    """The onset; where attribution leads before it (left), where the flare is brightest (right), the true place."""
    if one.onset:
        axes.axvline(0, color="white", linewidth=2.4)
        axes.axvline(0, color=style.INK, linewidth=1.2)
    if np.isfinite(one.footpoint):
        axes.axhline(one.footpoint, color="white", linewidth=1.8)
        axes.axhline(one.footpoint, color=style.INK, linewidth=0.9, linestyle=(0, (2, 2)))
    low, high = axes.get_xlim()
    for place, at, mark in ((one.leads, low, ">"), (one.flare, high, "<")):
        if np.isfinite(place):
            axes.plot(
                [at], [place], mark, color=style.INK, markeredgecolor="white", markersize=6, clip_on=False, zorder=9
            )


def _legend(one: Map) -> list[Line2D | Patch]:
    """What marks mean, of those that are there."""
    found: list[Line2D | Patch] = [Patch(facecolor="white", edgecolor=style.GREY, hatch="//////", label="no value")]
    if np.isfinite(one.leads):
        found.append(Line2D([], [], color=style.INK, marker=">", linestyle="", label="attribution leads"))
    if np.isfinite(one.flare):
        found.append(Line2D([], [], color=style.INK, marker="<", linestyle="", label="brightest in the flare"))
    if np.isfinite(one.footpoint):
        found.append(Line2D([], [], color=style.INK, linewidth=0.9, linestyle=(0, (2, 2)), label="flare put in"))
    if one.onset:
        found.append(Line2D([], [], color=style.INK, linewidth=1.2, label="onset"))
    return found


def _xrays(axes: Axes, one: Map, classes: Mapping[str, float], named: bool) -> None:
    right = axes.twinx()
    inside = (one.xrays[0] >= axes.get_xlim()[0]) & (one.xrays[0] <= axes.get_xlim()[1])
    time, flux = one.xrays[0][inside], one.xrays[1][inside]
    for colour, width in (("white", 2.6), (style.INK, 1.2)):
        right.plot(time, flux, color=colour, linewidth=width)
    right.set_yscale("log")
    right.set_ylim(FAINT, BRIGHT)
    for name, level in classes.items():
        if FAINT < level < BRIGHT:
            right.axhline(level, color="white", linewidth=style.FINE, linestyle=":")
            if named:
                right.annotate(
                    name, (1, level), (-8, 1), ("axes fraction", "data"), "offset points", color="white", va="bottom"
                )
    right.yaxis.set_minor_formatter(NullFormatter())
    if named:
        right.spines["right"].set_visible(True)
        right.set_ylabel("line: GOES, 1 to 8 Å (W/m²)")
    else:
        right.set_yticks([])
        right.minorticks_off()


def _score(axes: Axes, one: Map, named: bool) -> None:
    right = axes.twinx()
    look = style.look()
    curve = (look.halo, 2.6), (look.curve if look.curve == "white" else style.INK, 1.2)
    for colour, width in curve:
        right.plot(one.minutes, one.score, color=colour, linewidth=width)
    right.set_ylim(0, 1)
    right.set_yticks([0, 0.5, 1] if named else [])
    if named:
        right.spines["right"].set_visible(True)
        right.set_ylabel("line: mean score")
