"""Whether activation maps and expected gradients say the same, and how wide a smoothing makes them most alike."""

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import style


def draw(
    wavelength: np.ndarray,
    example: tuple[np.ndarray, np.ndarray, np.ndarray],
    correlations: tuple[np.ndarray, np.ndarray],
    widths: np.ndarray,
    curve: np.ndarray,
    best: float,
    paper: float,
    names: tuple[str, str],
    remark: str,
) -> Figure:
    """Above, one spectrum: expected gradients, the same smoothed, and the map on their scale, each (wavelength,).
    Below left: the distribution over spectra of the linear and of the rank correlation, (n,) each. Right: their median
    after smoothing (w,) against its width (w,) in Å; dashed the best width, dotted the paper's.

    wavelength: (wavelength,) Å. names: of the map, and of what is explained.
    """
    with style.applied():
        figure = Figure(figsize=(style.PAGE, 4.2), layout="constrained")
        panels = figure.subplot_mosaic([["one", "one"], ["many", "fit"]])
        one, many, fit = panels["one"], panels["many"], panels["fit"]
        raw, smooth, shifted = example
        one.axhline(0, color=style.GREY, linewidth=0.6)
        one.plot(wavelength, raw, color=style.GREY, linewidth=0.9, label="expected gradients")
        one.plot(wavelength, smooth, color=style.INK, label=f"... smoothed over {best:.2f} Å")
        one.plot(wavelength, shifted, color=style.BLUE, label=f"{names[0]}, scale and constant fitted")
        one.set_xlim(wavelength[0], wavelength[-1])
        one.set_xlabel("vacuum wavelength (Å)")
        one.set_ylabel(f"{names[1]} for each point")
        one.margins(y=0.25)
        one.legend(loc="best")
        edges = list(np.linspace(-1, 1, 41))
        many.hist(correlations[0], bins=edges, color=style.GREY, label="linear")
        many.hist(correlations[1], bins=edges, histtype="step", color=style.RED, linewidth=1.5, label="by rank")
        many.set(xlabel="correlation over a spectrum's wavelengths", ylabel="spectra", xlim=(-1, 1))
        many.set_xticks([-1, -0.5, 0, 0.5, 1])
        many.legend(loc="upper left")
        fit.plot(widths, curve, color=style.INK, marker="o", markersize=3)
        fit.axvline(best, color=style.RED, linestyle="--", label=f"best, {best:.2f} Å")
        fit.axvline(paper, color=style.BLUE, linestyle=":", linewidth=1.5, label=f"the paper's, {paper:.2f} Å")
        fit.set(xlabel="width of the smoothing (Å)", ylabel="median correlation")
        fit.legend()
        style.note(figure, remark)
    return figure
