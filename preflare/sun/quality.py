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
    QUIET_SUN           a quiet-Sun autoencoder reconstructs it well (preflare.model.quiet_mask); unset until one is applied

A line's ``tolerated`` flags are only remarks: a spectrum that carries no other is clean.

Missing and saturated points are NaN, and the rules look at the points that are left. Where none is left, the
spectrum and its intensity are NaN; where the maximum is not above zero, the spectrum is NaN as it cannot be
divided by it, and the intensity is kept.
"""

from enum import IntFlag

import numpy as np

from preflare.errors import ConfigError
from preflare.sun.line import Line


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


def assess(
    flux: np.ndarray, missing: np.ndarray, saturated: np.ndarray, exposure: np.ndarray, line: Line
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normalise spectra on the line's grid and flag them.

    flux: (..., wavelength) DN/s; what it holds at masked points is not looked at.
    missing, saturated: (..., wavelength) bool, the points touched by such a native pixel.
    exposure: s, over the leading axes of flux, as many of them as it has: (repeat, step) for a block.
    Returns spectra (..., wavelength) float32, intensity (...) float32 in DN/s, and quality (...) uint16.
    """
    rules = line.rules
    leading = flux.shape[:-1]
    unexposed = np.broadcast_to(
        ~(np.isfinite(exposure) & (exposure > 0)).reshape(exposure.shape + (1,) * (len(leading) - exposure.ndim)),
        leading,
    )
    # -inf stands for a point that is not there, in order to compare without warnings about NaN.
    flux = np.where(missing | saturated | unexposed[..., None], -np.inf, flux).astype(np.float32)
    intensity = flux.max(axis=-1)
    measured = np.isfinite(intensity)

    quality = np.zeros(leading, np.uint16)
    quality[missing.any(axis=-1)] |= Quality.MISSING.value
    quality[saturated.any(axis=-1) | (measured & _has_run(flux, rules.overexposed_run))] |= Quality.OVEREXPOSED.value
    quality[measured & ((intensity < rules.low_signal) | (intensity <= 0))] |= Quality.LOW_SIGNAL.value
    quality[measured & _peak_outside(flux, line)] |= Quality.PEAK_OUTSIDE_CORES.value
    quality[measured & _ratio_outside(flux, line)] |= Quality.CORE_RATIO.value
    quality[measured & _continuum_high(flux, intensity, line)] |= Quality.HIGH_CONTINUUM.value
    quality[unexposed] |= Quality.ZERO_EXPOSURE.value

    flux[~np.isfinite(flux)] = np.nan
    divisor = np.where(measured & (intensity > 0), intensity, np.nan)
    spectra = flux / divisor[..., None]
    return spectra, np.where(measured, intensity, np.float32(np.nan)), quality


def _has_run(flux: np.ndarray, length: int) -> np.ndarray:
    """Whether at least so many consecutive points equal the maximum; (..., wavelength) -> (...) bool."""
    equal = flux == flux.max(axis=-1, keepdims=True)
    # equal[i] says that a run of ``have`` points starts at i; doubling takes few passes over the array.
    have = 1
    while have < length and equal.shape[-1] > 0:
        shift = min(have, length - have)
        equal = equal[..., :-shift] & equal[..., shift:]
        have += shift
    return equal.any(axis=-1)


def _peak_outside(flux: np.ndarray, line: Line) -> np.ndarray:
    halfwidth = line.rules.peak_halfwidth
    if halfwidth is None:
        return np.zeros(flux.shape[:-1], bool)
    peak = line.wavelength[flux.argmax(axis=-1)]
    return np.all([np.abs(peak - core) > halfwidth for core in line.cores.values()], axis=0)


def _ratio_outside(flux: np.ndarray, line: Line) -> np.ndarray:
    if line.rules.core_ratio is None:
        return np.zeros(flux.shape[:-1], bool)
    low, high = line.rules.core_ratio
    first, second = (
        flux[..., np.abs(line.wavelength - core) <= line.rules.ratio_halfwidth].max(axis=-1)
        for core in list(line.cores.values())[:2]
    )
    # Multiplied out, so that a second peak of zero or less needs no care; without one of the peaks, no ratio.
    outside = (first < low * second) | (first > high * second)
    return outside & np.isfinite(first) & np.isfinite(second)


def _continuum_high(flux: np.ndarray, intensity: np.ndarray, line: Line) -> np.ndarray:
    if line.rules.high_continuum is None:
        return np.zeros(flux.shape[:-1], bool)
    first, last = line.continuum
    inside = flux[..., (line.wavelength >= first) & (line.wavelength <= last)].astype(np.float64)
    there = np.isfinite(inside)
    count = there.sum(axis=-1)
    mean = np.where(there, inside, 0).sum(axis=-1) / np.maximum(count, 1)
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
