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
        self._vectors = random.standard_normal((waves, 3)) / np.array([length, length, duration])
        self._weights = random.standard_normal((waves, 2, count)) / np.sqrt(waves)

    def __call__(self, x: np.ndarray, y: np.ndarray, time: np.ndarray) -> np.ndarray:
        """x, y: (n,) arcsec; time: (n,) s. Returns (count, n)."""
        # Wave by wave and no matrix product: its rounding would depend on how many points are asked for at once.
        values = np.zeros((self._weights.shape[-1], len(x)))
        for (across, along, later), (even, odd) in zip(self._vectors, self._weights, strict=True):
            phase = across * x + along * y + later * time
            values += even[:, None] * np.cos(phase) + odd[:, None] * np.sin(phase)
        return values
