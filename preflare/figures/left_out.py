"""What each observation carries: the skill without it, and how it fares when it is held out."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import style

COLOURS = {"AR": style.BLUE, "PF": style.RED}


def draw(names: Sequence[str], correct: np.ndarray, without: np.ndarray, whole: float, note: str) -> Figure:
    """A row per observation: left, the share of its spectra called right when held out; right, TSS without it.

    names: with their prefix, which colours a row. correct, without: (observation,). whole: TSS of all of them.
    note: for the corner; "" for none.
    """
    rows = np.arange(len(names))
    colours = [COLOURS.get(name[:2], style.GREY) for name in names]
    with style.applied():
        figure = Figure(figsize=(style.PAGE, 0.8 + 0.145 * len(names)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        left.barh(rows, correct, color=colours, height=0.7)
        left.axvline(0.5, color=style.GREY, linewidth=0.8, linestyle=(0, (3, 3)))
        left.set_xlim(0, 1)
        left.set_xlabel("share of its spectra called right")
        left.set_yticks(rows, names, fontsize=style.SMALL)
        left.set_ylim(len(names) - 0.4, -0.6)
        right.scatter(without, rows, color=colours, s=10)
        right.axvline(whole, color=style.INK, linewidth=0.8)
        right.set_xlabel(f"TSS of the others (all: {whole:.2f})")
        if note:
            style.note(figure, note)
    return figure
