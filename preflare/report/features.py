"""What a spectral line looks like, in a dozen numbers a spectrum (after Panos' features of Mg II h&k).

All but the intensity are of normalised spectra, on the first core of the line; velocities are positive to the red,
where matter falls.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from preflare.errors import ConfigError
from preflare.sun.line import Line

LIGHT = 299_792.458  # km/s
# Å either side of the core: of the profile, and where its two peaks are sought.
PROFILE, PEAKS = 1.5, 1.0
# Of a core whose central reversal is shallower than this share of its peak, there is one peak.
SINGLE = 0.15
# Level of the bisector, of the core's peak over the continuum.
LEVEL = 0.3
# km/s from which the bisector tells of a flow: zero points of level-2 wavelengths are good to 5 to 10.
FLOW = 10.0

UNITS = MappingProxyType(
    {
        "intensity": "DN/s",
        "continuum": "",
        "core ratio": "",
        "centre": "km/s",
        "width": "km/s",
        "asymmetry": "",
        "bisector": "km/s",
        "reversal": "",
        "peak ratio": "",
        "peak separation": "km/s",
        "triplet": "",
    }
)
# What is counted, and where it holds.
FLAGS = ("downflow", "upflow", "single peak", "triplet emission", "broad")


@dataclass(frozen=True)
class Emission:
    """A feature that shows as emission against a wing beside it. feature: of the line; wing: Å.

    Raises ConfigError (``check``) if the line has no such feature.
    """

    feature: str
    wing: float

    def check(self, line: Line) -> None:
        """Raise ConfigError unless both lie on the line's grid."""
        if self.feature not in line.features:
            raise ConfigError(
                f"emission.feature is {self.feature!r}, expected one of line.features: {', '.join(line.features)}."
            )
        if not line.start <= self.wing <= line.stop:
            raise ConfigError(f"emission.wing is {self.wing}, expected {line.start} to {line.stop} Å.")


def measure(spectra: np.ndarray, intensity: np.ndarray, line: Line, emission: Emission) -> dict[str, np.ndarray]:
    """The features of ``UNITS``, each (n,) float64; the core ratio is NaN for a line of one core.

    spectra: (n, wavelength), finite, divided by their maximum; intensity: (n,) DN/s.

    continuum: the mean pseudo-continuum. core ratio: of the peaks of the first two cores. centre, width, asymmetry:
    median, quartile distance and quartile skewness of the profile over the continuum. bisector: the middle of the
    profile at 30% of its height, by its outermost crossings. reversal: depth of the deepest dip between two peaks,
    of the higher; NaN are the peaks' ratio, ln(blue/red), and separation where that is below ``SINGLE``.
    triplet: ln of the emission over its wing.
    """
    wavelength = line.wavelength
    cores = list(line.cores.values())
    first, last = line.continuum
    continuum = spectra[:, (wavelength >= first) & (wavelength <= last)].mean(axis=1, dtype=np.float64)
    near = np.abs(wavelength - cores[0]) <= PROFILE
    velocity = LIGHT * (wavelength[near] / cores[0] - 1)
    excess = np.clip(spectra[:, near] - continuum[:, None], 0, None).astype(np.float64)
    found = {"intensity": intensity.astype(np.float64), "continuum": continuum}
    peaks = [spectra[:, np.abs(wavelength - core) <= line.rules.ratio_halfwidth].max(axis=1) for core in cores[:2]]
    found["core ratio"] = _divide(peaks[0], peaks[1]) if len(cores) > 1 else np.full(len(spectra), np.nan)
    low, middle, high = _quantiles(excess, velocity, (0.25, 0.5, 0.75))
    found |= {"centre": middle, "width": high - low, "asymmetry": _divide(high + low - 2 * middle, high - low)}
    found["bisector"] = _bisector(excess, velocity)
    here = np.abs(wavelength - cores[0]) <= PEAKS
    found |= _reversal(spectra[:, here].astype(np.float64), LIGHT * (wavelength[here] / cores[0] - 1))
    at, beside = (np.argmin(np.abs(wavelength - w)) for w in (line.features[emission.feature], emission.wing))
    found["triplet"] = np.log(_positive(spectra[:, at]) / _positive(spectra[:, beside]))
    return {name: found[name] for name in UNITS}


def flags(measured: Mapping[str, np.ndarray], broad: float) -> dict[str, np.ndarray]:
    """What of ``FLAGS`` holds, each (n,) bool. broad: the width in km/s from which a profile is broad."""
    return {
        "downflow": measured["bisector"] > FLOW,
        "upflow": measured["bisector"] < -FLOW,
        "single peak": measured["reversal"] < SINGLE,
        "triplet emission": measured["triplet"] > 0,
        "broad": measured["width"] > broad,
    }


def _quantiles(profile: np.ndarray, at: np.ndarray, shares: tuple[float, ...]) -> list[np.ndarray]:
    """Where the cumulative profile (n, m) reaches shares of its total; every point stands for a bin about it."""
    edges = np.concatenate([[1.5 * at[0] - 0.5 * at[1]], (at[1:] + at[:-1]) / 2, [1.5 * at[-1] - 0.5 * at[-2]]])
    total = np.pad(np.cumsum(profile * np.diff(edges), axis=1), ((0, 0), (1, 0)))
    whole = total[:, -1]
    rows, found = np.arange(len(profile)), []
    for share in shares:
        bin = np.clip((total < share * whole[:, None]).sum(axis=1), 1, len(at))
        part = _divide(share * whole - total[rows, bin - 1], total[rows, bin] - total[rows, bin - 1])
        found.append(edges[bin - 1] + part * (edges[bin] - edges[bin - 1]))
    return found


def _bisector(profile: np.ndarray, at: np.ndarray) -> np.ndarray:
    level = LEVEL * profile.max(axis=1)
    above = profile >= level[:, None]
    rows, count = np.arange(len(profile)), len(at)

    def crossing(inner: np.ndarray, outer: np.ndarray) -> np.ndarray:
        inside, outside = profile[rows, inner], profile[rows, outer]
        part = np.where(inside > outside, _divide(inside - level, inside - outside), 0.0)
        middle: np.ndarray = at[inner] + part * (at[outer] - at[inner])
        return middle

    left, right = above.argmax(axis=1), count - 1 - above[:, ::-1].argmax(axis=1)
    blue = crossing(left, np.maximum(left - 1, 0))
    red = crossing(right, np.minimum(right + 1, count - 1))
    return np.where(level > 0, (blue + red) / 2, np.nan)


def _reversal(core: np.ndarray, at: np.ndarray) -> dict[str, np.ndarray]:
    before = np.maximum.accumulate(core, axis=1)
    after = np.maximum.accumulate(core[:, ::-1], axis=1)[:, ::-1]
    dips = np.minimum(before, after) - core
    dip = dips.argmax(axis=1)
    rows, place = np.arange(len(core)), np.arange(len(at))
    left = np.where(place <= dip[:, None], core, -np.inf).argmax(axis=1)
    right = np.where(place >= dip[:, None], core, -np.inf).argmax(axis=1)
    depth = _divide(dips[rows, dip], core.max(axis=1))
    double = depth >= SINGLE
    ratio = np.log(_positive(core[rows, left]) / _positive(core[rows, right]))
    return {
        "reversal": depth,
        "peak ratio": np.where(double, ratio, np.nan),
        "peak separation": np.where(double, at[right] - at[left], np.nan),
    }


def _positive(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, np.nan)


def _divide(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    # Both float64; NaN where there is nothing to divide by.
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    return np.divide(one, other, out=np.full(one.shape, np.nan), where=other != 0)
