"""Intervals and chance levels by resampling observations, as spectra of one are not independent; or active regions."""

from collections.abc import Callable, Sequence

import numpy as np

RESAMPLES = 2000


def interval(
    groups: np.ndarray | int,
    statistic: Callable[[np.ndarray], float],
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """The percentile bootstrap interval of a statistic of observations.

    groups: how many observations there are, or the class of each (n,): then every draw has as many of each class.
    statistic: of the places (n,) of the observations drawn, with replacement; draws where it is NaN are left out, and
    the interval is NaN if all are.
    """
    stream = np.random.default_rng(seed)
    classes = np.zeros(groups, dtype=int) if isinstance(groups, int) else groups
    members = [np.flatnonzero(classes == one) for one in np.unique(classes)]

    def drawn() -> np.ndarray:
        return np.concatenate([stream.choice(same, len(same)) for same in members])

    values = np.array([statistic(drawn()) for _ in range(resamples)], dtype=float)
    values = values[np.isfinite(values)]
    if not len(values):
        return np.nan, np.nan
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def cases(pf: Sequence[bool], regions: Sequence[str]) -> list[np.ndarray]:
    """The places of the observations of each active region and class, PF before AR: of one region they look alike
    whether it flares or not, and are no more than one case of its class."""
    them = list(zip(pf, regions, strict=True))
    found = list(dict.fromkeys(sorted(them, key=lambda one: not one[0])))
    return [np.array([place for place, one in enumerate(them) if one == case]) for case in found]


def p_value(observed: float, chance: np.ndarray) -> float:
    """The share of chance values at least as large, the observed one counted among them (Phipson & Smyth 2010).

    chance: (n,) of the statistic where nothing but chance is at work. NaN if observed is.
    """
    if not np.isfinite(observed):
        return np.nan
    return float((1 + np.count_nonzero(chance >= observed)) / (1 + len(chance)))


def above_zero(values: np.ndarray, seed: int = 0, resamples: int = 9999) -> float:
    """The one-sided p of the mean of values (n,), one of each observation, that chance would put either side of zero.

    By signs flipped at random; those that are not finite are left out. NaN if none is left.
    """
    values = values[np.isfinite(values)]
    if not len(values):
        return np.nan
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (resamples, len(values)))
    # Sums in another order differ in their last digits.
    return p_value(float(values.mean()) - 1e-12, (signs * values).mean(axis=1))


def share(part: np.ndarray, whole: np.ndarray, groups: np.ndarray | None = None) -> tuple[float, float, float]:
    """The sum of part over that of whole, (n,) of each observation, and its interval; NaN where whole is zero.

    groups: the class of each observation, kept as large in every draw.
    """

    def ratio(places: np.ndarray) -> float:
        total = whole[places].sum()
        return float(part[places].sum() / total) if total else np.nan

    everyone = np.arange(len(part))
    return ratio(everyone), *interval(len(part) if groups is None else groups, ratio)
