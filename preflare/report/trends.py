"""Whether a short, autocorrelated series rises: Kendall's tau with a chance level of its own, and a robust slope.

Neighbouring rasters see the same Sun: of independent values with the same tau, far fewer are needed to convince. On a
grid interpolated to seconds, noise "rises" or "falls" in most cases; trends are therefore of the values as measured.
A short series says little of its own memory, and says it too low: the chance level is that of as much memory as the
series may well have. Of drifts slower than the series it says nothing (``drift``).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import stats

# Of first-order autoregressive series, from none to what in a hundred values is as good as a random walk.
MEMORIES = np.array([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.99])
SURROGATES = 1999
# The chance level is of the memory at which only this share of series seem to have as little as this one. With 0.5,
# the best guess, one series in eight is called rising at p < 0.05 where the memory is 0.95.
DOUBT = 0.1
# Values from which neighbours are averaged first.
LONGEST = 120


@dataclass(frozen=True)
class Trend:
    """tau: Kendall's, of values against time. p: of a tau at least as high by chance, one-sided, autocorrelation
    allowed for. slope: Theil-Sen, per unit of time.

    memory: the autocorrelation of the values about their trend, from one to the next, at most 0.99. count: of values.
    All NaN with fewer than four values, or values that are all the same.
    """

    tau: float
    p: float
    slope: float
    memory: float
    count: int


def trend(time: np.ndarray, values: np.ndarray) -> Trend:
    """The trend of values (n,) at increasing times (n,); those that are not finite are left out.

    The chance level is of autoregressive series of the same length. How much memory they have is found from the
    autocorrelation about a straight line by what such series show (median-unbiased, as Andrews 1993), with ``DOUBT``.
    More than ``LONGEST`` values are averaged with their neighbours.
    """
    count = int(np.isfinite(values).sum())
    time, values = coarse(time, values)
    if count < 4 or np.ptp(values) == 0:
        return Trend(np.nan, np.nan, np.nan, np.nan, count)
    tau = float(stats.kendalltau(time, values).statistic)
    taus, seen = _by_chance(len(values))
    own = _about_line(values[None])[0]
    memory, most = (float(np.interp(own, _quantile(seen, share), MEMORIES)) for share in (0.5, DOUBT))
    above = 1 + (taus >= tau - 1e-12).sum(axis=1)
    p = float(np.interp(most, MEMORIES, above / (1 + SURROGATES)))
    return Trend(tau, p, float(stats.theilslopes(values, time).slope), memory, count)


def coarse(time: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The finite ones of values (n,) and their times; of more than ``LONGEST``, means of so many parts of both."""
    there = np.isfinite(values)
    time, values = np.asarray(time, float)[there], np.asarray(values, float)[there]
    if len(values) > LONGEST:
        time, values = (np.array([part.mean() for part in np.array_split(one, LONGEST)]) for one in (time, values))
    return time, values


@cache
def _by_chance(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Of series without a trend, (memory, SURROGATES) each: Kendall's tau against time, and what ``_about_line`` finds
    in them."""
    stream = np.random.default_rng(count)
    taus, seen = np.empty((2, len(MEMORIES), SURROGATES))
    for row, memory in enumerate(MEMORIES):
        noise = stream.standard_normal((SURROGATES, count))
        series = np.empty_like(noise)
        series[:, 0] = noise[:, 0] / np.sqrt(1 - memory**2)
        for place in range(1, count):
            series[:, place] = memory * series[:, place - 1] + noise[:, place]
        # Continuous values have no ties: tau is the balance of rising pairs.
        rising = sum((series[:, place:] > series[:, :-place]).sum(axis=1) for place in range(1, count))
        taus[row] = rising / (count * (count - 1) / 4) - 1
        seen[row] = _about_line(series)
    return taus, seen


def _about_line(series: np.ndarray) -> np.ndarray:
    """The autocorrelation of series (k, n) from one value to the next, (k,), about a straight line; 0 on the line."""
    across = np.arange(series.shape[1]) - (series.shape[1] - 1) / 2
    centred = series - series.mean(axis=1, keepdims=True)
    left = centred - (centred @ across / (across @ across))[:, None] * across
    size = (left**2).sum(axis=1)
    known = size > 1e-20 * (centred**2).sum(axis=1)
    found: np.ndarray = np.divide((left[:, 1:] * left[:, :-1]).sum(axis=1), size, out=np.zeros(len(size)), where=known)
    return found


def _quantile(seen: np.ndarray, share: float) -> np.ndarray:
    """Of each row its quantile, (memory,), which more memory does not lower."""
    found: np.ndarray = np.maximum.accumulate(np.quantile(seen, share, axis=1))
    return found
