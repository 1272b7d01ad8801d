"""The loss around three networks (paper Fig. 8, measured)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import style


def draw(
    x: np.ndarray, y: np.ndarray, loss: np.ndarray, corners: np.ndarray, names: Sequence[str], label: str, remark: str
) -> Figure:
    """Colours and contours of the loss, the networks as white dots, the mean of their weights as a cross.

    x: (n,), y: (m,) distances between weights. loss: (m, n), on a logarithmic scale. corners: (3, 2). names: of the
    three. label: of the loss.
    """
    floor = np.log10(np.clip(loss, 1e-6, None))
    with style.applied():
        figure = Figure(figsize=(style.COLUMN, 2.7), layout="constrained")
        axes = figure.add_subplot()
        filled = axes.contourf(x, y, floor, levels=24, cmap="cividis")
        axes.contour(x, y, floor, levels=12, colors="white", linewidths=0.3, alpha=0.5, linestyles="solid")
        axes.plot(*corners.T, "o", color="white", markeredgecolor=style.INK, markersize=6)
        axes.plot(*corners.mean(axis=0), "X", color=style.RED, markeredgecolor="white", markersize=8)
        for name, (across, up) in zip(names, corners, strict=True):
            axes.annotate(
                name,
                (across, up),
                (0, 7),
                textcoords="offset points",
                ha="center",
                fontsize=style.TICK,
                color=style.INK,
                bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
            )
        ticks = [
            tick
            for tick in (0.1, 0.2, 0.3, 0.5, 1, 2, 3, 5, 10, 20, 50)
            if floor.min() <= np.log10(tick) <= floor.max()
        ]
        # Beside the axes, and as tall as they are.
        bar = figure.colorbar(
            filled,
            cax=axes.inset_axes((1.04, 0, 0.05, 1)),
            label=label,
            ticks=[float(np.log10(tick)) for tick in ticks],
        )
        bar.ax.set_yticklabels([f"{tick:g}" for tick in ticks])
        axes.set_xlabel("distance between weights")
        axes.set_ylabel("distance between weights")
        axes.set_aspect("equal")
        if remark:
            style.note(figure, remark)
    return figure
