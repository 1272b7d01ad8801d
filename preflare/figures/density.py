"""Many points as a density, with lines through them (paper Fig. 15)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import style


@dataclass(frozen=True, eq=False)
class Through:
    """A line from point to point. x, y: (n,); label: "" for none."""

    x: np.ndarray
    y: np.ndarray
    label: str
    colour: str


def draw(
    x: np.ndarray,
    y: np.ndarray,
    lines: Sequence[Through],
    titles: tuple[str, str],
    limits: tuple[tuple[float, float], tuple[float, float]],
    span: tuple[float, float, float] | None,
    note: str,
) -> Figure:
    """Points (n,) counted in hexagons at column width; those beyond the limits are not shown.

    titles, limits: of both axes. span: a break with its interval, (place, low, high), as vertical lines. note: for the
    corner; "" for none.
    """
    with style.applied():
        figure = Figure(figsize=(style.COLUMN, 3.2), layout="constrained")
        axes = figure.subplots()
        inside = (x >= limits[0][0]) & (x <= limits[0][1]) & (y >= limits[1][0]) & (y <= limits[1][1])
        drawn = axes.hexbin(
            x[inside], y[inside], gridsize=34, bins="log", mincnt=1, cmap="viridis_r", extent=(*limits[0], *limits[1])
        )
        for line in lines:
            axes.plot(line.x, line.y, color="white", linewidth=3)
            axes.plot(line.x, line.y, color=line.colour, linewidth=1.6, label=line.label or None)
        if span is not None:
            place, low, high = span
            for one in span:
                axes.axvline(one, color="white", linewidth=2.2)
            axes.axvline(place, color=style.INK, linestyle="--", label="break")
            for number, end in enumerate((low, high)):
                axes.axvline(end, color=style.INK, linestyle=":", label=None if number else "its 95% interval")
        axes.set_xlim(limits[0])
        axes.set_ylim(limits[1])
        axes.set_xlabel(titles[0])
        axes.set_ylabel(titles[1])
        figure.colorbar(drawn, ax=axes, label="spectra", shrink=0.8, pad=0.02)
        if span is not None or any(line.label for line in lines):
            figure.legend(loc="outside lower center", ncols=2)
        if note:
            style.note(figure, note)
    return figure
