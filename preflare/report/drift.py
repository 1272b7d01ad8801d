"""Whether the score of one observation rises by more than scores of active regions drift anyway.

A drift slower than the window looks like a rise: nothing in one series tells them apart, and no chance level that is
found in it alone can hold. How far scores drift is therefore taken from the slopes of AR observations over as long a
time, whatever their memory: only that the observation drifts as they do is supposed. It may be livelier as a whole, or
less noisy, than they are; so their drift is measured twice, in score, and in units of each one's own scatter about its
line, and the larger counts.

The share of p < 0.05, in percent, where nothing rises and where the score of PF rises by one, two and three standard
deviations of its noise over the window of 25 minutes; 60 sets of 19 PF and 18 AR observations with rasters of 9 s to
250 s. Last, where nothing rises, of ``trends.trend``, whose chance level is of the memory that a series itself shows:

    noise                                   none    1    2    3    trend
    without memory                           3.5   35   68   87      1.5
    memory 0.5 of a raster to the next       3.1   14   41   70      1.8
    memory 0.7                               2.1   10   29   55      1.9
    memory 0.9                               1.8    8   23   46      2.9
    memory 0.95                              2.0    8   29   54      3.5
    smooth over 120 s                        3.0   11   28   50      0.5
    smooth over 480 s                        1.4    6   14   27     13.1
    smooth over 1200 s                       2.8   16   42   71     30.0
    some of each, each its own               2.2    7   20   35      8.1
    smooth over 480 s, of PF twice as much   4.5                    13.0

Of 19 simulated PF observations whose precursors stay rare, drift in score alone would call six rising, as even rare
precursors make a score lively; by both measures one is.

So one observation of 25 minutes cannot tell a rise from a drift unless it is several times as large, and most rises as
large as the noise are not called so. The classes together tell smaller ones (``timelines.difference``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from preflare.report.timelines import Timeline
from preflare.report.trends import coarse
from preflare.sun.observation import Label

LEVEL = 0.05
# Values that a slope and its scatter need.
FEWEST = 4
# By how much the variance of a median slope is larger than that of least squares, of normal noise (Sen 1968).
MEDIAN = np.pi / 3


@dataclass(frozen=True)
class Rise:
    """slope: Theil-Sen, of the score per minute. p: that drift and noise alone give as much, one-sided. low, high: its
    90% interval, above zero where p < 0.05. expected: the standard deviation of slopes by drift and noise.

    All but the slope NaN without an AR observation of another region; all NaN with fewer than four values, or values
    that are all the same.
    """

    slope: float
    p: float
    low: float
    high: float
    expected: float


@dataclass(frozen=True)
class Slope:
    """value: per minute. variance: of it, were the noise about the line without memory. scatter: the standard deviation
    about the line. count: of values."""

    value: float
    variance: float
    scatter: float
    count: int


def slope(minutes: np.ndarray, values: np.ndarray) -> Slope | None:
    """The Theil-Sen slope of values (n,) at increasing minutes (n,), those that are not finite left out; None of too
    few. Many values are averaged with their neighbours."""
    minutes, values = coarse(minutes, values)
    count = len(values)
    if count < FEWEST:
        return None
    first, last = np.triu_indices(count, 1)
    value = float(np.median((values[last] - values[first]) / (minutes[last] - minutes[first])))
    left = values - value * minutes
    square = float(((left - left.mean()) ** 2).sum() / (count - 2))
    across = float(((minutes - minutes.mean()) ** 2).sum())
    return Slope(value, MEDIAN * square / across, float(np.sqrt(square)), count)


def rises(lines: Sequence[Timeline]) -> list[Rise]:
    """Of each observation, judged by the AR observations of other active regions over as long a time."""
    found = []
    for line in lines:
        mine = slope(line.minutes, line.score)
        there = line.minutes[np.isfinite(line.score)]
        if mine is None or np.ptp(line.score[np.isfinite(line.score)]) == 0:
            found.append(Rise(*[np.nan] * 5))
            continue
        # A shorter time makes chance slopes steeper: those that are shorter themselves do no harm.
        others = [other for other in lines if other.label is Label.AR and other.region != line.region]
        known = [(other.region, slope(*_last(other, float(np.ptp(there))))) for other in others]
        found.append(judge(mine, [(region, other) for region, other in known if other is not None]))
    return found


def judge(mine: Slope, others: Sequence[tuple[str, Slope]]) -> Rise:
    """A slope against those of others, each with its active region: these count alike, however many slopes they have.

    The statistic is Student's, with as many degrees of freedom as there are regions, or as the slope has values more
    than its line takes, if they are fewer.
    """
    regions = [region for region, _ in others]
    variance = 0.0
    if others:
        values, variances, scatters = np.array([(one.value, one.variance, one.scatter) for _, one in others]).T
        weights = np.array([1 / regions.count(region) for region in regions])
        variance = drift(values, variances, weights) + mine.variance
        noisy = scatters > 0
        if noisy.any():
            units = scatters[noisy]
            own = drift(values[noisy] / units, variances[noisy] / units**2, weights[noisy])
            variance = max(variance, own * mine.scatter**2 + mine.variance)
    if not variance:
        return Rise(mine.value, np.nan, np.nan, np.nan, np.nan)
    expected = float(np.sqrt(variance))
    freedom = min(len(set(regions)), mine.count - 2)
    reach = float(stats.t.isf(LEVEL, freedom)) * expected
    p = float(stats.t.sf(mine.value / expected, freedom))
    return Rise(mine.value, p, mine.value - reach, mine.value + reach, expected)


def drift(slopes: np.ndarray, variances: np.ndarray, weights: np.ndarray) -> float:
    """The variance that slopes (n,) have beyond their own variances (n,), about zero: with it, squares are as large as
    they should be in the mean (Paule & Mandel 1982). 0 where they are no larger without."""
    squares, top = slopes**2, float((slopes**2).max())
    weights = weights / weights.sum()

    def beyond(extra: float) -> float:
        return float((weights * squares / (extra + variances)).sum() - 1)

    # Of variances that are zero, too.
    least = 1e-12 * top
    if not top or beyond(least) <= 0:
        return 0.0
    # Slopes of one size and no variance reach it exactly, up to rounding.
    return float(optimize.brentq(beyond, least, top)) if beyond(top) < 0 else top


def _last(line: Timeline, span: float) -> tuple[np.ndarray, np.ndarray]:
    """Minutes and scores of the last so many minutes with a score."""
    there = np.isfinite(line.score)
    minutes, score = line.minutes[there], line.score[there]
    late = minutes >= minutes.max(initial=-np.inf) - span - 1e-9
    return minutes[late], score[late]
