"""Spectrograms are drawn as they are: on one scale, wavelength downwards, a minute as long as a minute."""

import numpy as np
import pytest

from preflare.figures import spectrogram
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
    meshes = [axes.collections[0] for axes in figure.axes if axes.collections]
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
