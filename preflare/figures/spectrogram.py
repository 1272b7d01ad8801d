"""Spectra of one place against time, above what speaks for PF in them (paper Fig. 12)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from preflare.figures import style


@dataclass(frozen=True, eq=False)
class Panel:
    """minutes: (repeat,) increasing. spectra: (repeat, wavelength), divided by their maximum. attribution: the same
    shape, signed, NaN for none. score: (repeat,). arrow: minute of a spectrum shown elsewhere, NaN for none. onset:
    whether minutes count to one, or to the window's end."""

    title: str
    minutes: np.ndarray
    spectra: np.ndarray
    attribution: np.ndarray
    score: np.ndarray
    arrow: float = np.nan
    onset: bool = True


def draw(
    panels: Sequence[Panel], wavelength: np.ndarray, limit: float, marks: Mapping[str, float], note: str
) -> Figure:
    """Two columns of pairs: spectra (dark is bright) with the score as a line, and attributions as colour, paler the
    lower the score.

    wavelength: (wavelength,) Å. limit: attribution at the ends of the one colour scale. marks: name -> Å.
    note: for the corner; "" for none.
    """
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    with style.applied():
        figure = Figure(figsize=(style.PAGE if columns > 1 else style.COLUMN, 0.7 + 2.7 * rows), layout="constrained")
        axes = figure.subplots(2 * rows, columns, squeeze=False)
        for number in range(rows * columns):
            row, column = divmod(number, columns)
            above, below = axes[2 * row, column], axes[2 * row + 1, column]
            if number >= len(panels):
                above.set_axis_off()
                below.set_axis_off()
                continue
            image = _pair(above, below, panels[number], wavelength, limit, marks)
            above.set_title(panels[number].title)
            _score(above, panels[number])
            below.set_xlabel("minutes from the onset" if panels[number].onset else "minutes from the end of the window")
            for one in (above, below):
                one.set_ylabel("wavelength (Å)")
            above.set_xticklabels([])
        figure.colorbar(
            image,
            ax=axes,
            location="bottom",
            label="expected gradients (log-odds per wavelength):\n"
            "for PF (+), against PF (\N{MINUS SIGN}); paler: lower score; hatched: none",
            ticks=None if style.look().ticks else [],
            extend="both",
            fraction=0.12 / rows,
            aspect=45,
        )
        if note:
            style.note(figure, note)
    return figure


def small(panel: Panel, wavelength: np.ndarray, limit: float, marks: Mapping[str, float]) -> Figure:
    """One pair for a gallery: no axes, the marks without names."""
    with style.applied():
        figure = Figure(figsize=(1.5, 1.9), layout="constrained")
        above, below = figure.subplots(2, 1)
        _pair(above, below, panel, wavelength, limit, marks, names=False)
        for one in (above, below):
            one.set(xticks=[], yticks=[])
    return figure


def _pair(
    above: Axes,
    below: Axes,
    panel: Panel,
    wavelength: np.ndarray,
    limit: float,
    marks: Mapping[str, float],
    names: bool = True,
) -> QuadMesh:
    x, y = edges(panel.minutes), edges(wavelength)
    above.pcolormesh(x, y, panel.spectra.T, cmap="binary", vmin=0, vmax=1, rasterized=True)
    look = style.look()
    strength = np.clip(np.nan_to_num(panel.score), 0, 1)
    if look.fades:
        strength /= strength.max(initial=0) or 1
    style.missing(below)
    # White below what fades, so that the hatching is of what is missing alone.
    known = np.where(np.isfinite(panel.attribution), 0.0, np.nan)
    below.pcolormesh(x, y, known.T, cmap=ListedColormap(["white"]), rasterized=True)
    image = below.pcolormesh(
        x,
        y,
        panel.attribution.T,
        cmap=look.signed,
        norm=Normalize(-limit, limit),
        rasterized=True,
    )
    image.set(alpha=np.broadcast_to(strength, panel.attribution.T.shape))
    for axes in (above, below):
        axes.set(xlim=(x[0], x[-1]), ylim=(y[-1], y[0]))
        for place in marks.values():
            axes.axhline(place, **look.rule)
    if names:
        side = blended_transform_factory(below.transAxes, below.transData)
        for text, place in marks.items():
            below.text(1.01, place, text, transform=side, fontsize=style.SMALL, va="center", color=style.QUIET)
    minute(below)
    return image


def minute(axes: Axes) -> None:
    """A bar of one minute in the lower left corner."""
    low, high = axes.get_xlim()
    start = low + 0.03 * (high - low)
    side = blended_transform_factory(axes.transData, axes.transAxes)
    axes.plot([start, start + 1], [0.06, 0.06], transform=side, color=style.INK, linewidth=2, solid_capstyle="butt")
    axes.text(start, 0.08, "1 min", transform=side, fontsize=style.SMALL, va="bottom")


def _score(axes: Axes, panel: Panel) -> None:
    """The score against time on an axis of its own, and the arrow."""
    right = axes.twinx()
    right.spines["right"].set_visible(True)
    look = style.look()
    for colour, width in ((look.halo, 2.6), (look.curve, 1.2)):
        right.plot(panel.minutes, panel.score, color=colour, linewidth=width, marker=".", markersize=2 * width)
    right.set_ylim(0, 1.06)
    right.set_yticks([0, 0.5, 1])
    right.set_ylabel("score (line)")
    if np.isfinite(panel.arrow):
        side = blended_transform_factory(axes.transData, axes.transAxes)
        axes.plot(
            [panel.arrow],
            [0.03],
            marker="^",
            markersize=5,
            color=look.red if look.fades else style.BLUE,
            transform=side,
            zorder=9,
        )


def edges(middles: np.ndarray) -> np.ndarray:
    """The borders (n + 1,) of cells around increasing middles (n,)."""
    if len(middles) < 2:
        return np.array([middles[0] - 0.5, middles[0] + 0.5])
    between = (middles[1:] + middles[:-1]) / 2
    return np.concatenate([[2 * middles[0] - between[0]], between, [2 * middles[-1] - between[-1]]])
