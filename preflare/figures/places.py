"""What was found where: places on the Sun coloured by values, over an image."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import style
from preflare.figures.context import View
from preflare.figures.spectra import AGAINST_TO_FOR


def draw(places: np.ndarray, values: Mapping[str, np.ndarray], view: View | None, remark: str) -> Figure:
    """A panel for each of some values; those that have both signs on a scale about zero, others on one from zero.

    places: (n, 2) x and y in arcsec. values: title -> (n,), NaN where there is none, which leaves the image to be seen.
    view: the image behind, None for none.
    """
    with style.applied():
        figure = Figure(figsize=(3.4 * len(values), 3.6), layout="constrained")
        panels = figure.subplots(1, len(values), squeeze=False, sharey=True)[0]
        for axes, (title, found) in zip(panels, values.items(), strict=True):
            if view is not None:
                shown = view.image[np.isfinite(view.image)]
                low, high = np.percentile(shown, [1, 99.5]) if shown.size else (0, 1)
                axes.imshow(view.image, vmin=low, vmax=high, cmap="gray", origin="lower", extent=view.extent)
            there = np.isfinite(found)
            most = float(np.abs(found[there]).max(initial=0.0)) or 1.0
            signed = bool((found[there] < 0).any())
            dots = axes.scatter(
                *places[there].T,
                c=found[there],
                s=16,
                marker="s",
                linewidths=0,
                cmap=AGAINST_TO_FOR if signed else "cividis",
                vmin=-most if signed else 0,
                vmax=most,
            )
            figure.colorbar(dots, ax=axes, location="bottom", label=title)
            axes.set_xlabel("x (arcsec)")
            axes.set_aspect("equal", adjustable="datalim")
            axes.margins(0.25)
        panels[0].set_ylabel("y (arcsec)")
        if view is not None:
            panels[0].set_title(view.title, fontsize=8, loc="left")
        if remark:
            style.note(figure, remark)
    return figure
