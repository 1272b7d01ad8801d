"""The robust divisor against SciPy's median filter, and what it is for."""

import numpy as np
import pytest
from scipy.ndimage import median_filter

from preflare.sun.normalisation import normalise_robustly, robust_maximum


@pytest.mark.parametrize("points", [3, 5, 7])
def test_it_is_the_maximum_of_scipys_median_filter(points: int) -> None:
    spectra = np.random.default_rng(0).normal(1, 0.3, (4, 5, 60))
    half = points // 2
    expected = median_filter(spectra, (1, 1, points))[..., half:-half].max(axis=-1)
    np.testing.assert_allclose(robust_maximum(spectra, points), expected)


@pytest.mark.parametrize("width", [1, 2])
def test_a_spike_does_not_tell(width: int) -> None:
    smooth = np.exp(-(((np.arange(100) - 50) / 10.0) ** 2))[None]
    spiked = smooth.copy()
    spiked[0, 20 : 20 + width] = 9.0
    assert robust_maximum(spiked, 5)[0] == pytest.approx(robust_maximum(smooth, 5)[0])


def test_spectra_and_intensity_keep_their_product() -> None:
    flux = np.random.default_rng(1).uniform(1, 2, (3, 40)).astype(np.float32)
    intensity = flux.max(axis=-1)
    spectra = flux / intensity[:, None]
    normalise_robustly(spectra, intensity, 5)
    np.testing.assert_allclose(spectra * intensity[:, None], flux, rtol=1e-5)
    np.testing.assert_allclose(robust_maximum(spectra, 5), 1, rtol=1e-5)
    assert (spectra.max(axis=-1) > 1).all()


def test_missing_points_and_spectra() -> None:
    spectra = np.full((3, 40), np.nan, np.float32)
    spectra[0, :20] = 0.5
    spectra[2] = -1.0
    intensity = np.array([10, np.nan, -3], np.float32)
    before = spectra.copy()
    normalise_robustly(spectra, intensity, 5)
    assert (spectra[0, :20] == 1).all() and intensity[0] == 5
    np.testing.assert_array_equal(spectra[1:], before[1:])
