"""How attributions of a few spectra change while a network trains (as paper Fig. 6)."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from preflare.figures import style
from preflare.figures.spectra import AGAINST_TO_FOR

# Looks that are named on the axis.
NAMED = 7


def draw(
    wavelength: np.ndarray,
    spectra: np.ndarray,
    times: Sequence[int],
    unit: str,
    maps: Mapping[str, np.ndarray],
    titles: Sequence[str],
    marks: Mapping[str, float],
    remark: str,
) -> Figure:
    """Each spectrum above its attributions, a line of colours for each look, later ones below; a column a method.

    wavelength: (wavelength,) Å. spectra: (n, wavelength). times: (look,), in units such as "epochs".
    maps: method -> (look, n, wavelength), signed; pale grey where NaN. One colour scale for a method.
    titles: of the n spectra. marks: name -> Å. remark: such as what the model was trained on.
    """
    count, columns = len(spectra), len(maps)
    half = (wavelength[1] - wavelength[0]) / 2
    extent = (wavelength[0] - half, wavelength[-1] + half, len(times) - 0.5, -0.5)
    named = np.unique(np.linspace(0, len(times) - 1, min(NAMED, len(times))).round().astype(int))
    with style.applied():
        figure = Figure(figsize=(5.6 * columns, 1.4 + 2.3 * count), layout="constrained")
        panels = figure.subplots(
            2 * count, columns, sharex=True, squeeze=False, gridspec_kw={"height_ratios": [1, 1.8] * count}
        )
        for column, (method, values) in enumerate(maps.items()):
            known = np.abs(values[np.isfinite(values)])
            limit = float(np.quantile(known, 0.995)) if known.size else 0.0
            norm = Normalize(-(limit or 1.0), limit or 1.0)
            for number in range(count):
                above, below = panels[2 * number : 2 * number + 2, column]
                above.plot(wavelength, spectra[number], color=style.INK, linewidth=1)
                above.set(xlim=extent[:2], ylim=(min(0.0, float(np.nanmin(spectra))), 1.08), yticks=[0, 1])
                below.set_facecolor("#e9e9e9")
                image = below.imshow(
                    values[:, number],
                    cmap=AGAINST_TO_FOR,
                    norm=norm,
                    extent=extent,
                    aspect="auto",
                    interpolation="nearest",
                )
                below.set_yticks(named, [str(times[look]) for look in named])
                below.set_ylabel(unit)
                if column == 0:
                    above.annotate(titles[number], (0, 1), (0, 3), "axes fraction", "offset points", fontsize=8)
                for place in marks.values():
                    style.rule(above, place)
            figure.colorbar(
                image,
                ax=panels[:, column],
                location="bottom",
                label=f"{method}: for PF (+), against PF (\N{MINUS SIGN})",
                extend="both",
                fraction=0.2 / count,
                aspect=45,
            )
            panels[-1, column].set_xlabel("vacuum wavelength (Å)")
        style.note(figure, remark)
        panels[0, 0].set_title(" ", pad=44)  # room for the marks
        figure.draw_without_rendering()  # the marks are set out by the final width of the panels
        for axes, method in zip(panels[0], maps, strict=True):
            style.mark(axes, marks, above=15)
            axes.set_title(method, fontsize=11, loc="right", pad=44)
    return figure
