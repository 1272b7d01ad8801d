from dataclasses import replace

import numpy as np
import pytest

from preflare.errors import ConfigError
from preflare.sun.simulation.detector import Detector


@pytest.fixture
def detector(simulate) -> Detector:
    """Without cosmic rays."""
    return replace(simulate().detector, cosmic_rays=0.0)


@pytest.mark.parametrize("level", [0.0, 20.0, 2000.0])
def test_noise_is_photons_read_out_and_rounding(detector: Detector, level: float) -> None:
    counts = detector.counts(np.random.default_rng(1), np.full((200, 500), level / 8), exposure=8.0)
    variance = level / detector.photons + detector.read_noise**2 + detector.scale**2 / 12
    assert counts.mean() == pytest.approx(level, abs=5 * np.sqrt(variance / counts.size))
    assert counts.var() == pytest.approx(variance, rel=0.03)


@pytest.mark.parametrize("smear", [0.0, 0.1, 0.2])
def test_neighbours_share_noise_as_stated(detector: Detector, smear: float) -> None:
    detector = replace(detector, smear=smear)
    expected = 2 * smear * (1 - 2 * smear) / ((1 - 2 * smear) ** 2 + 2 * smear**2)
    counts = detector.counts(np.random.default_rng(2), np.full((300, 400), 10.0), exposure=8.0)
    assert np.corrcoef(counts[:, 1:].ravel(), counts[:, :-1].ravel())[0, 1] == pytest.approx(expected, abs=0.02)


def test_counts_are_what_int16_files_can_hold(detector: Detector) -> None:
    stored = detector.store(np.array([-1e4, -200.0, -0.13, 0.1, 12.3, 16183.75, 1e6]))
    assert stored.dtype == np.float32
    assert stored == pytest.approx([-200.0, -200.0, -0.25, 0.0, 12.25, 16183.75, 16183.75])
    assert detector.ceiling == 16183.75 and detector.fill == -200.0


def test_cosmic_rays_hit_as_often_as_stated(detector: Detector) -> None:
    rate, exposure, pixels = 2e-4, 10.0, 400_000
    rays = replace(detector, cosmic_rays=rate, read_noise=0.0)
    counts = rays.counts(np.random.default_rng(3), np.zeros((1000, pixels // 1000)), exposure)
    hit = counts > 0
    bright = int((counts >= 99).sum())
    expected = rate * exposure * pixels
    # A hit lights its pixel and, mostly, the next one.
    assert expected - 4 * np.sqrt(expected) < bright < 2 * expected
    assert hit.sum() == pytest.approx(2 * expected, rel=0.15)
    assert not detector.counts(np.random.default_rng(3), np.zeros((10, 10)), exposure).max() > 10


def test_rows_are_dead_dusty_or_clear_in_the_stated_shares(detector: Detector) -> None:
    rows = replace(detector, dead_rows=0.1, dusty_rows=0.2).rows(np.random.default_rng(4), 20_000)
    assert np.isnan(rows).mean() == pytest.approx(0.1, abs=0.01)
    assert (rows < 1).mean() == pytest.approx(0.2, abs=0.01)
    assert np.nanmin(rows) > 0.2 and np.nanmax(rows) == 1


def test_exposures_are_lost_in_the_stated_share(detector: Detector) -> None:
    lost = replace(detector, lost=0.05).lose(np.random.default_rng(5), 20_000)
    assert lost.mean() == pytest.approx(0.05, abs=0.006)
    assert not replace(detector, lost=0.0).lose(np.random.default_rng(5), 100).any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"photons": "abc"}, "simulation.detector.photons is 'abc', expected a number above 0"),
        ({"dispersion": 0}, "detector.dispersion is 0, expected a number above 0"),
        ({"read_noise": -1}, "detector.read_noise is -1, expected a number of 0 or more"),
        ({"lost": 1.5}, "detector.lost is 1.5, expected a number from 0 to 1"),
        ({"zero": None}, "detector.zero is null, expected a number"),
    ],
)
def test_a_detector_that_cannot_be_is_refused(detector: Detector, change: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        replace(detector, **change)
