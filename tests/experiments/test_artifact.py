"""The artefact experiment as a command: a tiny one from shards to findings, again, and bad input."""

import csv
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from preflare.report import published, section
from preflare.sun.observation import Label
from tests.conftest import MakeShard, _quiet_hydra

ROOT = Path(__file__).resolve().parents[2]
TINY = (
    "members=2",
    "annealed=2",
    "pieces=4",
    "partition.test_observations=1",
    "trainer.max_epochs=2",
    "data.batch_size=8",
    "explained=3",
    "draws=4",
    "batches=[0, 2, 900]",
    "annealing.steps=3",
    "expected_gradients.baselines=4",
    "~artifacts.bump",
    "~artifacts.wing_shift",
    "~artifacts.missing_line",
)
Command = Callable[..., int]


@pytest.fixture(scope="module")
def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("artifact_experiment", ROOT / "experiments" / "artifact.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks there for its annotations
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def command(module: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """``command("members=2")`` runs the experiment as from the command line, in tmp_path; returns its exit code."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["artifact.py", *arguments])
        try:
            module.main()
        except SystemExit as end:
            return int(end.code or 0)
        finally:
            _quiet_hydra()
        return 0

    return call


def flares(root: Path, make_shard: MakeShard) -> None:
    """Two observations that flare in their last repeat."""
    for number in range(2):
        make_shard(root, Label.PF, number)


@pytest.mark.slow
def test_from_shards_to_findings(
    command: Command, tmp_path: Path, make_shard: MakeShard, capsys: pytest.CaptureFixture[str]
) -> None:
    flares(tmp_path / "sources", make_shard)
    assert command("shards=sources", "output=out", *TINY) == 0
    said = capsys.readouterr().out
    assert "Where maps of plateau point" in said and "Figures and tables: out" in said
    record = section.read(tmp_path / "out")
    drawn = {plot["name"]: plot["figures"] for plot in record["plots"]}
    assert drawn == {"plateau_training": ["6"], "plateau_maps": ["7", "9"], "artifact": []}
    keys = {claim["key"] for claim in record["claims"]}
    assert keys == {key for key in published.CLAIMS if key.startswith("artifact_")}
    assert len([claim for claim in record["claims"] if claim["key"] == "artifact_maps"]) == 4
    with (tmp_path / "out/artifact.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["artifact"] for row in rows} == {"plateau"}
    assert {row["method"] for row in rows} == {"gradcam", "gradcam_reference", "hirescam", "expected_gradients"}
    assert {row["networks"] for row in rows} == {"members", "swa", "annealed"}
    assert all(0 <= float(row["hit"]) <= 1 for row in rows)
    page = (tmp_path / "out/findings.md").read_text()
    assert "the simulated Sun" in page and "torch" in page and "max_epochs: 2" in page
    source = json.loads((tmp_path / "out/plateau/members/seed-0/run.json").read_text())
    assert source["config"]["callbacks"]["_target_"].endswith("WeightAveraging") and len(source["data"]) == 8
    for picture in ("artifact.png", "plateau_training.png", "plateau_maps.png"):
        assert (tmp_path / "out" / picture).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["members=1"], "members is 1, expected a whole number of 2 or more."),
        (["annealed=3"], "annealed is 3, expected a whole number from 2 to 2."),
        (["batches=[]"], "batches is [], expected one number of batches or more"),
        (["batches=[5000]"], "batches is [5000], but training ends after 16: nothing of it would be seen."),
        (["core=0"], "core is 0.0, expected a number of Å above 0."),
        (["~artifacts"], "artifacts"),
        (["artifacts.plateau.last=500"], "last is 500, expected a whole number from 110 to 239."),
        (["artifacts.plateau.lost=1"], "lost"),
        (["partition.validation=1"], "Use partition=paper and partition.validation=0."),
        (["partition.test_observations=4"], "this partition needs at least 5 of each"),
        (["shards=nowhere"], "No shards at nowhere"),
        (["optimizer.lr=-1"], "optimizer.lr is -1, expected a number above 0"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_bad_input_gets_a_sentence(
    command: Command,
    tmp_path: Path,
    make_shard: MakeShard,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    flares(tmp_path / "sources", make_shard)
    assert command("shards=sources", "output=out", *TINY, *arguments) == 1
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error
    assert not list(tmp_path.glob("out/*.*")) and not list(tmp_path.glob("out/*/*/seed-*/run.json"))


@pytest.mark.slow
def test_the_same_command_again_keeps_the_networks(command: Command, tmp_path: Path, make_shard: MakeShard) -> None:
    flares(tmp_path / "sources", make_shard)
    assert command("shards=sources", "output=out", *TINY) == 0
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.ckpt")}
    before = (tmp_path / "out/artifact.csv").read_bytes()
    (tmp_path / "out/section.json").unlink()
    (tmp_path / "out/artifact.csv").unlink()
    assert len(kept) > 8 and command("shards=sources", "output=out", *TINY) == 0
    assert kept == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.ckpt")}
    assert before == (tmp_path / "out/artifact.csv").read_bytes()


@pytest.mark.slow
def test_networks_find_the_authors_artefact_in_simulated_flares(
    command: Command, verb: Callable[..., int], tmp_path: Path
) -> None:
    assert verb("ingest", "data.root=sun") == 0
    _check_acceptance(command, tmp_path, "sun", "members=10")


@pytest.mark.slow
@pytest.mark.real_data
def test_networks_find_the_authors_artefact_in_real_spectra(
    command: Command, verb: Callable[..., int], tmp_path: Path, real_data: Path
) -> None:
    raster = real_data / "full_resolution"
    assert verb("ingest", "source=folder", f"source.path={raster}", "window=all", "data.root=real") == 0
    found = _check_acceptance(command, tmp_path, "real", "members=10")
    together = found["hirescam", "10"]
    assert float(together["share"]) > float(together["share median of one"])


def _check_acceptance(command: Command, home: Path, shards: str, *more: str) -> dict[tuple[str, str], dict[str, str]]:
    """The median member is accurate, ensembles hit about as often or more, by EG they find more."""
    assert command(f"shards={shards}", "output=out", "annealed=2", *TINY[-3:], *more) == 0
    with (home / "out/artifact.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["networks"] == "members"]
    largest = str(max(int(row["members"]) for row in rows))
    accuracies = [
        json.loads(path.read_text())["metrics"]["test"]["accuracy"]
        for path in (home / "out/plateau/members").glob("*/run.json")
    ]
    assert np.median(accuracies) >= 0.99
    found = {(row["method"], row["members"]): row for row in rows}
    assert float(found["expected_gradients", largest]["share"]) > float(
        found["expected_gradients", "1"]["share median of one"]
    )
    for method in ("hirescam", "expected_gradients"):
        hit, chance = (float(found[method, largest][name]) for name in ("hit", "hit chance"))
        # Where single networks hardly miss, there is little to gain.
        assert hit > float(found[method, "1"]["hit"]) - 0.05 and hit > 3 * chance, method
    return found
