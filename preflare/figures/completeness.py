"""By how much expected gradients miss their sum: over spectra, and against the number of samples."""

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import style


def draw(
    residuals: np.ndarray,
    samples: np.ndarray,
    median: np.ndarray,
    most: np.ndarray,
    difference: np.ndarray,
    used: int,
    unit: str,
    remark: str,
) -> Figure:
    """Left, the distribution of signed residuals (n,), in the unit named. Right, against samples (k,): median and 90%
    quantile of |residual| (k,), and by how much attributions differ from those with the most samples (k,), relative.

    used: samples of the left panel, a dashed line in the right one. k may be 0.
    """
    with style.applied():
        figure = Figure(figsize=(style.PAGE, 2.7), layout="constrained")
        left, right = figure.subplots(1, 2)
        low, high = np.quantile(residuals, [0.005, 0.995])
        edges = np.linspace(low, high, 61) if high > low else np.array([low - 0.5, low + 0.5])
        left.hist(np.clip(residuals, edges[0], edges[-1]), bins=list(edges), color=style.GREY)
        left.axvline(0, color=style.INK, linewidth=0.8)
        left.set_xlabel(f"residual, {unit} (the ends hold what lies beyond)")
        left.set_ylabel("spectra")
        if len(samples):
            right.plot(samples, most, color=style.GREY, marker="o", markersize=3, label="|residual|, 90% of spectra")
            right.plot(samples, median, color=style.INK, marker="o", markersize=3, label="|residual|, median")
            right.axvline(used, color=style.RED, linewidth=1, linestyle="--")
            right.set(xscale="log", yscale="log", xlabel="samples for each spectrum", ylabel=f"residual, {unit}")
            other = right.twinx()
            shown = difference > 0
            other.plot(
                samples[shown], difference[shown], color=style.BLUE, marker="s", markersize=3, label="attributions"
            )
            other.set_yscale("log")
            other.set_ylabel("relative RMS difference of attributions\nfrom those with the most samples")
            other.yaxis.label.set_color(style.BLUE)
            other.spines["right"].set_visible(True)
            right.legend(loc="lower left")
        else:
            right.set_axis_off()
        style.note(figure, remark)
    return figure
