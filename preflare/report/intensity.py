"""Attribution against intensity (paper Sect. 8.2, Fig. 15), and how much of the intensity a normalised shape tells."""

from dataclasses import dataclass

import numpy as np

from preflare.report.resampling import above_zero, interval

# The least share of the spectra on each side of a break.
EDGE = 0.05
RESAMPLES = 500
CHANCE = 0.05
# Of the mean variance of a wavelength, what is added to each: enough to solve with fewer spectra than wavelengths.
RIDGE = 1e-3


@dataclass(frozen=True)
class Fit:
    """A line: y = intercept + slope x. r2: of the points it was fitted to; share: of all points."""

    slope: float
    intercept: float
    r2: float
    share: float


@dataclass(frozen=True)
class Broken:
    """Two lines, fitted apart, below and above the break, which is where both together miss least.

    interval: of the break, 95% over observations. held_out: the share of the variance that a model explains in
    observations it was not fitted to: one line, and two. p: one-sided, that two miss less there than one, over
    observations.
    """

    at: float
    interval: tuple[float, float]
    below: Fit
    above: Fit
    one: Fit
    held_out: tuple[float, float]
    p: float

    @property
    def supported(self) -> bool:
        """Whether two lines explain observations left out better than one, and than none."""
        return bool(self.held_out[1] > max(self.held_out[0], 0) and self.p < CHANCE)


@dataclass(frozen=True, eq=False)
class Encoded:
    """What was predicted for spectra of observations left out. predicted: (n,). r2: with its interval."""

    predicted: np.ndarray
    r2: tuple[float, float, float]


def broken(x: np.ndarray, y: np.ndarray, owner: np.ndarray, resamples: int = RESAMPLES) -> Broken | None:
    """Two lines through points (n,) of observations owner (n,); None where there are too few points or values of x."""
    points = _Points(x, y, owner)
    everyone = np.ones(points.groups)
    at = points.break_of(everyone)
    if not np.isfinite(at):
        return None

    def drawn(places: np.ndarray) -> float:
        return points.break_of(np.bincount(places, minlength=points.groups).astype(float))

    low, high = interval(points.groups, drawn, resamples=resamples)
    below = x <= at
    each = np.zeros((points.groups, 3))
    for group in range(points.groups if points.groups > 1 else 0):
        out = points.owner == group
        each[group] = _misses(x, y, out, points.break_of(np.arange(points.groups) != group))
    misses = each.sum(axis=0)
    held_out = 1 - misses[1:] / misses[0] if misses[0] else np.full(2, np.nan)
    # An observation counts by its mean miss, however many spectra it has.
    gain = (each[:, 1] - each[:, 2]) / np.maximum(np.bincount(points.owner, minlength=points.groups), 1)
    return Broken(
        at,
        (low, high),
        _fit(x[below], y[below], len(x)),
        _fit(x[~below], y[~below], len(x)),
        _fit(x, y, len(x)),
        (float(held_out[0]), float(held_out[1])),
        above_zero(gain) if misses[0] else np.nan,
    )


def encoded(shapes: np.ndarray, values: np.ndarray, owner: np.ndarray) -> Encoded:
    """Predict values (n,) from shapes (n, wavelength) by ridge regression, each observation from all the others.

    r2: 1 minus the squared misses over those of the others' mean; its interval is over observations. All NaN with
    one observation.
    """
    shapes, values = shapes.astype(np.float64), values.astype(np.float64)
    groups = np.unique(owner)
    predicted, guess = np.full(len(values), np.nan), np.full(len(values), np.nan)
    if len(groups) < 2:
        return Encoded(predicted, (np.nan,) * 3)
    # Shifted by constants, as all that follows are sums of squares: of (1, shape, value) with each other.
    shapes, level = shapes - shapes.mean(axis=0), float(values.mean())
    rows = np.column_stack([np.ones(len(values)), shapes, values - level])
    squares = {group: rows[owner == group].T @ rows[owner == group] for group in groups}
    whole = np.sum(list(squares.values()), axis=0)
    for group in groups:
        out, known = owner == group, whole - squares[group]
        mean = known[0, 1:] / known[0, 0]
        spread = known[1:, 1:] - known[0, 0] * np.outer(mean, mean)
        square, cross = spread[:-1, :-1], spread[:-1, -1]
        square += RIDGE * np.trace(square) / len(cross) * np.eye(len(cross))
        weights = np.linalg.lstsq(square, cross, rcond=None)[0]  # of shapes that do not vary, none
        guess[out] = level + mean[-1]
        predicted[out] = guess[out] + (shapes[out] - mean[:-1]) @ weights
    missed = np.array([((values - predicted)[owner == group] ** 2).sum() for group in groups])
    around = np.array([((values - guess)[owner == group] ** 2).sum() for group in groups])

    def r2(places: np.ndarray) -> float:
        return float(1 - missed[places].sum() / around[places].sum())

    return Encoded(predicted, (r2(np.arange(len(groups))), *interval(len(groups), r2)))


class _Points:
    """Points in the order of x, whose observations may be weighted anew: for many fits."""

    def __init__(self, x: np.ndarray, y: np.ndarray, owner: np.ndarray) -> None:
        _, self.owner = np.unique(owner, return_inverse=True)
        self.groups = int(self.owner.max()) + 1 if len(x) else 0
        order = np.argsort(x, kind="stable")
        self._x, self._owner = x[order].astype(np.float64), self.owner[order]
        # Centred, so that sums of squares lose no digits.
        across, up = self._x - x.mean(), (y - y.mean())[order]
        self._moments = np.array([np.ones(len(x)), across, up, across**2, across * up, up**2])
        # A break lies between two different x.
        self._between = np.append(self._x[1:] > self._x[:-1], False)

    def break_of(self, weights: np.ndarray) -> float:
        """Where two lines miss least, with the observations weighted (groups,); NaN where none can be."""
        total = np.cumsum(self._moments * weights[self._owner], axis=1)
        rest = total[:, -1:] - total
        count = total[0]
        allowed = self._between & (count >= max(EDGE * count[-1], 3)) & (rest[0] >= max(EDGE * count[-1], 3))
        if not allowed.any():
            return np.nan
        missed = _missed(total[:, allowed]) + _missed(rest[:, allowed])
        best = int(np.flatnonzero(allowed)[np.argmin(missed)])
        return float((self._x[best] + self._x[best + 1]) / 2)


def _missed(moments: np.ndarray) -> np.ndarray:
    """The squared misses of the best line, (k,), from the moments (6, k) of its points."""
    count, x, y, xx, xy, yy = moments
    spread = np.maximum(xx - x**2 / count, 0)
    together = xy - x * y / count
    left: np.ndarray = (yy - y**2 / count) - np.divide(together**2, spread, out=np.zeros_like(spread), where=spread > 0)
    return left


def _fit(x: np.ndarray, y: np.ndarray, count: int) -> Fit:
    share = len(x) / count
    if len(x) < 2 or not np.ptp(x):
        return Fit(np.nan, np.nan, np.nan, share)
    slope, intercept = np.polyfit(x, y, 1)
    spread = float(((y - y.mean()) ** 2).sum())
    missed = float(((y - intercept - slope * x) ** 2).sum())
    return Fit(float(slope), float(intercept), 1 - missed / spread if spread else np.nan, share)


def _misses(x: np.ndarray, y: np.ndarray, out: np.ndarray, at: float) -> np.ndarray:
    """Squared misses in the points left out (n,) bool, of the others' mean, their one line, and their two."""
    known = ~out
    one = _fit(x[known], y[known], len(x))
    two = [_fit(x[known & side], y[known & side], len(x)) for side in (x <= at, x > at)]
    lines = [np.full(int(out.sum()), y[known].mean()), one.intercept + one.slope * x[out]]
    lines.append(np.where(x[out] <= at, *(side.intercept + side.slope * x[out] for side in two)))
    return np.array([float(((y[out] - line) ** 2).sum()) for line in lines])
