"""Intervals and chance levels by resampling observations: spectra of one observation are not independent."""

from collections.abc import Callable

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


def p_value(observed: float, chance: np.ndarray) -> float:
    """The share of chance values at least as large, the observed one counted among them (Phipson & Smyth 2010).

    chance: (n,) of the statistic where nothing but chance is at work. NaN if observed is.
    """
    if not np.isfinite(observed):
        return np.nan
    return float((1 + np.count_nonzero(chance >= observed)) / (1 + len(chance)))
