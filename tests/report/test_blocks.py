"""A figure goes into a block as a picture of its own size."""

import base64

from matplotlib.figure import Figure

from preflare.report.blocks import drawn, frame


def test_a_figure_is_a_png_of_its_size() -> None:
    figure = Figure(figsize=(2.5, 1))
    picture = frame("a title", "a caption", figure)
    assert base64.b64decode(picture.image).startswith(b"\x89PNG") and picture.width == 325
    block = drawn("a title", "a caption", figure)
    assert block.picture == picture and block.table is None and block.text == "" and block.title == "a title"
