"""Smooth random fields over place and time: stationary, Gaussian, of mean 0 and variance 1.

A field is a sum of plane waves whose wave vectors are drawn from the spectrum of a Gaussian covariance (random
Fourier features: Rahimi & Recht 2007). It is a function of the coordinates, so that any block of an observation
can be computed by itself.
"""

import numpy as np


class Fields:
    """So many independent fields with one correlation length (arcsec) and time (s).

    The covariance of two points is ``exp(-distance²/(2 length²) - delay²/(2 duration²))``, over draws of the fields.
    """

    def __init__(
        self, random: np.random.Generator, count: int, length: float, duration: float, waves: int = 40
    ) -> None:
        scale = np.array([1 / length, 1 / length, 1 / duration])
        self._vectors = (random.standard_normal((waves, 3)) * scale).T
        self._weights = random.standard_normal((2 * waves, count)) / np.sqrt(waves)

    def __call__(self, x: np.ndarray, y: np.ndarray, time: np.ndarray) -> np.ndarray:
        """x, y: (n,) arcsec; time: (n,) s. Returns (count, n)."""
        phase = np.stack([x, y, time], axis=-1) @ self._vectors
        return (np.concatenate([np.cos(phase), np.sin(phase)], axis=-1) @ self._weights).T
