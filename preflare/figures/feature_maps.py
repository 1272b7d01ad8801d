"""What each channel of a network sees in a spectrum, and what becomes of it (paper Figs. 5 and A.2)."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import style


def draw(
    wavelength: np.ndarray,
    spectrum: np.ndarray,
    channels: Mapping[str, np.ndarray],
    sums: Mapping[str, np.ndarray],
    marks: Mapping[str, float],
    remark: str,
) -> Figure:
    """A panel for each channel, blue, all on the scale of the strongest; below, the sums, red for and blue against,
    each on a scale of its own. The spectrum is a black line in each.

    wavelength, spectrum: (wavelength,). channels, sums: title -> (wavelength,), NaN where there is no value.
    """
    rows = len(channels) + len(sums)
    strongest = max((float(np.nanmax(np.abs(values))) for values in channels.values()), default=1.0) or 1.0
    with style.applied():
        figure = Figure(figsize=(6.6, 0.9 + 0.95 * rows), layout="constrained")
        panels = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
        panels[0].set_xlim(wavelength[0], wavelength[-1])
        for axes, (title, values) in zip(panels, [*channels.items(), *sums.items()], strict=True):
            own = title not in channels
            scaled = values / ((float(np.nanmax(np.abs(values))) or 1.0) if own else strongest)
            if own:
                axes.fill_between(wavelength, 0, np.clip(scaled, 0, None), color=style.RED, alpha=0.6, linewidth=0)
                axes.axhline(0, color=style.GREY, linewidth=0.5)
            axes.fill_between(
                wavelength,
                0,
                np.clip(scaled, None, 0) if own else scaled,
                color=style.BLUE,
                alpha=0.6,
                linewidth=0,
            )
            axes.plot(wavelength, spectrum, color=style.INK, linewidth=0.9)
            axes.set_ylim(-1.05 if own and np.nanmin(scaled) < 0 else 0, 1.08)
            axes.annotate(title, (1.01, 0.5), xycoords="axes fraction", va="center", fontsize=8)
        for axes in panels[1:]:
            for place in marks.values():
                style.rule(axes, place)
        panels[-1].set_xlabel("vacuum wavelength (Å)")
        figure.supylabel("spectrum, and answer, over their maxima", fontsize=9)
        # Named once the layout is known to the axes.
        style.mark(panels[0], marks, 2.0, 7.5)
        style.note(figure, remark)
    return figure
