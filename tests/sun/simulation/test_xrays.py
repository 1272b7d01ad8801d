import numpy as np
import pytest

from preflare.sun.simulation.programme import Schedule
from preflare.sun.simulation.xrays import BACKGROUND, CADENCE, PEAK, curve

PLAN = Schedule(onset=4000.0, peak=4300.0, end=5000.0, steps=8, slit=30, cadence=16.0, exposure=8.0, pixel=2.0)


@pytest.mark.parametrize("seed", range(10))
def test_a_flare_has_its_onset_peak_and_end(seed: int) -> None:
    goes = curve(np.random.default_rng(seed), PLAN, flares=True)
    before = goes.flux[goes.time <= PLAN.onset]
    assert goes.time[0] < 0 and goes.time[-1] > PLAN.end
    assert goes.flux.max() > 2 * before.max() and goes.flux.max() >= 1e-5
    assert abs(goes.time[goes.flux.argmax()] - PLAN.peak) < 60
    # Half the peak flux above the background is left at the end.
    background = np.median(before)
    half = np.interp(PLAN.end, goes.time, goes.flux) - background
    assert half / (goes.flux.max() - background) == pytest.approx(0.5, abs=0.05)


def test_without_a_flare_there_is_none_above_c() -> None:
    for seed in range(50):
        goes = curve(np.random.default_rng(seed), PLAN, flares=False)
        assert 1e-7 < goes.flux.min() and goes.flux.max() < 1e-5
        assert np.diff(goes.time) == pytest.approx(CADENCE)


def test_peaks_and_backgrounds_span_their_ranges() -> None:
    fluxes = [curve(np.random.default_rng(seed), PLAN, flares=True).flux for seed in range(100)]
    peaks = np.array([flux.max() for flux in fluxes])
    assert PEAK[0] < peaks.min() < 2 * PEAK[0] and PEAK[1] / 2 < peaks.max() < 1.1 * (PEAK[1] + BACKGROUND[1])
