"""How many slits are aligned with the flare to come, beside chance and beside what else may lead."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import style

MARKS = ("o", "s", "^", "D")
COLOURS = (style.RED, style.BLUE, style.GREEN, style.INK)


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
        figure = Figure(figsize=(style.PAGE, max(2.6, 1.2 + 0.25 * len(names))), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[1, 1])
        left.barh(rows, 100 * chance, height=0.9, color=style.SHADE, label="chance: profiles shifted along the slit")
        for place, (name, values) in enumerate(shares.items()):
            look = {"marker": MARKS[place % 4], "color": COLOURS[place % 4]}
            # Each predictor has a line of its own in a row, so that equal shares lie below each other; those at the
            # ends stand whole.
            aside = 0.23 * (place - (len(shares) - 1) / 2)
            left.plot(100 * values, rows + aside, linestyle="", markersize=2.6, clip_on=False, label=name, **look)
            right.plot(tolerances, 100 * curves[name], linewidth=style.LINE, markersize=3, **look)
        (dashed,) = right.plot(tolerances, 100 * expected, "_--", color=style.GREY, linewidth=1.2, label="chance, mean")
        right.axhline(100 * published, color=style.GREY, linewidth=0.8, linestyle=":")
        right.annotate(
            "the paper's share",
            (0, 100 * published),
            (4, 2),
            ("axes fraction", "data"),
            "offset points",
            fontsize=style.SMALL,
            color=style.QUIET,
        )
        right.axvline(tolerance, color=style.GREY, linewidth=style.FINE)
        right.set(xscale="log", xlabel="tolerance (arcsec)", ylabel="aligned slits (%), mean of observations")
        right.set_xticks(list(tolerances), [f"{one:g}" for one in tolerances])
        right.minorticks_off()
        right.set_ylim(0, 104)
        for row in rows[:-1] + 0.5:
            left.axhline(row, color=style.SHADE, linewidth=style.FINE, zorder=0)
        left.set(xlim=(-2, 102), ylim=(len(names) - 0.4, -0.6), xlabel=f"slits aligned within {tolerance:g} arcsec (%)")
        left.set_yticks(rows, list(names), fontsize=style.SMALL)
        if not any(np.isfinite(values).any() for values in shares.values()):
            left.text(50, rows.mean(), "no slit is long enough", ha="center", va="center", color=style.QUIET)
        left.tick_params(axis="y", length=0)
        handles, labels = left.get_legend_handles_labels()
        figure.legend([*handles, dashed], [*labels, dashed.get_label()], loc="outside lower center", ncols=3)
        if note:
            style.note(figure, note)
    return figure
