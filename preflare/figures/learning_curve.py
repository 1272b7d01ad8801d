"""The learning curve of one run (paper Fig. 2)."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from preflare.figures import style


def draw(
    train: np.ndarray,
    choosing: np.ndarray,
    best: int,
    best_mean: int,
    choosing_side: str,
    label: str = "cross-entropy per spectrum",
    note: str = "",
) -> Figure:
    """Loss against epoch: black on the training side, grey on the side that chooses the epoch.

    train, choosing: (epoch,) loss, named by label, on each side after each epoch, both with the same weights.
    best: epoch of the lowest choosing loss, red dashed; best_mean: epoch of the lowest mean of the two,
        blue dashed; both counted from 0, as the axis is.
    choosing_side: name of that side, "test" or "validation". note: for the corner; "" for none.
    """
    epochs = np.arange(len(train))
    marker = "o" if len(epochs) == 1 else None
    look = style.look()
    with style.applied():
        figure = Figure(figsize=(style.COLUMN, 2.9), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(epochs, train, color=style.INK, marker=marker, label="train")
        axes.plot(epochs, choosing, color=style.GREY, marker=marker, label=f"{choosing_side} (chooses the epoch)")
        # Dashes of one line fall into the gaps of the other, so that both show where they coincide.
        axes.axvline(
            best,
            color=look.red,
            linewidth=1.2,
            linestyle=(0, (4, 4)),
            label=f"lowest {choosing_side} loss: epoch {best}",
        )
        axes.axvline(
            best_mean,
            color=look.blue,
            linewidth=1.2,
            linestyle=(4, (4, 4)),
            label=f"lowest mean of both: epoch {best_mean}",
        )
        axes.set_xlabel("epoch (from 0)")
        axes.set_ylabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        axes.margins(x=0.02)
        figure.legend(loc="outside upper center", ncols=1)
        if note:
            style.note(figure, note)
    return figure
