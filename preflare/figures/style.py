"""One look for every figure: fonts, colours that a colour-blind reader can tell apart, and the way to PNG."""

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito (2008): distinct under the common forms of colour blindness.
RED, BLUE, GREY, INK = "#d55e00", "#0072b2", "#8c8c8c", "#1a1a1a"

RC: dict[Any, Any] = {
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "figure.dpi": 100,
    "savefig.dpi": 160,
}


@contextmanager
def applied() -> Iterator[None]:
    """The look, for what is drawn or saved inside the block; the caller's own settings come back after it."""
    with mpl.rc_context(RC):
        yield


def rule(axes: Axes, wavelength: float) -> None:
    """A thin vertical line behind everything else."""
    axes.axvline(wavelength, color=GREY, linewidth=0.6, linestyle=(0, (1, 2)), zorder=0)


def mark(axes: Axes, wavelengths: Mapping[str, float], above: float, size: float = 8.0) -> None:
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
            color="#555555",
        )


def note(figure: Figure, text: str) -> None:
    """A remark in the top right corner that travels with the figure, such as what the model was trained on."""
    figure.suptitle(text, x=0.995, ha="right", fontsize=9, style="italic", color=RED)


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
