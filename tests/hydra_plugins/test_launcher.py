"""The swarm launcher: the same folders and numbers as Hydra's own launcher, in groups, also in other processes."""

import csv
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher

from preflare.sun.observation import Label

TRAIN = Path(__file__).resolve().parents[2] / "train.py"
# Folders and times differ by nature.
APART = ("run", "seconds")


@pytest.fixture
def shards(tmp_path: Path, make_shard: Callable[..., Path]) -> Path:
    for number in range(3):
        make_shard(tmp_path / "shards", Label.AR, number)
        make_shard(tmp_path / "shards", Label.PF, number)
    return tmp_path / "shards"


def small(shards: Path) -> list[str]:
    return [f"data.root={shards}", "partition.test_observations=1", "trainer.max_epochs=2"]


def summary(path: Path) -> list[dict[str, str]]:
    with (path / "summary.csv").open(newline="") as file:
        return [{key: value for key, value in row.items() if key not in APART} for row in csv.DictReader(file)]


def test_other_launchers_are_still_found() -> None:
    names = {launcher.__name__ for launcher in Plugins.instance().discover(Launcher)}
    assert {"BasicLauncher", "SwarmLauncher", "JoblibLauncher"} <= names


@pytest.mark.slow
def test_a_sweep_is_the_same_with_hydras_own_launcher(
    verb: Callable[..., int], shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = ["-m", "seed=range(3)", "optimizer.lr=1e-3,1e-2", "trainer.precision=64-true", *small(shards)]
    assert verb("train", *sweep, "name=swarm") == 0
    assert "runs/swarm/optimizer.lr-0.01/partition" in capsys.readouterr().out
    assert verb("train", *sweep, "name=basic", "hydra/launcher=basic") == 0
    together, apart = summary(tmp_path / "runs" / "swarm"), summary(tmp_path / "runs" / "basic")
    assert len(together) == 6 and together == apart
    folders = [
        sorted(path.relative_to(tmp_path / "runs" / name) for path in (tmp_path / "runs" / name).rglob("*"))
        for name in ("swarm", "basic")
    ]
    assert folders[0] == folders[1]


def test_only_what_is_missing_runs(verb: Callable[..., int], shards: Path, tmp_path: Path) -> None:
    assert verb("train", "seed=1", *small(shards)) == 0
    (done,) = tmp_path.rglob("run.json")
    before = done.stat().st_mtime_ns
    assert verb("train", "-m", "seed=range(3)", *small(shards)) == 0
    assert len(list(tmp_path.rglob("run.json"))) == 3 and done.stat().st_mtime_ns == before


def test_a_failing_job_is_named_and_the_others_finish(
    verb: Callable[..., int], shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = ["optimizer=sgd", "optimizer.lr=0.1,1e30"]
    assert verb("train", "-m", *wild, "seed=range(2)", *small(shards), "name=x") == 1
    said = capsys.readouterr().out
    assert "2 of 4 jobs finished" in said and said.count("FAILED") == 2 and "training diverged" in said
    assert {row["status"] for row in summary(tmp_path / "runs" / "x")} == {"finished", "failed"}


def test_a_job_whose_numbers_are_wrong_fails_alone(
    verb: Callable[..., int], shards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verb("train", "-m", "optimizer.lr=-1,1e-3", *small(shards)) == 1
    said = capsys.readouterr().out
    assert "1 of 2 jobs finished" in said and "optimizer.lr is -1, expected a number above 0" in said


def test_a_mistake_in_the_command_is_found_before_anything_runs(
    verb: Callable[..., int], shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verb("train", "-m", "seed=1,2", "loss.l3=1", *small(shards)) == 1
    assert "l3" in capsys.readouterr().err and not list(tmp_path.rglob("metrics.csv"))


@pytest.mark.slow
def test_groups_go_to_processes_of_an_inner_launcher(shards: Path, tmp_path: Path) -> None:
    sweep = ["-m", "seed=range(2)", "data.batch_size=32,64", *small(shards)]
    for name, launcher in (("apart", "swarm_joblib"), ("here", "swarm")):
        ended = subprocess.run(
            [sys.executable, TRAIN, *sweep, f"name={name}", f"hydra/launcher={launcher}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stderr
    assert summary(tmp_path / "runs" / "apart") == summary(tmp_path / "runs" / "here")


@pytest.mark.slow
def test_a_sweep_killed_in_the_middle_goes_on_and_ends_as_if_it_had_not_been(shards: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(TRAIN), "-m", "seed=range(3)", *small(shards)[:2], "trainer.max_epochs=60"]
    whole = subprocess.run([*command, "name=whole"], cwd=tmp_path, capture_output=True, text=True)
    assert whole.returncode == 0, whole.stderr
    killed = subprocess.Popen([*command, "name=killed"], cwd=tmp_path, stdout=subprocess.DEVNULL)
    while not list((tmp_path / "runs" / "killed").rglob("last.ckpt")):
        assert killed.poll() is None
    killed.kill()
    killed.wait()
    assert not list((tmp_path / "runs" / "killed").rglob("run.json"))
    again = subprocess.run([*command, "name=killed"], cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 0 and "goes on after epoch" in again.stderr
    assert summary(tmp_path / "runs" / "whole") == summary(tmp_path / "runs" / "killed")
    shutil.rmtree(tmp_path / "runs")
