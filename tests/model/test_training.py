"""A run from config to finished folder: against a plain loop, against itself, and when things go wrong."""

import csv
import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from matplotlib.image import imread
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score

from preflare import run
from preflare.command import Job
from preflare.errors import PartitionError, RunError
from preflare.model import member as members
from preflare.model import training
from preflare.model.loss import CrossEntropy
from preflare.model.member import sub_seed
from preflare.model.swarm.memory import needs
from preflare.run import RunFolder


def train(config, folder: RunFolder, overrides: list[str]) -> dict:
    """Train one job; its record, or what ended it."""
    (outcome,) = training.train([Job(config, folder.path, tuple(overrides))])
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def rows(folder: RunFolder) -> list[dict[str, float]]:
    with folder.metrics_file.open(newline="") as file:
        return [{key: float(value or "nan") for key, value in row.items()} for row in csv.DictReader(file)]


@pytest.mark.parametrize("alone", [False, True], ids=["swarm", "lightning"])
@pytest.mark.parametrize(
    "choice",
    [
        ["seed=1"],
        pytest.param(["partition.seed=2", "seed=1"], marks=pytest.mark.slow),
        pytest.param(["optimizer=sgd"], marks=pytest.mark.slow),
        pytest.param(["loss.l2=0.01", "model=fnn"], marks=pytest.mark.slow),
    ],
)
def test_training_is_a_plain_loop(
    make_config,
    tmp_path: Path,
    set_up,
    plain_loop,
    loss_of,
    choice: list[str],
    alone: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if alone:
        monkeypatch.setattr(training, "FOR_ALL", frozenset())
    config = make_config("trainer.precision=64-true", "trainer.max_epochs=10", "optimizer.lr=0.002", *choice)
    folder = RunFolder(tmp_path)
    train(config, folder, choice)
    data, losses = set_up(config), []
    for network in plain_loop(config, data, 10):
        losses.append(loss_of(network, data, "test"))
    assert [row["test/loss"] for row in rows(folder)] == pytest.approx(losses, abs=1e-9)
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
        # A pair of scores may round to another order: after two epochs they lie close together.
        assert scores["auc"] == pytest.approx(roc_auc_score(labels, score), abs=5 / (len(labels) / 2) ** 2)
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
    assert imread(toy_run / "learning_curve.png").std() > 0, "there is something on it"


def test_checkpoints_are_the_epochs_they_say(make_config, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    record = train(make_config("trainer.max_epochs=6", "optimizer.lr=0.03"), folder, [])
    history = rows(folder)
    assert record["best_epoch"] == int(np.argmin([row["test/loss"] for row in history]))
    assert record["best_mean_epoch"] == int(np.argmin([row["train/loss"] + row["test/loss"] for row in history]))
    epochs = {
        which: torch.load(folder.checkpoint(which), weights_only=True)["epoch"]
        for which in ("best", "best_mean", "last")
    }
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
    monkeypatch.setattr(members, "DEAD_SPREAD", float("inf"))
    record = train(make_config("seed=4"), RunFolder(tmp_path), [])
    assert [attempt["seed"] for attempt in record["attempts"]] == [sub_seed(4, k) for k in range(6)]
    assert all(attempt["dead_at_epoch"] == 0 and attempt["epochs"] == 1 for attempt in record["attempts"])
    assert record["dead"]
    warned = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warned) == 6 and "It is kept as it is." in caplog.text


def test_a_network_that_is_dead_once_comes_back(make_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record_epoch = members.Member.record

    def die_first(self, epoch, scores, state) -> None:
        record_epoch(self, epoch, {**scores, "train/spread": 0.0 if not self.attempts else 1.0}, state)

    monkeypatch.setattr(members.Member, "record", die_first)
    record = train(make_config(), RunFolder(tmp_path), [])
    assert [attempt["dead_at_epoch"] for attempt in record["attempts"]] == [0, None]
    assert record["attempts"][1]["epochs"] == 3 and not record["dead"]


def content(folder: Path) -> tuple[str, dict[str, dict]]:
    """What a run came to: its epochs to the last digit, and its checkpoints."""
    states = {file.stem: torch.load(file) for file in sorted((folder / "checkpoints").iterdir())}
    return (folder / "metrics.csv").read_text(), states


def assert_same(one: Path, other: Path) -> None:
    (text, states), (other_text, other_states) = content(one), content(other)
    assert text == other_text and states.keys() == other_states.keys()
    for which, state in states.items():
        assert state["epoch"] == other_states[which]["epoch"]
        for name, values in state["state_dict"].items():
            assert torch.equal(values, other_states[which]["state_dict"][name]), f"{which} {name}"


CHOICES = [["seed=1"], ["seed=2", "optimizer.lr=0.003"], ["seed=4", "partition.seed=3"], ["seed=5", "loss.l2=0.01"]]


@pytest.mark.parametrize("model", ["convnet", pytest.param("deep_convnet", marks=pytest.mark.slow)])
def test_members_of_a_swarm_become_what_they_would_alone(make_config, tmp_path: Path, model: str) -> None:
    together = [
        Job(make_config(f"model={model}", *choice), tmp_path / "together" / str(place), ())
        for place, choice in enumerate(CHOICES)
    ]
    assert len(training.groups(together)) == 1
    training.train(together)
    for place in (0, 2):
        train(together[place].config, RunFolder(tmp_path / "alone" / str(place)), [])
        assert_same(tmp_path / "together" / str(place), tmp_path / "alone" / str(place))


def test_a_member_that_diverges_ends_no_other(make_config, tmp_path: Path) -> None:
    configs = [make_config("optimizer=sgd", f"optimizer.lr={lr}") for lr in (0.1, 1e30)]
    jobs = [Job(config, tmp_path / name, ()) for name, config in zip(("sound", "wild"), configs, strict=True)]
    sound, wild = training.train(jobs)
    assert isinstance(wild, RunError) and "diverged" in str(wild)
    assert "diverged" in json.loads((tmp_path / "wild" / "failed.json").read_text())["error"]
    train(configs[0], RunFolder(tmp_path / "alone"), [])
    assert_same(tmp_path / "sound", tmp_path / "alone")


class Killed(BaseException):
    """As sudden as a signal: nothing of ours catches it."""


def test_a_killed_sweep_goes_on_from_its_last_epoch(
    make_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def jobs(root: Path) -> list[Job]:
        configs = [make_config("trainer.max_epochs=5", *choice) for choice in CHOICES]
        return [Job(config, root / str(place), ()) for place, config in enumerate(configs)]

    training.train(jobs(tmp_path / "whole"))
    record_epoch = members.Member.record

    def die_in_epoch_3(self, epoch, scores, state) -> None:
        if epoch == 3 and self.config.seed == 4:
            raise Killed
        record_epoch(self, epoch, scores, state)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(members.Member, "record", die_in_epoch_3)
        training.train(jobs(tmp_path / "killed"))
    assert not list((tmp_path / "killed").rglob("run.json"))
    caplog.set_level("INFO")
    training.train(jobs(tmp_path / "killed"))
    assert "0 goes on after epoch 3." in caplog.text and "2 goes on after epoch 2." in caplog.text
    for place in range(len(CHOICES)):
        assert_same(tmp_path / "whole" / str(place), tmp_path / "killed" / str(place))


def test_an_interrupted_run_of_another_config_is_begun_anew(make_config, tmp_path: Path) -> None:
    train(make_config("seed=1"), RunFolder(tmp_path), [])
    (tmp_path / "run.json").unlink()
    assert train(make_config("seed=2"), RunFolder(tmp_path), [])["attempts"][0]["epochs"] == 3
    train(make_config("seed=2"), RunFolder(tmp_path / "fresh"), [])
    assert_same(tmp_path, tmp_path / "fresh")


def test_what_cannot_be_vectorised_trains_alone_and_says_why(
    make_config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = make_config("trainer.max_epochs=2")
    config.model = {"_target_": "tests.model.networks.Recurrent", "wavelengths": 240}
    outcomes = training.train([Job(config, tmp_path / name, ()) for name in "ab"])
    assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
    assert "cannot vectorise Recurrent" in caplog.text and "Each member trains alone." in caplog.text
    assert_same(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("option", ["+trainer.gradient_clip_val=0.5", "+trainer.accumulate_grad_batches=2"])
def test_options_that_would_mix_members_make_each_train_alone(
    make_config, tmp_path: Path, caplog: pytest.LogCaptureFixture, option: str
) -> None:
    jobs = [Job(make_config(option, f"seed={seed}"), tmp_path / str(seed), ()) for seed in (1, 2)]
    assert all(isinstance(outcome, dict) for outcome in training.train(jobs))
    assert "is meant for one network" in caplog.text


def test_jobs_group_by_what_a_swarm_shares(make_config, tmp_path: Path) -> None:
    overrides = [
        ["seed=1"],
        ["seed=2", "partition.seed=5", "optimizer.lr=0.1", "loss.l2=0", "name=other"],
        ["seed=1", "data.batch_size=32"],
        ["seed=1", "trainer.max_epochs=9"],
        ["seed=1", "model=fnn"],
        ["seed=3", "data.batch_size=32"],
    ]
    jobs = [Job(make_config(*choice), tmp_path, tuple(choice)) for choice in overrides]
    found = [[jobs.index(job) for job in group] for group in training.groups(jobs)]
    assert found == [[0, 1], [2, 5], [3], [4]]


def test_a_swarm_can_be_split(make_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    fit = training._fit_together
    monkeypatch.setattr(training, "_fit_together", lambda group, failed: (sizes.append(len(group)), fit(group, failed)))
    jobs = [Job(make_config("swarm.max_members=2", *choice), tmp_path / str(k), ()) for k, choice in enumerate(CHOICES)]
    training.train(jobs)
    assert sizes[:2] == [2, 2]


def test_a_swarms_time_is_divided_among_its_members(
    make_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count(0, 10)
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    jobs = [Job(make_config(f"seed={seed}"), tmp_path / str(seed), ()) for seed in (1, 2)]
    assert [record["seconds"] for record in training.train(jobs)] == [5, 5]
    assert [record["attempts"][-1]["dead_at_epoch"] for record in training.train(jobs)] == [None, None]
    alone = Job(make_config("seed=1", "+trainer.gradient_clip_val=0.5"), tmp_path / "alone", ())
    (record,) = training.train([alone])
    assert record["seconds"] == 20  # one tick for the swarm, which refuses


@pytest.mark.parametrize(("memory", "sizes"), [(2, [4]), (None, [3, 1])], ids=["default", "three"])
def test_a_swarm_is_as_large_as_memory_allows(
    make_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: float | None, sizes: list[int]
) -> None:
    taken = []
    fit = training._fit_together
    monkeypatch.setattr(training, "_fit_together", lambda group, failed: (taken.append(len(group)), fit(group, failed)))
    monkeypatch.setattr(training, "cores", lambda: 3)
    if memory is None:
        network = instantiate(make_config().model)
        # Of each class 4 observations of 80 spectra; 2 are flagged, and PF have 20 more in the flare.
        asked = needs(network, CrossEntropy(0), 240, 64, 2 * 4 * 58, 2 * 4 * 58, 4, 3)
        memory = (asked.once + 3.9 * asked.each) / 2**30
    rules = ["trainer.max_epochs=1", f"swarm.memory={memory}"]
    jobs = [Job(make_config(*rules, *choice), tmp_path / str(k), ()) for k, choice in enumerate(CHOICES)]
    records = training.train(jobs)
    assert taken[: len(sizes)] == sizes
    assert [record["threads"] for record in records] == [3] * 4, "all cores"


@pytest.mark.parametrize("alone", [False, True], ids=["swarm", "lightning"])
def test_a_member_that_stops_ends_no_other(
    make_config, tmp_path: Path, alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if alone:
        monkeypatch.setattr(training, "FOR_ALL", frozenset())
    rules = ["trainer.max_epochs=12", "optimizer.lr=0.1"]
    patience = {"whole": "null", "one": 1, "three": 3}
    jobs = [Job(make_config(*rules, f"early_stopping={p}"), tmp_path / name, ()) for name, p in patience.items()]
    assert len(training.groups(jobs)) == 1
    records = dict(zip(patience, training.train(jobs), strict=True))
    losses = [row["test/loss"] for row in rows(RunFolder(tmp_path / "whole"))]
    whole = (tmp_path / "whole" / "metrics.csv").read_text().splitlines()
    assert len(losses) == 12 and records["whole"]["stopped_at_epoch"] is None
    for name in ("one", "three"):
        # By hand: the first epoch that is so many after the lowest until then.
        expected = next(k for k in range(12) if k - int(np.argmin(losses[: k + 1])) == patience[name])
        assert records[name]["stopped_at_epoch"] == expected < 11
        assert (tmp_path / name / "metrics.csv").read_text().splitlines() == whole[: expected + 2]
        assert records[name]["best_epoch"] == int(np.argmin(losses[: expected + 1]))
