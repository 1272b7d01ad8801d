"""Coloured spectra show the attributions they were given, on one symmetric scale."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from preflare.figures import spectra, style

WAVELENGTH = np.linspace(10.0, 20.0, 6)
SPECTRA = np.array([[0.1, 0.4, 1.0, 0.5, 0.2, 0.1], [0.2, 0.2, 0.9, 1.0, 0.2, 0.1]])
VALUES = {
    "one": np.array([[np.nan, 1.0, 3.0, -1.0, 0.0, np.nan], [0.0, 0.0, 2.0, 2.0, 0.0, 0.0]]),
    "two": np.full((2, 6), -0.5),
}


@pytest.fixture(scope="module")
def figure() -> Figure:
    return spectra.draw(
        WAVELENGTH,
        SPECTRA,
        VALUES,
        {"one": 2.0, "two": 0.7},
        ["first", "second"],
        {"k": 12.0},
        {"Mn (2)": 15.0},
        "simulated",
    )


def lines(figure: Figure) -> list[LineCollection]:
    return [c for axes in figure.axes[:4] for c in axes.collections if isinstance(c, LineCollection)]


def test_a_segment_has_the_mean_attribution_of_its_ends(figure: Figure) -> None:
    first = lines(figure)[0]
    np.testing.assert_allclose(first.get_array(), [2.0, 1.0, -0.5])
    np.testing.assert_allclose(first.get_segments()[0], [[12.0, 0.4], [14.0, 1.0]])


def test_where_there_is_no_value_the_spectrum_is_dotted_only(figure: Figure) -> None:
    assert [len(line.get_segments()) for line in lines(figure)] == [3, 5, 5, 5]
    dotted = figure.axes[0].lines[0]
    assert dotted.get_linestyle() == ":"
    np.testing.assert_array_equal(dotted.get_ydata(), SPECTRA[0])


def test_all_panels_of_a_method_share_one_symmetric_scale(figure: Figure) -> None:
    assert [line.get_clim() for line in lines(figure)] == [(-2, 2), (-0.7, 0.7), (-2, 2), (-0.7, 0.7)]
    middle = style.AGAINST_TO_FOR(0.5)[:3]
    assert np.ptp(middle) < 0.02 and 0.5 < middle[0] < 0.85  # grey, and not lost on white


def test_the_figure_says_what_it_shows(figure: Figure) -> None:
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert [axes.get_ylabel() for axes in figure.axes[:4]] == ["first", "", "second", ""]
    assert texts.count("k") == texts.count("Mn") == 2
    assert [axes.get_xlabel().partition(":")[0] for axes in figure.axes[4:]] == ["one", "two"]
    assert figure.get_suptitle() == "simulated"
    assert [axes.get_xlabel() for axes in figure.axes[2:4]] == ["vacuum wavelength (Å)"] * 2
    for axes in figure.axes[:4]:
        assert [rule.get_xdata()[0] for rule in axes.lines[1:]] == [12.0, 15.0]
