"""A spectrum on its way from baselines (paper Fig. C.1)."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import style


def draw(
    wavelength: np.ndarray,
    spectra: np.ndarray,
    positions: np.ndarray,
    said: np.ndarray,
    attributions: np.ndarray,
    marks: Mapping[str, float],
    quantity: str,
    remark: str,
) -> Figure:
    """Above, one way: the baseline blue, what is on the way grey, the spectrum red. Lower left, what the network says
    on every way, the first one black. Below right, attributions by each way, grey, and their mean, black.

    wavelength: (wavelength,) Å. spectra: (some, wavelength), baseline first, of the first way. positions: (position,).
    said: (way, position). attributions: (way, wavelength). quantity: what is explained.
    """
    with style.applied():
        figure = Figure(figsize=(style.PAGE, 4.6), layout="constrained")
        panels = figure.subplot_mosaic([["way", "way"], ["said", "found"]], width_ratios=[1, 1.6])
        way, line, found = panels["way"], panels["said"], panels["found"]
        for spectrum in spectra[1:-1]:
            way.plot(wavelength, spectrum, color=style.GREY, linewidth=0.7)
        way.plot(wavelength, spectra[0], color=style.BLUE, label="baseline")
        way.plot(wavelength, spectra[-1], color=style.RED, label="the spectrum explained")
        way.set_xlim(wavelength[0], wavelength[-1])
        way.set_ylabel("spectrum / its maximum")
        way.set_xlabel("vacuum wavelength (Å)")
        way.legend(loc="upper right")
        style.mark(way, marks, 2.0)
        for curve in said[1:]:
            line.plot(positions, curve, color=style.GREY, linewidth=0.6, alpha=0.7)
        line.plot(positions, said[0], color=style.INK, label="the way above")
        line.plot([], [], color=style.GREY, linewidth=0.6, label="others")
        line.legend()
        line.set_xlabel("position on the way")
        line.set_ylabel(quantity)
        line.set_xlim(0, 1)
        for values in attributions:
            found.plot(wavelength, values, color=style.GREY, linewidth=0.4, alpha=0.5)
        found.plot(wavelength, attributions.mean(axis=0), color=style.INK, label=f"mean of {len(attributions)} ways")
        found.axhline(0, color=style.GREY, linewidth=0.6)
        found.set_xlim(wavelength[0], wavelength[-1])
        found.set_xlabel("vacuum wavelength (Å)")
        found.set_ylabel(f"{quantity} per point")
        found.legend(loc="upper right")
        style.note(figure, remark)
    return figure
