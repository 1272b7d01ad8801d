"""The look: the same bytes for the same figure, settings given back, names above the axes that do not collide."""

import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from preflare.figures import style


def axes() -> Axes:
    made = Figure(figsize=(style.PAGE, 3), layout="constrained").add_subplot()
    made.set_xlim(2794.14, 2805.72)
    return made


def test_png_is_a_png_and_repeats() -> None:
    first, second = style.png(axes().figure), style.png(axes().figure)
    assert first.startswith(b"\x89PNG\r\n\x1a\n")
    assert first == second


def test_pdf_is_a_pdf_and_repeats() -> None:
    first, second = style.pdf(axes().figure), style.pdf(axes().figure)
    assert first.startswith(b"%PDF")
    assert first == second


def test_the_callers_settings_come_back() -> None:
    before = mpl.rcParams["axes.spines.top"]
    with style.applied():
        assert mpl.rcParams["axes.spines.top"] is False
    assert mpl.rcParams["axes.spines.top"] == before


def test_marks_stand_where_they_should_and_do_not_overlap() -> None:
    made = axes()
    names = {"k": 2796.34, "triplet": 2798.77, "Mn I (2)": 2799.09, "Ni I": 2799.474, "h": 2803.52, "far": 3000.0}
    style.mark(made, names, above=3)
    FigureCanvasAgg(made.figure).draw()

    assert [line.get_xdata()[0] for line in made.lines] == [2796.34, 2798.77, 2799.09, 2799.474, 2803.52]
    boxes = [text.get_window_extent() for text in made.texts]
    assert [text.get_text() for text in made.texts] == ["k", "triplet", "Mn I", "Ni I", "h"]
    for i, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[i + 1 :])


def test_a_note_is_on_the_figure() -> None:
    figure = axes().figure
    style.note(figure, "trained on the simulated Sun")
    assert figure.get_suptitle() == "trained on the simulated Sun"


def test_velocities_stand_about_each_core() -> None:
    made = axes()
    FigureCanvasAgg(made.figure).draw()
    assert style.velocity(made, {"k": 2796.34, "h": 2803.52, "elsewhere": 1334.5}) > 0
    (above,) = made.child_axes
    labels = [text.get_text() for text in above.get_xticklabels()]
    assert labels == ["\N{MINUS SIGN}200", "0", "+200 km/s"] * 2
    places = above.get_xticks()
    np.testing.assert_allclose(places[[1, 4]], [2796.34, 2803.52])
    np.testing.assert_allclose((places[2] / places[1] - 1) * 299_792.458, 200)
    FigureCanvasAgg(made.figure).draw()
    boxes = [text.get_window_extent() for text in above.get_xticklabels()]
    for i, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[i + 1 :])


@pytest.mark.parametrize("cores", [{}, {"beyond": 3000.0}, {"one": 2799.0, "close by": 2799.1}])
def test_without_room_there_are_no_velocities(cores: dict[str, float]) -> None:
    made = axes()
    FigureCanvasAgg(made.figure).draw()
    assert style.velocity(made, cores) == 0.0
    assert not made.child_axes


def test_other_modules_take_their_colours_from_the_style() -> None:
    folder = Path(style.__file__).parent
    named = {path.name for path in folder.glob("*.py") if re.search(r"#[0-9a-fA-F]{6}", path.read_text())}
    assert named == {"style.py"}


def test_each_look_is_whole() -> None:
    assert set(style.LOOKS) == {"default", "paper"}
    assert style.look() is style.LOOKS["default"]
    style.use("paper")
    try:
        assert (style.look().red, style.look().signed) == ("red", "jet")
    finally:
        style.use("default")
