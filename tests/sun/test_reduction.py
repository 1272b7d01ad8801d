"""Resampling against numpy.interp; the quality rules against a slow loop over one spectrum, and one by one."""

from dataclasses import replace

import numpy as np
import pytest

from preflare.sun.line import Line, Rules
from preflare.sun.quality import Quality
from preflare.sun.reduction import Reduction, Taps, resample

RULES = Rules(
    null=-100.0,
    saturation=16183.0,
    overexposed_run=4,
    low_signal=10.0,
    peak_halfwidth=0.5,
    core_ratio=(0.7, 2.3),
    ratio_halfwidth=1.0,
)
LINE = Line("made_up", "Made up", "NUV", 100.0, 110.0, 41, {"k": 103.0, "h": 107.0}, {}, (105.0, 105.5), RULES)


def profile(k: float, h: float, continuum: float = 5.0) -> np.ndarray:
    grid = LINE.wavelength
    return continuum + k * np.exp(-(((grid - 103) / 0.3) ** 2)) + h * np.exp(-(((grid - 107) / 0.3) ** 2))


# Every native pixel is a point of the grid; the last needs a neighbour, too, of which it takes nothing.
SAME = Taps(0, 42, np.arange(41), np.zeros(41, np.float32))


def assess(
    flux: np.ndarray, missing: np.ndarray, saturated: np.ndarray, exposure: np.ndarray, line: Line
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The reduction of counts that give this flux in DN/s, of which some are null or saturated."""
    seconds = exposure.reshape(exposure.shape + (1,) * (flux.ndim - exposure.ndim))
    counts = np.where(missing | saturated, 0, flux) * np.where(np.isfinite(seconds) & (seconds > 0), seconds, 1)
    counts = np.where(missing, RULES.null - 100, np.where(saturated, RULES.saturation, counts))
    return Reduction(SAME, line)(np.concatenate([counts, np.zeros_like(counts[..., :1])], axis=-1), exposure)


def assess_one(flux: np.ndarray, *, missing: slice = slice(0), saturated: slice = slice(0), exposure: float = 1.0):
    masks = np.zeros((2, *flux.shape), bool)
    masks[0, missing] = masks[1, saturated] = True
    spectra, intensity, quality = assess(flux, masks[0], masks[1], np.array(exposure), LINE)
    return spectra, float(intensity), Quality(int(quality))


def slow(flux: np.ndarray, missing: np.ndarray, saturated: np.ndarray, exposure: float, line: Line):
    """The rules as one would say them, for one spectrum."""
    rules, quality = line.rules, Quality.CLEAN
    if missing.any():
        quality |= Quality.MISSING
    if saturated.any():
        quality |= Quality.OVEREXPOSED
    nothing = np.full(len(flux), np.nan)
    if not (np.isfinite(exposure) and exposure > 0):
        return nothing, np.nan, quality | Quality.ZERO_EXPOSURE
    good = ~missing & ~saturated
    if not good.any():
        return nothing, np.nan, quality
    peak = max(flux[good])
    run = 0
    for value, usable in zip(flux, good, strict=True):
        run = run + 1 if usable and value == peak else 0
        if run >= rules.overexposed_run:
            quality |= Quality.OVEREXPOSED
    if all(value < rules.low_signal for value in flux[good]) or peak <= 0:
        quality |= Quality.LOW_SIGNAL
    first = next(i for i in range(len(flux)) if good[i] and flux[i] == peak)
    if all(abs(line.wavelength[first] - core) > rules.peak_halfwidth for core in line.cores.values()):
        quality |= Quality.PEAK_OUTSIDE_CORES
    tops = []
    for core in line.cores.values():
        tops.append([flux[i] for i, w in enumerate(line.wavelength) if good[i] and abs(w - core) <= 1.0])
    if all(tops):
        ratio = max(tops[0]) / max(tops[1])
        if not rules.core_ratio[0] <= ratio <= rules.core_ratio[1]:
            quality |= Quality.CORE_RATIO
    spectrum = np.where(good & (peak > 0), flux / (peak if peak > 0 else 1), np.nan)
    return spectrum, peak, quality


def test_agrees_with_a_slow_loop() -> None:
    generator = np.random.default_rng(0)
    shape = (3, 4, 50)
    k, h = generator.uniform(0, 60, (2, *shape))
    flux = np.stack([profile(*pair) for pair in zip(k.ravel(), h.ravel(), strict=True)]).reshape(*shape, 41)
    flux = np.minimum(flux + generator.normal(0, 3, flux.shape), generator.uniform(20, 80, shape)[..., None])
    flux[2] /= 4
    flux = flux.astype(np.float32)
    missing = generator.random(flux.shape) < 0.004
    saturated = generator.random(flux.shape) < 0.004
    missing[0, 0, :5] = saturated[0, 1, :5] = True
    flux[missing] = -200
    flux[saturated] = np.inf
    exposure = np.full(shape[:2], 2.0)
    exposure[1, 1:] = 0.0, np.nan, -1.0

    spectra, intensity, quality = assess(flux, missing, saturated, exposure, LINE)

    assert (spectra.dtype, intensity.dtype, quality.dtype) == (np.float32, np.float32, np.uint16)
    seen = Quality.CLEAN
    for at in np.ndindex(shape):
        expected = slow(flux[at], missing[at], saturated[at], exposure[at[:2]], LINE)
        assert Quality(int(quality[at])) == expected[2], at
        np.testing.assert_allclose(spectra[at], expected[0], rtol=1e-6)
        np.testing.assert_allclose(intensity[at], expected[1], rtol=1e-6)
        seen |= expected[2]
    assert seen == Quality(63), "the spectra of this test do not raise every flag"
    assert (quality == 0).sum() > 20


def test_a_clean_spectrum_is_divided_by_its_maximum() -> None:
    flux = profile(50, 40)
    spectra, intensity, quality = assess_one(flux)
    assert quality == Quality.CLEAN
    assert intensity == pytest.approx(flux.max())
    np.testing.assert_allclose(spectra, flux / flux.max(), rtol=1e-6)


def test_missing_points_are_nan_and_the_rest_is_kept() -> None:
    spectra, intensity, quality = assess_one(profile(50, 40), missing=slice(0, 3))
    assert quality == Quality.MISSING
    np.testing.assert_array_equal(np.isnan(spectra), np.arange(41) < 3)
    assert intensity == pytest.approx(55, abs=0.1)


def test_a_spectrum_with_nothing_left_is_missing_and_nothing_else() -> None:
    spectra, intensity, quality = assess_one(np.full(41, -200.0), missing=slice(None))
    assert quality == Quality.MISSING
    assert np.isnan(spectra).all() and np.isnan(intensity)


def test_saturated_points_overexpose_and_do_not_normalise() -> None:
    flux = profile(50, 40)
    flux[20] = np.inf
    spectra, intensity, quality = assess_one(flux, saturated=slice(20, 21))
    assert quality == Quality.OVEREXPOSED
    assert np.isnan(spectra[20]) and np.isfinite(intensity)


@pytest.mark.parametrize(("length", "flag"), [(3, Quality.CLEAN), (4, Quality.OVEREXPOSED), (5, Quality.OVEREXPOSED)])
def test_a_run_at_the_maximum_overexposes(length: int, flag: Quality) -> None:
    flux = profile(50, 40)
    flux[11 : 11 + length] = 60.0
    assert assess_one(flux)[2] == flag


def test_equal_points_apart_do_not_overexpose() -> None:
    flux = profile(50, 40)
    flux[[10, 12, 14, 16]] = 60.0
    assert assess_one(flux)[2] == Quality.CLEAN


def test_low_signal_is_in_counts_per_second() -> None:
    assert assess_one(profile(4.9, 4.5))[2] == Quality.LOW_SIGNAL
    assert assess_one(profile(5.1, 4.5))[2] == Quality.CLEAN


@pytest.mark.parametrize("most", [-44.0, 0.0])
def test_a_spectrum_that_is_nowhere_above_zero_is_not_divided(most: float) -> None:
    lenient = replace(LINE, rules=replace(RULES, low_signal=0.0))
    masks = np.zeros((1, 41), bool)
    flux = profile(1, 1)[None].astype(np.float32)
    spectra, intensity, quality = assess(flux - flux.max() + np.float32(most), masks, masks, np.array([1.0]), lenient)
    assert Quality(int(quality[0])) & Quality.LOW_SIGNAL
    assert np.isnan(spectra).all() and intensity[0] == most


def test_a_cosmic_ray_between_the_cores_is_a_peak_outside() -> None:
    flux = profile(50, 40)
    flux[20] = 90.0
    assert assess_one(flux)[2] == Quality.PEAK_OUTSIDE_CORES


@pytest.mark.parametrize(
    ("k", "h", "flag"),
    [(100, 45, Quality.CLEAN), (100, 35, Quality.CORE_RATIO), (45, 55, Quality.CLEAN), (30, 55, Quality.CORE_RATIO)],
)
def test_core_ratio(k: float, h: float, flag: Quality) -> None:
    assert assess_one(profile(k, h))[2] == flag


@pytest.mark.parametrize("exposure", [0.0, -1.0, np.nan, np.inf])
def test_no_exposure_no_spectrum(exposure: float) -> None:
    spectra, intensity, quality = assess_one(profile(50, 40), exposure=exposure)
    assert quality == Quality.ZERO_EXPOSURE
    assert np.isnan(spectra).all() and np.isnan(intensity)


def test_rules_switched_off() -> None:
    off = replace(LINE, rules=replace(RULES, peak_halfwidth=None, core_ratio=None))
    flux = profile(100, 10)[None]
    flux[0, 20] = 200
    masks = np.zeros(flux.shape, bool)
    assert assess(flux, masks, masks, np.array([1.0]), off)[2][0] == 0


def test_the_input_is_not_changed() -> None:
    flux = profile(50, 40).astype(np.float32)[None]
    masks = np.zeros(flux.shape, bool)
    masks[0, 5] = True
    before = flux.copy()
    assess(flux, masks, ~masks & False, np.array([1.0]), LINE)
    np.testing.assert_array_equal(flux, before)


@pytest.mark.parametrize(("continuum", "flagged"), [(39.9, False), (40.0, True), (60.0, True)])
def test_a_high_continuum(continuum: float, flagged: bool) -> None:
    """Exactly the stated share of the maximum is high; the window is the line's, both ends included."""
    line = replace(LINE, rules=replace(RULES, high_continuum=0.4))
    flux = np.full(41, 20.0, np.float32)
    flux[12] = 100.0  # the first core
    inside = (line.wavelength >= 105.0) & (line.wavelength <= 105.5)
    flux[inside] = continuum
    nothing = np.zeros(41, bool)
    for quality in (
        assess(flux, nothing, nothing, np.array(1.0), line)[2],
        assess(flux, inside, nothing, np.array(1.0), line)[2],
    ):
        lost = bool(quality & Quality.MISSING)  # of a continuum that is not there nothing is said
        assert bool(quality & Quality.HIGH_CONTINUUM) == (flagged and not lost)
    assert not assess(flux, nothing, nothing, np.array(1.0), LINE)[2] & Quality.HIGH_CONTINUUM


def test_the_continuums_mean_is_of_the_points_that_are_left() -> None:
    line = replace(LINE, rules=replace(RULES, high_continuum=0.4))
    flux = np.full(41, 10.0, np.float32)
    flux[12], flux[20:23] = 100.0, (20.0, 50.0, 50.0)
    masks = np.zeros((2, 41), bool)
    assert assess(flux, masks[0], masks[1], np.array(1.0), line)[2] & Quality.HIGH_CONTINUUM  # mean 40
    masks[0, 22] = True
    assert not assess(flux, masks[0], masks[1], np.array(1.0), line)[2] & Quality.HIGH_CONTINUUM  # mean 35


def test_robust_normalisation_is_a_choice() -> None:
    flux = np.full((2, 41), 20.0, np.float32) + np.hanning(41).astype(np.float32) * 100
    flux[1, 9] = 500.0  # a hot pixel
    none, one = np.zeros(flux.shape, bool), np.ones(2)
    spectra, intensity, _ = assess(flux, none, none, one, LINE)
    np.testing.assert_allclose(intensity, [120, 500])
    line = replace(LINE, rules=replace(RULES, normalise_over=5))
    robust, level, _ = assess(flux, none, none, one, line)
    assert level[0] == pytest.approx(level[1], rel=0.01) and 0.97 < level[0] / 120 < 1
    np.testing.assert_allclose(robust * level[:, None], flux, rtol=1e-5)
    np.testing.assert_allclose(spectra * intensity[:, None], flux, rtol=1e-5)


@pytest.mark.parametrize("reverse", [False, True])
def test_taps_agree_with_numpy_interp(reverse: bool) -> None:
    axis = np.linspace(10, 20, 33)
    grid = np.concatenate([[10.0, 20.0], axis[5:9], np.random.default_rng(0).uniform(10, 20, 100)])
    counts = np.random.default_rng(1).normal(100, 30, (2, 3, 33)).astype(np.float32)
    expected = [np.interp(grid, axis, row) for row in counts.reshape(6, 33)]
    if reverse:
        axis, counts = axis[::-1], counts[..., ::-1]
    taps = Taps.between(axis, grid)
    values, missing, saturated = resample(taps.needed(counts), taps, RULES)
    np.testing.assert_allclose(values.reshape(6, -1), expected, rtol=1e-5)
    assert not missing.any() and not saturated.any()


def test_a_grid_point_on_a_native_pixel_is_touched_by_that_alone() -> None:
    axis = np.arange(10.0)
    taps = Taps.between(axis, np.array([3.0, 3.5, 4.0, 4.5, 5.0]))
    counts = np.full(taps.count, 50.0, np.float32)
    counts[4 - taps.first] = -200
    values, missing, _ = resample(counts, taps, RULES)
    np.testing.assert_array_equal(missing, [False, True, True, True, False])
    np.testing.assert_array_equal(values[~missing], 50)


def test_a_reduction_is_resampling_division_and_a_maximum() -> None:
    """On an axis of its own, with pixels to mask, and into arrays that are there."""
    generator = np.random.default_rng(2)
    taps = Taps.between(np.linspace(99, 111, 97), LINE.wavelength)
    counts = generator.uniform(20, 200, (3, 5, taps.count)).astype(np.float32)
    counts[1, 2, 40], counts[2, 3, 50] = -200, np.inf
    exposure = np.array([2.0, 0.3, 8.0])
    into = np.empty((3, 5, 41), np.float32), np.empty((3, 5), np.float32), np.empty((3, 5), np.uint16)
    spectra, intensity, quality = Reduction(taps, LINE)(counts, exposure, into)
    assert spectra is into[0] and intensity is into[1] and quality is into[2]
    values, missing, saturated = resample(counts, taps, RULES)
    flux = np.where(missing | saturated, np.nan, values / exposure.astype(np.float32)[:, None, None])
    np.testing.assert_array_equal(intensity, np.nanmax(flux, axis=-1))
    np.testing.assert_array_equal(spectra, flux / np.nanmax(flux, axis=-1, keepdims=True))
    np.testing.assert_array_equal(quality & Quality.MISSING != 0, missing.any(axis=-1))
    np.testing.assert_array_equal(quality & Quality.OVEREXPOSED != 0, saturated.any(axis=-1))
    assert missing.any() and saturated.any()
