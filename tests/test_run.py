"""The run folder: what is written, what is refused, what comes back."""

import json
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from preflare import run
from preflare.errors import RunError
from preflare.run import RunFolder

CONFIG = OmegaConf.create(
    {
        "seed": 1,
        "name": "here",
        "model": {"_target_": "torch.nn.Linear", "in_features": 3, "out_features": 2},
        "logger": {"mode": "offline"},
        "trainer": {"max_epochs": 2, "accelerator": "cpu"},
        "data": {"root": "data/simulation", "batch_size": 64},
    }
)
DIGESTS = {"AR_1": "a", "PF_1": "b"}


@pytest.fixture
def finished(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.begin(CONFIG)
    weights = {"network.weight": torch.full((2, 3), 2.0), "network.bias": torch.zeros(2)}
    torch.save({"state_dict": weights}, folder.checkpoint("best"))
    folder.write_history([{"epoch": 0, "test/loss": 0.1, "test/tss": float("nan")}])
    folder.finish({"config": OmegaConf.to_container(CONFIG), "data": DIGESTS})
    return folder


def test_a_run_comes_back(finished: RunFolder) -> None:
    back = run.read(finished.path)
    assert back.config == CONFIG
    assert back.record["data"] == DIGESTS
    assert back.history[0]["test/loss"] == 0.1
    assert back.history[0]["test/tss"] != back.history[0]["test/tss"]
    network = run.load(finished.path)
    assert not network.training
    assert torch.equal(network(torch.ones(1, 3)), torch.full((1, 2), 6.0))


def test_an_undefined_score_is_left_empty(finished: RunFolder) -> None:
    assert finished.metrics_file.read_text().splitlines() == ["epoch,test/loss,test/tss", "0,0.1,"]


def test_floats_survive_the_csv(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_history([{"x": 1 / 3}])
    assert float(folder.metrics_file.read_text().splitlines()[1]) == 1 / 3


def test_the_same_run_is_recognised_wherever_it_is_computed(finished: RunFolder) -> None:
    elsewhere = OmegaConf.merge(
        CONFIG,
        {"name": "b", "logger": {"mode": "online"}, "trainer": {"accelerator": "gpu"}, "data": {"root": "copy"}},
    )
    run.read(finished.path).check_same(elsewhere, DIGESTS)


def test_a_key_that_is_null_is_as_one_that_is_not_there(finished: RunFolder) -> None:
    run.read(finished.path).check_same(OmegaConf.merge(CONFIG, {"early_stopping": None}), DIGESTS)
    with pytest.raises(RunError, match=r"early_stopping \(absent there, 3 now\)"):
        run.read(finished.path).check_same(OmegaConf.merge(CONFIG, {"early_stopping": 3}), DIGESTS)


def test_another_config_is_refused_with_the_keys_that_differ(finished: RunFolder) -> None:
    other = OmegaConf.merge(CONFIG, {"seed": 2, "data": {"batch_size": 32}})
    with pytest.raises(RunError, match=r"data\.batch_size \(64 there, 32 now\), seed \(1 there, 2 now\)"):
        run.read(finished.path).check_same(other, DIGESTS)


def test_a_key_that_is_new_is_a_difference(finished: RunFolder) -> None:
    with pytest.raises(RunError, match=r"extra \(absent there, 1 now\)"):
        run.read(finished.path).check_same(OmegaConf.merge(CONFIG, {"extra": 1}), DIGESTS)


@pytest.mark.parametrize("digests", [{"AR_1": "a", "PF_1": "c"}, {"AR_1": "a"}, {**DIGESTS, "PF_2": "d"}])
def test_other_shards_are_refused(finished: RunFolder, digests: dict[str, str]) -> None:
    with pytest.raises(RunError, match="on other shards; these differ: PF_"):
        run.read(finished.path).check_same(CONFIG, digests)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="There is no run folder .*python train.py"):
        run.read(tmp_path / "none")


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run folder"):
        run.read(tmp_path)


def test_an_unfinished_run(tmp_path: Path) -> None:
    RunFolder(tmp_path).begin(CONFIG)
    with pytest.raises(RunError, match="unfinished"):
        run.read(tmp_path)


def test_a_failed_run_says_why(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.begin(CONFIG)
    folder.fail(RunError("The sky fell."), CONFIG, ["seed=1"])
    with pytest.raises(RunError, match="failed: The sky fell."):
        run.read(tmp_path)


def test_a_newer_schema(finished: RunFolder) -> None:
    record = json.loads(finished.record_file.read_text())
    finished.record_file.write_text(json.dumps({**record, "schema": 99}))
    with pytest.raises(RunError, match="newer preflare"):
        run.read(finished.path)


def test_a_truncated_record(finished: RunFolder) -> None:
    finished.record_file.write_text(finished.record_file.read_text()[:50])
    with pytest.raises(RunError, match="run.json cannot be read: it is truncated"):
        run.read(finished.path)


def test_a_checkpoint_of_another_architecture(finished: RunFolder) -> None:
    torch.save({"state_dict": {"network.weight": torch.zeros(5, 3)}}, finished.checkpoint("best"))
    with pytest.raises(RunError, match="another architecture: 15 numbers in 1 tensors, torch.nn.Linear expects 8 in 2"):
        run.load(finished.path)


def test_a_missing_checkpoint(finished: RunFolder) -> None:
    with pytest.raises(RunError, match="no checkpoint last"):
        run.load(finished.path, "last")


def test_a_checkpoint_nobody_writes(finished: RunFolder) -> None:
    with pytest.raises(RunError, match="expected one of best, best_mean, last, averaged"):
        run.load(finished.path, "first")


def test_nothing_half_written_is_left(finished: RunFolder) -> None:
    assert not [path for path in finished.path.rglob("*") if path.name.endswith(".part")]


def test_beginning_anew_clears_what_an_unfinished_run_left(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.begin(CONFIG)
    folder.checkpoint("best").touch()
    folder.write_history([{"epoch": 0}])
    folder.cubes.mkdir()
    folder.cube("PF_1").touch()
    folder.report.touch()
    folder.begin(CONFIG)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["checkpoints", "config.yaml"]


def test_a_truncated_checkpoint(finished: RunFolder) -> None:
    path = finished.checkpoint("best")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RunError, match="cannot be read as a checkpoint"):
        run.load(finished.path)


def test_an_unfinished_run_of_the_same_config_can_be_gone_on_with(finished: RunFolder) -> None:
    finished.write_checkpoint("last", {"state_dict": {}, "epoch": 3})
    assert not finished.resumable(CONFIG)
    finished.record_file.unlink()
    assert finished.resumable(OmegaConf.merge(CONFIG, {"name": "elsewhere"}))
    assert not finished.resumable(OmegaConf.merge(CONFIG, {"seed": 2}))
    assert finished.read_checkpoint("last")["epoch"] == 3
    finished.checkpoint("last").unlink()
    assert not finished.resumable(CONFIG)
