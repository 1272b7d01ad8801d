"""Spectra drawn as lines coloured by attribution (paper Fig. 11)."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from preflare.figures import style

# Diverging with a grey middle: a white one would make the line vanish where nothing is attributed.
AGAINST_TO_FOR = LinearSegmentedColormap.from_list(
    "against to for", ["#053061", "#2b7bba", "#c4c4c4", "#e6550d", "#7f0000"]
)

NONE_TO_FOR = LinearSegmentedColormap.from_list("none to for", ["#c4c4c4", "#e6550d", "#7f0000"])


def draw(
    wavelength: np.ndarray,
    spectra: np.ndarray,
    attributions: Mapping[str, np.ndarray],
    limits: Mapping[str, float],
    titles: Sequence[str],
    marks: Mapping[str, float],
    remark: str,
    signed: bool = True,
) -> Figure:
    """A row of panels for each spectrum, a column for each method.

    wavelength: (wavelength,) Å. spectra: (n, wavelength), divided by their maximum.
    attributions: method -> (n, wavelength), signed; where NaN the line is thin and dotted.
    limits: method -> the attribution at the ends of its colour scale.
    signed: whether that spans both signs, or begins at 0, as in the paper's display.
    titles: of the n rows. marks: name -> Å. remark: in the corner, such as what the model was trained on.
    """
    rows, columns = len(spectra), len(attributions)
    with style.applied():
        figure = Figure(figsize=(5.6 * columns, 1.3 + 1.7 * rows), layout="constrained")
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for column, (method, values) in enumerate(attributions.items()):
            norm = Normalize(-limits[method] if signed else 0, limits[method])
            for row in range(rows):
                axes = panels[row, column]
                line = _coloured(axes, wavelength, spectra[row], values[row], norm, signed)
                axes.set_xlim(wavelength[0], wavelength[-1])
                axes.set_ylim(min(0.0, float(np.nanmin(spectra))), 1.08)
                axes.set_yticks([0, 0.5, 1])
            figure.colorbar(
                line,
                ax=panels[:, column],
                location="bottom",
                label=f"{method}: for PF (+), against PF (\N{MINUS SIGN})"
                if signed
                else f"{method}: share of the score",
                extend="both" if signed else "max",
                fraction=0.25 / rows,
                aspect=45,
            )
            panels[-1, column].set_xlabel("vacuum wavelength (Å)")
        figure.supylabel("spectrum / its maximum", fontsize=10)
        style.note(figure, remark)
        for axes, title in zip(panels[:, 0], titles, strict=True):
            axes.annotate(title, (0, 1), (0, 3), "axes fraction", "offset points", fontsize=8)
        panels[0, 0].set_title(" ", pad=44)  # room for the marks
        figure.draw_without_rendering()  # the marks are set out by the final width of the panels
        for axes, method in zip(panels[0], attributions, strict=True):
            style.mark(axes, marks, above=15)
            axes.set_title(method, fontsize=11, loc="right", pad=44)
        for axes in panels[1:].flat:
            for place in marks.values():
                style.rule(axes, place)
    return figure


def _coloured(
    axes: Axes, wavelength: np.ndarray, spectrum: np.ndarray, values: np.ndarray, norm: Normalize, signed: bool
) -> LineCollection:
    """One segment between neighbouring points, coloured by the mean of their two values."""
    axes.plot(wavelength, spectrum, color=style.GREY, linewidth=0.8, linestyle=":", zorder=1)
    points = np.stack([wavelength, spectrum], axis=1)
    segments = np.stack([points[:-1], points[1:]], axis=1)
    middle = (values[:-1] + values[1:]) / 2
    known = np.isfinite(middle)
    line = LineCollection(
        list(segments[known]),
        cmap=AGAINST_TO_FOR if signed else NONE_TO_FOR,
        norm=norm,
        linewidth=2.2,
        capstyle="round",
        zorder=2,
    )
    line.set_array(middle[known])
    axes.add_collection(line)
    return line
