"""A divisor that does not hang on one pixel (an option beside the paper's single maximum)."""

import numpy as np


def robust_maximum(spectra: np.ndarray, points: int) -> np.ndarray:
    """The maximum of the running median over so many points, (..., wavelength) -> (...).

    points: odd. A spike of fewer than half as many points does not change it. NaN where every window has a NaN.
    """
    windows = np.lib.stride_tricks.sliding_window_view(spectra, points, axis=-1)
    medians = np.median(windows, axis=-1)
    return np.where(np.isnan(medians), -np.inf, medians).max(axis=-1, initial=-np.inf)


def normalise_robustly(spectra: np.ndarray, intensity: np.ndarray, points: int) -> None:
    """Divide spectra (..., wavelength), normalised by their maximum, by their robust one instead, in place.

    intensity (...) is then that of the robust maximum. Spectra without one above zero stay as they are.
    """
    divisor = robust_maximum(spectra, points)
    divisor = np.where(np.isfinite(divisor) & (divisor > 0), divisor, 1.0).astype(spectra.dtype)
    spectra /= divisor[..., None]
    intensity *= divisor
