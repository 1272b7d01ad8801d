"""The comparison of the simulated with the real Sun: it finds nothing between equals, and names what differs."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from preflare.sun.line import Line
from tests.sun.level2_files import Level2File

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


@pytest.mark.slow
def test_equals_cannot_be_told_apart(module: ModuleType, line: Line) -> None:
    one, other = (sample(module, line, seed) for seed in (1, 2))
    auc, _ = module.tell_apart(module.features(line, one), module.features(line, other), one.group, other.group)
    assert auc == pytest.approx(0.5, abs=0.08)


@pytest.mark.slow
@pytest.mark.parametrize(("change", "named"), [({"width": 0.32}, "width"), ({"noise": 0.04}, "noise")])
def test_what_differs_is_named(module: ModuleType, line: Line, change: dict, named: str) -> None:
    one, other = sample(module, line, 1), sample(module, line, 2, **change)
    auc, telling = module.tell_apart(module.features(line, one), module.features(line, other), one.group, other.group)
    assert auc > 0.95 and any(named in name for name in telling)


def test_the_features_it_goes_by_are_drawn_first(module: ModuleType, line: Line) -> None:
    one, other = sample(module, line, 1), sample(module, line, 2, noise=0.04)
    telling = {"core ratio": 0.2, "pseudo-continuum": 0.1}
    figure = module.draw(line, one, other, telling)
    panels = [axes.get_xlabel() for axes in figure.axes[6:]]
    assert panels[:2] == list(telling) and len(set(panels)) == 9 and "noise" in panels
    assert [axes.get_title() for axes in figure.axes[6:9]] == [
        "AUC falls by 0.200 without it",
        "AUC falls by 0.100 without it",
        "",
    ]


@pytest.fixture
def refused(module: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """``refused("real=x")`` is the sentence of the command, which writes nothing."""

    def run(*overrides: str) -> str:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", ["simulated_against_real.py", *overrides])
        with pytest.raises(SystemExit) as end:
            module.main()
        assert end.value.code == 1 and not (tmp_path / "runs").exists()
        return " ".join(capsys.readouterr().err.split())

    return run


def test_without_a_raster_it_says_what_it_needs(refused) -> None:
    assert "Add real=PATH" in refused()
    assert refused("real=/nope") == "There is no file or folder /nope. Correct real=PATH."


def test_a_raster_with_few_clean_spectra_is_refused(refused, tmp_path: Path) -> None:
    Level2File(np.full((3, 4, 280), 50.0), np.arange(3.0)).write(tmp_path / "raster" / "0.fits")
    assert refused("real=raster") == (
        "raster holds 0 clean spectra, expected 300 or more to compare with. Give real=PATH a larger raster, or a "
        "folder of several."
    )


@pytest.mark.slow
def test_the_yardstick_is_how_much_observations_differ_from_each_other(
    module: ModuleType, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "JUDGED", 1)

    def sun(widths: list[float]) -> object:
        parts = [sample(module, line, seed, width=width).thin(150) for seed, width in enumerate(widths)]
        arrays = [np.concatenate([getattr(part, name) for part in parts]) for name in ("spectra", "intensity", "place")]
        return module.Sample(*arrays, np.repeat(np.arange(len(parts)), 150), 0.9)

    # Numbers are the observations': the first is asked about.
    assert module.yardstick(line, sun([0.25] * 4)) == pytest.approx(0.5, abs=0.12)
    assert module.yardstick(line, sun([0.35, 0.25, 0.25, 0.25])) > 0.9
