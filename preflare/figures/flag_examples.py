"""Example spectra of every quality flag, so that a reader sees what each rule takes away."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import style


def draw(
    wavelength: np.ndarray,
    spectra: Mapping[str, np.ndarray],
    titles: Mapping[str, list[str]],
    marks: Mapping[str, float],
    remark: str,
) -> Figure:
    """A row of panels for each flag.

    wavelength: (wavelength,) Å. spectra: flag -> (n, wavelength), divided by their maximum, NaN where a point is
    missing; each flag has at least one. titles: flag -> a title for each. marks: name -> Å. remark: in the corner, ""
    for none.
    """
    columns = max(len(values) for values in spectra.values())
    with style.applied():
        figure = Figure(figsize=(style.PAGE, 0.6 + 1.15 * len(spectra)), layout="constrained")
        panels = figure.subplots(len(spectra), columns, sharex=True, squeeze=False)
        for row, (flag, values) in enumerate(spectra.items()):
            for column, axes in enumerate(panels[row]):
                if column >= len(values):
                    axes.set_axis_off()
                    continue
                known = np.isfinite(values[column])
                # A line through single points that are left would not be seen.
                few = known.sum() < 0.2 * len(known)
                axes.plot(wavelength, values[column], "." if few else "-", color=style.INK, linewidth=0.8, markersize=3)
                axes.set_title(titles[flag][column], fontsize=style.SMALL)
                axes.set_xlim(wavelength[0], wavelength[-1])
                # With a tenth of an angstrom, more would run together.
                axes.locator_params(axis="x", nbins=3)
                for place in marks.values():
                    style.rule(axes, place)
                axes.set_ylim(min(0.0, float(values[column][known].min(initial=0))), 1.08)
                if not known.any():
                    axes.text(0.5, 0.5, "no point left", transform=axes.transAxes, ha="center", color=style.GREY)
            panels[row, 0].set_ylabel(flag, fontsize=style.SMALL)
        figure.supxlabel("vacuum wavelength (Å)")
        figure.supylabel("spectrum / its maximum")
        if remark:
            style.note(figure, remark)
    return figure
