"""Whether maps find a planted artefact, for single members and for ensembles of any size, with intervals.

What speaks for PF counts, as in the paper: the positive part of a map. Before members are averaged nothing is cut,
shifted or scaled; a mean that is nowhere positive finds nothing and counts as such.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from preflare.explain.artifact import centre

# hit: the maximum is near the artefact's centre. share: of what is positive, inside the artefact. symmetry: about its
# centre, within the reach of a hit. residue: share in the cores, outside the artefact.
MEASURES = ("hit", "share", "symmetry", "residue")
# Means over members (..., n, x) -> (measure, ..., n); NaN where a spectrum has no such measure.
Measure = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Target:
    """Where artefacts and cores are. inside: (n, wavelength) bool. cores: (wavelength,) bool. within: points."""

    inside: np.ndarray
    cores: np.ndarray
    within: float

    def measure(self, maps: np.ndarray) -> np.ndarray:
        """Each of MEASURES of maps (..., n, wavelength), NaN where a map supports nothing: (measure, ..., n).

        symmetry is 1 where both sides of the centre have the same and 0 where one has all; NaN where neither has
        anything.
        """
        positive = np.maximum(np.nan_to_num(maps), 0)
        total = positive.sum(axis=-1)
        some = total > 0

        def share(mask: np.ndarray) -> np.ndarray:
            there = np.einsum("...nw,nw->...n", positive, mask.astype(positive.dtype))
            return np.divide(there, total, out=np.zeros_like(total), where=some)

        distance = self._distance()
        near = np.abs(distance) <= self.within
        hit = some & (np.abs(positive.argmax(axis=-1) - centre(self.inside)) <= self.within)
        left, right = share(near & (distance < 0)), share(near & (distance > 0))
        both = left + right
        symmetry = 1 - np.divide(np.abs(left - right), both, out=np.full_like(both, np.nan), where=both > 0)
        return np.stack([hit.astype(total.dtype), share(self.inside), symmetry, share(self.cores & ~self.inside)])

    def chance(self, supported: np.ndarray) -> np.ndarray:
        """Of each of MEASURES, what a map gives that says nothing of the spectrum: (measure,).

        supported: (wavelength,) bool. A maximum anywhere among these hits as often as they are near the centre; the
        others are those of a flat map.
        """
        flat = np.broadcast_to(np.where(supported, 1.0, np.nan), self.inside.shape)
        measured = self.measure(flat)
        measured[0] = ((np.abs(self._distance()) <= self.within) & supported).sum(axis=1) / supported.sum()
        return _mean(measured)

    def _distance(self) -> np.ndarray:
        return np.arange(self.inside.shape[1]) - centre(self.inside)[:, None]


@dataclass(frozen=True, eq=False)
class Curve:
    """A measure, or several, against the number of members. members: (size,). value, low, high: (measure, size).

    value: the mean over spectra, and over ensembles of that size. low, high: 95% interval by bootstrap, over members
    and over spectra at once. single: (measure, member), the mean over spectra for each member alone.
    """

    members: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    single: np.ndarray

    @property
    def median(self) -> np.ndarray:
        """Of single members, (measure,)."""
        return _quantiles(self.single, [0.5])[0]


def against_members(each: np.ndarray, measure: Measure, sizes: Sequence[int], draws: int, seed: int) -> Curve:
    """Measure the mean over members, for ensembles of some sizes up to all.

    each: (member, n, x), what every member says of every spectrum. draws: random ensembles of each size, and bootstrap
    samples of members and spectra, from the seed.
    """
    count, spectra = each.shape[:2]
    stream = np.random.default_rng(seed)
    single = _mean(measure(each))
    values, lows, highs = [], [], []
    for size in sizes:
        if size == 1:
            values.append(_mean(single))
        else:
            # All members are one ensemble, however often it is drawn.
            some = [stream.permutation(count)[:size] for _ in range(1 if size == count else draws)]
            values.append(_mean(_mean(measure(_averaged(each, some)))))
        again = measure(_averaged(each, [stream.integers(count, size=size) for _ in range(draws)]))
        rows = stream.integers(spectra, size=(draws, spectra))
        low, high = _quantiles(_mean(np.take_along_axis(again, rows[None], axis=2)), [0.025, 0.975])
        lows.append(low)
        highs.append(high)
    value, low, high = (np.stack(found, axis=1) for found in (values, lows, highs))
    return Curve(np.array(sizes), value, low, high, single)


def _averaged(each: np.ndarray, members: Sequence[np.ndarray]) -> np.ndarray:
    """Means over each of some lists of members: (list, n, x)."""
    weights = np.stack([np.bincount(some, minlength=len(each)) / len(some) for some in members]).astype(each.dtype)
    means: np.ndarray = weights @ each.reshape(len(each), -1)
    return means.reshape(len(members), *each.shape[1:])


def _mean(values: np.ndarray) -> np.ndarray:
    """Over the last axis, NaN left out; NaN where there is nothing else."""
    known = np.isfinite(values)
    count = known.sum(axis=-1)
    total = np.where(known, values, 0).sum(axis=-1, dtype=np.float64)
    mean: np.ndarray = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean


def _quantiles(values: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """Of each row of values (row, x), NaN left out: (share, row); NaN where there is nothing else."""
    known = [row[np.isfinite(row)] for row in values]
    return np.stack([np.quantile(row, shares) if len(row) else np.full(len(shares), np.nan) for row in known], axis=1)
