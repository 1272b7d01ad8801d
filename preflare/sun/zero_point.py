"""The zero point of an observation's wavelengths, by a line of known wavelength that the photosphere imprints.

Level-2 wavelengths are good to 5 to 10 km/s, about as much as a step of the paper's grid; what differs between classes
of observations may be learned in the place of what differs on the Sun.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import curve_fit

from preflare.sun.level2 import Raster
from preflare.sun.line import Rules

LIGHT = 299792.458  # km/s
# Exposures of a file that are looked at: the mean over the slit of a few has hardly any noise.
EXPOSURES = 8
SHALLOW = 0.03  # of the continuum


def measure(axis: np.ndarray, profile: np.ndarray, wavelength: float, halfwidth: float) -> float | None:
    """Shift of the line in km/s, positive to the red; None if there is no such line to be seen.

    axis, profile: (native,) Å and any unit of intensity. wavelength, halfwidth: Å, where the line is at rest, and
    within which a Gaussian on a slope is fitted.
    """
    near = (np.abs(axis - wavelength) <= halfwidth) & np.isfinite(profile)
    x, y = axis[near] - wavelength, profile[near]
    if len(x) < 6 or not y.mean() > 0:
        return None
    y = y / y.mean()
    # Height, level and slope follow from centre and width: the best of a grid of those two is where the fit begins.
    centres, widths = (
        halfwidth * part.reshape(-1, 1) for part in np.meshgrid(np.linspace(-0.7, 0.7, 15), [0.15, 0.25, 0.4])
    )
    shapes = _shapes(x, centres, widths)
    parts = np.linalg.pinv(shapes) @ y
    best = int((((shapes @ parts[..., None])[..., 0] - y) ** 2).sum(axis=1).argmin())
    start = (centres[best, 0], widths[best, 0], *parts[best])
    low = (-halfwidth, np.ptp(x) / len(x) / 2, -np.inf, -np.inf, -np.inf)
    high = (halfwidth, halfwidth, np.inf, np.inf, np.inf)
    try:
        found, covariance = curve_fit(_profile, x, y, np.clip(start, low, high), bounds=(low, high))
    except RuntimeError:
        return None
    centre, height = found[0], abs(found[2])
    errors = np.sqrt(np.diag(covariance))
    # What is shallow, not certain, or at the edge, is no line to measure by.
    if not (height > SHALLOW and height > 5 * errors[2] and abs(centre) < 0.8 * halfwidth):
        return None
    return float(LIGHT * centre / wavelength)


def _shapes(x: np.ndarray, centre: float | np.ndarray, width: float | np.ndarray) -> np.ndarray:
    """What height, level and slope multiply, (..., x, 3)."""
    gauss = np.exp(-(((x - centre) / width) ** 2) / 2)
    return np.stack(np.broadcast_arrays(gauss, 1.0, x), axis=-1)


def _profile(x: np.ndarray, centre: float, width: float, height: float, level: float, slope: float) -> np.ndarray:
    found: np.ndarray = _shapes(x, centre, width) @ np.array([height, level, slope])
    return found


def profile(
    raster: Raster, path: Path, rules: Rules, wavelength: float, halfwidth: float
) -> tuple[np.ndarray, np.ndarray]:
    """Sum of the counts and number of good pixels, (native,) each, over the slit in a few exposures of a raster.

    Both are zero farther than ``halfwidth`` from ``wavelength``, in Å.
    """
    total, count = np.zeros(len(raster.wavelength)), np.zeros(len(raster.wavelength))
    inside = np.flatnonzero(np.abs(raster.wavelength - wavelength) <= halfwidth)
    taken = np.flatnonzero(raster.exposure > 0)
    if not len(inside):
        return total, count
    near = slice(int(inside[0]), int(inside[-1]) + 1)
    for row in taken[:: max(1, len(taken) // EXPOSURES)][:EXPOSURES]:
        counts = raster.counts(path, int(row), near).astype(np.float64)
        good = (counts >= rules.null) & (counts < rules.saturation)
        total[near] += np.where(good, counts, 0.0).sum(axis=0)
        count[near] += good.sum(axis=0)
    return total, count


def mean(profiles: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Mean counts (native,) of all; NaN where no pixel was good."""
    total, count = (np.sum(parts, axis=0) for parts in zip(*profiles, strict=True))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def corrected(axis: np.ndarray, shift: float) -> np.ndarray:
    """The axis as it is without a shift in km/s."""
    return axis / (1 + shift / LIGHT)
