"""Do activation maps and expected gradients say the same (paper Sect. 7.2)? Fitted on raw, correctly placed maps.

The paper finds them equal up to an additive constant. Both families shown there were shifted, scaled and smoothed to
look alike, so that much of it is built in; here the constant and the scale are fitted and what is left is stated.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from preflare.explain.display import smoothed


@dataclass(frozen=True, eq=False)
class Equivalence:
    """Of each spectrum, (n,): scale and constant of ``other`` as ``scale * one + constant`` (least squares), and
    Pearson's correlation, 0 where one of the two is constant."""

    scale: np.ndarray
    constant: np.ndarray
    correlation: np.ndarray


def compare(one: np.ndarray, other: np.ndarray) -> Equivalence:
    """Compare explanations (n, wavelength) on the wavelengths that both support; NaN marks those that do not."""
    known = np.isfinite(one) & np.isfinite(other)
    count = known.sum(axis=1)
    means = [np.where(known, values, 0.0).sum(axis=1, dtype=np.float64) / count for values in (one, other)]
    a, b = (np.where(known, v - mean[:, None], 0.0) for v, mean in zip((one, other), means, strict=True))
    aa, bb, ab = ((x * y).sum(axis=1) for x, y in ((a, a), (b, b), (a, b)))
    scale = np.divide(ab, aa, out=np.zeros_like(ab), where=aa > 0)
    size = np.sqrt(aa * bb)
    correlation = np.divide(ab, size, out=np.zeros_like(ab), where=size > 0)
    return Equivalence(scale, means[1] - scale * means[0], correlation)


def fit_smoothing(gradients: np.ndarray, maps: np.ndarray, windows: Sequence[int]) -> tuple[int, np.ndarray]:
    """The Savitzky-Golay window, of those given, that makes expected gradients most like the maps (Appendix C).

    gradients, maps: (n, wavelength). Returns it and, (window,), the median correlation after each.
    """
    found = [float(np.median(compare(smoothed(gradients, window), maps).correlation)) for window in windows]
    return windows[int(np.argmax(found))], np.array(found)
