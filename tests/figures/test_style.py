"""The look: the same bytes for the same figure, settings given back, names above the axes that do not collide."""

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from preflare.figures import style


def axes() -> Axes:
    made = Figure(figsize=(7, 3), layout="constrained").add_subplot()
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
