"""The experiment on the attribution prior: from tiny shards to table and figure, and what its numbers mean."""

import csv
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from preflare.explain.engine import Engine
from preflare.explain.expected_gradients import Paths
from preflare.model.convnet import ConvNet
from preflare.report import section
from preflare.run import RunFolder

ROOT = Path(__file__).resolve().parents[2]
QUICK = ["trainer.max_epochs=2", "members=1", "explained=6", "windows=[5,21]", "optimizer.lr=1e-3"]
QUICK += ["expected_gradients.baselines=4", "data.batch_size=240", "sigmas.absolute=[0.001]"]
QUICK += ["~settings.as_the_authors", "~settings.standardised", "~settings.squared"]


@pytest.fixture(scope="module")
def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prior_sut", ROOT / "experiments" / "attribution_prior.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def start(module: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["attribution_prior.py", *arguments])
    module.main()


@pytest.mark.slow
def test_it_ends_with_a_table_and_a_figure_and_does_nothing_twice(
    module: ModuleType, verb, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert verb("ingest", "simulation=tiny") == 0
    start(module, monkeypatch, *QUICK)
    output = Path("runs/attribution_prior")
    with (output / "trade_off.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = [(row["setting"], row["strength"], row["checkpoint"]) for row in rows]
    for checkpoint in ("last", "averaged"):
        for setting, strength in (("without", "0"), ("smoothed afterwards", "21"), ("absolute", "0.001")):
            assert (setting, strength, checkpoint) in found
    smoothness = {row["strength"]: float(row["variation"]) for row in rows if row["checkpoint"] == "averaged"}
    assert smoothness["21"] < smoothness["5"] < smoothness["0"]
    assert (output / "trade_off.png").stat().st_size > 10_000
    record = RunFolder(output / "absolute" / "sigma-0.001" / "seed-0").record_file
    before = record.stat().st_mtime_ns
    made = section.read(output)
    assert made["claims"][0]["key"] == "prior" and made["origin"] == "simulation"
    assert [plot["name"] for plot in made["plots"]] == ["trade_off"]
    assert made["command"].startswith("python experiments/attribution_prior.py")
    (output / "section.json").unlink()
    start(module, monkeypatch, *QUICK)
    assert record.stat().st_mtime_ns == before and "Figures and tables" in capsys.readouterr().out


def test_shards_without_truth_are_refused(
    module: ModuleType, toy_shards: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        start(module, monkeypatch, f"shards={toy_shards}", "partition.test_observations=1")
    assert end.value.code == 1 and "Give shards of the simulated Sun" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_setting_without_sigmas_is_refused(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        start(module, monkeypatch, "+settings.mine={variation: squared}")
    assert end.value.code == 1 and "no sigmas for the setting 'mine'" in capsys.readouterr().err


def test_the_numbers_say_what_they_are_called(module: ModuleType) -> None:
    torch.manual_seed(0)
    baselines, spectra = torch.rand(20, 240), torch.rand(4, 240)
    changed = np.zeros((4, 240), dtype=bool)
    changed[:, 60:72] = True
    engine = Engine([ConvNet(240).eval()], baselines, torch.linspace(0, 1, 20), 1)
    held = module.Held(spectra, changed, Paths(baselines, torch.linspace(0, 1, 20), np.arange(20)))
    good, smooth = np.where(changed, 1.0, 0.0), np.ones((4, 240))
    variation, lift, area, _ = module.judge(good, engine, held)
    assert variation == pytest.approx(2 / 12) and lift == pytest.approx(20) and area == pytest.approx(1)
    variation, lift, area, _ = module.judge(smooth, engine, held)
    assert variation == 0 and lift == pytest.approx(1) and area == pytest.approx(0.5)
    own = engine(spectra).attributions[0].double().numpy()
    assert module.judge(own, engine, held)[3] > 0 > module.judge(-own, engine, held)[3]


def test_a_prior_works_that_smooths_and_keeps_the_skill(module: ModuleType) -> None:
    without = {("without", 0): np.array([0.5, 1.2, 2, 0.5, 3])}
    smooth = {("absolute", 0.1): np.array([0.48, 0.5, 2, 0.5, 3])}
    blind = {("absolute", 1.0): np.array([0.1, 0.3, 2, 0.5, 3])}
    assert "absolute, sigma 0.1 (variation 0.50, TSS 0.48)." in module._fails(without | smooth, "simulation").found
    assert module._fails(without | blind, "level2").found.endswith("lower: none.")
    assert module._fails(without | blind, "level2").verdict == "reproduced"
    assert module._fails(without | smooth, "level2").verdict == "not reproduced"


def test_means_are_over_seeds(module: ModuleType) -> None:
    rows = [module.Row("a", 1, seed, "last", seed, 2.0 * seed, 1, 1, 1) for seed in (1, 3)]
    rows.append(module.Row("a", 1, 5, "averaged", 9, 9, 9, 9, 9))
    assert module.means(rows, "last")["a", 1].tolist() == [2, 4, 1, 1, 1]
