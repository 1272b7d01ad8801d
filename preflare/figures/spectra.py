"""Spectra drawn as lines coloured by attribution (paper Fig. 11)."""

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from preflare.figures import style


def draw(
    wavelength: np.ndarray,
    spectra: np.ndarray,
    attributions: Mapping[str, np.ndarray],
    limits: Mapping[str, float],
    titles: Sequence[str],
    cores: Mapping[str, float],
    features: Mapping[str, float],
    remark: str,
    signed: bool = True,
) -> Figure:
    """A row of panels for each spectrum, a column for each method; the methods of a single spectrum stand below each
    other.

    wavelength: (wavelength,) Å. spectra: (n, wavelength), divided by their maximum.
    attributions: method -> (n, wavelength), signed; where NaN the line is thin and dotted.
    limits: method -> the attribution at the ends of its colour scale.
    signed: whether that spans both signs, or begins at 0, as in the paper's display.
    titles: of the n rows. cores, about which velocities are, and features: name -> Å. remark: in the corner, such as
    what the model was trained on.
    """
    below = len(spectra) == 1 and len(attributions) > 1
    rows, columns = (len(attributions), 1) if below else (len(spectra), len(attributions))
    with style.applied():
        figure = Figure(figsize=(style.PAGE, 0.9 + (1.5 if below else 1.25) * rows), layout="constrained")
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        panels[0, 0].set_xlim(wavelength[0], wavelength[-1])
        panels[0, 0].set_ylim(min(0.0, float(np.nanmin(spectra))), 1.08)
        panels[0, 0].set_yticks([0, 0.5, 1])
        panels[0, 0].locator_params(axis="x", nbins=max(2, 8 // columns), integer=True)
        for number, (method, values) in enumerate(attributions.items()):
            mine = panels[number] if below else panels[:, number]
            norm = Normalize(-limits[method] if signed else 0, limits[method])
            for axes, spectrum, said in zip(mine, spectra, values, strict=True):
                line = _coloured(axes, wavelength, spectrum, said, norm, signed)
            meaning = "share of the score"
            if signed:
                meaning = "+ for PF" if columns > 2 else "for PF (+), against PF (\N{MINUS SIGN})"
            bar = figure.colorbar(
                line,
                ax=mine,
                location="right" if below else "bottom",
                label=f"{fill(method, 20 if below else 40)}:\n{meaning}"
                if below or columns > 1
                else f"{method}: {meaning}",
                extend="both" if signed else "max",
                fraction=0.05 if below else 0.25 / rows,
                aspect=12 if below else 45,
                pad=0.01,
            )
            bar.ax.locator_params(nbins=5)
            if not style.look().ticks:
                bar.set_ticks([])
        for axes in panels[-1]:
            axes.set_xlabel("vacuum wavelength (Å)")
        figure.supylabel("spectrum / its maximum")
        style.note(figure, remark)
        for axes, title in zip(panels[:, 0], titles, strict=False):
            if columns > 1:
                # Beside the row: in a narrow panel it would hide the spectrum.
                axes.set_ylabel(fill(title, 20), fontsize=style.TICK)
            else:
                _title(axes, title)
        figure.draw_without_rendering()  # the marks are set out by the final width of the panels
        for axes in panels[0]:
            style.mark(axes, {**cores, **features}, 2 + style.velocity(axes, cores))
        for axes in panels[1:].flat:
            for place in (*cores.values(), *features.values()):
                style.rule(axes, place)
    return figure


def _title(axes: Axes, title: str) -> None:
    """In the panel, between the lines, where a spectrum is low."""
    axes.annotate(
        title,
        (0.5, 1),
        (0, -2),
        "axes fraction",
        "offset points",
        ha="center",
        va="top",
        fontsize=style.TICK,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5},
    )


def _coloured(
    axes: Axes, wavelength: np.ndarray, spectrum: np.ndarray, values: np.ndarray, norm: Normalize, signed: bool
) -> LineCollection:
    """One segment between neighbouring points, coloured by the mean of their two values."""
    axes.plot(wavelength, spectrum, color=style.GREY, linewidth=0.8, linestyle=":", zorder=1)
    points = np.stack([wavelength, spectrum], axis=1)
    segments = np.stack([points[:-1], points[1:]], axis=1)
    middle = (values[:-1] + values[1:]) / 2
    known = np.isfinite(middle)
    look = style.look()
    line = LineCollection(
        list(segments[known]),
        cmap=look.signed if signed else look.positive,
        norm=norm,
        linewidth=1.8,
        capstyle="round",
        zorder=2,
    )
    line.set_array(middle[known])
    axes.add_collection(line)
    return line
