"""The look of an observation: what all its spectra share and what has nothing to do with flares.

Observations at most three days apart show one active region and have part of their looks in common, so that a
partition that separates observations but not regions still leaks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime

import numpy as np
from scipy.special import ndtr

REGION_DAYS = 3
# The share of the looks' variance that observations of a region have in common.
REGION_SHARE = 0.5


@dataclass(frozen=True)
class Look:
    """zero_point: km/s, error of the wavelength scale. brightness, continuum, width: factors. depth, asymmetry,
    ratio, subordinate: added to the shapes of that name. mu: cosine of the heliocentric angle. azimuth: rad,
    where on the disc. unrest: share of the scene that brightenings cover, whatever the class.
    """

    zero_point: float
    brightness: float
    continuum: float
    width: float
    depth: float
    asymmetry: float
    ratio: float
    subordinate: float
    mu: float
    azimuth: float
    unrest: float


def draw(random: np.random.Generator, region: np.random.Generator, inward: float = 0.0) -> Look:
    """A look from the observation's own and its region's stream of random numbers.

    inward: standard deviations by which it is moved towards the disc's centre.
    """
    count = len(fields(Look))
    own, common = random.standard_normal(count), region.standard_normal(count)
    z = iter(np.sqrt(REGION_SHARE) * common + np.sqrt(1 - REGION_SHARE) * own)
    return Look(
        zero_point=float(2.0 * next(z)),
        brightness=float(np.exp(0.14 * next(z))),
        continuum=float(np.exp(0.10 * next(z))),
        width=float(np.exp(0.037 * next(z))),
        depth=float(0.027 * next(z)),
        asymmetry=float(0.027 * next(z)),
        ratio=float(0.027 * next(z)),
        subordinate=float(0.0035 * next(z)),
        mu=float(0.35 + 0.63 * ndtr(next(z) + inward)),
        azimuth=float(2 * np.pi * ndtr(next(z))),
        unrest=float(0.75 / (1 + np.exp(4.2 - 3.6 * next(z)))),
    )


def regions(ids: Sequence[str]) -> dict[str, str]:
    """Observation id -> the day its region was first observed, YYYYMMDD, which stands for the region."""
    found: dict[str, str] = {}
    last, day = date.min, ""
    for id in sorted(ids):
        start = start_of(id).date()
        if (start - last).days > REGION_DAYS:
            day = id[:8]
        found[id], last = day, start
    return found


def start_of(id: str) -> datetime:
    """The start that an observation's id states, an aware UTC datetime."""
    return datetime.strptime(id[:15], "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
