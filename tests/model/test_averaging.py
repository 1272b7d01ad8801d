"""Weight averaging and what it needs, against torch.optim.swa_utils and plain arithmetic."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, update_bn

from preflare import run
from preflare.command import Job
from preflare.errors import ConfigError
from preflare.model import member as members
from preflare.model import training
from preflare.model.averaging import Spectra, WeightAveraging, evaluate, refresh_statistics
from preflare.run import RunFolder
from tests.model.networks import Recurrent  # noqa: F401  (named in a config below)


def train(config, folder: Path) -> dict:
    (outcome,) = training.train([Job(config, folder, ())])
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


@pytest.fixture
def torchs_way(set_up, plain_loop, loss_of):
    """``torchs_way(config)``: a plain loop with AveragedModel and update_bn; the averaged network and its losses."""

    def average(config) -> tuple[nn.Module, dict[str, float]]:
        data, epochs = set_up(config), config.trainer.max_epochs
        first, averaged = int(config.callbacks.start * epochs), None
        for epoch, network in enumerate(
            plain_loop(config, data, epochs, lambda epoch: config.callbacks.lr if epoch >= first else None)
        ):
            averaged = averaged or AveragedModel(network)
            if epoch >= first:
                averaged.update_parameters(network)
        loader = data.train_dataloader()
        loader.sampler.set_epoch(0)
        update_bn(((spectra.double(), labels) for spectra, labels in loader), averaged)
        averaged.eval()
        return averaged.module, {side: loss_of(averaged, data, side) for side in data.datasets}

    return average


EXACT = [
    "trainer.precision=64-true",
    "trainer.max_epochs=8",
    "callbacks=swa",
    "optimizer.lr=0.002",
    "callbacks.start=0.5",
]


@pytest.mark.parametrize("alone", [False, True], ids=["swarm", "lightning"])
@pytest.mark.parametrize(
    "choice",
    [
        ["seed=2", "callbacks.lr=0.01"],
        pytest.param(["seed=1"], marks=pytest.mark.slow),
        pytest.param(["model=deep_convnet", "model.dropout=0", "trainer.max_epochs=4"], marks=pytest.mark.slow),
    ],
)
def test_it_is_torchs_averaged_model(
    make_config, tmp_path: Path, torchs_way, choice: list[str], alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if alone:
        monkeypatch.setattr(training, "FOR_ALL", frozenset())
    config = make_config(*EXACT, *choice)
    record = train(config, tmp_path)
    network, losses = torchs_way(config)
    found = run.load(tmp_path, "averaged").double()
    checkpoint = RunFolder(tmp_path).read_checkpoint("averaged")["state_dict"]
    for name, value in network.state_dict().items():
        torch.testing.assert_close(checkpoint[f"network.{name}"], value, rtol=0, atol=1e-9)
    assert found.training is False and record["averaged"]["epochs"] == config.trainer.max_epochs / 2
    metrics = record["averaged"]["metrics"]
    assert {side: metrics[side]["loss"] for side in metrics} == pytest.approx(losses, abs=1e-9)


def test_with_the_optimizers_own_rate_the_other_checkpoints_stay_what_they_are(make_config, tmp_path: Path) -> None:
    with_it = train(make_config("callbacks=swa"), tmp_path / "swa")
    without = train(make_config(), tmp_path / "none")
    assert with_it["metrics"] == without["metrics"] and without["averaged"] is None
    for which in ("best", "best_mean", "last"):
        a, b = (run.load(tmp_path / name, which).state_dict() for name in ("swa", "none"))
        assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("callbacks", ["swa", "annealing"])
def test_each_member_of_a_swarm_has_its_own_centre(make_config, tmp_path: Path, callbacks: str) -> None:
    rules = [f"callbacks={callbacks}", "callbacks.steps=5" if callbacks == "annealing" else "callbacks.lr=0.02"]
    choices = [["seed=1"], ["seed=4", "partition.seed=3"], ["seed=5", "optimizer.lr=0.003"]]
    configs = [make_config(*rules, *choice) for choice in choices]
    jobs = [Job(config, tmp_path / "together" / str(k), ()) for k, config in enumerate(configs)]
    assert len(training.groups(jobs)) == 1
    together = training.train(jobs)
    alone = train(configs[1], tmp_path / "alone")
    assert alone["averaged"] == together[1]["averaged"] != together[0]["averaged"]
    a, b = (run.load(folder, "averaged").state_dict() for folder in (tmp_path / "together" / "1", tmp_path / "alone"))
    assert all(torch.equal(a[name], b[name]) for name in a)


class Killed(BaseException):
    """As sudden as a signal."""


@pytest.mark.parametrize(
    ("callbacks", "where"),
    [("swa", "record"), ("annealing", "average"), pytest.param("swa", "average", marks=pytest.mark.slow)],
)
def test_a_killed_run_ends_at_the_same_centre(
    make_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, callbacks: str
) -> None:
    rules = [f"callbacks={callbacks}", "trainer.max_epochs=6"]
    rules += ["callbacks.start=0.3", "callbacks.lr=0.01"] if callbacks == "swa" else ["callbacks.steps=5"]
    config = make_config(*rules)
    whole = train(config, tmp_path / "whole")
    proper = getattr(members.Member, where)

    def die(self, *arguments) -> None:
        if where == "average" or arguments[0] == 4:
            raise Killed
        proper(self, *arguments)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(members.Member, where, die)
        train(config, tmp_path / "killed")
    after = train(config, tmp_path / "killed")
    assert after["averaged"] == whole["averaged"] and after["metrics"] == whole["metrics"]
    a, b = (run.load(tmp_path / name, "averaged").state_dict() for name in ("whole", "killed"))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_what_trains_alone_is_averaged_too(make_config, tmp_path: Path) -> None:
    config = make_config("callbacks=swa", "trainer.max_epochs=2")
    config.model = {"_target_": "tests.model.networks.Recurrent", "wavelengths": 240}
    record = train(config, tmp_path)
    # One epoch: the average is the last.
    assert record["averaged"]["epochs"] == 1
    last = float(RunFolder(tmp_path).read_history()[-1]["test/loss"])
    assert record["averaged"]["metrics"]["test"]["loss"] == pytest.approx(last, abs=1e-7)


def test_a_dead_network_has_no_centre(make_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "DEAD_SPREAD", float("inf"))
    record = train(make_config("callbacks=swa"), tmp_path)
    assert record["dead"] and record["averaged"] is None


def test_an_average_that_is_not_finite_fails_its_member_alone(
    make_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    centre = WeightAveraging.centre

    def spoil(self, network, kept, spectra, seed):
        notes = centre(self, network, kept, spectra, seed)
        if seed == 1:
            next(network.parameters()).data.fill_(float("nan"))
        return notes

    monkeypatch.setattr(WeightAveraging, "centre", spoil)
    jobs = [Job(make_config("callbacks=swa", f"seed={seed}"), tmp_path / str(seed), ()) for seed in (1, 2)]
    wild, sound = training.train(jobs)
    assert "averaged weights is not finite" in str(wild) and sound["averaged"]["metrics"]


def test_it_starts_at_its_share_of_the_epochs() -> None:
    for start, epochs, first in ((0.75, 50, 37), (0, 3, 0), (0.29, 100, 29), (0.999, 5, 4)):
        averaging = WeightAveraging(start, 0.5)
        rates = [averaging.rate(epoch, epochs) for epoch in range(epochs)]
        assert rates == [None] * first + [0.5] * (epochs - first)


def test_the_mean_is_numpys() -> None:
    weights = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    averaging, kept = WeightAveraging(0.3), {}
    for epoch in range(7):
        kept = averaging.follow(kept, epoch, 7, {"w": weights[epoch]})
    assert kept["epochs"] == 5
    np.testing.assert_allclose(kept["mean"]["w"], weights[2:].double().mean(0), rtol=1e-14)


def test_statistics_are_torchs_and_dropout_stays_off() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(4, momentum=0.3), nn.Linear(4, 2)).double()
    batches = [(torch.rand(8, 4).double(), torch.zeros(8)) for _ in range(3)]
    other = copy.deepcopy(network)
    other[0].p = 0
    update_bn(batches, other)
    refresh_statistics(network, batches)
    for name, value in other.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], value, rtol=0, atol=0)
    assert network[1].momentum == 0.3 and not any(layer.training for layer in network.modules())


def test_a_network_without_statistics_is_not_fed() -> None:
    def never():
        raise AssertionError
        yield

    refresh_statistics(nn.Linear(2, 2), never())


def test_every_side_is_evaluated_whole() -> None:
    class Given(nn.Module):
        weight = nn.Parameter(torch.ones(1))

        def forward(self, spectra: torch.Tensor) -> torch.Tensor:
            return torch.stack([torch.zeros(len(spectra)), spectra[:, 0]], dim=1)

        def parameters(self, recurse: bool = True):
            return iter([self.weight])

    values = torch.tensor([[2.0], [-1.0], [0.5], [-3.0]])
    labels = torch.tensor([1, 0, 0, 0])
    parts = [(values[:3], labels[:3]), (values[3:], labels[3:])]
    scores = evaluate(Given(), Spectra({"train": lambda: parts, "test": lambda: parts[:1]}, lambda: [], "test"))
    cross_entropy = np.log1p(np.exp([-2.0, -1.0, 0.5, -3.0]))
    assert scores["train/loss"] == pytest.approx(cross_entropy.mean())
    assert scores["test/loss"] == pytest.approx(cross_entropy[:3].mean())
    assert scores["train/tss"] == pytest.approx(1 - 1 / 3) and scores["test/tss"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("callbacks.start=1", "callbacks.start is 1, expected a number from 0 to 0.999"),
        ("callbacks.lr=0", "callbacks.lr is 0, expected a number above 0"),
        (
            "early_stopping=5",
            "WeightAveraging averages up to the last epoch; set early_stopping=null or callbacks=none",
        ),
    ],
)
def test_what_cannot_be_meant_is_said(make_config, tmp_path: Path, override: str, said: str) -> None:
    with pytest.raises(Exception) as caught:  # Hydra wraps what a constructor raises
        members.Member(Job(make_config("callbacks=swa", override), tmp_path, ()), {})
    error = caught.value if isinstance(caught.value, ConfigError) else caught.value.__cause__
    assert isinstance(error, ConfigError) and said in str(error)


def test_threads_do_not_decide(make_config, tmp_path: Path) -> None:
    found = []
    for threads in (1, 2):
        rules = ["callbacks=annealing", "callbacks.steps=5", f"threads={threads}"]
        jobs = [Job(make_config(*rules, f"seed={k}"), tmp_path / f"{threads}{k}", ()) for k in (1, 2, 3)]
        found.append([record["averaged"] for record in training.train(jobs)])
    assert found[0] == found[1]
