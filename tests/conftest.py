"""What every test may use: running a verb in process, real files, and a folder of tiny simulated shards."""

import copy
import gc
import importlib.util
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from preflare.command import CONF
from preflare.data import writing
from preflare.data.shard import Shard
from preflare.explain import cube
from preflare.explain.cube import Cube
from preflare.sun.observation import Block, Header, Label, Observation
from preflare.threads import torch_threads

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT.parent / "shared" / "data" / "iris"

RunVerb = Callable[..., int]
MakeShard = Callable[..., Path]
MakeCube = Callable[..., Cube]
MakeConfig = Callable[..., DictConfig]


# Begun first, so that no process waits for the other at the end.
LONGEST = ("test_null.py", "test_commands.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_collection_finish() -> None:
    # What is imported by now stays; without this, every full collection looks through all of it.
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def one_core() -> Iterator[None]:
    """A swarm takes all cores; with networks this small, and tests side by side, threads only wait for each other."""
    with pytest.MonkeyPatch.context() as patch, torch_threads(1):
        patch.setattr("preflare.model.training.cores", lambda: 1)
        yield


@pytest.fixture
def real_data(request: pytest.FixtureRequest) -> Path:
    """The folder of real IRIS files: PREFLARE_REAL_DATA, or beside the checkout; skipped where there is none.

    It holds the level-2 rasters of 2014-03-29T14:09:38 in full_resolution/ (one) and coarse/ (four, binned).
    """
    named = os.environ.get("PREFLARE_REAL_DATA")
    # A relative path is as seen from where pytest was started; tests change the folder.
    folder = request.config.invocation_params.dir / named if named else REAL
    if named and not folder.is_dir():
        pytest.fail(f"PREFLARE_REAL_DATA is {named}, which is no folder. Correct or unset it.", pytrace=False)
    if not folder.is_dir():
        pytest.skip(f"no real IRIS files at {folder}, and PREFLARE_REAL_DATA names no other folder")
    return folder


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RunVerb]:
    """``verb("train", "seed=1")`` runs a verb as from the command line, in tmp_path; returns its exit code."""
    monkeypatch.chdir(tmp_path)
    yield _run_verb
    _quiet_hydra()


@pytest.fixture(scope="session")
def run_verb() -> RunVerb:
    """As ``verb``, for fixtures of a wider scope; give absolute paths."""
    return _run_verb


@pytest.fixture(scope="session")
def load_verb() -> Callable[[str], ModuleType]:
    """``load_verb("train")`` imports the script train.py, which registers its schema."""
    return _load_verb


@pytest.fixture(scope="session")
def make_shard() -> MakeShard:
    """``make_shard(root, label, number)`` writes a toy shard of 4 repeats, 2 steps and 10 pixels."""
    return _make_shard


@pytest.fixture(scope="session")
def make_cube() -> MakeCube:
    """``make_cube(folder, shard, score, rows)`` writes the cube of a shard (a path).

    score: (repeat, step, slit), NaN where not scored. rows: (repeat, step, slit, wavelength), the expected
    gradients, of all that are scored.
    """
    return _make_cube


@pytest.fixture(scope="session")
def toy_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two epochs on toy shards in ``shards/`` beside it; copy before you change it."""
    home = tmp_path_factory.mktemp("toy")
    for number in range(3):
        _make_shard(home / "shards", Label.AR, number)
        _make_shard(home / "shards", Label.PF, number)
    code = _run_verb(
        "train",
        f"data.root={home / 'shards'}",
        "partition.test_observations=1",
        "trainer.max_epochs=2",
        f"hydra.run.dir={home / 'run'}",
    )
    assert code == 0
    return home / "run"


@pytest.fixture(scope="session")
def toy_shards(tmp_path_factory: pytest.TempPathFactory, make_shard: Callable[..., Path]) -> Path:
    """Toy shards of four AR and four PF observations."""
    root = tmp_path_factory.mktemp("shards")
    for number in range(4):
        make_shard(root, Label.AR, number)
        make_shard(root, Label.PF, number)
    return root


@pytest.fixture
def make_config(toy_shards: Path, load_verb: Callable[[str], ModuleType]) -> MakeConfig:
    """``make_config("seed=1")``: the config of train on the toy shards, three epochs, one observation held out."""
    load_verb("train")

    def make(*overrides: str) -> DictConfig:
        return copy.deepcopy(_composed(f"data.root={toy_shards}", *overrides))

    return make


@lru_cache
def _composed(*overrides: str) -> DictConfig:
    """Composing a config takes longer than many a test."""
    small = ("partition.test_observations=1", "trainer.max_epochs=3")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", [*small, *overrides])


@pytest.fixture
def own_run(toy_run: Path, tmp_path: Path) -> Path:
    """A copy of the toy run for one test, shards beside it; they are where its config does not look."""
    shutil.copytree(toy_run.parent, tmp_path / "toy")
    return tmp_path / "toy" / "run"


def _make_shard(
    root: Path,
    label: Label,
    number: int,
    origin: str = "simulation",
    points: int = 240,
    clean: bool = True,
    instrument: str = "IRIS",
    line: str = "mg_ii",
) -> Path:
    """Noisy bumps at the cores of Mg II, in PF also between them, where the last repeat lies in the flare."""
    random = np.random.default_rng((number, int(label) + 1))
    wavelength = np.linspace(2794.14, 2805.72, points)
    shape = (4, 2, 10)
    heights = {2796.34: 1.0, 2803.52: 0.8, 2798.77: 0.6 if label is Label.PF else 0.1}
    spectra = 0.2 + sum(h * np.exp(-(((wavelength - w) / 0.3) ** 2) / 2) for w, h in heights.items())
    spectra = spectra + 0.05 * random.normal(size=(*shape, points))
    spectra /= spectra.max(axis=-1, keepdims=True)
    spectra[0, 0, 0] = np.nan
    quality = np.zeros(shape, dtype=np.uint16)
    quality[0, 0, 0] = 1  # missing
    quality[0, 0, 1] = 4  # low signal
    if not clean:
        quality[:] = 4
    phase = np.ones(shape[:2], dtype=np.uint8)
    phase[-1] = 2 if label is Label.PF else 1
    start = f"2014-03-{10 + number:02d}T14:00:00"
    header = Header(
        id=f"201403{10 + number:02d}_140000_386025848{int(label) + 1}",
        label=label,
        origin=origin,
        line=line,
        wavelength=wavelength,
        dispersion=0.0255,
        start=start,
        window_start=start,
        window_end=start.replace("T14:00", "T14:25"),
        onset=start.replace("T14:00", "T14:26") if label is Label.PF else "",
        number=number if label in (Label.AR, Label.PF) else -1,
        settings={"instrument": instrument},
        recipe={"seed": number},
    )
    block = Block(
        spectra=spectra.astype(np.float32),
        intensity=np.full(shape, 100, dtype=np.float32),
        time=np.arange(8, dtype=np.float64).reshape(4, 2) * 100,
        phase=phase,
        exposure=np.full(shape[:2], 8, dtype=np.float32),
        quality=quality,
        position=np.zeros((*shape, 2), dtype=np.float32),
    )
    path, _ = writing.write(root, Observation(header, *shape, blocks=lambda: iter([block])))
    return path


def _make_cube(folder: Path, shard: Path, score: np.ndarray, rows: np.ndarray, side: str = "test") -> Cube:
    opened = Shard.open(shard)
    index = np.flatnonzero(np.isfinite(score))
    attributes: dict[str, cube.Attribute] = {
        "observation": opened.name,
        "label": int(opened.header.label),
        "origin": opened.header.origin,
        "side": side,
        "shard": str(shard),
        "shard_digest": opened.digest,
        "seen": side == "train",
        "chose": side == "test",
        "checkpoint": "best",
        "finished": "2014-03-29T14:09:38",
    }
    with np.errstate(divide="ignore"):
        log_odds = np.log(score) - np.log1p(-score)
    chosen = rows.reshape(-1, rows.shape[-1])[index].astype(np.float32)
    sparse = {"expected_gradients": chosen, "completeness": np.zeros(len(index), dtype=np.float32)}
    path = folder / f"{opened.name}.h5"
    cube.write(
        path,
        opened.shape,
        opened.header.wavelength,
        opened.read("phase"),
        opened.read("quality") == 0,
        {"score": score, "log_odds": log_odds, "distance": np.abs(log_odds)},
        [(index, sparse)],
        {},
        "float32",
        attributes,
    )
    return Cube.open(path)


def _load_verb(name: str) -> ModuleType:
    if f"verb_{name}" in sys.modules:
        return sys.modules[f"verb_{name}"]
    spec = importlib.util.spec_from_file_location(f"verb_{name}", ROOT / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _run_verb(name: str, *arguments: str) -> int:
    module = _load_verb(name)
    before = sys.argv
    sys.argv = [str(ROOT / f"{name}.py"), *arguments]
    try:
        # Hydra composes all of the config an extra time to learn whether it sets hydra.mode; none of ours does.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Hydra, "get_mode", lambda *_, **__: None)
            module.main()
    except SystemExit as exit:
        return int(exit.code or 0)
    finally:
        sys.argv = before
        _quiet_hydra()
    return 0


def _quiet_hydra() -> None:
    """Hydra leaves its state and open log files to the end of the process; here the process goes on."""
    GlobalHydra.instance().clear()
    root = logging.getLogger()
    for handler in list(root.handlers):
        if type(handler) in (logging.FileHandler, logging.StreamHandler):
            root.removeHandler(handler)
            handler.close()
