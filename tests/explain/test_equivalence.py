"""The comparison of two families against NumPy and SciPy, and a smoothing that is known."""

import numpy as np
from scipy.signal import savgol_filter
from scipy.stats import pearsonr

from preflare.explain.equivalence import compare, fit_smoothing

STREAM = np.random.default_rng(0)
ONE, OTHER = STREAM.normal(size=(2, 5, 100))


def test_an_additive_constant_and_a_scale_are_found() -> None:
    scale, constant = np.array([2.0, -1.0, 0.5, 3.0, 1.0]), np.array([0.0, 1.0, -2.0, 5.0, 0.1])
    found = compare(ONE, scale[:, None] * ONE + constant[:, None])
    np.testing.assert_allclose(found.scale, scale)
    np.testing.assert_allclose(found.constant, constant, atol=1e-12)
    np.testing.assert_allclose(found.correlation, np.sign(scale))


def test_unsupported_wavelengths_are_left_out() -> None:
    maps = OTHER.copy()
    maps[:, :23] = np.nan
    maps[:, 90:] = np.nan
    found = compare(ONE, maps)
    for row in range(5):
        a, b = ONE[row, 23:90], OTHER[row, 23:90]
        np.testing.assert_allclose([found.scale[row], found.constant[row]], np.polyfit(a, b, 1), atol=1e-12)
        np.testing.assert_allclose(found.correlation[row], pearsonr(a, b).statistic)


def test_a_constant_is_like_nothing() -> None:
    found = compare(np.ones((1, 10)), ONE[:1, :10])
    assert found.scale[0] == 0 and found.correlation[0] == 0
    np.testing.assert_allclose(found.constant[0], ONE[0, :10].mean())


def test_the_smoothing_that_was_done_is_found() -> None:
    maps = 3 * savgol_filter(ONE, 21, 3, axis=1) + 1
    window, curve = fit_smoothing(ONE, maps, [5, 11, 21, 31, 41])
    assert window == 21 and curve.argmax() == 2
    np.testing.assert_allclose(curve[2], 1)
