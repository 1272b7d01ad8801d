"""Where the attributions of many spectra are largest, over the mean spectra (paper Fig. 16)."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import style

COLOURS = (style.RED, style.INK, style.BLUE)


def draw(
    wavelength: np.ndarray,
    weight: np.ndarray,
    means: Mapping[str, np.ndarray],
    extremes: Mapping[str, np.ndarray],
    cores: Mapping[str, float],
    features: Mapping[str, float],
    unseen: np.ndarray,
    note: str,
) -> Figure:
    """Above, bars of weight at each wavelength with the mean spectra; below, spectra of extreme intensities.

    wavelength: (n,) Å; weight: (n,), shares. means, extremes: title -> (n,), up to three and two. cores, about which
    velocities are, and features: name -> Å. unseen: (n,) bool, which no network sees. note: for the corner; "" for
    none.
    """
    with style.applied():
        figure = Figure(figsize=(style.PAGE, 4.8), layout="constrained")
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        step = wavelength[1] - wavelength[0]
        top.bar(wavelength, 100 * weight, width=step, color=style.PINK, label="maxima, by their size")
        top.set_ylabel("maximum attributions (% of all)")
        top.set_ylim(0, 108 * max(weight.max(), 1e-9))
        twin = top.twinx()
        twin.spines["right"].set_visible(True)
        for colour, (title, mean) in zip(COLOURS, means.items(), strict=False):
            twin.plot(wavelength, mean, color=colour, label=title)
        twin.set_ylim(0, 1.08 * max(mean.max() for mean in means.values()))
        twin.set_ylabel("mean normalised spectrum")
        for colour, dash, (title, mean) in zip((style.GREEN, style.GREY), ("-", "--"), extremes.items(), strict=True):
            bottom.plot(wavelength, mean, dash, color=colour, label=title)
        bottom.set_ylim(0, 0.6 * max(mean.max() for mean in extremes.values()))
        bottom.set_ylabel("normalised spectrum,\nlower part")
        bottom.set_xlabel("vacuum wavelength (Å)")
        bottom.set_xlim(wavelength[0], wavelength[-1])
        for panel in (top, bottom):
            for start, stop in _runs(unseen):
                panel.axvspan(
                    wavelength[start] - step / 2, wavelength[stop] + step / 2, color=style.GREY, alpha=0.25, lw=0
                )
        figure.legend(loc="outside lower center", ncols=3)
        if note:
            style.note(figure, note)
        figure.draw_without_rendering()
        style.mark(top, {**cores, **features}, 2 + style.velocity(top, cores))
        for place in (*cores.values(), *features.values()):
            style.rule(bottom, place)
    return figure


def _runs(which: np.ndarray) -> list[tuple[int, int]]:
    """First and last of every run of True."""
    edges = np.flatnonzero(np.diff(np.pad(which.astype(int), 1)))
    return [(int(start), int(stop) - 1) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
