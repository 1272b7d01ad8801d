"""Measures of localisation against slow loops and closed forms."""

import numpy as np
import pytest

from preflare.explain.localisation import MEASURES, Target, against_members

POINTS = 60
CORES = np.isin(np.arange(POINTS), [5, 6, 7, 50, 51])


def target(count: int, within: float = 4) -> Target:
    """Artefacts of five points, at other places in each spectrum."""
    inside = np.zeros((count, POINTS), dtype=bool)
    for row in range(count):
        inside[row, 20 + row : 25 + row] = True
    return Target(inside, CORES, within)


def by_hand(one: np.ndarray, inside: np.ndarray, within: float) -> list[float]:
    """The measures of one map, point by point."""
    worth = {place: float(value) for place, value in enumerate(one) if np.isfinite(value) and value > 0}
    places = np.flatnonzero(inside)
    middle = (places[0] + places[-1]) / 2
    total = sum(worth.values())
    if not total:
        return [0.0, 0.0, float("nan"), 0.0]
    hit = float(abs(max(worth, key=lambda place: worth[place]) - middle) <= within)
    share = sum(value for place, value in worth.items() if inside[place]) / total
    left = sum(value for place, value in worth.items() if 0 < middle - place <= within)
    right = sum(value for place, value in worth.items() if 0 < place - middle <= within)
    symmetry = 1 - abs(left - right) / (left + right) if left + right else float("nan")
    residue = sum(value for place, value in worth.items() if CORES[place] and not inside[place]) / total
    return [hit, share, symmetry, residue]


def test_measures_equal_those_by_hand() -> None:
    random = np.random.default_rng(0)
    maps = random.normal(size=(3, 8, POINTS)) - 1
    maps[..., :4] = maps[..., -6:] = np.nan
    maps[1] = -1
    maps[2, :, :] = np.where(random.random((8, POINTS)) < 0.9, -1, maps[2])
    where = target(8)
    found = where.measure(maps)
    expected = [[by_hand(one, where.inside[row], 4) for row, one in enumerate(member)] for member in maps]
    np.testing.assert_allclose(found, np.moveaxis(expected, -1, 0), atol=1e-12)
    assert 0 < np.nanmean(found[0]) < 1 and np.isnan(found[2, 1]).all()


def test_chance_is_what_maps_of_noise_come_to() -> None:
    where = target(10)
    supported = (np.arange(POINTS) >= 6) & (np.arange(POINTS) < 52)
    noise = np.random.default_rng(0).uniform(0.9, 1.0, (2000, 10, POINTS))
    found = where.measure(np.where(supported, noise, np.nan)).mean(axis=(1, 2))
    assert where.chance(supported) == pytest.approx(found, abs=0.02)
    assert where.chance(supported)[0] == pytest.approx(9 / 46)


def test_a_planted_answer_is_found() -> None:
    where = target(6)
    curve = against_members(np.stack([where.inside.astype(float)] * 3), where.measure, [1, 3], 10, 0)
    np.testing.assert_allclose(curve.value, [[1, 1], [1, 1], [1, 1], [0, 0]], atol=1e-12)
    np.testing.assert_allclose(curve.low, curve.high, atol=1e-12)


def test_members_that_err_differently_find_together_what_none_finds_alone() -> None:
    where = target(20)
    # Each member sees the artefact, and something larger at a place of its own.
    maps = np.repeat(where.inside[None].astype(float), 12, axis=0)
    for number in range(12):
        maps[number, :, (3 * number + 41) % POINTS if number % 2 else number] += 3
    curve = against_members(maps, where.measure, [1, 4, 12], 50, 0)
    hit = MEASURES.index("hit")
    assert curve.value[hit, 0] < 0.3 and curve.value[hit, 2] == 1
    assert (np.diff(curve.value[hit]) >= 0).all()
    assert curve.single.shape == (4, 12) and curve.median[hit] == 0


def test_sizes_are_means_over_random_ensembles() -> None:
    random = np.random.default_rng(3)
    each = random.normal(size=(5, 40, 1))

    def positive(mean: np.ndarray) -> np.ndarray:
        return (mean[None, ..., 0] > 0).astype(float)

    curve = against_members(each, positive, [1, 2, 5], 4000, 1)
    pairs = [(a, b) for a in range(5) for b in range(a)]
    expected = [
        np.mean(each > 0),
        np.mean([np.mean((each[a] + each[b]) > 0) for a, b in pairs]),
        np.mean(each.mean(axis=0) > 0),
    ]
    assert curve.value[0] == pytest.approx(expected, abs=0.01)
    assert curve.single[0] == pytest.approx((each > 0).mean(axis=(1, 2)))


def test_intervals_cover_members_and_spectra() -> None:
    """Of one member's mean over n spectra, the standard error from both; a normal interval."""
    random = np.random.default_rng(5)
    each = random.normal(size=(200, 1, 1)) + 2 * random.normal(size=(1, 150, 1))
    curve = against_members(each, lambda mean: mean[None, ..., 0], [1], 3000, 1)
    width = 1.96 * np.sqrt(each.mean(axis=1).var() + each.mean(axis=0).var() / 150)
    assert (curve.high - curve.low)[0, 0] / 2 == pytest.approx(width, rel=0.06)
    assert curve.value[0, 0] == pytest.approx(each.mean())


def test_what_nothing_is_known_of_stays_unknown() -> None:
    curve = against_members(np.full((3, 4, POINTS), -1.0), target(4).measure, [1, 3], 5, 0)
    symmetry = MEASURES.index("symmetry")
    assert np.isnan(curve.value[symmetry]).all() and np.isnan(curve.low[symmetry]).all()
    assert np.isnan(curve.median[symmetry]) and (curve.value[[0, 1, 3]] == 0).all()
