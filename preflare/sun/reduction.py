"""From native counts to normalised, flagged spectra on a line's grid: resampled, divided by exposure, judged (Sect. 2).

Null, non-finite and saturated pixels are masked before anything is divided or interpolated, so that nothing is
interpolated across them. Missing and saturated points become NaN, and the rules (``preflare.sun.quality``) look at the
points that are left. Where none is left, the spectrum and its intensity are NaN; where the maximum is not above zero,
the spectrum is NaN as it cannot be divided by it, and the intensity is kept.
"""

from dataclasses import dataclass

import numba
import numpy as np

from preflare.sun.line import Line, Rules
from preflare.sun.normalisation import normalise_robustly
from preflare.sun.quality import Quality

MISSING, OVEREXPOSED, ZERO_EXPOSURE, HIGH_CONTINUUM = (
    int(flag) for flag in (Quality.MISSING, Quality.OVEREXPOSED, Quality.ZERO_EXPOSURE, Quality.HIGH_CONTINUUM)
)
LOW_SIGNAL, PEAK_OUTSIDE_CORES, CORE_RATIO = (
    int(flag) for flag in (Quality.LOW_SIGNAL, Quality.PEAK_OUTSIDE_CORES, Quality.CORE_RATIO)
)


@dataclass(frozen=True, eq=False)
class Taps:
    """Linear interpolation as two native pixels and a weight for each grid point.

    first, count: the native pixels needed. left: (points,) index of the first of the two, from ``first``.
    weight: (points,) float32 in [0, 1], of the second.
    """

    first: int
    count: int
    left: np.ndarray
    weight: np.ndarray

    @classmethod
    def between(cls, axis: np.ndarray, grid: np.ndarray) -> "Taps":
        """From an evenly spaced axis to a grid that it covers."""
        index = (grid - axis[0]) / ((axis[-1] - axis[0]) / (len(axis) - 1))
        left = np.clip(np.floor(index).astype(int), 0, len(axis) - 2)
        first, last = int(left.min()), int(left.max()) + 1
        return cls(first, last - first + 1, left - first, np.clip(index - left, 0, 1).astype(np.float32))

    def needed(self, counts: np.ndarray) -> np.ndarray:
        """Of counts (..., native) those that the grid needs, (..., count)."""
        return counts[..., self.first : self.first + self.count]


class Reduction:
    """What turns native counts of one wavelength axis into spectra of a line.

    taps: from that axis to the line's grid.
    """

    def __init__(self, taps: Taps, line: Line) -> None:
        self.taps = taps
        self.points = line.points
        rules, wavelength = line.rules, line.wavelength
        cores = list(line.cores.values())
        reach = np.inf if rules.peak_halfwidth is None else rules.peak_halfwidth
        low, high = (np.nan, np.nan) if rules.core_ratio is None else rules.core_ratio
        # Without a rule both windows are empty, and so there is no ratio.
        first, second = (
            np.flatnonzero(np.abs(wavelength - core) <= rules.ratio_halfwidth if rules.core_ratio else [])
            for core in (cores * 2)[:2]
        )
        begin, end = line.continuum
        share = np.nan if rules.high_continuum is None else rules.high_continuum
        self._limits = (
            np.array([rules.null, rules.saturation, low, high, rules.low_signal, share], np.float32),
            rules.overexposed_run,
            np.any([np.abs(wavelength - core) <= reach for core in cores], axis=0),
            first,
            second,
            np.flatnonzero((wavelength >= begin) & (wavelength <= end)),
        )
        self._normalise_over = rules.normalise_over

    def __call__(
        self,
        counts: np.ndarray,
        exposure: np.ndarray,
        into: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Normalise spectra on the line's grid and flag them.

        counts: (..., count) DN, those that the taps need. exposure: s, over the leading axes of counts, as many of
        them as it has: (exposure,) or (repeat, step). into: contiguous arrays for the results, or None for new ones.
        Returns spectra (..., wavelength) float32, intensity (...) float32 in DN/s, and quality (...) uint16.
        """
        leading = counts.shape[:-1]
        seconds = np.asarray(exposure, np.float32)
        seconds = np.broadcast_to(seconds.reshape(seconds.shape + (1,) * (len(leading) - seconds.ndim)), leading)
        if into is None:
            into = np.empty((*leading, self.points), np.float32), np.empty(leading, np.float32), np.empty(leading, "u2")
        spectra, intensity, quality = into
        _reduce(
            np.ascontiguousarray(counts, np.float32).reshape(-1, counts.shape[-1]),
            np.ascontiguousarray(seconds).reshape(-1),
            self.taps.left,
            self.taps.weight,
            self._limits,
            spectra.reshape(-1, self.points),
            intensity.reshape(-1),
            quality.reshape(-1),
        )
        if self._normalise_over is not None:
            normalise_robustly(spectra, intensity, self._normalise_over)
        return into


def resample(counts: np.ndarray, taps: Taps, rules: Rules) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Interpolate native counts (..., count) in DN to the grid and say which points masked pixels touch.

    Returns values, missing and saturated, each (..., wavelength); values are meaningless where masked.
    """
    flat = np.ascontiguousarray(counts, np.float32).reshape(-1, counts.shape[-1])
    values = np.empty((len(flat), len(taps.left)), np.float32)
    missing, saturated = np.empty(values.shape, bool), np.empty(values.shape, bool)
    limits = np.float32(rules.null), np.float32(rules.saturation)
    _resample_all(flat, taps.left, taps.weight, *limits, values, missing, saturated)
    shape = (*counts.shape[:-1], len(taps.left))
    return values.reshape(shape), missing.reshape(shape), saturated.reshape(shape)


@numba.njit(cache=True, nogil=True)
def _resample_all(counts, left, weight, null, saturation, values, missing, saturated):  # type: ignore[no-untyped-def]
    """``resample`` of counts (n, count) into the last three arrays, each (n, wavelength)."""
    for row in range(counts.shape[0]):
        if not _resample(counts[row], left, weight, null, saturation, values[row], missing[row], saturated[row]):
            missing[row], saturated[row] = False, False


@numba.njit(cache=True, nogil=True)
def _resample(counts, left, weight, null, saturation, values, missing, saturated):  # type: ignore[no-untyped-def]
    """One spectrum; returns whether it has a pixel to mask, without which the masks are left as they are."""
    zero = np.float32(0)
    odd = False
    for pixel in range(counts.size):
        # Not a number is not at or above anything.
        odd |= not (counts[pixel] >= null) or counts[pixel] >= saturation
    if not odd:
        # As below, for the many spectra without a pixel to mask.
        for point in range(left.size):
            # Unsigned: numba lets other places count from the end, and has to look at every one.
            place = np.uintp(left[point])
            a, b = counts[place], counts[place + np.uintp(1)]
            values[point] = a + weight[point] * (b - a)
        return False
    for point in range(left.size):
        a, b, share = counts[left[point]], counts[left[point] + 1], weight[point]
        high_a, high_b = a >= saturation, b >= saturation
        lost_a, lost_b = not (a >= null or high_a), not (b >= null or high_b)
        # A native pixel touches a grid point if it has any weight in it.
        uses_a, uses_b = share < 1, share > 0
        missing[point] = (lost_a and uses_a) or (lost_b and uses_b)
        saturated[point] = (high_a and uses_a) or (high_b and uses_b)
        a = zero if lost_a or high_a else a
        b = zero if lost_b or high_b else b
        # In this form two equal neighbours give their very value, which the overexposure rule looks for.
        values[point] = a + share * (b - a)
    return True


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _reduce(counts, exposure, left, weight, limits, spectra, intensity, quality):  # type: ignore[no-untyped-def]
    """``Reduction`` of counts (n, count) and exposures (n,), spectrum by spectrum, into the last three arrays.

    limits: (null, saturation, lowest and highest core ratio, lowest signal, share of the continuum), length of an
    overexposed run, (wavelength,) whether the maximum may lie there, and indices: windows of the core ratio, continuum.
    """
    (null, saturation, low, high, faint, share), length, near, first, second, continuum = limits
    points, absent = left.size, np.float32(-np.inf)
    missing, saturated = np.zeros(points, np.bool_), np.zeros(points, np.bool_)
    lanes = np.empty(16, np.float32)
    for row in range(counts.shape[0]):
        values, flags = spectra[row], 0
        odd = _resample(counts[row], left, weight, null, saturation, values, missing, saturated)
        taken = np.isfinite(exposure[row]) and exposure[row] > 0
        if not taken:
            flags |= ZERO_EXPOSURE
            values[:] = absent
        elif odd:
            for point in range(points):
                masked = missing[point] or saturated[point]
                values[point] = absent if masked else values[point] / exposure[row]
        else:
            for point in range(points):
                values[point] /= exposure[row]
        if odd:
            flags |= (MISSING if missing.any() else 0) | (OVEREXPOSED if saturated.any() else 0)
        top = _maximum(values, lanes)
        if not np.isfinite(top):
            values[:] = np.float32(np.nan)
            intensity[row] = np.float32(np.nan)
            quality[row] = flags
            continue
        count = 0
        for point in range(points):
            count += values[point] == top
        peak = 0
        while values[peak] != top:
            peak += 1
        run = 0
        for point in range(points if count >= length else 0):
            run = run + 1 if values[point] == top else 0
            if run == length:
                flags |= OVEREXPOSED
        if not near[peak]:
            flags |= PEAK_OUTSIDE_CORES
        if top < faint or top <= 0:
            flags |= LOW_SIGNAL
        one, two = absent, absent
        for point in first:
            one = max(one, values[point])
        for point in second:
            two = max(two, values[point])
        # Multiplied out, so that a second peak of zero or less needs no care; without one of the peaks, no ratio.
        if np.isfinite(one) and np.isfinite(two) and (one < low * two or one > high * two):
            flags |= CORE_RATIO
        total, count = 0.0, 0
        for point in continuum:
            if np.isfinite(values[point]):
                total += values[point]
                count += 1
        if count > 0 and top > 0 and total / count >= share * top:
            flags |= HIGH_CONTINUUM
        divisor = top if top > 0 else np.float32(np.nan)
        if odd:
            for point in range(points):
                values[point] = values[point] / divisor if np.isfinite(values[point]) else np.float32(np.nan)
        else:
            for point in range(points):
                values[point] /= divisor
        intensity[row] = top
        quality[row] = flags


@numba.njit(cache=True, nogil=True)
def _maximum(values, lanes):  # type: ignore[no-untyped-def]
    """The largest number, -inf if none is. lanes: (16,) scratch, which a processor compares at once."""
    lanes[:] = np.float32(-np.inf)
    whole = values.size - values.size % 16
    for at in range(0, whole, 16):
        for lane in range(16):
            here, top = values[at + lane], lanes[lane]
            lanes[lane] = here if here > top else top
    top = lanes[0]
    for lane in range(1, 16):
        top = max(top, lanes[lane])
    for at in range(whole, values.size):
        top = max(top, values[at])
    return top
