"""The zero point of wavelengths against profiles whose shift is known, and the real raster."""

from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from preflare.sun.level2 import Raster
from preflare.sun.zero_point import LIGHT, corrected, mean, measure, profile
from tests.sun.level2_files import Level2File, two_peaks

CONF = Path(__file__).resolve().parents[2] / "conf"
REST = 2799.474


def absorption(axis: np.ndarray, shift: float, depth: float = 0.3, slope: float = 0.5) -> np.ndarray:
    place = REST * (1 + shift / LIGHT)
    return 100 * (1 + slope * (axis - REST)) * (1 - depth * np.exp(-(((axis - place) / 0.05) ** 2) / 2))


@pytest.mark.parametrize("shift", [-12.0, -3.0, 0.0, 0.5, 5.0, 12.0])
@pytest.mark.parametrize("depth", [0.3, -0.3])
def test_a_known_shift_is_found(shift: float, depth: float) -> None:
    axis = 2798.0 + 0.0255 * np.arange(120)
    assert measure(axis, absorption(axis, shift, depth), REST, 0.2) == pytest.approx(shift, abs=0.2)


def test_noise_moves_it_little() -> None:
    axis = 2798.0 + 0.0255 * np.arange(120)
    random = np.random.default_rng(0)
    found = [measure(axis, absorption(axis, 4.0) + random.normal(0, 1, axis.size), REST, 0.2) for _ in range(20)]
    assert np.mean(found) == pytest.approx(4.0, abs=0.3) and np.std(found) < 1


@pytest.mark.parametrize(
    "shape",
    [
        lambda axis: 100 + 3 * (axis - REST),  # no line
        lambda axis: 100 + np.random.default_rng(3).normal(0, 1, axis.size),  # noise
        lambda axis: 100 + np.random.default_rng(3).normal(0, 5, axis.size),
        lambda axis: absorption(axis, 0.0, 0.02),  # shallow
        lambda axis: absorption(axis, 24.0),  # at the edge of what is looked at
        lambda axis: np.zeros_like(axis),
        lambda axis: np.full_like(axis, np.nan),
    ],
)
def test_what_cannot_be_seen_is_not_measured(shape) -> None:  # type: ignore[no-untyped-def]
    axis = 2798.0 + 0.0255 * np.arange(120)
    assert measure(axis, shape(axis), REST, 0.2) is None


def test_too_few_pixels() -> None:
    axis = 2798.0 + 0.1 * np.arange(30)
    assert measure(axis, absorption(axis, 0.0), REST, 0.2) is None


def test_a_corrected_axis_has_no_shift() -> None:
    axis = 2798.0 + 0.0255 * np.arange(120)
    assert measure(corrected(axis, 7.0), absorption(axis, 7.0), REST, 0.2) == pytest.approx(0, abs=0.2)


def test_the_profile_is_the_mean_of_good_pixels(tmp_path: Path) -> None:
    line = instantiate(OmegaConf.load(CONF / "line" / "mg_ii.yaml"))
    counts = two_peaks(3, 4)
    counts[0, 1, 50:60] = -200
    counts[1, 2, 70] = 16383
    counts[:, :, 100] = -200
    path = Level2File(counts, np.arange(3.0), exposure=np.array([8.0, 8.0, 0.0])).write(tmp_path / "a.fits")
    raster = Raster.open(path, line)
    good = counts[:2].astype(np.float32).astype(float)
    good[(good < -100) | (good > 16183)] = np.nan
    expected = np.full(good.shape[2], np.nan)
    expected[~np.isnan(good).all(axis=(0, 1))] = np.nanmean(good[..., ~np.isnan(good).all(axis=(0, 1))], axis=(0, 1))
    expected[:40], expected[106:] = np.nan, np.nan
    first, last = raster.wavelength[[40, 105]]
    place = float(first + last) / 2, float(last - first) / 2 + 1e-6
    found = mean([profile(raster, path, line.rules, *place)] * 2)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.isnan(found[100]) and np.isfinite(found[40:100]).all()
    nowhere = profile(raster, path, line.rules, 1334.5, 0.2)
    assert not np.any(nowhere)


@pytest.mark.real_data
def test_the_real_raster_is_where_its_calibration_puts_it(real_data: Path) -> None:
    """The dip lies at 2799.48 in it, half a km/s from rest."""
    line = instantiate(OmegaConf.load(CONF / "line" / "mg_ii.yaml"))
    path = next((real_data / "full_resolution").glob("*raster*.fits"))
    raster = Raster.open(path, line)
    shift = measure(raster.wavelength, mean([profile(raster, path, line.rules, REST, 0.2)]), REST, 0.2)
    assert shift == pytest.approx(0.6, abs=1.5)
