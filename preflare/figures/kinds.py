"""Where the maximum attributions of each kind of precursor fall, over the wavelengths that the kind changes."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import style


def draw(
    wavelength: np.ndarray,
    kinds: Mapping[str, tuple[np.ndarray, np.ndarray]],
    marks: Mapping[str, float],
    note: str,
) -> Figure:
    """A row for each kind: bars of the weight of its maxima, shaded by how many of its spectra changed there.

    wavelength: (n,) Å. kinds: title -> (weight (n,), share changed (n,) in [0, 1]). marks: name -> Å. note: for the
    corner; "" for none.
    """
    with style.applied():
        figure = Figure(figsize=(7.4, 1.3 + 0.75 * len(kinds)), layout="constrained")
        rows = figure.subplots(len(kinds), 1, sharex=True, squeeze=False)[:, 0]
        step = wavelength[1] - wavelength[0]
        for axes, (title, (weight, changed)) in zip(rows, kinds.items(), strict=True):
            axes.bar(wavelength, 100 * weight, width=1.6 * step, color=style.RED, zorder=3)
            axes.set_ylim(0, 115 * max(weight.max(), 1e-9))
            twin = axes.twinx()
            twin.fill_between(wavelength, changed, step="mid", color=style.BLUE, alpha=0.25, linewidth=0)
            twin.set_ylim(0, 1.15)
            twin.set_yticks([])
            axes.set_zorder(twin.get_zorder() + 1)
            axes.patch.set_visible(False)
            axes.tick_params(labelsize=7)
            axes.set_title(title, fontsize=8, loc="right", pad=2)
            axes.xaxis.get_major_formatter().set_useOffset(False)
        rows[-1].set_xlabel("wavelength (Å, vacuum)")
        rows[-1].set_xlim(wavelength[0], wavelength[-1])
        figure.supylabel("maxima (% of the kind's)   shaded: share of spectra changed", fontsize=8)
        if note:
            style.note(figure, note)
        figure.draw_without_rendering()
        style.mark(rows[0], marks, 15, 7.5)
        for axes in rows[1:]:
            for place in marks.values():
                style.rule(axes, place)
    return figure
