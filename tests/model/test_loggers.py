"""Loggers: several runs in one process stay several, and a failed one is marked so."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from matplotlib.figure import Figure
from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger

from preflare.model.loggers import finish, log_figure

TRAIN = Path(__file__).resolve().parents[2] / "train.py"


def test_tensorboard_gets_the_figure(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path, name="tb", version="")
    log_figure(logger, "curve", Figure())
    finish(logger, failed=False)
    (events,) = (tmp_path / "tb").glob("events*")
    assert b"curve" in events.read_bytes()


@pytest.mark.parametrize(("failed", "code"), [(False, 0), (True, 1)])
def test_a_wandb_run_is_ended_with_its_exit_code(failed: bool, code: int) -> None:
    ended = []
    logger = object.__new__(WandbLogger)
    logger._experiment = SimpleNamespace(finish=lambda exit_code: ended.append(exit_code))
    finish(logger, failed)
    assert ended == [code]


@pytest.mark.slow
def test_a_sweep_leaves_one_offline_run_per_job_also_of_a_failed_job(tmp_path: Path, toy_shards: Path) -> None:
    small = [f"data.root={toy_shards}", "partition.test_observations=1", "trainer.max_epochs=1"]
    ended = subprocess.run(
        [sys.executable, TRAIN, "-m", "seed=range(3)", "optimizer=sgd", "optimizer.lr=1e-3,1e30", *small]
        + ["logger=wandb", "logger.mode=offline"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1, ended.stderr
    assert "3 of 6 jobs finished" in ended.stdout
    runs = list(tmp_path.glob("runs/default/**/offline-run-*/*.wandb"))
    assert len(runs) == 6
    assert len(list(tmp_path.glob("runs/default/**/run.json"))) == 3
    for failure in tmp_path.glob("runs/default/**/failed.json"):
        assert "diverged" in json.loads(failure.read_text())["error"]
