"""What features say: whether a flare comes, against when it comes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from preflare.figures import style


def draw(names: Sequence[str], area: np.ndarray, tau: np.ndarray, note: str) -> Figure:
    """A point for each feature with its intervals; those that leave chance on either axis are filled and named.

    area, tau: (feature, 3): value, low, high. note: for the corner; "" for none.
    """
    with style.applied():
        figure = Figure(figsize=(4.6, 4.2), layout="constrained")
        axes = figure.subplots()
        axes.axvline(0.5, color=style.GREY, linewidth=0.8)
        axes.axhline(0, color=style.GREY, linewidth=0.8)
        for name, across, up in zip(names, area, tau, strict=True):
            if not np.isfinite([across[0], up[0]]).all():
                continue
            told = not across[1] <= 0.5 <= across[2] or not up[1] <= 0 <= up[2]
            colour = style.RED if told else style.GREY
            axes.plot(across[1:], [up[0]] * 2, color=colour, linewidth=0.7, alpha=0.6)
            axes.plot([across[0]] * 2, up[1:], color=colour, linewidth=0.7, alpha=0.6)
            axes.plot(across[0], up[0], "o", color=colour, markersize=4, zorder=3)
            if told:
                text = axes.annotate(
                    name, (across[0], up[0]), (4, 3), textcoords="offset points", fontsize=8, zorder=4, va="bottom"
                )
                text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
        axes.set_xlabel("if: probability that PF is above AR (0.5: chance)")
        axes.set_ylabel("when: mean tau on the way to the flare")
        axes.set_xlim(0, 1.05)
        if note:
            style.note(figure, note)
    return figure
