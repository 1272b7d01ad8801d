"""Times of steps go on where they were; configs of runs and cubes are told whole."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from preflare.errors import RunError
from preflare.explain.cube import Cube
from preflare.report import steps
from preflare.report.steps import Spent


def test_times_of_a_step_are_kept_added_or_counted_anew(tmp_path: Path) -> None:
    def after(seconds: float, done: bool, command: str = "python x.py") -> float:
        steps.note(tmp_path, "x", Spent(command, 1, seconds, done))
        return steps.read(tmp_path)["x"].seconds

    assert steps.read(tmp_path) == {}
    assert after(60, False) == 60
    assert after(30, True) == 90  # went on
    assert after(2, True) == 90  # nothing was left to do
    assert after(100, True) == 100  # done anew
    assert after(5, True, "python x.py a=1") == 5
    assert not list(tmp_path.glob(".*"))


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "steps.json").write_text('{"x": 3}')
    with pytest.raises(RunError, match="Delete it"):
        steps.read(tmp_path)


def test_configs_are_told(tmp_path: Path, own_run: Path, make_cube: Callable[..., Cube]) -> None:
    study = own_run.parent
    (tmp_path / "nothing").mkdir()
    shard = next((own_run.parent / "shards").glob("PF*.h5"))
    make_cube(own_run / "cubes", shard, np.full((4, 2, 10), 0.5), np.zeros((4, 2, 10, 240)))
    trained, explained = steps.made(study)
    assert trained.title == "run: 1 run"
    assert OmegaConf.create(trained.config).trainer.max_epochs == 2
    assert explained.title == "run/cubes: 1 saliency cubes"
    assert steps.made(tmp_path / "nothing") == steps.made(tmp_path / "nowhere") == []


def test_what_runs_of_a_sweep_differ_in_is_told(tmp_path: Path) -> None:
    for seed in (2, 10):
        folder = tmp_path / "seeds" / f"seed-{seed}"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text("{}")
        (folder / "config.yaml").write_text(f"seed: {seed}\nname: x{seed}\nloss:\n  l2: 0.1\n")
    (one,) = steps.made(tmp_path)
    assert one.title == "seeds: 2 runs, which differ in seed"
    assert "# seed: 2, 10" in one.config and "l2: 0.1" in one.config
