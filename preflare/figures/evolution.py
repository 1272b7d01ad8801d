"""How attributions of a few spectra change while a network trains (as paper Fig. 6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from preflare.figures import style

# Looks that are named on the axis, at most.
NAMED = 5


@dataclass(frozen=True, eq=False)
class Evolution:
    """wavelength: (wavelength,) Å. spectra: (n, wavelength). times: (look,), in units such as "epochs".
    maps: method -> (look, n, wavelength), signed; hatched where NaN. limits: method -> the attribution at the ends of
    its colour scale. titles: of the n spectra. marks: name -> Å. remark: such as what the model was trained on."""

    wavelength: np.ndarray
    spectra: np.ndarray
    times: Sequence[int]
    unit: str
    maps: Mapping[str, np.ndarray]
    limits: Mapping[str, float]
    titles: Sequence[str]
    marks: Mapping[str, float]
    remark: str


def draw(one: Evolution) -> Figure:
    """Each spectrum above its attributions, a line of colours for each look, later ones below; a column a method."""
    count, columns = len(one.spectra), len(one.maps)
    half = (one.wavelength[1] - one.wavelength[0]) / 2
    extent = (one.wavelength[0] - half, one.wavelength[-1] + half, len(one.times) - 0.5, -0.5)
    named = np.unique(np.linspace(0, len(one.times) - 1, min(NAMED, len(one.times))).round().astype(int))
    with style.applied():
        figure = Figure(figsize=(style.PAGE if columns > 1 else style.COLUMN, 1.1 + 1.5 * count), layout="constrained")
        panels = figure.subplots(
            2 * count, columns, sharex=True, squeeze=False, gridspec_kw={"height_ratios": [1, 1.6] * count}
        )
        for column, (method, values) in enumerate(one.maps.items()):
            norm = Normalize(-one.limits[method], one.limits[method])
            for number in range(count):
                above, below = panels[2 * number : 2 * number + 2, column]
                above.plot(one.wavelength, one.spectra[number], color=style.INK)
                above.set(xlim=extent[:2], ylim=(min(0.0, float(np.nanmin(one.spectra))), 1.08), yticks=[0, 1])
                style.missing(below)
                image = below.imshow(
                    values[:, number],
                    cmap=style.look().signed,
                    norm=norm,
                    extent=extent,
                    aspect="auto",
                    interpolation="nearest",
                )
                below.set_yticks(named, [str(one.times[look]) for look in named], fontsize=style.SMALL)
                if column == 0:
                    below.set_ylabel(one.unit)
                    title = above.annotate(
                        one.titles[number], (0, 1), (0, 3), "axes fraction", "offset points", fontsize=style.SMALL
                    )
                    # It may go on over the next column, whose panels have no title of their own.
                    title.set_in_layout(False)
                above.set_title(" ", fontsize=style.SMALL)  # room for it
                for place in one.marks.values():
                    style.rule(above, place)
            figure.colorbar(
                image,
                ax=panels[:, column],
                location="bottom",
                label=f"{method}: for PF (+), against PF (\N{MINUS SIGN})",
                extend="both",
                fraction=0.16 / count,
                aspect=35,
                pad=0.01,
                ticks=None if style.look().ticks else [],
            )
            panels[-1, column].set_xlabel("vacuum wavelength (Å)")
        style.note(figure, one.remark)
        figure.draw_without_rendering()  # the marks are set out by the final width of the panels
        for axes in panels[0]:
            # Above the first title.
            style.mark(axes, one.marks, above=13)
    return figure
