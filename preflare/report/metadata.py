"""What words and numbers about the observations alone give away of their class: no spectrum is looked at.

Each setting in words is tested by itself; all of the metadata together are tried by a small classifier on regions it
has not seen; and where one quantity tells the classes apart, a subset is offered in which it does not.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.stats import fisher_exact, mannwhitneyu
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from preflare.report.confounders import EVIDENCE, Difference, metadata, values_of
from preflare.report.inventory import Row
from preflare.sun.observation import Label

# Permutations of labels, and draws of regions for an interval, each from a fixed seed.
PERMUTATIONS, DRAWS = 999, 1000
# Of the classifier, whose quantities have unit variance: as strong as there are few observations.
PENALTY = 10.0
# Observations that must share a value in words for it to count.
FEWEST = 3
# Settings in words that are times, or where an onset comes from.
PASSED_OVER = ("ENDOBS", "onset_source", "verified", *EVIDENCE)
# A subset is matched where the quantity differs no more than this: p at least, AUC at most from 0.5.
ALIKE, NEAR = 0.2, 0.1


@dataclass(frozen=True)
class Category:
    """One setting in words in both classes.

    ar, pf: value -> how many observations. tss: what the best guess by value reaches on these very observations.
    p: two-sided, of Fisher's exact test for two values, of permuted labels for more; NaN where nothing varies.
    """

    quantity: str
    ar: Mapping[str, int]
    pf: Mapping[str, int]
    tss: float
    p: float


@dataclass(frozen=True)
class Prediction:
    """How well metadata alone predict the class of observations of regions left out.

    tss, auc: of all observations, each judged without its region. tss_interval, auc_interval: 95%, regions redrawn.
    p: share of permuted labels (whole regions) that reach this AUC. quantities: how many there were. observations,
    regions: how many; an observation of unknown region is one by itself.
    """

    tss: float
    tss_interval: tuple[float, float]
    auc: float
    auc_interval: tuple[float, float]
    p: float
    quantities: int
    observations: int
    regions: int


def categories(rows: Sequence[Row]) -> list[Category]:
    """Every setting in words that at least two observations of each class state, least probable first."""
    found = []
    for key, values in _words(rows).items():
        pairs = [
            (row.label, value)
            for row, value in zip(rows, values, strict=True)
            if value and row.label in (Label.AR, Label.PF)
        ]
        by_class = [Counter(value for label, value in pairs if label is one) for one in (Label.AR, Label.PF)]
        if min(count.total() for count in by_class) >= 2:
            found.append(_category(key, *by_class))
    return sorted(found, key=lambda one: (np.nan_to_num(one.p, nan=2.0), -one.tss, one.quantity))


def _words(rows: Sequence[Row]) -> dict[str, list[str]]:
    keys = {key for row in rows for key, value in row.settings.items() if isinstance(value, str)} - set(PASSED_OVER)
    found = {key: [str(row.settings.get(key, "")) for row in rows] for key in sorted(keys)}
    return found | {"OBSID": [row.name.rsplit("_", 1)[1] if row.name.count("_") > 2 else "" for row in rows]}


def _category(key: str, ar: Counter[str], pf: Counter[str]) -> Category:
    names = sorted({*ar, *pf})
    table = np.array([[count[name] for name in names] for count in (ar, pf)])
    tss = float(np.abs(table[0] / table[0].sum() - table[1] / table[1].sum()).sum() / 2)
    p = np.nan
    if len(names) == 2:
        p = float(fisher_exact(table).pvalue)
    elif len(names) > 2:
        p = _permuted(table)
    return Category(key, dict(ar.most_common()), dict(pf.most_common()), tss, p)


def _permuted(table: np.ndarray) -> float:
    """p of chi square over (class, value) by permuted labels: counts are too small for its distribution."""
    random = np.random.default_rng(0)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    # Drawing one class's observations from all is a permutation of labels.
    drawn = random.multivariate_hypergeometric(table.sum(axis=0), table[0].sum(), size=PERMUTATIONS)
    both = np.stack([drawn, table.sum(axis=0) - drawn], axis=1)
    statistic = lambda counts: ((counts - expected) ** 2 / expected).sum(axis=(-2, -1))  # noqa: E731
    reached = statistic(both) >= statistic(table) * (1 - 1e-9)
    return float((1 + reached.sum()) / (1 + PERMUTATIONS))


def predict(rows: Sequence[Row]) -> Prediction | None:
    """A ridge classifier on all metadata, leaving one region out; None without three observations of each class."""
    rows = [row for row in rows if row.label in (Label.AR, Label.PF)]
    truth = np.array([row.label is Label.PF for row in rows], bool)
    if np.count_nonzero(truth) < 3 or np.count_nonzero(~truth) < 3 or not (columns := _columns(rows, truth)):
        return None
    regions = np.unique([row.region or row.name for row in rows], return_inverse=True)[1]
    labels = np.stack([truth, *_shuffled(truth, regions)], axis=1)
    scores = _left_out(np.stack(columns, axis=1), labels, regions)
    areas = [_auc(scores[:, at], labels[:, at]) for at in range(labels.shape[1])]
    score = scores[:, 0]
    drawn = _redrawn(score, truth, regions)
    return Prediction(
        tss=_tss(score, truth),
        tss_interval=_interval([_tss(*one) for one in drawn]),
        auc=areas[0],
        auc_interval=_interval([_auc(*one) for one in drawn]),
        p=(1 + sum(area >= areas[0] for area in areas[1:])) / len(areas),
        quantities=len(columns),
        observations=len(rows),
        regions=int(regions.max()) + 1,
    )


def _columns(rows: Sequence[Row], truth: np.ndarray) -> list[np.ndarray]:
    """(observation,) each: numbers known of two of each class, and whether a setting is one of its values."""
    found = []
    for values in map(np.asarray, metadata(rows).values()):
        known = np.isfinite(values)
        if min((known & truth).sum(), (known & ~truth).sum()) >= 2 and np.ptp(values[known]) > 0:
            found.append(values)
    for words in map(np.asarray, _words(rows).values()):
        for value, count in Counter(words.tolist()).items():
            # What hardly another observation has says nothing of others.
            if value and FEWEST <= count < len(rows):
                found.append((words == value).astype(float))
    return found


def _left_out(columns: np.ndarray, labels: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Scores (observation, labelling) of regions left out; above 0 is PF."""
    scores = np.empty(labels.shape)
    for region in np.unique(regions):
        out = regions == region
        model = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), Ridge(PENALTY))
        seen = labels[~out].astype(float)
        model.fit(columns[~out], seen)
        fitted = model.predict(columns[~out]).reshape(seen.shape)
        # From half-way between the classes: how many of each are left would give away what is left out.
        half = ((fitted * seen).sum(axis=0) / seen.sum(axis=0).clip(1)) / 2
        half += (fitted * (1 - seen)).sum(axis=0) / (1 - seen).sum(axis=0).clip(1) / 2
        scores[out] = model.predict(columns[out]).reshape(out.sum(), -1) - half
    return scores


def _shuffled(truth: np.ndarray, regions: np.ndarray) -> list[np.ndarray]:
    """Labellings in which regions of as many observations have exchanged theirs."""
    random = np.random.default_rng(1)
    places = [np.flatnonzero(regions == region) for region in range(regions.max() + 1)]
    found = []
    for _ in range(PERMUTATIONS):
        shuffled = truth.copy()
        for size in {len(place) for place in places}:
            same = [place for place in places if len(place) == size]
            for place, other in zip(same, random.permutation(len(same)), strict=True):
                shuffled[place] = truth[same[other]]
        found.append(shuffled)
    return found


def _redrawn(score: np.ndarray, truth: np.ndarray, regions: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    random = np.random.default_rng(2)
    places = [np.flatnonzero(regions == region) for region in range(regions.max() + 1)]
    drawn = [
        np.concatenate([places[at] for at in random.integers(len(places), size=len(places))]) for _ in range(DRAWS)
    ]
    return [(score[rows], truth[rows]) for rows in drawn if 0 < truth[rows].sum() < len(rows)]


def _tss(score: np.ndarray, truth: np.ndarray) -> float:
    return float((score[truth] > 0).mean() - (score[~truth] > 0).mean())


def _auc(score: np.ndarray, truth: np.ndarray) -> float:
    difference = score[truth][:, None] - score[~truth]
    return float((difference > 0).mean() + (difference == 0).mean() / 2)


def _interval(values: Sequence[float]) -> tuple[float, float]:
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def matched(rows: Sequence[Row], difference: Difference) -> list[str]:
    """Names of as many AR as PF observations in which a quantity no longer differs; empty if there are none.

    The most alike PF and AR are paired first, and the least alike pairs left out until the classes are alike.
    """
    values = values_of(rows, difference.quantity)
    sides = [
        [at for at, row in enumerate(rows) if row.label is label and np.isfinite(values[at])]
        for label in (Label.PF, Label.AR)
    ]
    pairs: list[tuple[int, ...]] = []
    for one in sorted(product(*sides), key=lambda pair: abs(values[pair[0]] - values[pair[1]])):
        if not any(one[side] == other[side] for other in pairs for side in (0, 1)):
            pairs.append(one)
    while len(pairs) >= 2:
        pf, ar = (np.array([pair[side] for pair in pairs]) for side in (0, 1))
        if np.ptp(values[[*pf, *ar]]) == 0:
            return sorted(rows[at].name for at in [*pf, *ar])
        test = mannwhitneyu(values[pf], values[ar], alternative="two-sided")
        if test.pvalue >= ALIKE and abs(test.statistic / len(pairs) ** 2 - 0.5) <= NEAR:
            return sorted(rows[at].name for at in [*pf, *ar])
        pairs.pop()
    return []
