"""One style for every figure, in two looks: widths, fonts, colours, and the way to PNG and PDF.

A figure is as wide as it is printed, ``COLUMN`` or ``PAGE``, so that a point of its fonts is a point on paper. ``use``
chooses the look for all figures drawn after it; functions ask ``look`` for what differs between the two, and take the
rest from the names here.
"""

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure

# One column and two, in inches.
COLUMN, PAGE = 8.8 / 2.54, 18.0 / 2.54
# CSS pixels of a web page for an inch of a figure: its fonts become nearly as large there as the text around it.
SCREEN = 130
# Points: of titles, of what is to be read, of ticks, and the least there is.
TITLE, BODY, TICK, SMALL = 8.0, 7.5, 7.0, 6.5
# Line widths in points.
FINE, LINE, BOLD = 0.5, 1.0, 1.5

# Okabe and Ito (2008): distinct under the common forms of colour blindness.
RED, BLUE, GREEN, ORANGE, PINK, SKY = "#d55e00", "#0072b2", "#009e73", "#e69f00", "#cc79a7", "#56b4e9"
GREY, INK = "#8c8c8c", "#1a1a1a"
# Of words that stand back, of what lies behind curves, of boxes, and of layers with weights on every cell or on few.
QUIET, SHADE, BOX, CELLS, FEW = "#555555", "#dddddd", "#e6e6e6", "#e6e6e6", "#cfe3f2"

# Diverging with a grey middle: a white one would make the line vanish where nothing is attributed.
AGAINST_TO_FOR = LinearSegmentedColormap.from_list(
    "against to for", ["#053061", "#2b7bba", "#c4c4c4", "#e6550d", "#7f0000"]
)
NONE_TO_FOR = LinearSegmentedColormap.from_list("none to for", ["#c4c4c4", "#e6550d", "#7f0000"])


@dataclass(frozen=True)
class Look:
    """What the paper draws in a way of its own.

    red, blue: of what it draws in pure ones. signed, positive: of attributions with both signs, and from zero.
    curve, halo: of the score over a picture, and around it. rule: of wavelengths over a picture. fades: whether an
    attribution is as opaque as the score over the highest of its panel, or as the score. ticks: whether the scale of
    attributions has numbers.
    """

    red: str
    blue: str
    signed: str | Colormap
    positive: str | Colormap
    curve: str
    halo: str
    rule: Mapping[str, Any]
    fades: bool
    ticks: bool


LOOKS = {
    "default": Look(
        red=RED,
        blue=BLUE,
        signed=AGAINST_TO_FOR,
        positive=NONE_TO_FOR,
        curve=RED,
        halo="white",
        rule={"color": INK, "linewidth": 0.6, "alpha": 0.7, "linestyle": (0, (1, 3))},
        fades=False,
        ticks=True,
    ),
    # The paper's Figs. 2, 10 to 14, D.1 and D.2.
    "paper": Look(
        red="red",
        blue="blue",
        signed="jet",
        positive="jet",
        curve="white",
        halo="black",
        rule={"color": "black", "linewidth": 0.8, "linestyle": "--"},
        fades=True,
        ticks=False,
    ),
}

RC: dict[Any, Any] = {
    "font.size": BODY,
    "font.family": "DejaVu Sans",
    "axes.titlesize": TITLE,
    "axes.titlepad": 3,
    "axes.labelsize": BODY,
    "axes.labelpad": 3,
    "xtick.labelsize": TICK,
    "ytick.labelsize": TICK,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "legend.fontsize": TICK,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.2,
    "figure.labelsize": BODY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": LINE,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.4,
    "axes.formatter.useoffset": False,
    "figure.dpi": 200,
    "savefig.dpi": 200,
}

# km/s; the steps that an axis of velocities may have.
LIGHT = 299_792.458
STEPS = (500, 200, 100, 50, 20, 10)
# Points that a number on it takes.
NUMBER = 24.0

_chosen = LOOKS["default"]


def use(name: str) -> None:
    """Draw from now on in this look, one of LOOKS."""
    global _chosen
    _chosen = LOOKS[name]


def look() -> Look:
    """The look chosen last."""
    return _chosen


@contextmanager
def applied() -> Iterator[None]:
    """The style, for what is drawn or saved inside the block; the caller's own settings come back after it."""
    with mpl.rc_context(RC):
        yield


def missing(axes: Axes) -> None:
    """What a picture does not cover is hatched on white: of no colour map's colours."""
    axes.patch.set(facecolor="white", edgecolor=GREY, hatch="//////", linewidth=0)


def rule(axes: Axes, wavelength: float) -> None:
    """A thin vertical line behind everything else."""
    axes.axvline(wavelength, color=GREY, linewidth=0.6, linestyle=(0, (1, 2)), zorder=0)


def velocity(axes: Axes, cores: Mapping[str, float]) -> float:
    """An axis above of Doppler velocities about each core, positive away from us; none where there is no room for one.

    cores: name -> Å. The limits of the x axis must be set, the figure laid out. Returns its height in points.
    """
    low, high = axes.get_xlim()
    inside = sorted(core for core in cores.values() if low < core < high)
    if not inside:
        return 0.0
    # There is room for numbers as far as half-way to the next core, and to the ends.
    around = [2 * low - inside[0], *inside, 2 * high - inside[-1]]
    reach = min(other - one for one, other in pairwise(around)) / 2 / inside[0] * LIGHT
    step = next((step for step in STEPS if step < 0.9 * reach), 0)
    width = axes.bbox.width / axes.figure.dpi * 72
    if step * inside[0] / LIGHT / (high - low) * width < NUMBER:
        return 0.0
    above = axes.secondary_xaxis("top")
    above.set_xticks(
        [core * (1 + speed / LIGHT) for core in inside for speed in (-step, 0, step)],
        [text for _ in inside for text in (f"\N{MINUS SIGN}{step}", "0", f"+{step} km/s")],
        fontsize=SMALL,
    )
    above.tick_params(length=2, pad=1, colors=QUIET)
    above.spines["top"].set(visible=True, color=GREY, linewidth=FINE)
    return 1.6 * SMALL


def mark(axes: Axes, wavelengths: Mapping[str, float], above: float, size: float = SMALL) -> None:
    """Mark wavelengths by thin vertical lines, named above the axes; names that would collide go up a row.

    wavelengths: name -> position on the x axis, whose limits must be set; of "Mn I (2)" only "Mn I" is shown.
    above: distance of the lowest row from the axes, in points.
    """
    low, high = axes.get_xlim()
    rows: list[float] = []
    width = axes.bbox.width / axes.figure.dpi * 72  # of the axes, in points
    for name, wavelength in sorted(wavelengths.items(), key=lambda item: item[1]):
        if not low <= wavelength <= high:
            continue
        rule(axes, wavelength)
        name = re.sub(r" \(\d+\)$", "", name)
        # Half the width of the text in points; DejaVu Sans has about 0.62 em per character.
        half = 0.5 * 0.62 * size * (len(name) + 1)
        place = (wavelength - low) / (high - low) * width
        row = next((i for i, end in enumerate(rows) if place - half >= end), len(rows))
        rows[row : row + 1] = [place + half]
        axes.annotate(
            name,
            xy=(wavelength, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, above + row * 1.25 * size),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=size,
            color=QUIET,
        )


def note(figure: Figure, text: str) -> None:
    """A remark in the top right corner that travels with the figure, such as what the model was trained on."""
    figure.suptitle(text, x=0.995, ha="right", fontsize=TICK, style="italic", color=RED)


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file, the same bytes for the same figure."""
    return _saved(figure, "png", {"Software": ""})


def pdf(figure: Figure) -> bytes:
    """The figure as the bytes of a PDF file of vectors, the same bytes for the same figure."""
    return _saved(figure, "pdf", {"Creator": "", "Producer": "", "CreationDate": None})


def _saved(figure: Figure, kind: str, metadata: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    with applied():
        figure.savefig(stream, format=kind, metadata=metadata)
    return stream.getvalue()
