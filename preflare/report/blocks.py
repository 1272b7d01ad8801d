"""What a page is built of: a title, sentences, and a table or a figure."""

import base64
from dataclasses import dataclass

from matplotlib.figure import Figure

from preflare.figures import style
from preflare.report.tables import Table


@dataclass(frozen=True)
class Picture:
    """A figure of the page. image: PNG in base64; width: in CSS pixels."""

    title: str
    caption: str
    image: str
    width: int


@dataclass(frozen=True)
class Block:
    """A part of a page under a title of its own; the text stands under the table or the figure."""

    title: str
    text: str
    table: Table | None = None
    picture: Picture | None = None


def frame(title: str, caption: str, figure: Figure) -> Picture:
    """A figure as the page shows it: with sharper pixels than the screen may have."""
    image = base64.b64encode(style.png(figure)).decode()
    return Picture(title, caption, image, round(style.SCREEN * figure.get_figwidth()))


def drawn(title: str, caption: str, figure: Figure) -> Block:
    """A block of a figure alone."""
    return Block(title, "", picture=frame(title, caption, figure))
