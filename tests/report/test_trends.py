"""Trends against SciPy where values are independent, and the chance level where they are not."""

from itertools import permutations

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from preflare.report import trends
from preflare.report.trends import trend


def noise(memory: float, count: int, seed: int) -> np.ndarray:
    white = np.random.default_rng(seed).standard_normal(count + 400)
    return lfilter([1], [1, -memory], white)[400:]


def test_tau_and_slope_are_scipys() -> None:
    time = np.array([0.0, 2.0, 3.0, 5.0, 9.0, 11.0])
    values = np.array([0.1, 0.3, 0.2, 0.5, 0.45, 0.8])
    found = trend(time, values)
    assert found.tau == pytest.approx(stats.kendalltau(time, values).statistic)
    assert found.slope == pytest.approx(stats.theilslopes(values, time).slope)
    assert found.count == 6


def test_the_chance_level_of_series_without_memory_is_scipys() -> None:
    taus, seen = trends._by_chance(8)
    orders = np.array(list(permutations(range(8))))
    first, second = np.triu_indices(8, 1)
    exact = np.sign(orders[:, second] - orders[:, first]).mean(axis=1)
    for row in (0, 1234, 40319):
        assert exact[row] == pytest.approx(stats.kendalltau(np.arange(8), orders[row]).statistic)
    for level in (0.1, 0.5, 0.9, 0.975):
        assert np.quantile(taus[0], level) == pytest.approx(np.quantile(exact, level), abs=0.08)
    assert np.std(taus[0]) == pytest.approx(np.std(exact), rel=0.05)
    # More memory, wider chance; and it is seen too low in all (Kendall 1954).
    assert (np.diff(taus.std(axis=1)) > -0.02).all()
    assert (np.median(seen, axis=1)[1:] < trends.MEMORIES[1:]).all()


def test_memory_is_found_without_bias() -> None:
    for memory in (0.3, 0.6, 0.9):
        found = [trend(np.arange(40), noise(memory, 40, seed)).memory for seed in range(200)]
        assert np.median(found) == pytest.approx(memory, abs=0.05)


def test_of_a_straight_line_and_noise_without_memory_the_autocorrelation_is_by_hand() -> None:
    series = np.random.default_rng(0).normal(size=(3, 9)) + 0.3 * np.arange(9)
    for one, found in zip(series, trends._about_line(series), strict=True):
        left = one - np.polyval(np.polyfit(np.arange(9), one, 1), np.arange(9))
        assert found == pytest.approx((left[1:] * left[:-1]).sum() / (left**2).sum())
    assert trends._about_line(np.arange(5.0)[None])[0] == 0


def test_long_series_are_averaged_with_their_neighbours() -> None:
    time, values = np.arange(360.0), np.random.default_rng(1).normal(size=360) + 0.002 * np.arange(360)
    found, coarse = trend(time, values), trend(np.arange(1, 360, 3.0), values.reshape(120, 3).mean(axis=1))
    assert found.count == 360
    assert (found.tau, found.p, found.slope) == pytest.approx((coarse.tau, coarse.p, coarse.slope))


def test_what_is_missing_is_left_out_and_too_few_have_none() -> None:
    time, values = np.arange(8.0), np.array([1, np.nan, 2, 3, 5, np.nan, 8, 9])
    assert trend(time, values).tau == pytest.approx(1)
    assert trend(time, values).count == 6
    assert np.isnan(trend(time[:3], values[2:5]).p)
    assert np.isnan(trend(time, np.ones(8)).tau)


@pytest.mark.parametrize("count", [6, pytest.param(11, marks=pytest.mark.slow), 24, 48])
@pytest.mark.parametrize(
    "memory", [0.0, *(pytest.param(one, marks=pytest.mark.slow) for one in (0.4, 0.7, 0.9)), 0.8, 0.95]
)
def test_noise_with_memory_is_no_trend(memory: float, count: int) -> None:
    found = [trend(np.arange(count), noise(memory, count, seed)) for seed in range(400)]
    # Two standard errors above the nominal share.
    assert np.mean([one.p <= 0.05 for one in found]) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


def test_the_best_guess_of_memory_would_find_trends_in_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trends, "DOUBT", 0.5)
    found = [trend(np.arange(11), noise(0.95, 11, seed)).p for seed in range(400)]
    assert np.mean(np.array(found) <= 0.05) > 0.08


def test_smooth_noise_is_no_trend_unless_it_is_as_long_as_the_window() -> None:
    """As of patches that live for minutes, seen every quarter of one: no autoregressive series."""
    time = np.linspace(0, 1500, 91)
    smooth = np.linalg.cholesky(np.exp(-((time[:, None] - time) ** 2) / (2 * 240**2)) + 1e-9 * np.eye(91))
    found = [trend(time, smooth @ np.random.default_rng(seed).standard_normal(91)).p for seed in range(300)]
    assert np.mean(np.array(found) <= 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 300)


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
