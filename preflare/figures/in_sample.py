"""Observations explained by networks that did not see them, beside networks that did."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from preflare.figures import style


def draw(
    unseen: np.ndarray,
    other: np.ndarray,
    alike: np.ndarray,
    flaring: np.ndarray,
    seen: np.ndarray,
    middle: tuple[float, float],
    note: str,
) -> Figure:
    """Left, mean scores by those that did not see an observation, and by the others; right, how alike the two
    attributions are. PF red, AR blue; filled where the others trained with it, open where they did not.

    All (observation,); flaring, seen: bool. middle: medians of alike where seen, and where not, as lines.
    """
    with style.applied():
        figure = Figure(figsize=(style.PAGE, 3.1), layout="constrained")
        scores, likeness = figure.subplots(1, 2, width_ratios=[1.15, 1])
        scores.plot([0, 1], [0, 1], color=style.GREY, linewidth=0.8, linestyle=":")
        colours = np.where(flaring, style.RED, style.BLUE)
        groups = [np.flatnonzero(seen), np.flatnonzero(~seen)]
        for place, group in enumerate(groups):
            for row in group:
                face = colours[row] if seen[row] else "none"
                scores.plot(unseen[row], other[row], "o", color=colours[row], markerfacecolor=face, markersize=4.5)
            # Neighbours in value lie apart: the golden ratio never repeats.
            order = group[np.argsort(alike[group])]
            aside = (np.arange(len(order)) * 0.618034 % 1 - 0.5) * 0.5
            for row, shift in zip(order, aside, strict=True):
                face = colours[row] if seen[row] else "none"
                likeness.plot(place + shift, alike[row], "o", color=colours[row], markerfacecolor=face, markersize=4.5)
            likeness.plot([place - 0.3, place + 0.3], [middle[place]] * 2, color=style.INK, linewidth=style.BOLD)
        scores.set(xlim=(0, 1), ylim=(0, 1), xlabel="mean score, unseen", ylabel="mean score, other networks")
        scores.set_aspect("equal")
        likeness.axhline(0, color=style.GREY, linewidth=0.6)
        likeness.set_xticks([0, 1], ["trained with it", "not trained with it"])
        likeness.set_xlim(-0.6, 1.6)
        likeness.set_ylim(min(-0.05, float(np.nanmin(alike)) - 0.05), 1.02)
        likeness.set_xlabel("the other networks")
        likeness.set_ylabel("correlation of attributions")
        handles = [
            Line2D([], [], marker="o", linestyle="none", color=colour, markerfacecolor=face, label=name)
            for colour, face, name in (
                (style.RED, style.RED, "PF"),
                (style.BLUE, style.BLUE, "AR"),
                (style.INK, style.INK, "the others trained with it"),
                (style.INK, "none", "they did not"),
            )
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
        if note:
            style.note(figure, note)
    return figure


def profiles(
    wavelength: np.ndarray,
    unseen: np.ndarray,
    other: np.ndarray,
    changed: np.ndarray | None,
    cores: Mapping[str, float],
    features: Mapping[str, float],
    note: str,
) -> Figure:
    """Where attributions are, on the average, both ways, as shares of their sums; below, how often a simulated
    precursor changed a wavelength, None where that is not known.

    wavelength, unseen, other, changed: (wavelength,). cores, about which velocities are, and features: name -> Å.
    """
    with style.applied():
        rows = 1 if changed is None else 2
        figure = Figure(figsize=(style.PAGE, 2.0 + 1.0 * rows), layout="constrained")
        panels = figure.subplots(rows, 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": [2.2, 1][:rows]})[
            :, 0
        ]
        top = panels[0]
        top.plot(wavelength, unseen, color=style.INK, label="not trained with them")
        top.plot(wavelength, other, color=style.RED, linewidth=1.0, label="trained with them")
        top.set_xlim(wavelength[0], wavelength[-1])
        top.set_ylim(bottom=0)
        top.set_ylabel("share of |attribution|")
        top.legend(loc="upper right")
        if changed is not None:
            panels[1].fill_between(wavelength, 0, changed, color=style.GREY, linewidth=0)
            panels[1].set_ylim(bottom=0)
            panels[1].set_ylabel("spectra with\na change there")
            for place in (*cores.values(), *features.values()):
                style.rule(panels[1], place)
        panels[-1].set_xlabel("vacuum wavelength (Å)")
        if note:
            style.note(figure, note)
        figure.draw_without_rendering()
        style.mark(top, {**cores, **features}, 2 + style.velocity(top, cores))
    return figure
