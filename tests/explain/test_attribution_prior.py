"""The attribution prior against slow loops in float64, alone and in a swarm, and what it makes of a network."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from torch import Tensor, nn
from torch.nn import functional

from preflare import run
from preflare.command import Job
from preflare.errors import ConfigError
from preflare.explain.attribution_prior import AttributionPrior, draw
from preflare.model import training
from preflare.model.convnet import ConvNet
from preflare.model.loss import Draws
from preflare.model.swarm.layout import Layout, stack
from preflare.model.swarm.streams import streams
from preflare.model.swarm.vectorised import Vectorised

POINTS = 60
# variation, standardised, target, references
KINDS = [
    ("absolute", None, "log_odds", 3),
    ("squared", None, "log_odds", 1),
    ("absolute", "tensorflow", "winner", 1),
    ("squared", "authors", "log_odds", 2),
]


def prior(sigma: float, *kind: object, warm_up: int = 0) -> AttributionPrior:
    variation, standardised, target, references = kind or KINDS[0]
    return AttributionPrior(0.01, sigma, warm_up, variation, standardised, target, references)


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return ConvNet(POINTS, kernels=(8, 4)).double()


def slow(loss: AttributionPrior, one: nn.Module, spectra: Tensor, labels: Tensor, stream: Tensor) -> Tensor:
    """The loss spectrum by spectrum and sample by sample."""
    others, positions = draw(stream, len(spectra), loss.references)
    total = torch.zeros((), dtype=torch.float64)
    for k, spectrum in enumerate(spectra):
        said = torch.zeros(spectra.shape[2], dtype=torch.float64)
        winner = int(one(spectrum[None])[0].argmax())
        for other, place in zip(others[k], positions[k], strict=True):
            point = (spectra[other] + place * (spectrum - spectra[other])).clone().requires_grad_()
            logits = one(point[None])[0]
            answer = logits[1] - logits[0] if loss.target == "log_odds" else logits[winner]
            (gradient,) = torch.autograd.grad(answer, point, create_graph=True)
            said = said + ((spectrum - spectra[other]) * gradient)[0] / loss.references
        if loss.standardised:
            points = len(said)
            floor = {"tensorflow": 1 / math.sqrt(points), "authors": 1 / points}[loss.standardised]
            said = said - said.mean()
            spread = said.std(correction=0)
            said = said / (spread if spread > floor else floor)
        rise = said[1:] - said[:-1]
        total = total + (abs(rise) if loss.variation == "absolute" else rise**2).sum() / len(spectra)
    penalty = sum((weights**2).sum() for weights in one.parameters() if weights.ndim > 1)
    return functional.cross_entropy(one(spectra), labels) + loss.l2 * penalty + loss.sigma * total


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_gradients_in_a_swarm_are_those_of_a_slow_loop(kind: tuple) -> None:
    networks = [network(seed) for seed in range(3)]
    losses = [prior(sigma, *kind) for sigma in (0.0, 0.3, 2.0)]
    layout = Layout(dict(networks[0].named_parameters()))
    engine = Vectorised(networks[0], losses, layout)
    spectra, labels = torch.rand(15, 1, POINTS, dtype=torch.float64), torch.randint(0, 2, (3, 5))
    places, everyone = torch.arange(15).view(3, 5), torch.arange(3)
    stream = streams([7, 8, 9], torch.tensor([4, 4, 5]))
    rows = layout.pack(stack([dict(one.named_parameters()) for one in networks]))
    found, _ = engine.gradients(everyone, rows, {}, spectra, places, labels, stream)
    for k, one in enumerate(networks):
        slow(losses[k], one, spectra[places[k]], labels[k], stream[k]).backward()
        expected = layout.pack({name: weights.grad for name, weights in one.named_parameters()})
        torch.testing.assert_close(found[k], expected, rtol=1e-9, atol=1e-9)
        alone, _ = engine.gradients(
            everyone[k : k + 1], rows[k:][:1], {}, spectra, places[k:][:1], labels[k:][:1], stream[k:][:1]
        )
        assert torch.equal(alone[0], found[k])
    assert not torch.equal(found[1], found[2])


def test_attributions_converge_to_expected_gradients() -> None:
    one, spectra = network(), torch.rand(6, 1, POINTS, dtype=torch.float64)
    with torch.no_grad():
        odds = one(spectra) @ torch.tensor([-1.0, 1.0], dtype=torch.float64)
    loss = prior(1.0, "absolute", None, "log_odds", 3000)
    found = loss.attributions(lambda p, x, *, trained: one(x), {}, spectra, torch.tensor(3))
    # Completeness: they sum to F(x) less the mean of F over the others.
    expected = odds - (odds.sum() - odds) / 5
    torch.testing.assert_close(found.sum(dim=1).detach(), expected, rtol=0, atol=0.08 * float(odds.std()))


def test_draws_are_even_and_never_the_spectrum_itself() -> None:
    others, positions = draw(torch.tensor(5), 4, 6000)
    for k in range(4):
        counts = np.bincount(others[k], minlength=4)
        assert counts[k] == 0 and abs(np.delete(counts, k) - 2000).max() < 150
    parts = positions[0] * 6000 - torch.arange(6000)
    assert 0 <= float(parts.min()) and float(parts.max()) < 1
    assert abs(float(parts.mean()) - 0.5) < 0.02 and abs(float(parts.std()) - 12**-0.5) < 0.01
    correlation = np.corrcoef(parts, (others[0] - 1).numpy())[0, 1]
    assert abs(correlation) < 0.05
    again, _ = draw(torch.tensor(6), 4, 6000)
    assert 0.2 < float((again == others).double().mean()) < 0.5
    assert draw(torch.tensor(5), 1, 2)[0].tolist() == [[0, 0]]


def test_warm_up_raises_sigma_epoch_by_epoch() -> None:
    one, spectra, labels = network(), torch.rand(4, 1, POINTS, dtype=torch.float64), torch.tensor([0, 1, 1, 0])

    def value(loss: AttributionPrior, epoch: int) -> float:
        draws = Draws(torch.tensor(1), epoch)
        return float(
            loss(lambda p, x, *, trained=False: one(x), dict(one.named_parameters()), spectra, labels, draws).detach()
        )

    none, whole = value(prior(0.0), 0), value(prior(0.5), 0)
    risen = [(value(prior(0.5, warm_up=4), epoch) - none) / (whole - none) for epoch in (0, 1, 2, 4, 9)]
    assert whole > none and risen == pytest.approx([0, 0.25, 0.5, 1, 1])


def test_a_network_that_answers_the_same_to_all_has_finite_gradients() -> None:
    one, spectra, labels = network(), torch.rand(4, 1, POINTS, dtype=torch.float64), torch.tensor([0, 1, 1, 0])
    with torch.no_grad():
        for weights in one.parameters():
            weights.zero_()
    for kind in KINDS:
        draws = Draws(torch.tensor(1), 0)
        loss = prior(1.0, *kind)(
            lambda p, x, *, trained=False: one(x), dict(one.named_parameters()), spectra, labels, draws
        )
        gradients = torch.autograd.grad(loss, list(one.parameters()), allow_unused=True)
        assert all(torch.isfinite(gradient).all() for gradient in gradients if gradient is not None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sigma": -1}, "loss.sigma is -1, expected a number of 0 or more"),
        ({"warm_up": 0.5}, "loss.warm_up is 0.5, expected a whole number of 0 or more"),
        ({"variation": "cubic"}, "loss.variation is 'cubic', expected absolute or squared"),
        ({"standardised": "yes"}, "loss.standardised is 'yes', expected tensorflow, authors or null"),
        ({"target": "loser"}, "loss.target is 'loser', expected log_odds or winner"),
        ({"references": 0}, "loss.references is 0, expected a whole number of 1 or more"),
    ],
)
def test_what_cannot_be_meant_is_said(given: dict, said: str) -> None:
    good = {"l2": 0, "sigma": 1, "warm_up": 0, "variation": "squared", "standardised": None}
    with pytest.raises(ConfigError, match=said):
        AttributionPrior(**good | {"target": "log_odds", "references": 1} | given)


PRIOR = ["loss=attribution_prior", "loss.warm_up=2", "loss.references=2", "data.batch_size=50"]


def train(configs: list, folder: Path) -> list[dict]:
    jobs = [Job(config, folder / str(k), ()) for k, config in enumerate(configs)]
    assert len(training.groups(jobs)) == 1
    outcomes = training.train(jobs)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return outcomes


def same(one: Path, other: Path) -> bool:
    a, b = (run.load(folder, "last").state_dict() for folder in (one, other))
    return all(torch.equal(a[name], b[name]) for name in a)


def test_a_swarm_of_sigmas_lightning_and_a_plain_loop_are_one(
    make_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The slow loop takes its time: one observation of each class trains.
    exact = [*PRIOR, "trainer.precision=64-true", "trainer.max_epochs=3", "partition.test_observations=3"]
    choices = [["loss.sigma=0.02", "seed=1"], ["loss.sigma=0.5", "seed=2", "partition.seed=1"]]
    configs = [make_config(*exact, *choice) for choice in choices]
    train(configs, tmp_path / "swarm")
    monkeypatch.setattr(training, "FOR_ALL", frozenset())
    for k, config in enumerate(configs):
        train([config], tmp_path / f"alone{k}")
        data = instantiate(config.data)
        data.setup()
        torch.manual_seed(config.seed)
        one, loss = instantiate(config.model).double(), instantiate(config.loss)
        optimizer = instantiate(config.optimizer)(one.parameters())
        loader, step, sigma = data.train_dataloader(), 0, loss.sigma
        for epoch in range(config.trainer.max_epochs):
            loader.sampler.set_epoch(epoch)
            loss.sigma = sigma * min(1, epoch / 2)
            for spectra, labels in loader:
                stream = streams([config.seed], torch.tensor([step]))[0]
                optimizer.zero_grad()
                slow(loss, one, spectra.double(), labels, stream).backward()
                optimizer.step()
                step += 1
        for folder in (tmp_path / "swarm" / str(k), tmp_path / f"alone{k}" / "0"):
            found = run.RunFolder(folder).read_checkpoint("last")["state_dict"]
            for name, weights in one.state_dict().items():
                torch.testing.assert_close(found[f"network.{name}"], weights, rtol=0, atol=1e-9)


@pytest.mark.slow
def test_a_member_does_not_depend_on_who_else_trains_nor_on_being_killed(
    make_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choices = [[f"loss.sigma={0.1 * k}", f"seed={k}", f"partition.seed={k % 2}"] for k in range(4)]
    configs = [make_config(*PRIOR, *choice) for choice in choices]
    train(configs, tmp_path / "all")
    train(configs[2:3], tmp_path / "one")
    assert same(tmp_path / "all" / "2", tmp_path / "one" / "0")

    class Killed(BaseException):
        pass

    proper = training.Member.record

    def die(self, epoch: int, *rest: object) -> None:
        if epoch == 1:
            raise Killed
        proper(self, epoch, *rest)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(training.Member, "record", die)
        train(configs[2:], tmp_path / "killed")
    train(configs[2:], tmp_path / "killed")
    assert same(tmp_path / "all" / "2", tmp_path / "killed" / "0")
    assert same(tmp_path / "all" / "3", tmp_path / "killed" / "1")


@pytest.mark.slow
def test_it_makes_attributions_smoother(make_config, tmp_path: Path) -> None:
    configs = [make_config(*PRIOR, "trainer.max_epochs=20", f"loss.sigma={sigma}") for sigma in (0, 0.01)]
    train(configs, tmp_path)
    found = []
    for k, config in enumerate(configs):
        data = instantiate(config.data)
        data.setup()
        spectra = data.datasets["test"].spectra
        one = run.load(tmp_path / str(k), "last")
        loss = AttributionPrior(0, 1, 0, "absolute", None, "log_odds", 50)
        maps = loss.attributions(lambda p, x, *, trained, n=one: n(x), {}, spectra, torch.tensor(0)).detach()
        found.append(float((loss.variations(maps) / maps.abs().sum(dim=1)).mean()))
    assert found[1] < 0.8 * found[0]
