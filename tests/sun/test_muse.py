"""A multi-slit instrument needs a reader and nothing else: a file of 37 slits becomes a shard that trains."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from preflare.command import CONF
from preflare.data.datamodule import FlareDataModule
from preflare.data.partition import Partitioner
from preflare.data.shard import Shard
from preflare.errors import CatalogError, ConfigError, Level2Error
from preflare.sun.line import Line
from preflare.sun.muse import MultiSlit
from preflare.sun.quality import Quality
from preflare.sun.window import Window

RunVerb = Callable[..., int]
SLITS, PIXELS, EXPOSURES = 37, 6, 5


@pytest.fixture(scope="module")
def line() -> Line:
    return instantiate(OmegaConf.load(CONF / "line" / "mg_ii.yaml"))


@pytest.fixture(scope="module")
def window() -> Window:
    return instantiate(OmegaConf.load(CONF / "window" / "all.yaml"))


def write(path: Path, day: int = 1, seed: int = 0) -> Path:
    """Two peaks of a different height for every slit; the slits step by 0.4 arcsec from exposure to exposure."""
    random = np.random.default_rng(seed)
    axis = 2793.0 + 0.03 * np.arange(470)
    shape = 0.1 + np.exp(-(((axis - 2796.34) / 0.3) ** 2)) + 0.8 * np.exp(-(((axis - 2803.52) / 0.3) ** 2))
    level = random.uniform(600, 1000, (EXPOSURES, SLITS, PIXELS, 1)) * (1 + np.arange(SLITS)[:, None, None] / SLITS)
    flux = (level * shape + random.normal(0, 2, (EXPOSURES, SLITS, PIXELS, len(axis)))).astype(np.float32)
    flux[1, 7, 2] = np.nan
    number = np.arange(EXPOSURES)
    with h5py.File(path, "w") as file:
        file.attrs["start"] = f"2027-03-{day:02d}T10:00:00"
        file.attrs["observation"] = "3700000001"
        file["flux"] = flux
        file["wavelength"] = axis
        file["time"] = 60.0 * number
        file["exposure"] = np.where(number == 3, 0.0, 2.0)
        file["x"] = 4.45 * (np.arange(SLITS) - 18) + 0.4 * number[:, None]
        file["y"] = np.broadcast_to(0.167 * np.arange(PIXELS), (EXPOSURES, PIXELS))
    return path


def test_a_slit_is_a_step(line: Line, window: Window, tmp_path: Path) -> None:
    path = write(tmp_path / "muse.h5")
    (observation,) = MultiSlit(str(path), window).observations(line)
    assert (observation.repeats, observation.steps, observation.slit) == (EXPOSURES, SLITS, PIXELS)
    blocks = list(observation.blocks())
    with h5py.File(path) as file:
        flux, axis, x = file["flux"][()], file["wavelength"][()], file["x"][()]
    for slit in (0, 20, 36):
        expected = np.interp(line.wavelength, axis, flux[2, slit, 4]) / 2
        assert blocks[2].intensity[0, slit, 4] == pytest.approx(expected.max(), rel=1e-5)
        np.testing.assert_allclose(blocks[2].spectra[0, slit, 4], expected / expected.max(), atol=1e-5)
        assert blocks[2].position[0, slit, 4] == pytest.approx([x[2, slit], 0.167 * 4], abs=1e-4)
    # Exposures of all slits begin together.
    assert all(len(np.unique(block.time)) == 1 for block in blocks)
    assert blocks[1].quality[0, 7, 2] == Quality.MISSING and (blocks[3].quality & Quality.ZERO_EXPOSURE).all()
    assert (blocks[2].quality == 0).mean() > 0.99
    assert observation.header.dispersion == pytest.approx(0.03) and observation.header.origin == "simulation"


def test_from_files_to_a_training_datamodule(line: Line, verb: RunVerb, tmp_path: Path) -> None:
    root = tmp_path / "shards"
    for day in range(1, 5):
        path = write(tmp_path / f"{day}.h5", day, day)
        label = ["window.label=AR"]
        if day % 2:
            label = ["window.label=PF", f"window.onset=2027-03-{day:02d}T10:04:30"]
        assert verb("ingest", "source=muse", f"source.path={path}", "window=all", *label, f"data.root={root}") == 0
    shard = Shard.open(root / "AR_20270302_100000_3700000001.h5", line)
    assert shard.shape == (EXPOSURES, SLITS, PIXELS, 240) and shard.header.settings["mode"] == "multi-slit"

    data = FlareDataModule(str(root), line, Partitioner(0, 1, 0, 0.4), 50, 0)
    data.setup()
    spectra, labels = next(iter(data.train_dataloader()))
    assert spectra.shape == (50, 1, 240) and set(labels.tolist()) == {0, 1}
    assert data.partition.spectra("train") > 1000


def test_bad_input_gets_a_sentence(line: Line, window: Window, tmp_path: Path) -> None:
    def read(path: Path | None, **changes: Window) -> None:
        list(MultiSlit(str(path) if path else None, changes.get("window", window)).observations(line))

    with pytest.raises(ConfigError, match="Add source.path=FILE"):
        read(None)
    with pytest.raises(Level2Error, match="There is no file"):
        read(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(Level2Error, match="is no multi-slit file"):
        read(tmp_path / "text.h5")
    path = write(tmp_path / "muse.h5")
    with pytest.raises(CatalogError, match="catalog has no observation 20270301_100000_3700000001"):
        read(path, window=instantiate(OmegaConf.load(CONF / "window" / "paper.yaml")))
    with h5py.File(path, "a") as file:
        del file["x"]
        file["x"] = np.zeros((EXPOSURES, 5))
    with pytest.raises(Level2Error, match=r"and x of \(5, 5\), which does not fit"):
        read(path)
    with h5py.File(path, "a") as file:
        del file["wavelength"]
    with pytest.raises(Level2Error, match="is no multi-slit file .*wavelength"):
        read(path)


def change(path: Path, name: str, values: np.ndarray) -> Path:
    with h5py.File(path, "a") as file:
        del file[name]
        file[name] = values
    return path


AXIS = 2793.0 + 0.03 * np.arange(470)


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("wavelength", 2793.0 + 14.07 * (np.arange(470) / 469) ** 1.3, "its wavelengths are not evenly spaced"),
        ("wavelength", np.full(470, 2800.0), "its wavelengths are not evenly spaced"),
        ("wavelength", np.where(AXIS > 2800, np.nan, AXIS), "wavelength not everywhere a finite number"),
        ("time", np.array([np.nan, 60, 120, 180, 240]), "time not everywhere a finite number"),
        ("time", np.array([0.0, 60, 60, 180, 240]), "time does not increase from exposure to exposure"),
        ("exposure", np.array([2, np.inf, 2, 2, 2]), "exposure not everywhere a finite number"),
        ("x", np.full((EXPOSURES, SLITS), np.nan), "x not everywhere a finite number"),
    ],
)
def test_numbers_that_cannot_be(
    verb: RunVerb, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, values: np.ndarray, words: str
) -> None:
    path = change(write(tmp_path / "muse.h5"), name, values)
    assert verb("ingest", "source=muse", f"source.path={path}", "window=all") == 1
    said = capsys.readouterr().err
    assert said.startswith(str(path)) and words in said and said.count("\n") == 1
    assert not list(tmp_path.rglob("data/**/*.h5"))


def test_an_axis_in_single_precision_is_even_enough(line: Line, window: Window, tmp_path: Path) -> None:
    path = change(write(tmp_path / "muse.h5"), "wavelength", AXIS.astype(np.float32))
    assert len(list(MultiSlit(str(path), window).observations(line))) == 1


def test_another_window_is_refused(window: Window, tmp_path: Path) -> None:
    other = instantiate(OmegaConf.load(CONF / "line" / "si_iv.yaml"))
    with pytest.raises(Level2Error, match="covers 2793.00 to 2807.07 Å, the line Si IV needs 1399.50 to 1403.80 Å"):
        list(MultiSlit(str(write(tmp_path / "muse.h5")), window).observations(other))
