"""A run or a sweep becomes members; who may explain what."""

import json
import logging
import shutil
from pathlib import Path

import pytest

from preflare.errors import ConfigError, RunError
from preflare.explain import ensemble
from preflare.explain.ensemble import CHOICES, check_choice
from preflare.model.quiet_mask import SHIPPED


def sweep(toy_run: Path, root: Path, count: int = 3) -> Path:
    """Copies of the toy run, which hold out other observations each."""
    for number in range(count):
        folder = root / f"seed-{number}"
        shutil.copytree(toy_run, folder)
        record = json.loads((folder / "run.json").read_text())
        record["partition"]["sides"] = {
            "train": {f"PF_{i}": 5 for i in range(4) if i != number},
            "test": {f"PF_{number}": 5},
        }
        record["data"] |= {f"PF_{i}": "digest" for i in range(4)}
        (folder / "run.json").write_text(json.dumps(record))
    return root


def change(folder: Path, **changes: object) -> None:
    file = folder / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_run_is_an_ensemble_of_one(toy_run: Path) -> None:
    by = ensemble.read(toy_run)
    assert by.single and len(by.runs) == 1 and by.name(0) == "."
    assert by.held_out() == sorted(by.runs[0].record["partition"]["sides"]["test"])


def test_a_sweep_is_its_runs(toy_run: Path, tmp_path: Path) -> None:
    by = ensemble.read(sweep(toy_run, tmp_path / "sweep"))
    assert not by.single and [by.name(i) for i in range(3)] == ["seed-0", "seed-1", "seed-2"]
    assert by.held_out() == ["PF_0", "PF_1", "PF_2"]
    assert by.folder.cubes == tmp_path / "sweep" / "cubes"


def test_who_may_explain(toy_run: Path, tmp_path: Path) -> None:
    by = ensemble.read(sweep(toy_run, tmp_path / "sweep"))
    assert by.sides("PF_1", "digest") == ["train", "test", "train"]
    assert by.candidates("all", by.sides("PF_1", "digest")) == [0, 1, 2]
    for which in ("unseen", "representative"):
        assert by.candidates(which, by.sides("PF_1", "digest")) == [1]
        assert by.candidates(which, by.sides("PF_3", "digest")) == [0, 1, 2]  # all trained on it
        assert by.candidates(which, by.sides("PF_1", "of other bytes")) == [0, 1, 2]  # none did


def test_unfinished_and_dead_runs_are_left_out_and_said(
    toy_run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = sweep(toy_run, tmp_path / "sweep", 4)
    (root / "seed-0" / "run.json").unlink()
    change(root / "seed-2", dead=True)
    by = ensemble.read(root)
    assert [by.name(i) for i in range(2)] == ["seed-1", "seed-3"]
    assert "2 of 4 runs in" in caplog.text and caplog.records[0].levelno == logging.WARNING


def test_a_sweep_without_a_living_run(toy_run: Path, tmp_path: Path) -> None:
    root = sweep(toy_run, tmp_path / "sweep", 1)
    change(root / "seed-0", dead=True)
    with pytest.raises(RunError, match="holds no finished run with a living network"):
        ensemble.read(root)


def test_members_on_other_shards_or_another_line(toy_run: Path, tmp_path: Path) -> None:
    root = sweep(toy_run, tmp_path / "sweep", 2)
    record = json.loads((root / "seed-1" / "run.json").read_text())
    change(root / "seed-1", data=record["data"] | {"PF_0": "another"})
    with pytest.raises(RunError, match="seed-1 was trained on other shards than .*seed-0"):
        ensemble.read(root)
    record["config"]["line"]["points"] = 120
    change(root / "seed-1", data=record["data"], config=record["config"])
    with pytest.raises(RunError, match="seed-1 was trained on another line than .*seed-0"):
        ensemble.read(root)


def test_a_folder_that_is_neither(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run folder"):
        ensemble.read(tmp_path)
    with pytest.raises(RunError, match="There is no run folder"):
        ensemble.read(tmp_path / "nowhere")


def test_choices_of_members() -> None:
    for which in CHOICES:
        check_choice(which)
    with pytest.raises(ConfigError, match="members is 'best', expected unseen, all or representative"):
        check_choice("best")


def test_an_autoencoder_explains_nothing() -> None:
    with pytest.raises(RunError, match="holds an autoencoder of the quiet Sun, which calls nothing PF or AR"):
        ensemble.read(SHIPPED)
