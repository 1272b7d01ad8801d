"""The simulated Sun beside a real raster: spectra of either, and how their features are distributed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import style

BINS = 50
# What lies farther out, in percent, is not drawn.
TAIL = 0.5


@dataclass(frozen=True, eq=False)
class Sun:
    """One of the two. fifths: median intensity in DN/s -> (wavelength,), median spectrum of each fifth in intensity.
    examples: (n, wavelength), faint to bright. features: name -> (spectrum,). shares: (component,) of the variance.
    """

    title: str
    fifths: Mapping[float, np.ndarray]
    examples: np.ndarray
    features: Mapping[str, np.ndarray]
    shares: np.ndarray


def draw(
    wavelength: np.ndarray, suns: Sequence[Sun], against: tuple[str, str], shown: Mapping[str, str], remark: str
) -> Figure:
    """Above the spectra of either; beside them one feature against another, and the variance of the components; below
    the distributions of features.

    wavelength: (wavelength,) Å. against: the features on the axes of the cloud, x and y. shown: name of a feature ->
    what is written over its panel.
    """
    colours = (style.BLUE, style.RED)
    rows = -(-len(shown) // 3)
    with style.applied():
        figure = Figure(figsize=(style.PAGE, 4.2 + 1.5 * rows), layout="constrained")
        panels = figure.subplots(2 + rows, 3, squeeze=False, height_ratios=[1.2, 1.2, *[1] * rows])
        for column, sun in enumerate(suns):
            for shade, (intensity, median) in zip((0.85, 0.65, 0.45, 0.25, 0.0), sun.fifths.items(), strict=True):
                panels[0, column].plot(wavelength, median, linewidth=style.LINE, color=f"{shade}")
                panels[0, column].plot([], [], color=f"{shade}", label=f"{intensity:.0f} DN/s")
            panels[0, column].set_title(f"{sun.title}: medians by intensity")
            panels[0, column].set_ylim(0, 1.05)
            panels[0, column].legend(fontsize=style.SMALL, handlelength=1, loc="upper center")
            for place, spectrum in enumerate(sun.examples):
                panels[1, column].plot(wavelength, spectrum + 0.6 * place, linewidth=style.FINE, color=style.INK)
            panels[1, column].set_title(f"{sun.title}: faint to bright")
            panels[1, column].set_yticks([])
            panels[1, column].set_xlabel("vacuum wavelength (Å)")
        cloud, variance = panels[:2, 2]
        for colour, sun in zip(colours, suns, strict=True):
            cloud.plot(*(sun.features[name] for name in against), ",", color=colour)
            variance.plot(np.arange(1, len(sun.shares) + 1), sun.shares, "o-", color=colour, markersize=3)
        cloud.set(xlabel=against[0], ylabel=against[1])
        variance.set(xlabel="principal component", ylabel="share of variance", yscale="log")
        for axes, name in zip(panels[2:].ravel(), shown, strict=False):
            both = np.concatenate([sun.features[name] for sun in suns])
            low, high = np.nanpercentile(both, [TAIL, 100 - TAIL])
            bins = np.linspace(low, high, BINS)
            for colour, sun in zip(colours, suns, strict=True):
                axes.hist(sun.features[name], bins, density=True, histtype="step", color=colour)
            axes.set_yticks([])
            axes.set_xlabel(name)
            axes.set_title(shown[name], fontsize=style.SMALL)
        for axes in panels[2:].ravel()[len(shown) :]:
            axes.set_axis_off()
        style.note(figure, f"blue: {suns[0].title}; red: {suns[1].title}{'; ' * bool(remark)}{remark}")
    return figure
