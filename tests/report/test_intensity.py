"""Breaks that were put in, fits as SciPy's, predictions as scikit-learn's."""

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

from preflare.report import intensity


def two(seed: int, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    stream = np.random.default_rng(seed)
    x = stream.gamma(2.0, 40.0, 1200)
    y = np.where(x < 90, 0.02 * x, 1.8 - 0.005 * (x - 90)) + noise * stream.standard_normal(1200)
    return x, y, np.repeat(np.arange(12), 100)


def test_a_break_is_found_with_its_lines() -> None:
    x, y, owner = two(0, 0.1)
    found = intensity.broken(x, y, owner, resamples=100)
    assert found is not None
    assert found.at == pytest.approx(90, abs=4)
    assert found.interval[0] - 1 <= 90 <= found.interval[1] + 1
    assert found.interval[1] - found.interval[0] < 15
    for fit, here in ((found.below, x <= found.at), (found.above, x > found.at), (found.one, x > 0)):
        theirs = stats.linregress(x[here], y[here])
        assert (fit.slope, fit.intercept) == pytest.approx((theirs.slope, theirs.intercept))
        assert fit.r2 == pytest.approx(theirs.rvalue**2)
        assert fit.share == pytest.approx(here.mean())
    one, both = found.held_out
    assert both > 0.9 > one
    assert found.supported and found.p < 0.001


def test_a_break_that_is_not_there_is_not_supported() -> None:
    """Of one line, whose slope and level differ from observation to observation."""
    called = []
    for seed in range(100):
        stream = np.random.default_rng(seed)
        owner = np.repeat(np.arange(12), 30)
        x = stream.gamma(2.0, 40.0, 360)
        slope, level = 0.01 * (1 + stream.normal(size=12)), stream.normal(size=12)
        y = slope[owner] * x + level[owner] + stream.normal(size=360)
        found = intensity.broken(x, y, owner, resamples=1)
        assert found is not None and np.isfinite(found.at)
        called.append(found.supported)
    assert np.mean(called) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 100)


def test_the_break_is_that_of_a_slow_search() -> None:
    x, y, owner = two(1, 0.8)
    x, y, owner = x[::10], y[::10], owner[::10]
    found = intensity.broken(x, y, owner, resamples=2)
    assert found is not None
    ordered = np.sort(x)
    missed = {}
    for low, high in zip(ordered[:-1], ordered[1:], strict=True):
        at, sides = (low + high) / 2, (x <= (low + high) / 2, x > (low + high) / 2)
        if min(side.sum() for side in sides) >= 6:
            missed[at] = sum(np.polyfit(x[side], y[side], 1, full=True)[1][0] for side in sides)
    assert found.at == pytest.approx(min(missed, key=lambda at: missed[at]))


def test_held_out_variance_is_that_of_a_slow_loop() -> None:
    x, y, owner = two(2, 0.5)
    found = intensity.broken(x, y, owner, resamples=2)
    assert found is not None
    missed = spread = 0.0
    for group in range(12):
        out = owner == group
        line = np.polyfit(x[~out], y[~out], 1)
        missed += ((y[out] - np.polyval(line, x[out])) ** 2).sum()
        spread += ((y[out] - y[~out].mean()) ** 2).sum()
    assert found.held_out[0] == pytest.approx(1 - missed / spread)


def test_noise_gains_nothing_by_a_break() -> None:
    stream = np.random.default_rng(3)
    found = intensity.broken(
        stream.uniform(0, 9, 600), stream.normal(size=600), np.repeat(np.arange(12), 50), resamples=50
    )
    assert found is not None
    assert max(found.held_out) < 0.02
    assert found.interval[1] - found.interval[0] > 2  # a break anywhere


def test_too_few_points_have_no_break() -> None:
    assert intensity.broken(np.arange(5.0), np.arange(5.0), np.zeros(5, int)) is None
    assert intensity.broken(np.ones(50), np.arange(50.0), np.zeros(50, int)) is None


def test_predictions_are_scikit_learns() -> None:
    stream = np.random.default_rng(4)
    owner = np.repeat(np.arange(6), 50)
    shapes = stream.normal(5, 1, (300, 8))
    values = shapes @ stream.normal(size=8) + 0.5 * stream.standard_normal(300) + 3
    found = intensity.encoded(shapes.astype(np.float32), values, owner)
    for group in range(6):
        known = owner != group
        alpha = intensity.RIDGE * (shapes[known].var(axis=0) * known.sum()).sum() / 8
        theirs = Ridge(alpha).fit(shapes[known], values[known]).predict(shapes[~known])
        np.testing.assert_allclose(found.predicted[~known], theirs, rtol=1e-4)
    plain = cross_val_predict(Ridge(1e-9), shapes, values, groups=owner, cv=LeaveOneGroupOut())
    expected = 1 - ((values - plain) ** 2).sum() / ((values - values.mean()) ** 2).sum()
    assert found.r2[0] == pytest.approx(expected, abs=0.02)
    assert found.r2[1] <= found.r2[0] <= found.r2[2]


def test_noise_encodes_nothing_and_one_observation_tells_nothing() -> None:
    stream = np.random.default_rng(5)
    shapes, values = stream.normal(size=(400, 5)), stream.normal(size=400)
    assert intensity.encoded(shapes, values, np.repeat(np.arange(8), 50)).r2[0] < 0.02
    assert np.isnan(intensity.encoded(shapes, values, np.zeros(400, int)).r2).all()
    flat = intensity.encoded(np.ones((400, 1)), values, np.repeat(np.arange(8), 50))
    assert flat.r2[0] == pytest.approx(0)
