"""How many slits are aligned with the flare to come, beside chance and beside what else may lead."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import style

MARKS = ("o", "s", "^", "D")
COLOURS = (style.RED, style.BLUE, "#009e73", style.INK)


def draw(
    names: Sequence[str],
    shares: Mapping[str, np.ndarray],
    chance: np.ndarray,
    tolerances: Sequence[float],
    curves: Mapping[str, np.ndarray],
    expected: np.ndarray,
    tolerance: float,
    published: float,
    note: str,
) -> Figure:
    """Left, the share of aligned slits of each observation by predictor; right, its mean against the tolerance.

    names: of the observations. shares: predictor -> (observation,). chance: (observation,), by shifts. tolerances:
    (n,) arcsec. curves: predictor -> (n,). expected: (n,), by shifts. tolerance: the one of the left panel, arcsec.
    published: the paper's share. note: for the corner; "" for none.
    """
    rows = np.arange(len(names))
    with style.applied():
        figure = Figure(figsize=(7.2, 1.6 + 0.17 * len(names)), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[1, 1])
        left.barh(rows, 100 * chance, height=0.9, color="#dddddd", label="chance (shifts)")
        for place, (name, values) in enumerate(shares.items()):
            look = {"marker": MARKS[place % 4], "color": COLOURS[place % 4]}
            left.plot(
                100 * values,
                rows + 0.2 * (place - (len(shares) - 1) / 2),
                linestyle="",
                markersize=3.5,
                label=name,
                **look,
            )
            right.plot(tolerances, 100 * curves[name], linewidth=1.2, markersize=4, **look)
        right.plot(tolerances, 100 * expected, color=style.GREY, linewidth=1.2, linestyle="--")
        right.axhline(100 * published, color=style.GREY, linewidth=0.8, linestyle=":")
        right.annotate(
            "the paper's share",
            (0, 100 * published),
            (4, 2),
            ("axes fraction", "data"),
            "offset points",
            fontsize=7,
            color="#555555",
        )
        right.axvline(tolerance, color=style.GREY, linewidth=0.6)
        right.set(xscale="log", xlabel="tolerance (arcsec)", ylabel="aligned slits (%), mean of observations")
        right.set_xticks(list(tolerances), [f"{one:g}" for one in tolerances])
        right.minorticks_off()
        right.set_ylim(0, 104)
        left.set(xlim=(-3, 103), ylim=(len(names), -1), xlabel=f"slits aligned within {tolerance:g} arcsec (%)")
        left.set_yticks(rows, list(names), fontsize=6)
        for axes in (left, right):
            axes.xaxis.label.set_fontsize(8)
            axes.yaxis.label.set_fontsize(8)
            axes.tick_params(axis="x", labelsize=7)
        right.tick_params(axis="y", labelsize=7)
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=7)
        if note:
            style.note(figure, note)
    return figure
