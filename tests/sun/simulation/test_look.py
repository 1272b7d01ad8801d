from dataclasses import astuple

import numpy as np
import pytest

from preflare.sun.simulation import look as looks


def draw(seed: int, region: int) -> np.ndarray:
    return np.array(astuple(looks.draw(np.random.default_rng([1, seed]), np.random.default_rng([2, region]))))


def test_observations_of_a_region_look_alike_in_the_stated_share() -> None:
    pairs = np.array([(draw(2 * region, region), draw(2 * region + 1, region)) for region in range(1500)])
    zero_points, strangers = pairs[:, :, 0], pairs[1:, 1, 0]
    assert zero_points.std() == pytest.approx(2.0, rel=0.05)
    assert np.corrcoef(zero_points.T)[0, 1] == pytest.approx(looks.REGION_SHARE, abs=0.07)
    assert np.corrcoef(pairs[:-1, 0, 0], strangers)[0, 1] == pytest.approx(0, abs=0.08)


def test_a_look_is_possible() -> None:
    for seed in range(300):
        look = looks.draw(np.random.default_rng([1, seed]), np.random.default_rng([2, seed]))
        assert 0.3 < look.mu < 1 and 0 < look.unrest < 0.75
        assert min(look.brightness, look.continuum, look.width) > 0.3


def test_regions_are_chains_of_days_whatever_the_order() -> None:
    ids = [
        "20141025_145828_3880106953",
        "20141021_181052_3860261353",
        "20141022_081850_3860261381",
        "20141107_093726_3860602088",
        "20141027_140420_3860354980",
    ]
    expected = dict.fromkeys(ids, "20141021") | {ids[3]: "20141107"}
    assert looks.regions(ids) == expected == looks.regions(ids[::-1])
