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
        figure = Figure(figsize=(style.PAGE, 1.1 + 0.75 * len(kinds)))
        # Room on the right for what the second axis is.
        figure.set_layout_engine("constrained", rect=(0, 0, 0.975, 1))
        rows = figure.subplots(len(kinds), 1, sharex=True, squeeze=False)[:, 0]
        step = wavelength[1] - wavelength[0]
        for axes, (title, (weight, changed)) in zip(rows, kinds.items(), strict=True):
            axes.bar(wavelength, 100 * weight, width=1.6 * step, color=style.RED, zorder=3)
            axes.set_ylim(0, 115 * max(weight.max(), 1e-9))
            twin = axes.twinx()
            twin.fill_between(wavelength, 100 * changed, step="mid", color=style.BLUE, alpha=0.25, linewidth=0)
            twin.set_ylim(0, 115)
            twin.set_yticks([0, 50, 100])
            twin.spines["right"].set(visible=True, color=style.BLUE)
            twin.tick_params(colors=style.BLUE)
            axes.set_zorder(twin.get_zorder() + 1)
            axes.patch.set_visible(False)
            axes.set_title(title, fontsize=style.TICK, loc="right", pad=2)
        rows[-1].set_xlabel("vacuum wavelength (Å)")
        rows[-1].set_xlim(wavelength[0], wavelength[-1])
        figure.supylabel("maxima (% of the kind's)")
        figure.text(0.995, 0.5, "spectra changed (%)", rotation=90, ha="right", va="center", color=style.BLUE)
        if note:
            style.note(figure, note)
        figure.draw_without_rendering()
        style.mark(rows[0], marks, 12)
        for axes in rows[1:]:
            for place in marks.values():
                style.rule(axes, place)
    return figure
