"""Quiet ground is the quiet part of all ground, and a region's observation is not pointed at it."""

import numpy as np
import pytest
from scipy.stats import kstest, truncnorm

from preflare.sun.simulation.ground import QUIET, SPOT, Ground


def somewhere(count: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Places and times so far apart that fields there are independent."""
    random = np.random.default_rng(seed)
    return tuple(random.uniform(-1, 1, count) * scale for scale in (3e3, 3e3, 1e6))


def test_quiet_sun_has_the_distribution_of_what_is_quiet_elsewhere() -> None:
    activity, _, spot = np.concatenate(
        [Ground(np.random.default_rng(seed), quiet=True)(*somewhere(20, seed)) for seed in range(60)], axis=1
    )
    assert activity.max() <= QUIET and spot.max() <= SPOT
    assert kstest(activity, truncnorm(-np.inf, QUIET).cdf).pvalue > 0.01


def test_where_it_is_quiet_is_said() -> None:
    places = somewhere(2000)
    ground = Ground(np.random.default_rng(1), quiet=False)
    activity, _, spot = ground(*places)
    np.testing.assert_array_equal(ground.is_quiet(*places), (activity <= QUIET) & (spot <= SPOT))
    assert 0.1 < ground.is_quiet(*places).mean() < 0.5
    assert Ground(np.random.default_rng(1), quiet=True).is_quiet(*places).all()


@pytest.mark.parametrize("seed", range(12))
def test_a_region_is_active_where_it_is_looked_at(seed: int) -> None:
    here = (np.array([3.0]), np.array([-4.0]), np.array([500.0]))
    before = Ground(np.random.default_rng(seed), quiet=False)
    ground = Ground(np.random.default_rng(seed), quiet=False)
    ground.point_at(np.array([3.0, -4.0]), 500.0)
    was, now = before(*here)[0, 0], ground(*here)[0, 0]
    assert now == (-was if was <= QUIET else was) and now > QUIET
    np.testing.assert_array_equal(ground(*here)[1:], before(*here)[1:])
    quiet = Ground(np.random.default_rng(seed), quiet=True)
    quiet.point_at(np.array([3.0, -4.0]), 500.0)
    assert quiet(*here)[0, 0] <= QUIET
