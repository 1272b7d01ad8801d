"""The sweep's summary: which jobs there were, what is written, what failed."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from preflare.errors import RunError
from preflare.model import sweep
from preflare.model.tables import SCORES
from preflare.run import RunFolder


def config_of(seed: int, l2: float) -> DictConfig:
    return OmegaConf.create(
        {"seed": seed, "partition": {"seed": 0}, "loss": {"l2": l2}, "data": {"root": f"data/{seed}"}}
    )


def finish(path: Path, seed: int, l2: float, tss: float | None, averaged: float | None = None) -> None:
    folder = RunFolder(path)
    config = config_of(seed, l2)
    folder.begin(config)
    folder.finish(
        {
            "overrides": [f"seed={seed}", "logger=csv"],
            "config": OmegaConf.to_container(config),
            "trained_on": {"origin": "simulation"},
            "partition": {"chosen_by": "test"},
            "best_epoch": seed,
            "attempts": [{}, {}] if seed == 2 else [{}],
            "dead": False,
            "seconds": 1.0,
            "metrics": {side: {**dict.fromkeys(SCORES, 0.5), "tss": tss} for side in ("train", "test")},
            "averaged": None if averaged is None else {"metrics": {"test": dict.fromkeys(SCORES, averaged)}},
        }
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    finish(tmp_path / "seed-1", 1, 0.1, 0.25)
    finish(tmp_path / "seed-2", 2, 0.1, None)
    RunFolder(tmp_path / "seed-3").fail(RunError("It diverged."), config_of(3, 0.1), ["seed=3"])
    return tmp_path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_jobs_are_what_hydras_own_sweeper_makes_of_it() -> None:
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    overrides = ["seed=range(3)", "partition.seed=1,2", "loss.l2=0.5", "model=convnet,fnn"]
    parsed = OverridesParser.create().parse_overrides(overrides)
    (expected,) = BasicSweeper.split_arguments(parsed, None)
    assert [list(job) for job in sweep.jobs(overrides)] == expected


def test_jobs_leave_out_what_has_no_effect() -> None:
    assert sweep.jobs(["seed=1", "logger=wandb", "name=x"]) == [("seed=1",)]


def test_collect_says_how_each_run_stands(root: Path) -> None:
    RunFolder(root / "seed-4").begin(OmegaConf.create({"seed": 4}))
    found = {row["run"]: row for row in sweep.collect(root)}
    assert {name: row["status"] for name, row in found.items()} == {
        "seed-1": "finished",
        "seed-2": "finished",
        "seed-3": "failed",
        "seed-4": "unfinished",
    }
    assert found["seed-3"]["error"] == "It diverged."
    assert found["seed-2"]["restarts"] == 1


def test_a_run_in_the_sweeps_own_folder_counts(root: Path) -> None:
    finish(root, 0, 0.1, 0.5)
    assert [row["run"] for row in sweep.collect(root)] == [".", "seed-1", "seed-2", "seed-3"]


def test_summary_has_the_seeds_first_and_only_keys_that_matter_and_differ(root: Path) -> None:
    table = rows(sweep.write(root, sweep.collect(root)))
    assert list(table[0])[:4] == ["seed", "partition.seed", "run", "status"]
    assert [row["test/tss"] for row in table] == ["0.25", "", ""]
    assert table[2]["status"] == "failed" and table[2]["error"] == "It diverged." and table[2]["seed"] == "3"


def test_summary_shows_any_other_swept_key(root: Path) -> None:
    finish(root / "loss.l2-0.2", 1, 0.2, 0.1)
    table = rows(sweep.write(root, sweep.collect(root)))
    assert list(table[0])[:3] == ["seed", "partition.seed", "loss.l2"]
    assert {row["loss.l2"] for row in table} == {"0.1", "0.2"}


def cells(text: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if "│ TSS" in line]
    return [cell.strip() for cell in line.split("│")[2:-1]]


def test_averaged_skill_has_columns_where_there_is_any(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = list(rows(sweep.write(root, sweep.collect(root)))[0])
    assert not [column for column in columns if "averaged" in column]
    finish(root / "seed-4", 4, 0.1, 0.25, averaged=0.375)
    finish(root / "seed-5", 5, 0.1, 0.25, averaged=0.625)
    table = rows(sweep.write(root, sweep.collect(root)))
    assert [row["averaged/test/tss"] for row in table] == ["", "", "", "0.375", "0.625"]
    config = OmegaConf.create({"hydra": {"sweep": {"dir": str(root)}, "overrides": {"task": ["seed=1,4,5"]}}})
    sweep.Summary().on_multirun_end(config)
    before, after = capsys.readouterr().out.split("averaged weights")
    assert [cells(text)[:3] for text in (before, after)] == [["0.250", "0.000", "0.250"], ["0.500", "0.177", "0.375"]]


def test_the_end_of_a_sweep_names_what_failed_and_exits_with_1(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = OmegaConf.create({"hydra": {"sweep": {"dir": str(root)}, "overrides": {"task": ["seed=1,2,3,5"]}}})
    with pytest.raises(SystemExit) as ended:
        sweep.Summary().on_multirun_end(config)
    assert ended.value.code == 1
    printed = capsys.readouterr().out
    assert "2 runs, test side" in printed
    assert "FAILED seed-3: It diverged." in printed
    assert "2 of 4 jobs finished" in printed
    assert "Dead networks: 1 of 2 runs were restarted, 0 stayed dead." in printed
    assert "optimistic" in printed
    assert (root / "distribution.png").stat().st_size > 0


def test_a_refused_command_leaves_the_finished_run_finished_and_is_told(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    RunFolder(root / "seed-1").fail(RunError("Other shards."), config_of(1, 0.1), ["seed=1"])
    row = next(row for row in sweep.collect(root) if row["run"] == "seed-1")
    assert row["status"] == "finished" and row["test/tss"] == 0.25 and row["error"] == "Other shards."
    config = OmegaConf.create({"hydra": {"sweep": {"dir": str(root)}, "overrides": {"task": ["seed=1,2"]}}})
    with pytest.raises(SystemExit):
        sweep.Summary().on_multirun_end(config)
    assert "FAILED seed-1: Other shards." in capsys.readouterr().out


@pytest.mark.parametrize("override", ["name=a,b", "experiment=paper_splits,paper_swarm"])
def test_what_names_the_folder_cannot_be_swept(override: str, capsys: pytest.CaptureFixture[str]) -> None:
    config = OmegaConf.create({"hydra": {"overrides": {"task": ["seed=1", override]}}})
    with pytest.raises(SystemExit):
        sweep.Summary().on_multirun_start(config)
    assert "cannot be swept" in capsys.readouterr().err


def test_a_sweep_in_which_all_finished_ends_quietly(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = OmegaConf.create({"hydra": {"sweep": {"dir": str(root)}, "overrides": {"task": ["seed=1,2"]}}})
    sweep.Summary().on_multirun_end(config)
    assert "FAILED" not in capsys.readouterr().out


def begin(home: Path, shards: Path) -> subprocess.Popen[str]:
    """A sweep of three members on their way, in a process of its own."""
    home.mkdir(exist_ok=True)
    task = ["-m", "seed=1,2,3", "trainer.max_epochs=30", f"data.root={shards}", "partition.test_observations=1"]
    command = [sys.executable, str(Path(__file__).resolve().parents[2] / "train.py"), *task]
    return subprocess.Popen(command, cwd=home, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.slow
def test_a_sweep_that_was_killed_and_goes_on_equals_one_that_was_not(toy_shards: Path, tmp_path: Path) -> None:
    whole = begin(tmp_path / "whole", toy_shards)
    assert "TSS" in whole.communicate(timeout=120)[0] and whole.returncode == 0
    killed = begin(tmp_path / "killed", toy_shards)
    written = tmp_path / "killed" / "runs" / "default"
    deadline = time.monotonic() + 120
    while not any(len(file.read_text().splitlines()) > 6 for file in written.rglob("metrics.csv")):
        assert killed.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL and not list(written.rglob("run.json"))
    again = begin(tmp_path / "killed", toy_shards)
    said, _ = again.communicate(timeout=120)
    assert again.returncode == 0 and "goes on after epoch" in said, said
    one, other = (rows(tmp_path / name / "runs" / "default" / "summary.csv") for name in ("whole", "killed"))
    assert len(one) == 3
    for row, same in zip(one, other, strict=True):
        assert row | {"seconds": ""} == same | {"seconds": ""}
    files = sorted((tmp_path / "whole").rglob("*.ckpt"))
    assert len(files) == 9
    for file in files:
        mine = torch.load(file)["state_dict"]
        theirs = torch.load(tmp_path / "killed" / file.relative_to(tmp_path / "whole"))["state_dict"]
        assert all(torch.equal(mine[name], theirs[name]) for name in mine | theirs)
