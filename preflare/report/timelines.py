"""The score of whole rasters against time (paper Sects. 8.4 and 8.5, Fig. 17), and which observations rise."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.stats import fisher_exact

from preflare.report.explained import Explained
from preflare.report.resampling import p_value
from preflare.report.trends import Trend, trend
from preflare.sun.observation import Label, Phase

# Which spectra of a raster are averaged: the clean ones; of these the brighter half, which hold enhanced pixels (after
# Panos & Kleint 2020); or all that are valid.
AVERAGES = ("clean", "enhanced", "all")
CHANCE = 0.05
PERMUTATIONS = 9999


@dataclass(frozen=True, eq=False)
class Timeline:
    """One observation. minutes: (repeat,) from the onset (AR: from the window's end), the mean of a raster's
    exposures; score: (repeat,) mean over the raster; spectra: (repeat,) how many were averaged. Of a raster during
    which the flare began, only the exposures before it count.
    """

    name: str
    label: Label
    flare_class: str
    steps: int
    minutes: np.ndarray
    score: np.ndarray
    spectra: np.ndarray
    region: str

    @property
    def mode(self) -> str:
        return "raster" if self.steps > 1 else "sit-and-stare"

    def within(self, first: float, last: float = 0.0) -> "Timeline":
        """The repeats from ``first`` to ``last`` minutes."""
        inside = (self.minutes >= first) & (self.minutes <= last)
        return replace(self, minutes=self.minutes[inside], score=self.score[inside], spectra=self.spectra[inside])

    def trend(self) -> Trend:
        """Of the values as measured, per minute."""
        return trend(self.minutes, self.score)


def timeline(one: Explained, average: str = "clean") -> Timeline:
    """Average each raster of an observation. average: one of AVERAGES."""
    score = one.cube.read("score") if average == "all" else one.scores()
    counts = counted(one)
    used = np.isfinite(score) & counts[:, :, None]
    if average == "enhanced":
        intensity = one.shard.read("intensity")
        middle = [np.median(row[mask]) if mask.any() else np.inf for row, mask in zip(intensity, used, strict=True)]
        used &= intensity >= np.array(middle)[:, None, None]
    spectra = used.sum(axis=(1, 2))
    total = np.where(used, score, 0).sum(axis=(1, 2), dtype=np.float64)
    mean = np.divide(total, spectra, out=np.full(len(total), np.nan), where=spectra > 0)
    header = one.shard.header
    minutes = np.ma.masked_where(~counts, one.minutes()).mean(axis=1).filled(np.nan)
    return Timeline(one.name, one.label, header.flare_class, one.cube.shape[1], minutes, mean, spectra, one.region)


def counted(one: Explained) -> np.ndarray:
    """Which exposures count, (repeat, step) bool: of a raster during which the flare began, only those before it."""
    flaring = one.shard.read("phase") == Phase.FLARE
    kept: np.ndarray = ~flaring | flaring.all(axis=1, keepdims=True)
    return kept


def on_grid(line: Timeline, minutes: np.ndarray) -> np.ndarray:
    """The scores on a regular grid of minutes (n,), linear between rasters, the nearest beyond them: for pictures,
    as in the paper, never for a statistic."""
    there = np.isfinite(line.score)
    if not there.any():
        return np.full(len(minutes), np.nan)
    filled: np.ndarray = np.interp(minutes, line.minutes[there], line.score[there])
    return filled


def over_own_maximum(scores: np.ndarray) -> np.ndarray:
    """Each row of scores (observation, minute) by its own maximum, as the paper draws them; a row of zeros stays."""
    known = np.where(np.isfinite(scores), scores, -np.inf)
    top = known.max(axis=1, initial=-np.inf, keepdims=True)
    scaled: np.ndarray = scores / np.where(top > 0, top, 1)
    return scaled


def difference(trends: Sequence[Trend], labels: Sequence[Label], seed: int = 0) -> tuple[float, float]:
    """By how much PF rise more than AR: the difference of mean taus, and its one-sided p by permutation of labels.

    Observations without a trend are left out.
    """
    tau = np.array([one.tau for one in trends], dtype=float)
    observed, chance = _gaps(tau, np.array([label is Label.PF for label in labels], dtype=bool), seed)
    # Sums in another order differ in their last digits.
    return observed, p_value(observed - 1e-12, chance) if len(chance) else np.nan


def _gaps(values: np.ndarray, group: np.ndarray, seed: int) -> tuple[float, np.ndarray]:
    """The mean of values (n,) of a group less that of the others, and the same with the group dealt out anew, so many
    times; without those that are not finite. NaN and none without both groups."""
    there = np.isfinite(values)
    values, group = values[there], group[there]
    if group.all() or not group.any():
        return np.nan, np.empty(0)
    stream = np.random.default_rng(seed)

    def gap(which: np.ndarray) -> float:
        return float(values[which].mean() - values[~which].mean())

    return gap(group), np.array([gap(stream.permutation(group)) for _ in range(PERMUTATIONS)])


def rising(p: np.ndarray, level: float = CHANCE) -> np.ndarray:
    """Which of p-values (n,) are of a rise, bool, so that of those called rising at most a share ``level`` is so by
    chance (Benjamini & Hochberg 1995)."""
    order = np.argsort(np.where(np.isfinite(p), p, np.inf))
    count = int(np.isfinite(p).sum())
    good = np.flatnonzero(p[order][:count] <= level * np.arange(1, count + 1) / max(count, 1))
    found = np.zeros(len(p), dtype=bool)
    if len(good):
        found[order[: good[-1] + 1]] = True
    return found


def regimes(levels: np.ndarray) -> tuple[np.ndarray, float]:
    """The two groups of levels (n,) that differ most within least: which belong to the higher, bool, and the share of
    the variance between the groups (two-means in one dimension, all splits tried).

    Levels that are not finite belong to the lower. The share is NaN with fewer than two different levels.
    """
    there = np.isfinite(levels)
    ordered = np.unique(levels[there])
    best, threshold = np.nan, np.inf
    for low, high in pairwise(ordered):
        upper = levels[there] > (low + high) / 2
        share = (
            upper.mean() * (1 - upper.mean()) * np.ptp([levels[there][upper].mean(), levels[there][~upper].mean()]) ** 2
        )
        share /= levels[there].var()
        if not share <= best:
            best, threshold = float(share), float((low + high) / 2)
    return there & (levels > threshold), best


def one_group(count: int, share: float, seed: int = 0) -> tuple[float, float, float]:
    """What ``regimes`` finds in levels (count,) of one group, which it parts as well: the median share if they are
    normal and if they are uniform, and the p of a share at least as high, the larger of the two."""
    stream = np.random.default_rng(seed)
    drawn = stream.standard_normal((PERMUTATIONS, count)), stream.random((PERMUTATIONS, count))
    shares = [_best_split(np.sort(levels, axis=1)) for levels in drawn]
    p = np.array([p_value(share, chance) for chance in shares])
    return float(np.median(shares[0])), float(np.median(shares[1])), float(p.max())


def _best_split(ordered: np.ndarray) -> np.ndarray:
    """The largest share of the variance between two groups, (k,), of increasing levels (k, n)."""
    count = ordered.shape[1]
    below = np.arange(1, count)
    sums = np.cumsum(ordered - ordered.mean(axis=1, keepdims=True), axis=1)[:, :-1]
    between = sums**2 * count / (below * (count - below))
    found: np.ndarray = between.max(axis=1) / (ordered.var(axis=1) * count)
    return found


def apart(one: Sequence[bool] | np.ndarray, group: np.ndarray) -> float:
    """The two-sided p that what holds of a group and of the others, (n,) bool, does so alike (Fisher's exact test: all
    ways to deal it out); NaN if the group is empty or all."""
    holds = np.asarray(one, dtype=bool)
    if group.all() or not group.any():
        return np.nan
    table = [[int((holds & side).sum()), int((~holds & side).sum())] for side in (group, ~group)]
    return float(fisher_exact(table).pvalue)


def shifted(values: np.ndarray, group: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """By how much the mean of values (n,) of a group differs from that of the others, and the two-sided p of that by
    permutation; those that are not finite are left out, and both are NaN without both."""
    observed, chance = _gaps(values, group, seed)
    return observed, p_value(abs(observed) - 1e-12, np.abs(chance)) if len(chance) else np.nan


def alike(some: Sequence[Timeline], others: Sequence[Timeline]) -> bool:
    """Whether two averages are of the same spectra: as many in every raster, with the same mean."""
    return all(
        np.array_equal(one.spectra, other.spectra) and np.array_equal(one.score, other.score, equal_nan=True)
        for one, other in zip(some, others, strict=True)
    )


def windows(lines: Sequence[Timeline], minutes: Sequence[float]) -> list[tuple[str, float]]:
    """The windows that hold different rasters, as (title, first minute): those of so many minutes, and all before the
    onset. A title says how far back the rasters go where that is less."""
    reach = max((-float(one.minutes.min()) for one in lines if len(one.minutes)), default=0.0)
    found: list[tuple[str, float]] = []
    counts: list[list[int]] = []
    for length in (*sorted(minutes), np.inf):
        title = f"{length:g} min" if length <= reach else f"{reach:.1f} min, all there is"
        held = [len(one.within(-length).minutes) for one in lines]
        if held not in counts:
            found.append((title, -length))
            counts.append(held)
    return found


def agreement(found: np.ndarray, truth: np.ndarray) -> tuple[int, int, float]:
    """Of a simulation's rising observations: how many are found, how many others are called so, and the one-sided
    p of Fisher's exact test that the two have to do with each other."""
    table = [[int((found & truth).sum()), int((found & ~truth).sum())]]
    table.append([int((~found & truth).sum()), int((~found & ~truth).sum())])
    return table[0][0], table[0][1], float(fisher_exact(table, alternative="greater").pvalue)
