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

A line's ``tolerated`` flags are only remarks: a spectrum that carries no other is clean. What looks at spectra is in
``preflare.sun.reduction``.
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
    SAA = 512


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
