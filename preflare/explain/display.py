"""The paper's display of explanations (Appendix C): for figures only. What is stored is never smoothed nor shifted."""

import numpy as np
from scipy.signal import savgol_filter

# Points and polynomial order of the paper's Savitzky-Golay filter.
WINDOW, ORDER = 41, 3


def smoothed(attributions: np.ndarray, window: int = WINDOW) -> np.ndarray:
    """Attributions (n, wavelength), all finite, by a Savitzky-Golay filter of so many points."""
    found: np.ndarray = savgol_filter(attributions.astype(np.float64), window, ORDER, axis=1)
    return found


def to_the_score(explanations: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Shifted to be nowhere negative, scaled to sum to the score: (n, wavelength).

    explanations: (n, wavelength), NaN where a method has no value; scores: (n,). The shift takes the sign from every
    wavelength and gives worth to those that no network sees: a display, not a measurement.
    """
    shifted = explanations - np.minimum(np.nanmin(explanations, axis=1, keepdims=True), 0)
    total = np.nansum(shifted, axis=1, keepdims=True)
    scaled = np.divide(shifted * scores[:, None], total, out=np.zeros_like(shifted), where=total > 0)
    return np.where(np.isfinite(explanations), scaled, np.nan)
