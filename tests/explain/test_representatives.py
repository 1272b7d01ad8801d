"""The greedy choice of members against brute force and against chance."""

from itertools import combinations

import numpy as np

from preflare.explain.representatives import by_chance, curve, forward


def members(count: int = 12) -> np.ndarray:
    stream = np.random.default_rng(0)
    common = stream.normal(size=(5, 20))
    return common + stream.normal(size=(count, 5, 20)) * stream.uniform(0.2, 2, size=(count, 1, 1))


def error(attributions: np.ndarray, some: list[int]) -> float:
    mean = attributions.mean(axis=0)
    return float(np.sqrt(((attributions[some].mean(axis=0) - mean) ** 2).mean() / (mean**2).mean()))


def test_each_step_is_the_best_there_is() -> None:
    attributions = members()
    taken, errors = forward(attributions, 6)
    for number in range(1, 7):
        before = taken[: number - 1]
        best = min(error(attributions, [*before, one]) for one in range(12) if one not in before)
        np.testing.assert_allclose(errors[number - 1], best, rtol=1e-9)
        np.testing.assert_allclose(errors[number - 1], error(attributions, taken[:number]), rtol=1e-9)


def test_all_members_have_no_error() -> None:
    taken, errors = forward(members(), 12)
    assert sorted(taken) == list(range(12)) and errors[-1] < 1e-6


def test_greedy_is_near_the_best_subset_and_beats_chance() -> None:
    attributions = members()
    _, errors = forward(attributions, 4)
    best = min(error(attributions, list(some)) for some in combinations(range(12), 4))
    drawn = by_chance(attributions, 4, 200, seed=0)
    assert errors[3] < 1.5 * best and errors[3] < np.quantile(drawn[:, 3], 0.05)


def test_chance_is_what_it_says() -> None:
    attributions = members()
    drawn = by_chance(attributions, 12, 3, seed=0)
    np.testing.assert_allclose(drawn[:, -1], 0, atol=1e-9)
    singles = [error(attributions, [one]) for one in range(12)]
    for row in drawn:
        assert np.isclose(row[0], singles).any()


def test_members_that_say_nothing() -> None:
    taken, errors = forward(np.zeros((3, 4, 5)), 2)
    assert len(taken) == 2 and not errors.any()


def test_the_curve_is_the_choice_beside_chance() -> None:
    attributions = members(5)
    rows = curve(attributions, ["a", "b", "c", "d", "e"], seed=0)
    taken, errors = forward(attributions, 5)
    assert [row.member for row in rows] == ["abcde"[one] for one in taken]
    np.testing.assert_allclose([row.error for row in rows], errors)
    assert [row.members for row in rows] == [1, 2, 3, 4, 5]
    assert all(row.error <= row.chance and row.chance_5 <= row.chance <= row.chance_95 for row in rows[:2])
