"""The learning curves of many runs, one of them chosen."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from preflare.figures import style


def draw(
    train: Sequence[np.ndarray],
    choosing: Sequence[np.ndarray],
    chosen: int | None,
    side: str,
    note: str,
    label: str = "the chosen one",
) -> Figure:
    """Loss against epoch, training side left, choosing side right: thin grey lines, the chosen run's red.

    train, choosing: (epoch,) of every run. chosen: its place among them, None for none. side: the choosing side's
    name. note: what the runs are, for the corner; "" for none. label: what the chosen run is.
    """
    with style.applied():
        figure = Figure(figsize=(style.PAGE, 2.6), layout="constrained")
        axes = figure.subplots(1, 2, sharex=True, sharey=True)
        for panel, title, curves in ((axes[0], "train", train), (axes[1], side, choosing)):
            for place, curve in enumerate(curves):
                if place != chosen:
                    panel.plot(np.arange(len(curve)), curve, color=style.GREY, linewidth=style.FINE, alpha=0.6)
            if chosen is not None:
                curve = curves[chosen]
                panel.plot(np.arange(len(curve)), curve, color=style.look().red, linewidth=style.BOLD, label=label)
            panel.set_title(title)
            panel.set_xlabel("epoch (from 0)")
            panel.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
            panel.margins(x=0.02)
        if chosen is not None:
            axes[0].legend(loc="upper right")
        axes[0].set_ylabel("cross-entropy per spectrum")
        if note:
            style.note(figure, note)
    return figure
