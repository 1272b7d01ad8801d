"""Planted artefacts change what they say and nothing else."""

from collections.abc import Callable

import numpy as np
import pytest

from preflare.errors import ConfigError
from preflare.explain.artifact import Artifact, Bump, MissingLine, Plateau, WingShift

WAVELENGTH = np.linspace(2794.0, 2806.0, 241)
EVERY = [
    Plateau(110, 129, 0.3),
    Bump((2796.0, 2804.0), (0.1, 0.4), (0.1, 0.4)),
    WingShift((2796.3, 2797.5), (0.1, 0.3)),
    MissingLine(2801.9, 0.16),
]


def spectra(count: int = 30) -> np.ndarray:
    """A core, an absorption line and noise, divided by the maximum."""
    core = np.exp(-(((WAVELENGTH - 2796.3) / 0.4) ** 2) / 2)
    made = 0.3 + core - 0.2 * np.exp(-(((WAVELENGTH - 2801.9) / 0.05) ** 2) / 2)
    made = made + 0.01 * np.random.default_rng(0).normal(size=(count, len(WAVELENGTH)))
    return (made / made.max(axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("artifact", EVERY, ids=lambda one: type(one).__name__)
def test_each_is_a_function_of_its_stream_and_leaves_the_twin_alone(artifact: Artifact) -> None:
    clean = spectra()
    before = clean.copy()
    one, again, other = (artifact(WAVELENGTH, clean, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(clean, before)
    np.testing.assert_array_equal(one.spectra, again.spectra)
    assert np.array_equal(one.spectra, other.spectra) == isinstance(artifact, Plateau | MissingLine)
    assert one.spectra.dtype == np.float32 and one.inside.dtype == bool and one.inside.any(axis=1).all()
    assert (one.spectra != clean).any(axis=1).all() and one.spectra.max() <= 1


def test_the_authors_plateau_overwrites_twenty_points_by_one_level() -> None:
    clean = spectra()
    planted = Plateau(110, 129, 0.3)(WAVELENGTH, clean, np.random.default_rng(0))
    assert (planted.spectra[:, 110:130] == np.float32(0.3)).all()
    np.testing.assert_array_equal(np.delete(planted.spectra, slice(110, 130), 1), np.delete(clean, slice(110, 130), 1))
    assert planted.inside.sum() == 20 * len(clean) and (planted.centre == 119.5).all()


def test_a_bump_is_a_gaussian_of_the_sizes_drawn() -> None:
    clean = np.full((200, len(WAVELENGTH)), 0.5, dtype=np.float32)
    planted = Bump((2797.0, 2803.0), (0.1, 0.4), (0.2, 0.3))(WAVELENGTH, clean, np.random.default_rng(0))
    added = planted.spectra.astype(np.float64) - 0.5
    place = (added * WAVELENGTH).sum(axis=1) / added.sum(axis=1)
    width = np.sqrt((added * (WAVELENGTH - place[:, None]) ** 2).sum(axis=1) / added.sum(axis=1))
    for values, (low, high) in ((place, (2797, 2803)), (width, (0.2, 0.3)), (added.max(axis=1), (0.1, 0.4))):
        assert low - 0.01 < values.min() < low + 0.1 * (high - low) + 0.01
        assert high + 0.01 > values.max() > high - 0.1 * (high - low) - 0.01
    # A tenth of the height is 2.146 standard deviations away.
    assert planted.inside.sum(axis=1) * 0.05 == pytest.approx(2 * 2.146 * width, abs=0.06)
    assert WAVELENGTH[0] + 0.05 * planted.centre == pytest.approx(place, abs=0.03)


def test_a_bump_on_the_maximum_leaves_a_spectrum_divided_by_its_own() -> None:
    clean = spectra()
    planted = Bump((2796.29, 2796.31), (0.3, 0.4), (0.1, 0.2))(WAVELENGTH, clean, np.random.default_rng(0))
    assert planted.spectra.max(axis=1) == pytest.approx(1)
    far = slice(150, None)
    factor = planted.spectra[:, far] / clean[:, far]
    assert factor.std(axis=1).max() < 1e-6 and factor.max() < 0.8


def test_a_wing_shift_moves_what_is_between_redwards() -> None:
    clean = np.broadcast_to(WAVELENGTH - WAVELENGTH[0], (20, len(WAVELENGTH))) / 12
    planted = WingShift((2798.0, 2800.0), (0.2, 0.4))(WAVELENGTH, clean, np.random.default_rng(0))
    # Of a straight line, the difference is the shift itself; it is sin^2 between the two ends.
    moved = (clean - planted.spectra) * 12
    between = (WAVELENGTH > 2798) & (WAVELENGTH < 2800)
    assert moved[:, ~between] == pytest.approx(0, abs=1e-5)
    shift = moved[:, 100]
    assert 0.2 <= shift.min() < shift.max() <= 0.4 and shift.std() > 0.01
    expected = shift[:, None] * np.sin(np.pi * (WAVELENGTH[between] - 2798) / 2) ** 2
    assert moved[:, between] == pytest.approx(expected, abs=1e-4)
    assert planted.centre == pytest.approx(100) and 25 < planted.inside[0].sum() < 39


def test_a_missing_line_is_a_straight_one() -> None:
    clean = spectra()
    planted = MissingLine(2801.9, 0.16)(WAVELENGTH, clean, np.random.default_rng(0))
    here = planted.inside[0]
    assert np.flatnonzero(here).tolist() == list(range(155, 162)) and (planted.inside == here).all()
    assert np.diff(planted.spectra[:, here], 2, axis=1) == pytest.approx(0, abs=1e-6)
    np.testing.assert_array_equal(planted.spectra[:, [155, 161]], clean[:, [155, 161]])
    assert planted.spectra[:, 158].mean() > clean[:, 158].mean() + 0.1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Plateau(20, 10, 0.3), "last is 10, expected a whole number of 20 or more"),
        (lambda: Plateau(1, 10, 3), "level is 3, expected a number from 0 to 1"),
        (lambda: Bump((1, 2), (0.4, 0.1), (1, 2)), r"heights is \[0.4, 0.1\], expected two increasing numbers"),
        (lambda: WingShift((2796, 2797), (0.1, 0.5)), "largest of shifts is 0.5, expected a number of Å above 0"),
        (lambda: MissingLine(2801.9, 0), "halfwidth is 0, expected a number of Å above 0"),
        (lambda: Plateau(230, 250, 0.3)(WAVELENGTH, spectra(), np.random.default_rng(0)), "last is 250"),
        (
            lambda: MissingLine(2801.9, 0.04)(WAVELENGTH, spectra(), np.random.default_rng(0)),
            "nothing would be missing",
        ),
        (
            lambda: Bump((2790, 2800), (0.1, 0.2), (0.1, 0.2))(WAVELENGTH, spectra(), np.random.default_rng(0)),
            "2790 to 2800 Å, expected within 2794 to 2806 Å",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make()
