"""Why a spectrum is not clean: the flags, and the rules that set them (paper Sect. 2; limits in ``line.rules``).

Flags combine. A spectrum is never deleted, only flagged:

    MISSING             a point stems from a null or non-finite native pixel
    OVEREXPOSED         a point stems from a saturated native pixel, or ``overexposed_run`` consecutive points
                        equal the maximum
    LOW_SIGNAL          every point is below ``low_signal``, or none is above zero
    PEAK_OUTSIDE_CORES  the maximum lies further than ``peak_halfwidth`` from every core
    CORE_RATIO          the peak in the first core's window over that in the second's is outside ``core_ratio``
    ZERO_EXPOSURE       the exposure time is zero, negative or not finite
    HIGH_CONTINUUM      the mean pseudo-continuum is at least ``high_continuum`` of the maximum
    OFF_LIMB            the position lies beyond the solar limb, where the file says how large the Sun is
    QUIET_SUN           a quiet-Sun autoencoder reconstructs it well
                        (preflare.model.quiet_mask); unset until one is applied
    SAA                 taken in the South Atlantic Anomaly, by the header, a list of intervals, or the rate of hits

A line's ``tolerated`` flags are only remarks: a spectrum that carries no other is clean.

Missing and saturated points are NaN, and the rules look at the points that are left. Where none is left, the
spectrum and its intensity are NaN; where the maximum is not above zero, the spectrum is NaN as it cannot be
divided by it, and the intensity is kept.
"""

from enum import IntFlag

import numba
import numpy as np

from preflare.errors import ConfigError
from preflare.sun.line import Line
from preflare.sun.normalisation import normalise_robustly


class Quality(IntFlag):
    """Bits of a shard's ``quality``; 0 is clean without a remark."""

    CLEAN = 0
    MISSING = 1
    OVEREXPOSED = 2
    LOW_SIGNAL = 4
    PEAK_OUTSIDE_CORES = 8
    CORE_RATIO = 16
    ZERO_EXPOSURE = 32
    HIGH_CONTINUUM = 64
    OFF_LIMB = 128
    QUIET_SUN = 256
    SAA = 512


def assess(
    flux: np.ndarray, missing: np.ndarray, saturated: np.ndarray, exposure: np.ndarray, line: Line
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normalise spectra on the line's grid and flag them.

    flux: (..., wavelength) DN/s; what it holds at masked points is not looked at.
    missing, saturated: (..., wavelength) bool, the points touched by such a native pixel.
    exposure: s, over the leading axes of flux, as many of them as it has: (repeat, step) for a block.
    Returns spectra (..., wavelength) float32, intensity (...) float32 in DN/s, and quality (...) uint16.
    """
    rules, wavelength = line.rules, line.wavelength
    leading = flux.shape[:-1]
    unexposed = np.broadcast_to(
        ~(np.isfinite(exposure) & (exposure > 0)).reshape(exposure.shape + (1,) * (len(leading) - exposure.ndim)),
        leading,
    )
    masked = missing | saturated
    cores = list(line.cores.values())
    reach = np.inf if rules.peak_halfwidth is None else rules.peak_halfwidth
    near = np.any([np.abs(wavelength - core) <= reach for core in cores], axis=0)
    low, high = (np.nan, np.nan) if rules.core_ratio is None else rules.core_ratio
    # Without a rule both windows are empty, and so there is no ratio.
    windows = [
        np.flatnonzero(np.abs(wavelength - core) <= rules.ratio_halfwidth if rules.core_ratio else [])
        for core in (cores * 2)[:2]
    ]
    count = unexposed.size
    spectra, intensity = np.empty((count, line.points), np.float32), np.empty(count, np.float32)
    quality = np.empty(count, np.uint16)
    flat = np.ascontiguousarray(flux, np.float32).reshape(spectra.shape)
    _judge(
        flat,
        flat.max(axis=-1),
        np.ascontiguousarray(missing).reshape(spectra.shape),
        np.ascontiguousarray(saturated).reshape(spectra.shape),
        np.ascontiguousarray(unexposed).reshape(-1),
        near,
        windows[0],
        windows[1],
        np.array([low, high, rules.low_signal], np.float32),
        rules.overexposed_run,
        spectra,
        intensity,
        quality,
    )
    shaped = intensity.reshape(leading), quality.reshape(leading)
    shaped[1][_continuum_high(flux, masked, shaped[0], line)] |= Quality.HIGH_CONTINUUM.value
    if rules.normalise_over is not None:
        normalise_robustly(spectra, intensity, rules.normalise_over)
    return spectra.reshape(flux.shape), *shaped


MISSING, OVEREXPOSED, ZERO_EXPOSURE = (
    int(flag) for flag in (Quality.MISSING, Quality.OVEREXPOSED, Quality.ZERO_EXPOSURE)
)
LOW_SIGNAL, PEAK_OUTSIDE_CORES, CORE_RATIO = (
    int(flag) for flag in (Quality.LOW_SIGNAL, Quality.PEAK_OUTSIDE_CORES, Quality.CORE_RATIO)
)


@numba.njit(cache=True, nogil=True)
def _judge(  # type: ignore[no-untyped-def]
    flux, tops, missing, saturated, unexposed, near, first, second, limits, length, spectra, intensity, quality
):
    """Everything of ``assess`` but the continuum, spectrum by spectrum, into the last three arrays.

    tops: maxima of flux, masked or not, which NumPy finds faster. near: (wavelength,) whether the maximum may lie
    there. first, second: indices of the windows of the core ratio. limits: its lowest and highest value, and the
    lowest signal. length: of an overexposed run.
    """
    low, high, faint = limits
    points, absent = flux.shape[1], np.float32(-np.inf)
    for row in range(flux.shape[0]):
        lost, over = False, False
        for point in range(points):
            lost |= missing[row, point]
            over |= saturated[row, point]
        flags = (MISSING if lost else 0) | (OVEREXPOSED if over else 0) | (ZERO_EXPOSURE if unexposed[row] else 0)
        if flags:
            for point in range(points):
                there = not (missing[row, point] or saturated[row, point] or unexposed[row])
                spectra[row, point] = flux[row, point] if there else absent
        else:
            spectra[row] = flux[row]
        top = tops[row]
        if flags or not np.isfinite(top):
            top = absent
            for point in range(points):
                top = max(top, spectra[row, point])
        measured = np.isfinite(top)
        if measured:
            count = 0
            for point in range(points):
                count += spectra[row, point] == top
            peak = 0
            while spectra[row, peak] != top:
                peak += 1
            run = 0
            for point in range(points if count >= length else 0):
                run = run + 1 if spectra[row, point] == top else 0
                if run == length:
                    flags |= OVEREXPOSED
            if not near[peak]:
                flags |= PEAK_OUTSIDE_CORES
            if top < faint or top <= 0:
                flags |= LOW_SIGNAL
            one, two = absent, absent
            for point in first:
                one = max(one, spectra[row, point])
            for point in second:
                two = max(two, spectra[row, point])
            # Multiplied out, so that a second peak of zero or less needs no care; without one of the peaks, no ratio.
            if np.isfinite(one) and np.isfinite(two) and (one < low * two or one > high * two):
                flags |= CORE_RATIO
        divisor = top if measured and top > 0 else np.float32(np.nan)
        for point in range(points):
            value = spectra[row, point]
            spectra[row, point] = value / divisor if np.isfinite(value) else np.float32(np.nan)
        intensity[row] = top if measured else np.float32(np.nan)
        quality[row] = flags


def _continuum_high(flux: np.ndarray, masked: np.ndarray, intensity: np.ndarray, line: Line) -> np.ndarray:
    if line.rules.high_continuum is None:
        return np.zeros(intensity.shape, bool)
    first, last = line.continuum
    points = (line.wavelength >= first) & (line.wavelength <= last)
    there = ~masked[..., points] & np.isfinite(flux[..., points])
    inside = np.where(there, flux[..., points], 0).astype(np.float64)
    count = there.sum(axis=-1)
    mean = inside.sum(axis=-1) / np.maximum(count, 1)
    # An intensity that is not a number is above nothing.
    return (count > 0) & (intensity > 0) & (mean >= line.rules.high_continuum * intensity)


def off_limb(position: np.ndarray, radius: float | None) -> np.ndarray:
    """The flag OFF_LIMB where positions lie beyond the limb, (...) uint16; nowhere if the radius is not known.

    position: (..., 2) helioprojective x, y, arcsec. radius: of the Sun as seen from there, arcsec.
    """
    if radius is None:
        return np.zeros(position.shape[:-1], np.uint16)
    beyond = np.hypot(position[..., 0], position[..., 1]) > radius
    return np.where(beyond, np.uint16(Quality.OFF_LIMB), np.uint16(0))


def is_clean(quality: np.ndarray, line: Line) -> np.ndarray:
    """Which spectra carry no flag but those that the line tolerates, bool of the same shape."""
    found: np.ndarray = (quality & ~np.uint16(tolerated(line))) == 0
    return found


def tolerated(line: Line) -> Quality:
    """The flags that a line takes for remarks. Raises ConfigError for a name that is no flag's."""
    flags = Quality.CLEAN
    for name in line.tolerated:
        if name not in Quality.__members__:
            known = ", ".join(flag for flag in Quality.__members__ if flag != "CLEAN")
            raise ConfigError(f"line.tolerated names {name!r}, which is no flag; expected some of {known}.")
        flags |= Quality[name]
    return flags


def tally(quality: np.ndarray, line: Line) -> dict[str, int]:
    """How many spectra there are, how many are clean, and how many carry each flag."""
    counts = {"spectra": quality.size, "clean": int(is_clean(quality, line).sum())}
    return counts | {str(flag.name): int((quality & flag.value != 0).sum()) for flag in Quality}
