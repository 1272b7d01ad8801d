"""Trends against SciPy where values are independent, and the chance level where they are not."""

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from preflare.report.trends import trend


def noise(memory: float, count: int, seed: int) -> np.ndarray:
    white = np.random.default_rng(seed).standard_normal(count + 200)
    return lfilter([1], [1, -memory], white)[200:]


def test_tau_and_slope_are_scipys() -> None:
    time = np.array([0.0, 2.0, 3.0, 5.0, 9.0, 11.0])
    values = np.array([0.1, 0.3, 0.2, 0.5, 0.45, 0.8])
    found = trend(time, values)
    assert found.tau == pytest.approx(stats.kendalltau(time, values).statistic)
    slope, _, low, high = stats.theilslopes(values, time)
    assert (found.slope, found.low, found.high) == pytest.approx((slope, low, high))
    assert found.count == 6


def test_what_is_missing_is_left_out_and_too_few_have_none() -> None:
    time, values = np.arange(8.0), np.array([1, np.nan, 2, 3, 5, np.nan, 8, 9])
    assert trend(time, values).tau == pytest.approx(1)
    assert trend(time, values).count == 6
    assert np.isnan(trend(time[:3], values[2:5]).p)
    assert np.isnan(trend(time, np.ones(8)).tau)


@pytest.mark.parametrize(("memory", "count"), [(0.0, 12), (0.4, 12), (0.4, 30), (0.7, 40)])
def test_noise_with_memory_is_no_trend(memory: float, count: int) -> None:
    found = [trend(np.arange(count), noise(memory, count, seed), seed).p for seed in range(200)]
    # Two standard errors above the nominal share.
    assert np.mean(np.array(found) <= 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def test_interpolated_noise_is_what_it_must_not_be_given() -> None:
    """Why trends are of the values as measured: on a grid of seconds SciPy's own test finds one in most noise."""
    measured, grid = np.linspace(0, 1500, 12), np.arange(1500)
    p = [stats.kendalltau(grid, np.interp(grid, measured, noise(0.3, 12, seed))).pvalue for seed in range(50)]
    assert np.mean(np.array(p) <= 0.05) > 0.7


def test_a_rise_is_found_and_a_fall_is_not_one() -> None:
    time = np.arange(25.0)
    rising = 0.05 * time + noise(0.4, 25, 1) * 0.2
    assert trend(time, rising).p < 0.01
    assert trend(time, -rising).p > 0.9
    assert trend(time, rising) == trend(time, rising)
