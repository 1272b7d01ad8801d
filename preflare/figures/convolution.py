"""What one filter makes of a spectrum (paper Fig. 4)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import style


def draw(
    spectrum: np.ndarray,
    kernel: Sequence[float],
    answer: np.ndarray,
    kept: np.ndarray,
    place: int,
    remark: str,
) -> Figure:
    """Above the points of a spectrum with the kernel at one place of it, then its answer at every place, and what the
    ReLU keeps.

    spectrum: (n,). answer, kept: (n - len(kernel) + 1,). place: the kernel's first point in what is shown.
    """
    seen = np.arange(place, place + len(kernel))
    points, centres = np.arange(len(spectrum)), np.arange(len(answer)) + (len(kernel) - 1) / 2
    terms = " + ".join(f"{weight:g} · {spectrum[at]:.2f}" for at, weight in zip(seen, kernel, strict=True))
    weights = ", ".join(f"{weight:g}" for weight in kernel).replace("-", "\N{MINUS SIGN}")
    with style.applied():
        figure = Figure(figsize=(style.COLUMN, 3.6), layout="constrained")
        above, middle, below = figure.subplots(3, 1, sharex=True)
        above.axvspan(seen[0] - 0.5, seen[-1] + 0.5, color=style.FEW, linewidth=0)
        above.plot(points, spectrum, color=style.INK, marker=".", label="spectrum")
        above.plot(seen, spectrum[seen], "o", color=style.BLUE, label=f"under the kernel ({weights})")
        middle.bar(centres, answer, color=style.GREY)
        below.bar(centres, kept, color=style.BLUE)
        shown = f"{terms} = {answer[place]:.2f}".replace("-", "\N{MINUS SIGN}")
        for axes, values, text in ((middle, answer, shown), (below, kept, f"ReLU: {kept[place]:.2f}")):
            axes.axhline(0, color=style.GREY, linewidth=style.FINE)
            axes.bar(centres[place], values[place], color=style.RED)
            axes.set_title(text, loc="left", fontsize=style.TICK, color=style.RED)
        above.set_ylabel("spectrum")
        middle.set_ylabel("answer")
        below.set_ylabel("kept")
        below.set_xlabel("point")
        above.set_ylim(0, 1.35)
        above.legend(loc="upper right", ncols=2)
        if remark:
            style.note(figure, remark)
    return figure
