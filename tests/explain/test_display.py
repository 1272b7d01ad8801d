"""The paper's display, by hand."""

import numpy as np
import pytest
from scipy.signal import savgol_coeffs

from preflare.explain.display import WINDOW, smoothed, to_the_score

ATTRIBUTIONS = np.random.default_rng(0).normal(size=(4, 120))
SCORES = np.array([0.9, 0.5, 0.1, 0.7])


def as_published(attributions: np.ndarray, scores: np.ndarray) -> np.ndarray:
    return to_the_score(smoothed(attributions, WINDOW), scores)


def test_away_from_the_edges_it_is_a_convolution_shifted_and_scaled() -> None:
    found = as_published(ATTRIBUTIONS, SCORES)
    weights = savgol_coeffs(41, 3)
    for row, shown in zip(ATTRIBUTIONS, found, strict=True):
        smooth = np.convolve(row, weights, mode="valid")
        slope, offset = np.polyfit(smooth, shown[20:-20], 1)
        np.testing.assert_allclose(shown[20:-20], slope * smooth + offset, atol=1e-12)
        assert slope > 0


def test_it_is_nowhere_negative_and_sums_to_the_score() -> None:
    found = as_published(ATTRIBUTIONS, SCORES)
    np.testing.assert_allclose(found.sum(axis=1), SCORES)
    assert (found >= 0).all() and np.isclose(found.min(axis=1), 0, atol=1e-15).all()


def test_what_is_positive_is_not_shifted() -> None:
    constant = np.full((1, 60), 2.0)
    np.testing.assert_allclose(as_published(constant, np.array([0.6])), 0.01)


def test_nothing_stays_nothing_and_the_input_is_left_alone() -> None:
    zeros = np.zeros((1, 60), dtype=np.float32)
    np.testing.assert_array_equal(as_published(zeros, np.array([0.6])), 0)
    before = ATTRIBUTIONS.copy()
    as_published(ATTRIBUTIONS, SCORES)
    np.testing.assert_array_equal(ATTRIBUTIONS, before)


def test_a_window_that_is_longer_than_a_spectrum() -> None:
    with pytest.raises(ValueError, match="window_length"):
        as_published(ATTRIBUTIONS[:, :30], SCORES)


def test_what_a_map_does_not_support_stays_so() -> None:
    maps = ATTRIBUTIONS.copy()
    maps[:, :20] = np.nan
    found = to_the_score(maps, SCORES)
    assert np.isnan(found[:, :20]).all()
    np.testing.assert_allclose(found[:, 20:], to_the_score(maps[:, 20:], SCORES))
