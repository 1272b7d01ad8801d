"""Every figure that a test here makes is looked at: as wide as it is printed, its words large enough and all on it."""

from collections.abc import Iterator

import pytest
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
    for text in figure.findobj(Text):
        if not text.get_text().strip() or not text.get_visible() or not drawn(text):
            continue
        assert text.get_fontsize() >= LEAST, f"{text.get_text()!r} has {text.get_fontsize():.1f} points"
        box = text.get_window_extent()
        off = max(-box.x0, -box.y0, box.x1 - figure.bbox.x1, box.y1 - figure.bbox.y1)
        assert off < 2 * figure.dpi / 72, f"{text.get_text()!r} leaves the figure"


def drawn(text: Text) -> bool:
    """Whether it is on an axes that is drawn, and not a tick beyond its limits."""
    axes = text.axes
    if axes is None:
        return True
    if not axes.get_visible():
        return False
    for axis, low_high, place in (
        (axes.xaxis, axes.get_xlim(), text.get_position()[0]),
        (axes.yaxis, axes.get_ylim(), text.get_position()[1]),
    ):
        if any(text in (tick.label1, tick.label2) for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]):
            return axes.axison and min(low_high) <= place <= max(low_high)
    return True
