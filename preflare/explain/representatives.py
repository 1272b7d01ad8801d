"""Few members that stand for many (the paper's 9 of 50, which it chose by eye)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Random choices of members that the chosen ones are compared with.
DRAWS = 200


@dataclass(frozen=True)
class Row:
    """After so many members, the last of whom is ``member``: the error, and that of random choices (median, 5 and
    95% quantiles)."""

    members: int
    member: str
    error: float
    chance: float
    chance_5: float
    chance_95: float


def curve(attributions: np.ndarray, names: Sequence[str], seed: int) -> list[Row]:
    """All members in the order in which ``forward`` chooses them, beside DRAWS random orders.

    attributions: (member, n, wavelength).
    """
    taken, errors = forward(attributions, len(names))
    low, middle, high = np.quantile(by_chance(attributions, len(names), DRAWS, seed), [0.05, 0.5, 0.95], axis=0)
    columns = zip(taken, errors, middle, low, high, strict=True)
    return [Row(k, names[one], *map(float, numbers)) for k, (one, *numbers) in enumerate(columns, 1)]


def forward(attributions: np.ndarray, count: int) -> tuple[list[int], np.ndarray]:
    """Members whose mean attribution is closest to that of all, added one at a time.

    attributions: (member, n, wavelength) on a sample of spectra. Returns the members in the order of their choice
    and, (count,), the error after each: root mean square over spectra and wavelengths of the difference between
    their mean and the mean of all, divided by the root mean square of the latter. Greedy, so not always the best of
    all subsets; only inner products of members are needed.
    """
    flat = _flat(attributions)
    gram = flat @ flat.T
    to_mean, size = gram.mean(axis=1), gram.mean()
    taken: list[int] = []
    errors = []
    while len(taken) < count:
        left = [member for member in range(len(flat)) if member not in taken]
        # |mean of taken and one - mean of all|^2, for each that is left
        squares = []
        for member in left:
            some = [*taken, member]
            squares.append(gram[np.ix_(some, some)].mean() - 2 * to_mean[some].mean() + size)
        best = int(np.argmin(squares))
        taken.append(left[best])
        errors.append(np.sqrt(max(squares[best], 0) / size) if size > 0 else 0.0)
    return taken, np.array(errors)


def by_chance(attributions: np.ndarray, count: int, draws: int, seed: int) -> np.ndarray:
    """The errors of members drawn at random, (draws, count): what ``forward`` is to be compared with."""
    flat = _flat(attributions)
    mean = flat.mean(axis=0)
    stream = np.random.default_rng(seed)
    found = np.empty((draws, count))
    for row in found:
        order = stream.permutation(len(flat))[:count]
        sums = flat[order].cumsum(axis=0) / np.arange(1, count + 1)[:, None]
        row[:] = np.linalg.norm(sums - mean, axis=1) / np.linalg.norm(mean)
    return found


def _flat(attributions: np.ndarray) -> np.ndarray:
    return attributions.reshape(len(attributions), -1).astype(np.float64)
