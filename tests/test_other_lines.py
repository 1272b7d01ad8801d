"""Lines that are not the paper's: nothing but a config makes them, from files to training."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf, open_dict

from preflare.data import writing
from preflare.data.shard import Shard
from preflare.sun.folder import Folder
from preflare.sun.line import Line
from preflare.sun.observation import Label, Observation
from preflare.sun.quality import Quality, is_clean

CONF = Path(__file__).resolve().parents[1] / "conf"
NAMES = ("AR_20150728_151849_3660109122", "PF_20140329_140938_3860258481")
RunVerb = Callable[..., int]
# As conf/simulation has it, in the far ultraviolet: one core without a reversal, a hundredth of the photosphere (an
# opacity that is everywhere alike), the other camera.
SI_IV = {
    "line": "si_iv",
    "window": "Si IV 1403",
    "cores": {"Si IV": 1402.77},
    "widths": [1.0],
    "depths": [0.0],
    "subordinate": [1401.157],
    "damping": [99.0],
    "damping_exponent": 0.0,
    "absorption": [],
    "subordinate_absorption": [],
}
CAMERA = {"dispersion": 0.01272, "resolution": 0.026, "photons": 4.0, "read_noise": 3.1}


def load(name: str) -> Line:
    return instantiate(OmegaConf.load(CONF / "line" / f"{name}.yaml"))


def folder(path: Path) -> Folder:
    return Folder(str(path), instantiate(OmegaConf.load(CONF / "window" / "all.yaml")), None)


@pytest.fixture(scope="module")
def thin(load_verb: Callable[[str], ModuleType]) -> list[Observation]:
    """Two observations of the simulated Sun in Si IV, of full resolution."""
    load_verb("ingest")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        overrides = ["simulation=tiny", "line=si_iv", f"observations=[{','.join(NAMES)}]"]
        config: Any = compose("ingest", overrides)
    with open_dict(config):
        config.simulation.atom = dict(config.simulation.atom) | SI_IV
        config.simulation.detector = dict(config.simulation.detector) | CAMERA
    return list(instantiate(config.source).observations(load("si_iv")))


def test_an_exposure_in_the_anomaly_is_a_remark_in_every_line() -> None:
    lines = [instantiate(OmegaConf.load(path)) for path in sorted((CONF / "line").glob("*.yaml"))]
    assert len(lines) >= 3 and all(is_clean(np.array([Quality.SAA]), line).all() for line in lines)


def test_si_iv_is_a_single_peak_over_nothing(thin: list[Observation]) -> None:
    line = load("si_iv")
    for observation in thin:
        assert observation.header.dispersion == pytest.approx(0.01272) and observation.header.line == "si_iv"
        block = next(observation.blocks())
        clean = block.quality == 0
        assert clean.mean() > 0.8
        mean = block.spectra[clean].mean(axis=0)
        # The observation's zero point may be off by a few km/s: 0.05 Å are 11.
        assert abs(line.wavelength[mean.argmax()] - 1402.77) < 0.05
        start, stop = line.continuum
        assert mean[(line.wavelength > start) & (line.wavelength < stop)].mean() < 0.05
        assert mean[np.abs(line.wavelength - 1401.157) < 0.1].max() > 0.01


def test_rules_that_a_line_does_not_have_set_no_flag(thin: list[Observation]) -> None:
    for observation in thin:
        for block in observation.blocks():
            seen = Quality(int(np.bitwise_or.reduce(block.quality, axis=None)))
            assert not seen & (Quality.CORE_RATIO | Quality.HIGH_CONTINUUM)


def test_a_hit_far_from_the_core_is_a_peak_outside(thin: list[Observation]) -> None:
    line = load("si_iv")
    far = 0
    for observation in thin:
        for block in observation.blocks():
            known = np.isfinite(block.spectra).any(axis=-1)
            peak = line.wavelength[np.nanargmax(np.where(known[..., None], block.spectra, 0), axis=-1)]
            outside = known & (np.abs(peak - 1402.77) > 0.5)
            far += int(outside.sum())
            np.testing.assert_array_equal(block.quality & Quality.PEAK_OUTSIDE_CORES > 0, outside)
    assert far > 0


def test_training_on_another_line_is_refused(
    thin: list[Observation], verb: RunVerb, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for observation in thin:
        writing.write(tmp_path / "data", observation)
    arguments = ("train", f"data.root={tmp_path / 'data'}", "partition.test_observations=1", "trainer.max_epochs=1")
    assert verb(*arguments) == 1
    assert "holds the line si_iv, expected mg_ii. Use line=si_iv" in capsys.readouterr().err


def test_training_takes_the_line_by_its_name(verb: RunVerb, make_shard: Callable[..., Path], tmp_path: Path) -> None:
    line = load("c_ii")
    random = np.random.default_rng(0)
    for number in range(4):
        made = Shard.open(make_shard(tmp_path / "made", Label(number % 2), number))
        (_, block), *_ = made.blocks(9)
        spectra = random.random((*block.spectra.shape[:3], line.points)).astype(np.float32)
        header = replace(made.header, line="c_ii", wavelength=line.wavelength)
        one = replace(block, spectra=spectra)
        writing.write(tmp_path / "data", Observation(header, *made.shape[:3], blocks=lambda one=one: iter([one])))
    settings = ("line=c_ii", "partition.test_observations=1", "trainer.max_epochs=1", f"data.root={tmp_path / 'data'}")
    assert verb("train", *settings, f"hydra.run.dir={tmp_path / 'run'}") == 0


@pytest.mark.real_data
def test_c_ii_on_the_full_resolution_raster(real_data: Path) -> None:
    line = load("c_ii")
    (observation,) = folder(real_data / "full_resolution").observations(line)
    block = next(observation.blocks())
    assert block.spectra.shape == (1, 3, 1094, 149)
    assert observation.header.dispersion == pytest.approx(0.02596)

    path = next((real_data / "full_resolution").glob("*raster*.fits"))
    with fits.open(path) as hdus:
        counts, header, table = hdus[1].data, hdus[1].header, hdus[4]
        seconds = table.data[:, table.header["EXPTIMEF"]]
        axis = header["CRVAL1"] + header["CDELT1"] * np.arange(header["NAXIS1"])
    clean = np.argwhere(block.quality[0] == 0)
    assert 1500 < len(clean) < 2800
    for step, slit in clean[::50]:
        flux = np.interp(line.wavelength, axis, counts[step, slit].astype(float)) / seconds[step]
        np.testing.assert_allclose(block.spectra[0, step, slit], flux / flux.max(), atol=1e-5)
        # What the flags say, of numbers that did not pass through our code.
        assert flux.max() >= 2 and (np.abs(line.wavelength[flux.argmax()] - [1334.532, 1335.708]) <= 0.5).any()
    # The two lines are where they should be.
    mean = block.spectra[0][block.quality[0] == 0].mean(axis=0)
    for core in line.cores.values():
        near = np.abs(line.wavelength - core) < 0.3
        assert abs(line.wavelength[near][mean[near].argmax()] - core) < 0.08


@pytest.mark.real_data
def test_si_iv_on_the_coarse_rasters_says_how_coarse_they_are(
    real_data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        (observation,) = folder(real_data / "coarse").observations(load("si_iv"))
    assert "its pixels of 0.262 Å are 20.9 steps of the line's grid" in caplog.text
    assert [block.spectra.shape for block in observation.blocks()] == [(1, 8, 109, 344)] * 4


@pytest.mark.real_data
def test_a_fine_window_is_not_called_coarse(real_data: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        next(folder(real_data / "full_resolution").observations(load("mg_ii")))
    assert "steps of the line's grid" not in caplog.text
