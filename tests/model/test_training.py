"""A run from config to finished folder: against a plain loop, against itself, and when things go wrong."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score
from torch.nn import functional

from preflare import run
from preflare.errors import PartitionError, RunError
from preflare.model import callbacks, training
from preflare.model.training import sub_seed, train
from preflare.run import RunFolder


def rows(folder: RunFolder) -> list[dict[str, float]]:
    with folder.metrics_file.open(newline="") as file:
        return [{key: float(value or "nan") for key, value in row.items()} for row in csv.DictReader(file)]


def plain_loop(config):
    """What training is, without Lightning: yields the network after each epoch."""
    data = instantiate(config.data)
    data.setup()
    torch.manual_seed(config.seed)
    network = instantiate(config.model).to(torch.float64)
    optimizer = instantiate(config.optimizer)(network.parameters())
    loader = data.train_dataloader()
    for epoch in range(config.trainer.max_epochs):
        loader.sampler.set_epoch(epoch)
        for spectra, labels in loader:
            loss = functional.cross_entropy(network(spectra.double()), labels)
            for name, parameter in network.named_parameters():
                if not name.endswith("bias"):
                    loss = loss + config.loss.l2 * (parameter**2).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        yield network


@pytest.mark.parametrize(
    "choice", [["seed=1"], ["partition.seed=2", "seed=1"], ["optimizer=sgd"], ["loss.l2=0.01", "model=fnn"]]
)
def test_training_is_a_plain_loop(make_config, tmp_path: Path, choice: list[str]) -> None:
    config = make_config("trainer.precision=64-true", "trainer.max_epochs=10", "optimizer.lr=0.002", *choice)
    folder = RunFolder(tmp_path)
    train(config, folder, choice)
    data = instantiate(config.data)
    data.setup()
    test, losses = data.datasets["test"], []
    for network in plain_loop(config):
        with torch.no_grad():
            losses.append(float(functional.cross_entropy(network(test.spectra.double()), test.labels)))
    assert [row["test/loss"] for row in rows(folder)] == pytest.approx(losses, abs=1e-6)  # logged in float32
    assert run.read(tmp_path).record["best_epoch"] == int(np.argmin(losses))
    last = torch.load(folder.checkpoint("last"), weights_only=True)["state_dict"]
    for name, parameter in network.state_dict().items():
        torch.testing.assert_close(last[f"network.{name}"], parameter, rtol=0, atol=1e-9)


def test_the_table_is_what_the_best_checkpoint_gives(toy_run: Path) -> None:
    finished = run.read(toy_run)
    data = instantiate(finished.config.data)
    data.setup()
    network = finished.network("best")
    for side, scores in finished.record["metrics"].items():
        labels = data.datasets[side].labels.numpy()
        with torch.no_grad():
            score = torch.softmax(network(data.datasets[side].spectra), dim=1)[:, 1].numpy()
        assert scores["tss"] == pytest.approx(balanced_accuracy_score(labels, score > 0.5, adjusted=True), abs=1e-6)
        assert scores["auc"] == pytest.approx(roc_auc_score(labels, score), abs=1e-6)
        assert scores["loss"] == pytest.approx(log_loss(labels, score.astype(float)), abs=1e-5)


def test_the_record_says_what_ran(toy_run: Path) -> None:
    record = json.loads((toy_run / "run.json").read_text())
    assert record["trained_on"] == {"origin": "simulation", "line": "mg_ii", "instrument": "IRIS"}
    assert record["partition"]["chosen_by"] == "test"
    sides = record["partition"]["sides"]
    assert {side: len(counts) for side, counts in sides.items()} == {"train": 4, "test": 2}
    assert set(sides["train"]) | set(sides["test"]) == set(record["data"])
    assert record["config"]["trainer"]["max_epochs"] == 2
    assert record["parameters"] == 363
    assert {"torch", "numpy", "preflare"} <= set(record["versions"])
    assert record["attempts"][-1]["dead_at_epoch"] is None and not record["dead"]


def test_checkpoints_are_the_epochs_they_say(make_config, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    record = train(make_config("trainer.max_epochs=6", "optimizer.lr=0.03"), folder, [])
    history = rows(folder)
    assert record["best_epoch"] == int(np.argmin([row["test/loss"] for row in history]))
    assert record["best_mean_epoch"] == int(np.argmin([row["train/loss"] + row["test/loss"] for row in history]))
    epochs = {which: torch.load(folder.checkpoint(which), weights_only=True)["epoch"] for which in run.CHECKPOINTS}
    assert epochs == {"best": record["best_epoch"], "best_mean": record["best_mean_epoch"], "last": 5}
    assert folder.learning_curve.stat().st_size > 0


def test_the_same_command_gives_the_same_numbers(make_config, tmp_path: Path) -> None:
    first, second = RunFolder(tmp_path / "a"), RunFolder(tmp_path / "b")
    for folder in (first, second):
        train(make_config("model=deep_convnet"), folder, [])
    assert first.metrics_file.read_text() == second.metrics_file.read_text()
    a, b = run.load(first.path).state_dict(), run.load(second.path).state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_finished_run_is_not_trained_again(make_config, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    train(make_config(), folder, [])
    before = folder.record_file.stat().st_mtime_ns
    assert train(make_config("logger=csv", "name=other"), folder, [])["metrics"]
    assert folder.record_file.stat().st_mtime_ns == before


def test_a_finished_run_of_another_config_is_refused_and_kept(make_config, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    train(make_config(), folder, [])
    before = folder.record_file.read_text()
    with pytest.raises(RunError, match=r"seed \(0 there, 5 now\)"):
        train(make_config("seed=5"), folder, ["seed=5"])
    assert folder.record_file.read_text() == before
    assert "seed (0 there" in json.loads(folder.failure_file.read_text())["error"]
    train(make_config(), folder, [])
    assert not folder.failure_file.exists()


def test_an_unfinished_run_is_begun_anew(make_config, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    expected = train(make_config(), folder, [])["metrics"]
    folder.record_file.unlink()
    assert train(make_config(), folder, [])["metrics"] == expected


def test_a_failure_is_recorded(make_config, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with pytest.raises(PartitionError):
        train(make_config("partition.test_observations=9"), folder, ["x"])
    assert json.loads(folder.failure_file.read_text())["overrides"] == ["x"]
    assert not folder.finished


def test_divergence_is_said(make_config, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"not finite after epoch \d: .* smaller optimizer.lr"):
        train(make_config("optimizer=sgd", "optimizer.lr=1e30"), RunFolder(tmp_path), [])


def test_validation_observations_choose_the_epoch(make_config, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    record = train(make_config("partition.validation=1"), folder, [])
    assert record["partition"]["chosen_by"] == "validation"
    assert set(record["metrics"]) == {"train", "validation", "test"}
    assert record["best_epoch"] == int(np.argmin([row["validation/loss"] for row in rows(folder)]))


def test_a_dead_network_is_restarted_with_sub_seeds_five_times_at_most(
    make_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(callbacks, "DEAD_SPREAD", float("inf"))
    record = train(make_config("seed=4"), RunFolder(tmp_path), [])
    assert [attempt["seed"] for attempt in record["attempts"]] == [sub_seed(4, k) for k in range(6)]
    assert all(attempt["dead_at_epoch"] == 0 and attempt["epochs"] == 1 for attempt in record["attempts"])
    assert record["dead"]
    warned = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warned) == 6 and "It is kept as it is." in caplog.text


def test_a_network_that_is_dead_once_comes_back(make_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FirstDies(callbacks.DeadNetworkStop):
        born = 0

        def __init__(self) -> None:
            super().__init__()
            self.dies = FirstDies.born == 0
            FirstDies.born += 1

        def on_validation_end(self, trainer, pl_module) -> None:
            if self.dies:
                self.dead_at, trainer.should_stop = trainer.current_epoch, True

    monkeypatch.setattr(training, "DeadNetworkStop", FirstDies)
    record = train(make_config(), RunFolder(tmp_path), [])
    assert [attempt["dead_at_epoch"] for attempt in record["attempts"]] == [0, None]
    assert record["attempts"][1]["epochs"] == 3 and not record["dead"]


def test_sub_seeds_begin_with_the_seed_itself_and_differ() -> None:
    seeds = [sub_seed(7, attempt) for attempt in range(6)]
    assert seeds[0] == 7 and len(set(seeds)) == 6
    assert sub_seed(8, 1) != sub_seed(7, 1)
