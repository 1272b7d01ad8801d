from dataclasses import replace

import numpy as np
import pytest

from preflare.errors import ConfigError
from preflare.sun.simulation.programme import Programme


@pytest.fixture
def programme(simulate) -> Programme:
    return simulate(simulation="default").programme


def test_schedules_are_as_the_programme_says(programme: Programme) -> None:
    plans = [programme.draw(np.random.default_rng(seed), seed % 2 == 0) for seed in range(1000)]
    assert [plan.mode == "raster" for plan in plans] == [seed % 2 == 0 for seed in range(1000)]
    for plan in plans:
        assert plan.steps in (1, *programme.steps)
        assert plan.exposure < plan.cadence
        assert programme.onset[0] <= plan.onset / 60 <= programme.onset[1]
        assert plan.onset < plan.peak < plan.end
        assert programme.flare[0] <= (plan.end - plan.onset) / 60 <= programme.flare[1] + 1e-9
    sizes = [1500 / plan.cadence * plan.slit for plan in plans]
    assert np.mean(sizes) == pytest.approx(programme.size, rel=0.15)  # three standard errors


def test_exposures_follow_one_another_until_the_flare_ends(programme: Programme) -> None:
    for seed in range(20):
        plan = programme.draw(np.random.default_rng(seed), seed < 10)
        times = plan.times
        assert times.shape[1] == plan.steps
        assert times[0, 0] == 0
        assert np.diff(times.ravel()) == pytest.approx(plan.cadence)
        assert times[-1, 0] < plan.end <= times[-1, -1] + plan.cadence


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": 0}, "programme.size is 0, expected a whole number of 1 or more"),
        ({"size": "abc"}, "programme.size is 'abc'"),
        ({"rasters": 1.5}, "programme.rasters is 1.5, expected a number from 0 to 1"),
        ({"spread": -1}, "programme.spread is -1"),
        ({"pixel": 0}, "programme.pixel is 0"),
        ({"exposures": (20.0,)}, "20.0 s"),
        ({"exposures": ("abc",)}, "programme.exposures is .'abc'., expected one or more numbers above 0"),
        ({"cadences": ()}, r"programme.cadences is \[\], expected one or more numbers above 0"),
        ({"steps": (1.5,)}, "programme.steps is 1.5, expected a whole number"),
        ({"onset": (50, 20)}, r"\[50, 20\], expected \[shortest, longest\]"),
        ({"onset": (50,)}, r"\[50\], expected \[shortest, longest\]"),
        ({"onset": 50}, "programme.onset is 50, expected one or more numbers"),
        ({"flare": (0, 20)}, r"\[0, 20\]"),
    ],
)
def test_a_programme_that_fits_nothing_is_refused(programme: Programme, change: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        replace(programme, **change)
