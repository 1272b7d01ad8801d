"""The comparison of the simulated with the real Sun: it finds nothing between equals, and names what differs."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from preflare.sun.line import Line

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sut", ROOT / "experiments" / "simulated_against_real.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def line() -> Line:
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return instantiate(compose(overrides=["+line=mg_ii"]).line)


def sample(module: ModuleType, line: Line, seed: int, width: float = 0.25, noise: float = 0.02) -> object:
    random = np.random.default_rng(seed)
    level = random.uniform(0.2, 0.3, (500, 1))
    spectra = level + sum(np.exp(-(((line.wavelength - c) / width) ** 2) / 2) for c in line.cores.values())
    spectra = spectra + noise * random.standard_normal(spectra.shape)
    spectra /= spectra.max(axis=1, keepdims=True)
    return module.Sample(spectra, random.uniform(50, 100, 500), np.arange(500) % module.GROUPS, np.zeros(500, int), 0.9)


def test_features_are_what_they_are_called(module: ModuleType, line: Line) -> None:
    found = module.features(line, sample(module, line, 1, noise=1e-4))
    # At half of a peak of 1.25 above nothing, on a floor of 0.25; in steps of the grid.
    assert np.median(found["k width (Å)"]) == pytest.approx(2 * 0.25 * np.sqrt(2 * np.log(1 / 0.375)), abs=0.06)
    assert np.abs(found["h shift (Å)"]).max() < 0.05
    assert found["core ratio"] == pytest.approx(np.ones(500), abs=0.01)
    assert found["pseudo-continuum"] == pytest.approx(np.full(500, 0.2), abs=0.04)


def test_equals_cannot_be_told_apart(module: ModuleType, line: Line) -> None:
    one, other = (sample(module, line, seed) for seed in (1, 2))
    auc, _ = module.tell_apart(module.features(line, one), module.features(line, other), one.group, other.group)
    assert auc == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize(("change", "named"), [({"width": 0.32}, "width"), ({"noise": 0.04}, "noise")])
def test_what_differs_is_named(module: ModuleType, line: Line, change: dict, named: str) -> None:
    one, other = sample(module, line, 1), sample(module, line, 2, **change)
    auc, telling = module.tell_apart(module.features(line, one), module.features(line, other), one.group, other.group)
    assert auc > 0.95 and any(named in name for name in telling)


def test_without_a_raster_it_says_what_it_needs(module: ModuleType, monkeypatch, tmp_path: Path, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["simulated_against_real.py"])
    with pytest.raises(SystemExit) as end:
        module.main()
    assert end.value.code == 1 and "Add real=PATH" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
