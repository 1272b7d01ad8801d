"""The paper's display of attributions (Appendix C): for figures only. What is stored is never smoothed nor shifted."""

import numpy as np
from scipy.signal import savgol_filter

# Points and polynomial order of the paper's Savitzky-Golay filter.
WINDOW, ORDER = 41, 3


def as_published(attributions: np.ndarray, scores: np.ndarray, window: int = WINDOW) -> np.ndarray:
    """Smoothed, shifted to be nowhere negative, scaled to sum to the score: (n, wavelength).

    attributions: (n, wavelength), all finite; scores: (n,). The shift takes the sign from every wavelength and gives
    worth to those that no network sees: a display, not a measurement.
    """
    smooth = savgol_filter(attributions.astype(np.float64), window, ORDER, axis=1)
    shifted = smooth - np.minimum(smooth.min(axis=1, keepdims=True), 0)
    total = shifted.sum(axis=1, keepdims=True)
    return np.divide(shifted * scores[:, None], total, out=np.zeros_like(shifted), where=total > 0)
