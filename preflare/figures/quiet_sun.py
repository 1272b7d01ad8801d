"""Reconstruction errors of a quiet-Sun autoencoder: what it calls quiet, and spectra at each side of its threshold."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from preflare.figures import style

COLOURS = (style.GREY, style.BLUE, style.RED)


def draw(
    wavelength: np.ndarray,
    errors: Mapping[str, np.ndarray],
    thresholds: Mapping[str, float],
    spectra: np.ndarray,
    decoded: np.ndarray,
    titles: Sequence[str],
    remark: str,
) -> Figure:
    """Above the distributions of the errors with thresholds, below examples.

    wavelength: (wavelength,) Å. errors: kind -> (n,), at most three kinds. thresholds: name -> error.
    spectra, decoded: (examples, wavelength), divided by the spectrum's maximum. titles: of the examples.
    remark: in the corner.
    """
    everything = np.concatenate([values[np.isfinite(values) & (values > 0)] for values in errors.values()])
    bins = np.geomspace(everything.min(), everything.max() * 1.001, 60)
    with style.applied():
        figure = Figure(figsize=(style.PAGE, 5.0), layout="constrained")
        parts: Any = figure.subfigures(2, 1, height_ratios=[1.2, 1])
        above, below = parts
        axes = above.add_subplot()
        for (kind, values), colour in zip(errors.items(), COLOURS, strict=False):
            weights = np.full(len(values), 100 / max(len(values), 1))
            axes.hist(values, bins, weights=weights, histtype="step", linewidth=1.6, color=colour, label=kind)
        axes.set_xscale("log")
        axes.set_xlim(bins[0], bins[-1])
        axes.set_xlabel("reconstruction error (sum of squared differences)")
        axes.set_ylabel("% of its spectra per bin")
        _thresholds(axes, thresholds, bins[0], bins[-1])
        axes.legend(loc="upper left")
        panels = below.subplots(1, len(spectra), sharex=True, sharey=True, squeeze=False)[0]
        for panel, spectrum, answer, title in zip(panels, spectra, decoded, titles, strict=True):
            panel.plot(wavelength, spectrum, color=style.INK, linewidth=1.0, label="spectrum")
            panel.plot(wavelength, answer, color=style.RED, linewidth=1.2, label="decoded")
            panel.set_title(title, fontsize=style.TICK)
            panel.locator_params(axis="x", nbins=3)
        below.supxlabel("vacuum wavelength (Å)")
        panels[0].set_ylabel("spectrum / its maximum")
        # Beside the panels: a spectrum fills them.
        below.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
        if remark:
            style.note(figure, remark)
    return figure


def _thresholds(axes: Axes, thresholds: Mapping[str, float], first: float, last: float) -> None:
    """Dashed lines with names, one below another where they are close; those outside the axis are said."""
    inside = sorted((limit, name) for name, limit in thresholds.items() if first < limit < last)
    rows: list[float] = []
    for limit, name in inside:
        axes.axvline(limit, color=style.INK, linewidth=1.8 if name == "own" else 0.8, linestyle="--", zorder=0)
        place = np.log(limit / first) / np.log(last / first)
        row = next((number for number, end in enumerate(rows) if end < place), len(rows))
        # Where a name in that row ends, as a share of the axis.
        rows[row : row + 1] = [place + 0.014 * (len(name) + 1)]
        at = (limit, 1), (2, -9 - 10 * row), ("data", "axes fraction"), "offset points"
        # The line of the next may pass behind it.
        axes.annotate(name, *at, fontsize=style.SMALL, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})
    outside = sorted((limit, name) for name, limit in thresholds.items() if not first < limit < last)
    if outside:
        said = ", ".join(f"{name} ({limit:.3g})" for limit, name in outside)
        axes.annotate(
            f"not in this range: {said}",
            (1, 1),
            (0, 2),
            "axes fraction",
            "offset points",
            fontsize=style.SMALL,
            ha="right",
        )
