"""How well maps find planted artefacts against the number of members."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from preflare.figures import style

# Okabe and Ito: one for each method.
COLOURS = (style.GREY, style.ORANGE, style.BLUE, style.RED, style.GREEN, style.PINK)


@dataclass(frozen=True, eq=False)
class Band:
    """members: (size,). value, low, high: (size,). chance: a level, None for none."""

    members: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    chance: float | None


def draw(
    rows: Sequence[str], columns: Sequence[str], bands: Mapping[tuple[str, str], Mapping[str, Band]], remark: str
) -> Figure:
    """A panel for each measure (row) and artefact (column), a line with its 95% interval for each method.

    bands: (row, column) -> method -> Band; dashed: its chance level. remark: in the corner, such as where the spectra
    are from.
    """
    methods = list(dict.fromkeys(method for panel in bands.values() for method in panel))
    with style.applied():
        figure = Figure(
            figsize=(style.PAGE if len(columns) > 1 else style.COLUMN, 0.7 + 1.5 * len(rows)), layout="constrained"
        )
        panels = figure.subplots(len(rows), len(columns), sharex=True, sharey="row", squeeze=False)
        for (row, column), panel in bands.items():
            axes = panels[rows.index(row), columns.index(column)]
            for method, band in panel.items():
                colour = COLOURS[methods.index(method)]
                axes.fill_between(band.members, band.low, band.high, color=colour, alpha=0.13, linewidth=0)
                axes.plot(band.members, band.value, color=colour, marker="o", markersize=3, label=method)
                if band.chance is not None:
                    axes.axhline(band.chance, color=colour, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
            axes.set_ylim(-0.02, 1.04)
            axes.set_xscale("log")
            axes.set_xticks(next(iter(panel.values())).members)
            axes.xaxis.set_major_formatter(ScalarFormatter())
            axes.xaxis.set_minor_formatter(NullFormatter())
        for axes, column in zip(panels[0], columns, strict=True):
            axes.set_title(column)
        for axes, row in zip(panels[:, 0], rows, strict=True):
            axes.set_ylabel(row)
        for axes in panels[-1]:
            axes.set_xlabel("members")
        handles, labels = panels[-1, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels) if len(columns) > 1 else 2)
        style.note(figure, remark)
    return figure
