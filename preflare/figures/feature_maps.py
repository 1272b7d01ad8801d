"""What each channel of a network sees in a spectrum, and what becomes of it (paper Figs. 5 and A.2)."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from preflare.figures import style


def draw(
    wavelength: np.ndarray,
    spectrum: np.ndarray,
    layers: Sequence[Mapping[str, np.ndarray]],
    sums: Mapping[str, np.ndarray],
    marks: Mapping[str, float],
    remark: str,
) -> Figure:
    """A panel for each channel, blue, those of a layer on the scale of its strongest; below, the sums, red for and
    blue against, each on a scale of its own. The spectrum is a black line in each.

    wavelength, spectrum: (wavelength,). layers: of title -> (wavelength,), NaN where there is no value, which is
    hatched; sums: the same.
    """
    count = sum(len(channels) for channels in layers) + len(sums)
    with style.applied():
        figure = Figure(figsize=(style.PAGE, 0.7 + 0.62 * count), layout="constrained")
        panels = list(figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0])
        panels[0].set_xlim(wavelength[0], wavelength[-1])
        rest = iter(panels)
        for channels in layers:
            strongest = max((float(np.nanmax(np.abs(values))) for values in channels.values()), default=1.0) or 1.0
            for title, values in channels.items():
                axes = next(rest)
                _panel(axes, wavelength, spectrum, values, title)
                axes.fill_between(wavelength, 0, values / strongest, color=style.BLUE, alpha=0.6, linewidth=0)
                axes.set_ylim(0, 1.08)
        for title, values in sums.items():
            axes = next(rest)
            _panel(axes, wavelength, spectrum, values, title)
            scaled = values / (float(np.nanmax(np.abs(values))) or 1.0)
            axes.fill_between(wavelength, 0, np.clip(scaled, 0, None), color=style.RED, alpha=0.6, linewidth=0)
            axes.fill_between(wavelength, 0, np.clip(scaled, None, 0), color=style.BLUE, alpha=0.6, linewidth=0)
            axes.axhline(0, color=style.GREY, linewidth=style.FINE)
            axes.set_ylim(-1.05 if np.nanmin(scaled) < 0 else 0, 1.08)
        for axes in panels[1:]:
            for place in marks.values():
                style.rule(axes, place)
        panels[-1].set_xlabel("vacuum wavelength (Å)")
        figure.supylabel("spectrum (line), answer: over maxima")
        # Named once the layout is known to the axes.
        style.note(figure, remark)
        figure.draw_without_rendering()
        style.mark(panels[0], marks, 2.0)
    return figure


def _panel(axes: Axes, wavelength: np.ndarray, spectrum: np.ndarray, values: np.ndarray, title: str) -> None:
    known = np.flatnonzero(np.isfinite(values))
    if len(known):
        for low, high in ((wavelength[0], wavelength[known[0]]), (wavelength[known[-1]], wavelength[-1])):
            axes.axvspan(low, high, facecolor="white", edgecolor=style.GREY, hatch="//////", linewidth=0)
    axes.plot(wavelength, spectrum, color=style.INK, linewidth=0.9)
    axes.annotate(title, (1.01, 0.5), xycoords="axes fraction", va="center", fontsize=style.TICK)
