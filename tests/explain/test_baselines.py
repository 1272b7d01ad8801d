"""The choice of baselines against brute force, and against chance."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from preflare.explain import baselines
from preflare.explain.baselines import CHOICES, herding, random


def pool(count: int) -> np.ndarray:
    """Two clusters of unequal size, and one spectrum that is like no other."""
    stream = np.random.default_rng(0)
    spectra = stream.normal(size=(count, 6)) * 0.3
    spectra[: count // 4] += 2
    spectra[-1] = 50
    return spectra


def discrepancy(spectra: np.ndarray, rows: np.ndarray) -> float:
    """Squared distance of the chosen rows' mean from the mean of all, in the kernel's space, by loops."""
    pairs = [[float(((a - b) ** 2).sum()) for b in spectra] for a in spectra]
    k = np.exp(-np.array(pairs) / (2 * np.median(pairs)))
    every = range(len(spectra))
    both = sum(k[i, j] for i in rows for j in rows) / len(rows) ** 2
    cross = sum(k[i, j] for i in rows for j in every) / len(rows) / len(spectra)
    return both - 2 * cross + sum(k[i, j] for i in every for j in every) / len(spectra) ** 2


def test_herding_is_the_greedy_choice_by_hand() -> None:
    spectra = pool(25)
    d = np.array([[((a - b) ** 2).sum() for b in spectra] for a in spectra])
    k = np.exp(-d / (2 * np.median(d)))
    taken: list[int] = []
    for number in range(8):
        best = max(
            (j for j in range(25) if j not in taken),
            key=lambda j: k[j].sum() / 25 - sum(k[j, i] for i in taken) / (number + 1),
        )
        taken.append(best)
    assert herding(spectra, 8, np.random.default_rng(0)).tolist() == taken


@pytest.mark.parametrize("count", range(1, 9))
def test_the_median_is_that_of_the_whole_matrix(count: int) -> None:
    spectra = np.random.default_rng(count).normal(size=(count, 3))
    whole = cdist(spectra, spectra, "sqeuclidean")
    assert baselines.median(pdist(spectra, "sqeuclidean"), count) == np.median(whole)


@pytest.mark.parametrize("count", [4, 10, 20])
def test_herding_resembles_all_better_than_any_of_many_draws(count: int) -> None:
    spectra = pool(60)
    herded = discrepancy(spectra, herding(spectra, count, np.random.default_rng(0)))
    drawn = [discrepancy(spectra, random(spectra, count, np.random.default_rng(seed))) for seed in range(20)]
    assert herded < min(drawn)


@pytest.mark.parametrize("name", CHOICES)
def test_rows_are_distinct_and_repeatable(name: str) -> None:
    first, again = (CHOICES[name](pool(40), 40, np.random.default_rng(3)) for _ in range(2))
    assert sorted(first) == list(range(40))
    np.testing.assert_array_equal(first, again)


def test_equal_spectra_are_no_trouble() -> None:
    assert sorted(herding(np.ones((5, 6)), 3, np.random.default_rng(0))) == [0, 1, 2]
