"""Spectrograms are drawn as they are: on one scale, wavelength downwards, a minute as long as a minute."""

from dataclasses import replace

import numpy as np
import pytest

from preflare.figures import spectrogram, style
from preflare.figures.spectrogram import Panel

WAVELENGTH = np.linspace(10, 20, 5)


def panel(minutes: list[float], arrow: float = np.nan) -> Panel:
    stream = np.random.default_rng(0)
    count = len(minutes)
    rows = stream.standard_normal((count, 5))
    rows[0] = np.nan
    return Panel("A", np.array(minutes), stream.random((count, 5)), rows, np.linspace(0.2, 0.8, count), arrow)


def test_colours_share_one_scale_and_fade_with_the_score() -> None:
    one, two = panel([-9.0, -6.0, -3.0], arrow=-6.0), panel([-4.0, -2.0])
    figure = spectrogram.draw([one, two], WAVELENGTH, 0.7, {"k": 13.0}, "the simulated Sun")
    meshes = [axes.collections[-1] for axes in figure.axes if axes.collections]
    attributed = [mesh for mesh in meshes if mesh.get_clim() == (-0.7, 0.7)]
    assert len(attributed) >= 2
    np.testing.assert_array_equal(attributed[0].get_array(), one.attribution.T)
    np.testing.assert_allclose(np.asarray(attributed[0].get_alpha())[0], one.score)
    # Wavelengths run downwards.
    assert figure.axes[0].get_ylim() == pytest.approx((21.25, 8.75))
    # Cells reach half way to their neighbours.
    assert figure.axes[0].get_xlim() == pytest.approx((-10.5, -1.5))


def test_an_odd_number_of_panels_and_a_single_repeat() -> None:
    figure = spectrogram.draw([panel([-9.0, -6.0]), panel([-3.0]), panel([-2.0, -1.0])], WAVELENGTH, 1.0, {}, "")
    assert sum(axes.axison for axes in figure.axes[:8]) == 6


def test_a_small_one_has_no_words_but_the_minute() -> None:
    figure = spectrogram.small(panel([-9.0, -6.0]), WAVELENGTH, 1.0, {"k": 13.0})
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == ["1 min"]


def test_what_is_missing_is_hatched_and_what_fades_is_not() -> None:
    figure = spectrogram.draw([panel([-9.0, -6.0, -3.0])], WAVELENGTH, 0.7, {"k": 13.0}, "")
    below = figure.axes[1]
    assert below.patch.get_hatch()
    # White lies below all that has a value, and nothing below the first repeat, which has none.
    white = below.collections[0].get_array()
    np.testing.assert_array_equal(np.ma.getmaskarray(np.ma.masked_invalid(white)).all(axis=0), [True, False, False])


def test_minutes_count_to_what_is_said() -> None:
    quiet = replace(panel([-9.0, -6.0]), onset=False)
    figure = spectrogram.draw([panel([-9.0, -6.0]), quiet], WAVELENGTH, 0.7, {}, "")
    said = [axes.get_xlabel() for axes in figure.axes if axes.get_xlabel().startswith("minutes")]
    assert said == ["minutes from the onset", "minutes from the end of the window"]


def test_the_papers_look_fades_by_the_highest_score_of_a_panel() -> None:
    one = panel([-9.0, -6.0, -3.0])
    style.use("paper")
    try:
        figure = spectrogram.draw([one], WAVELENGTH, 0.7, {"k": 13.0}, "")
    finally:
        style.use("default")
    mesh = figure.axes[1].collections[-1]
    assert mesh.get_cmap().name == "jet"
    np.testing.assert_allclose(np.asarray(mesh.get_alpha())[0], one.score / 0.8)
    assert [line.get_linestyle() for line in figure.axes[1].lines][0] == "--"
