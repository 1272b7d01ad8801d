"""Whether a short, autocorrelated series rises: Kendall's tau with a chance level of its own, and a robust slope.

Neighbouring rasters see the same Sun: of independent values with the same tau, far fewer are needed to convince. On a
grid interpolated to seconds, noise "rises" or "falls" in most cases; trends are therefore of the values as measured.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

SURROGATES = 999


@dataclass(frozen=True)
class Trend:
    """tau: Kendall's, of values against time. p: of a tau at least as high by chance, one-sided, autocorrelation
    allowed for. slope: Theil-Sen, per unit of time; low, high: its 95% interval, as if values were independent.

    memory: the autocorrelation of the detrended values from one to the next. count: of values.
    All NaN with fewer than four values, or values that are all the same.
    """

    tau: float
    p: float
    slope: float
    low: float
    high: float
    memory: float
    count: int


def trend(time: np.ndarray, values: np.ndarray, seed: int = 0) -> Trend:
    """The trend of values (n,) at increasing times (n,); those that are not finite are left out.

    The chance level is of first-order autoregressive series of the same length and memory: the memory is that of
    the detrended values, with the correction for its bias in short series (Kendall 1954).
    """
    there = np.isfinite(values)
    time, values = np.asarray(time, float)[there], np.asarray(values, float)[there]
    count = len(values)
    if count < 4 or np.ptp(values) == 0:
        return Trend(np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, count)
    tau = float(stats.kendalltau(time, values).statistic)
    slope, _, low, high = stats.theilslopes(values, time)
    memory = _memory(values - slope * time)
    by_chance = _taus(memory, count, np.random.default_rng(seed))
    p = (1 + np.count_nonzero(by_chance >= tau - 1e-12)) / (1 + SURROGATES)
    return Trend(tau, float(p), float(slope), float(low), float(high), memory, count)


def _memory(detrended: np.ndarray) -> float:
    count = len(detrended)
    centred = detrended - detrended.mean()
    raw = float((centred[1:] * centred[:-1]).sum() / (centred**2).sum()) if centred.any() else 0.0
    # Detrending takes two degrees of freedom, which lowers it by about (2 + 4 memory) / n.
    return float(np.clip((count * raw + 2) / (count - 4) if count > 4 else raw, 0.0, 0.95))


def _taus(memory: float, count: int, stream: np.random.Generator) -> np.ndarray:
    """Kendall's tau of surrogates against time, (SURROGATES,). How little a short series tells of its memory is
    allowed for: each surrogate has one of its own, about the estimate (Bartlett's standard error)."""
    error = np.sqrt(max(1 - memory**2, 0.1) / count)
    memories = np.clip(stream.normal(memory, error, SURROGATES), 0.0, 0.99)
    noise = stream.standard_normal((SURROGATES, count))
    series = np.empty_like(noise)
    series[:, 0] = noise[:, 0] / np.sqrt(1 - memories**2)
    for place in range(1, count):
        series[:, place] = memories * series[:, place - 1] + noise[:, place]
    # Continuous values have no ties: tau is the balance of rising pairs.
    balance = np.zeros(SURROGATES)
    for place in range(1, count):
        balance += np.sign(series[:, place:] - series[:, :-place]).sum(axis=1)
    taus: np.ndarray = balance / (count * (count - 1) / 2)
    return taus
