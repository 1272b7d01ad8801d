"""Features of profiles whose features are known: Gaussians, two peaks, a slow loop over noise."""

from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from scipy import stats

from preflare.errors import ConfigError
from preflare.report import features
from preflare.report.features import Emission
from preflare.sun.line import Line

CORE, TRIPLET = 2796.34, Emission("triplet", 2799.32)


@pytest.fixture(scope="module")
def line() -> Line:
    with initialize_config_dir(str(Path(__file__).resolve().parents[2] / "conf"), version_base="1.3"):
        return instantiate(compose(overrides=["+line=mg_ii"]).line)


def spectrum(line: Line, *parts: tuple[float, float, float], continuum: float = 0.1) -> np.ndarray:
    """A continuum and Gaussians of (km/s from k, sigma in km/s, height), (1, wavelength), maximum 1."""
    velocity = features.LIGHT * (line.wavelength / CORE - 1)
    made = continuum + sum(h * np.exp(-(((velocity - v) / s) ** 2) / 2) for v, s, h in parts)
    return (made / made.max())[None]


def measured(line: Line, rows: np.ndarray) -> dict[str, np.ndarray]:
    return features.measure(rows, np.full(len(rows), 50.0), line, TRIPLET)


def test_a_gaussian_has_its_quartiles(line: Line) -> None:
    found = {name: value[0] for name, value in measured(line, spectrum(line, (7.0, 25.0, 1.0))).items()}
    assert list(found) == list(features.UNITS)
    assert found["intensity"] == 50
    assert found["continuum"] == pytest.approx(0.1 / 1.1, rel=0.01)
    assert found["centre"] == pytest.approx(7.0, abs=0.1)
    assert found["width"] == pytest.approx(2 * stats.norm.ppf(0.75) * 25, rel=0.01)
    assert found["asymmetry"] == pytest.approx(0, abs=0.01)
    assert found["bisector"] == pytest.approx(7.0, abs=0.1)
    assert found["reversal"] == pytest.approx(0, abs=1e-9)
    assert np.isnan(found["peak ratio"])
    assert np.isnan(found["peak separation"])


def test_two_peaks_have_their_depth_ratio_and_separation(line: Line) -> None:
    found = measured(line, spectrum(line, (-20.0, 8.0, 1.0), (20.0, 8.0, 0.6), continuum=0.05))
    dip = 0.05 + 1.6 * np.exp(-((20 / 8) ** 2) / 2)
    assert found["reversal"][0] == pytest.approx((0.65 - dip) / 1.05, abs=0.03)
    assert found["peak ratio"][0] == pytest.approx(np.log(1.05 / 0.65), abs=0.05)
    assert found["peak separation"][0] == pytest.approx(40, abs=5.2)


def test_a_red_wing_is_a_downflow(line: Line) -> None:
    rows = np.vstack([spectrum(line, (0.0, 20.0, 1.0), (side * 60.0, 15.0, 0.65)) for side in (1, -1)])
    found = measured(line, rows)
    counted = features.flags(found, broad=1000)
    assert counted["downflow"].tolist() == [True, False]
    assert counted["upflow"].tolist() == [False, True]
    assert found["asymmetry"][0] > 0.05 > -0.05 > found["asymmetry"][1]
    assert counted["single peak"].tolist() == [False, False]  # the second component is a peak of its own
    assert not counted["broad"].any()


def test_the_triplet_and_the_ratio_of_cores(line: Line) -> None:
    grid = line.wavelength
    emission = np.exp(-(((grid - 2798.77) / 0.1) ** 2) / 2)
    h = np.exp(-(((grid - 2803.52) / 0.2) ** 2) / 2)
    rows = spectrum(line, (0.0, 20.0, 1.0)) + 0.3 * emission + 0.5 * h
    found = measured(line, rows)
    at, wing = (rows[0, np.argmin(np.abs(grid - place))] for place in (2798.77, 2799.32))
    assert found["triplet"][0] == pytest.approx(np.log(at / wing))
    assert features.flags(found, 50.0)["triplet emission"].all()
    window = np.abs(grid - 2803.52) < 1
    assert found["core ratio"][0] == pytest.approx(1 / rows[0, window].max())


def test_noise_is_measured_as_by_a_slow_loop(line: Line) -> None:
    stream = np.random.default_rng(0)
    rows = stream.uniform(0.1, 1, (20, 240))
    found = measured(line, rows)
    velocity = features.LIGHT * (line.wavelength / CORE - 1)
    near = np.abs(line.wavelength - CORE) <= features.PROFILE
    core = np.flatnonzero(np.abs(line.wavelength - CORE) <= features.PEAKS)
    for row, one in enumerate(rows):
        best = max(min(one[core[0] : j + 1].max(), one[j : core[-1] + 1].max()) - one[j] for j in core)
        assert found["reversal"][row] == pytest.approx(best / one[core].max())
        excess = np.clip(one[near] - found["continuum"][row], 0, None)
        fine = np.repeat(excess, 1000)  # every point a bin about it
        step = velocity[1] - velocity[0]
        middles = velocity[near][0] - step / 2 + (np.arange(len(fine)) + 0.5) * step / 1000
        quartiles = [middles[np.searchsorted(np.cumsum(fine), share * fine.sum())] for share in (0.25, 0.5, 0.75)]
        assert found["centre"][row] == pytest.approx(quartiles[1], abs=0.02)
        assert found["width"][row] == pytest.approx(quartiles[2] - quartiles[0], abs=0.03)


def test_nothing_above_the_continuum_has_no_profile(line: Line) -> None:
    flat = measured(line, np.ones((1, 240)))
    assert np.isnan([flat[name][0] for name in ("centre", "width", "asymmetry", "bisector")]).all()


@pytest.mark.parametrize(("emission", "said"), [(Emission("He I", 2799.0), "He I"), (Emission("triplet", 1.0), "Å")])
def test_features_that_the_line_lacks_are_refused(line: Line, emission: Emission, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        emission.check(line)
