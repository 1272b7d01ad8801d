"""Intervals and p-values against SciPy's and against what they promise."""

import numpy as np
import pytest
from scipy import stats

from preflare.report.resampling import above_zero, cases, interval, p_value, share


def test_the_interval_of_a_mean_is_scipys() -> None:
    values = np.random.default_rng(3).gamma(2.0, size=40)
    ours = interval(len(values), lambda drawn: float(values[drawn].mean()), resamples=9000)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=9000, rng=1).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_it_repeats_and_widens_with_its_level() -> None:
    values = np.arange(20.0)

    def mean(drawn: np.ndarray) -> float:
        return float(values[drawn].mean())

    assert interval(20, mean, seed=5) == interval(20, mean, seed=5)
    narrow, wide = interval(20, mean, level=0.5), interval(20, mean, level=0.99)
    assert wide[0] < narrow[0] < 9.5 < narrow[1] < wide[1]


def test_classes_keep_their_numbers() -> None:
    classes = np.array([0, 0, 0, 1, 1])
    seen = []
    interval(classes, lambda drawn: float(seen.append(np.bincount(classes[drawn]).tolist()) or 0), resamples=50)
    assert seen == [[3, 2]] * 50


def test_draws_without_a_value_are_left_out() -> None:
    assert interval(5, lambda drawn: 1.0 if 0 in drawn else np.nan) == (1.0, 1.0)
    assert np.isnan(interval(5, lambda drawn: np.nan)).all()


def test_p_values_of_chance_are_even() -> None:
    stream = np.random.default_rng(0)
    found = [p_value(stream.normal(), stream.normal(size=99)) for _ in range(2000)]
    assert stats.kstest(found, "uniform", args=(0, 1)).pvalue > 0.01
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.015)


def test_the_smallest_p_is_one_over_all() -> None:
    assert p_value(10.0, np.zeros(99)) == 0.01
    assert p_value(-1.0, np.zeros(99)) == 1.0
    assert np.isnan(p_value(np.nan, np.zeros(3)))


def test_signs_are_flipped_as_scipy_does() -> None:
    values = np.random.default_rng(5).normal(0.4, 1, 15)
    theirs = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", alternative="greater", n_resamples=9999, rng=6
    )
    assert above_zero(np.append(values, np.nan)) == pytest.approx(theirs.pvalue, abs=0.015)
    assert above_zero(-np.ones(15)) == 1
    assert np.isnan(above_zero(np.array([np.nan])))


def test_a_share_is_of_sums_and_its_interval_of_observations() -> None:
    part, whole = np.array([1.0, 0.0, 8.0]), np.array([2.0, 0.0, 10.0])
    value, low, high = share(part, whole)
    assert value == pytest.approx(9 / 12)
    assert (low, high) == (0.5, 0.8)  # every draw lies between the two observations that have any
    assert np.isnan(share(part, np.zeros(3))).all()


def test_a_region_is_a_case_of_each_of_its_classes() -> None:
    found = cases([False, True, True, False, True], ["b", "a", "b", "b", "a"])
    assert [places.tolist() for places in found] == [[1, 4], [2], [0, 3]]
    assert cases([], []) == []
