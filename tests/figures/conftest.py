"""Every figure that a test here makes is looked at: as wide as it is printed, its words large enough and all on it."""

from collections.abc import Iterator

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from preflare.figures import style

# A picture of a gallery is narrower, in inches, and has no words to read.
THUMBNAIL = 2.0
LEAST = 6.0


@pytest.fixture(autouse=True)
def printable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    made: list[Figure] = []
    begin = Figure.__init__

    def kept(self: Figure, *args: object, **keywords: object) -> None:
        begin(self, *args, **keywords)  # type: ignore[arg-type]
        if "figsize" in keywords:
            made.append(self)

    monkeypatch.setattr(Figure, "__init__", kept)
    yield
    for figure in made:
        check(figure)


def check(figure: Figure) -> None:
    """Fail if a figure cannot be printed in one column or two."""
    width = figure.get_figwidth()
    if width < THUMBNAIL:
        return
    assert min(abs(width - style.COLUMN), abs(width - style.PAGE)) < 1e-6, f"{width:.2f} inches wide"
    with style.applied():
        figure.draw_without_rendering()
    left_out = hidden(figure)
    for text in figure.findobj(Text):
        if not text.get_text().strip() or not text.get_visible() or id(text) in left_out:
            continue
        assert text.get_fontsize() >= LEAST, f"{text.get_text()!r} has {text.get_fontsize():.1f} points"
        box = text.get_window_extent()
        off = max(-box.x0, -box.y0, box.x1 - figure.bbox.x1, box.y1 - figure.bbox.y1)
        assert off < 2 * figure.dpi / 72, f"{text.get_text()!r} leaves the figure"


def hidden(figure: Figure) -> set[int]:
    """Texts that are not drawn: ticks beyond an axis, and axes that are switched off."""
    found = set()
    for axes in figure.findobj(Axes):
        if not axes.axison:
            found |= {id(text) for axis in (axes.xaxis, axes.yaxis) for text in axis.findobj(Text)}
        for axis, limits, place in ((axes.xaxis, axes.get_xlim(), 0), (axes.yaxis, axes.get_ylim(), 1)):
            for tick in (*axis.majorTicks, *axis.minorTicks):
                for text in (tick.label1, tick.label2):
                    if not min(limits) <= text.get_position()[place] <= max(limits):
                        found.add(id(text))
    return found
