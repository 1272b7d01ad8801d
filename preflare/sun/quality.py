"""Why a spectrum is not clean: the flags, and the rules that set them (paper Sect. 2; limits in ``line.rules``)."""

from enum import IntFlag


class Quality(IntFlag):
    """Bits of a shard's ``quality``; 0 is clean. A spectrum is never deleted, only flagged."""

    CLEAN = 0
    MISSING = 1
    OVEREXPOSED = 2
    LOW_SIGNAL = 4
    PEAK_OUTSIDE_CORES = 8
    CORE_RATIO = 16
    ZERO_EXPOSURE = 32
