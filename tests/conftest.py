"""What every test may use: running a verb in process, real files, and a folder of tiny simulated shards."""

import importlib.util
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hydra.core.global_hydra import GlobalHydra

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT.parent / "shared" / "data" / "iris"

RunVerb = Callable[..., int]


@pytest.fixture
def real_data() -> Path:
    """The folder of real IRIS files beside the checkout; the test is skipped where there is none."""
    if not REAL.is_dir():
        pytest.skip(f"no real IRIS files at {REAL}")
    return REAL


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RunVerb]:
    """``verb("train", "seed=1")`` runs a verb as from the command line, in tmp_path; returns its exit code."""
    monkeypatch.chdir(tmp_path)
    yield _run_verb
    _quiet_hydra()


@pytest.fixture(scope="session")
def load_verb() -> Callable[[str], ModuleType]:
    """``load_verb("train")`` imports the script train.py, which registers its schema."""
    return _load_verb


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
