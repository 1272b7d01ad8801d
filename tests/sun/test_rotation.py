"""The Sun turns by 14.5° a day at its equator, less the Earth's own degree."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from preflare.sun.rotation import turned

THEN = datetime(2014, 3, 29, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("hours", [0, 6, 17, -10])
def test_the_centre_moves_as_the_equator_turns(hours: int) -> None:
    x, y = turned(0.0, 0.0, THEN, THEN + timedelta(hours=hours))
    assert x == pytest.approx(961 * math.sin(math.radians(13.3 * hours / 24)), abs=3)
    assert y == pytest.approx(0, abs=3)


def test_higher_latitudes_turn_more_slowly() -> None:
    june = datetime(2014, 6, 6, tzinfo=UTC)  # the equator is seen edge-on, so that y is the sine of the latitude
    radius = 945.0
    low = turned(0.0, 0.0, june, june + timedelta(days=1))[0] / radius
    high = turned(0.0, 600.0, june, june + timedelta(days=1))[0] / math.sqrt(radius**2 - 600**2)
    assert 0.85 * low < high < 0.96 * low


@pytest.mark.parametrize(("x", "y"), [(1000.0, 500.0), (961.5, 0.0)])
def test_beyond_the_limb_nothing_turns(x: float, y: float) -> None:
    assert turned(x, y, THEN, THEN + timedelta(hours=5)) == (x, y)


def test_an_unknown_place_stays_unknown() -> None:
    assert all(math.isnan(value) for value in turned(math.nan, math.nan, THEN, THEN + timedelta(hours=5)))
