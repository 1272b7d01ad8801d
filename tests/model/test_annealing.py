"""Annealing on minima whose centre is known, and step by step against the rules."""

import math

import pytest
import torch
from torch import Tensor, nn

from preflare.errors import ConfigError
from preflare.model.annealing import Annealing
from preflare.model.averaging import Spectra

# One AR, one PF: log-odds of (label sign) x what the network makes of its weights.
SIGNS = torch.tensor([[[-1.0]], [[1.0]]]).repeat(20, 1, 1)
LABELS = torch.tensor([0, 1]).repeat(20)


class Well(nn.Module):
    """Right about every spectrum while all weights are within width of middle, wrong outside."""

    def __init__(self, middle: list[float], width: float, start: list[float]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(start, dtype=torch.float64))
        self.register_buffer("middle", torch.tensor(middle, dtype=torch.float64))
        self.width = width

    def forward(self, spectra: Tensor) -> Tensor:
        inside = bool(((self.weight - self.middle).abs() < self.width).all())
        log_odds = spectra[:, 0, 0] * (5 if inside else -5)
        return torch.stack([torch.zeros_like(log_odds), log_odds], dim=1)


class Two(nn.Module):
    """Looks at the first of two numbers alone, though it has a weight for what is always zero."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([3.0, 3.0], dtype=torch.float64))

    def forward(self, spectra: Tensor) -> Tensor:
        log_odds = spectra[:, 0] @ self.weight
        return torch.stack([torch.zeros_like(log_odds), log_odds], dim=1)


def spectra(values: Tensor = SIGNS, labels: Tensor = LABELS, size: int = 7) -> Spectra:
    """In uneven batches."""
    parts = list(zip(values.split(size), labels.split(size), strict=True))
    return Spectra({"train": lambda: parts}, lambda: parts, "test")


@pytest.mark.slow
def test_the_walk_finds_the_centre_of_a_flat_well() -> None:
    middle, start = torch.tensor([2.0, -1.0]), [2.38, -1.38]
    for seed in range(3):
        network = Well(middle.tolist(), 0.4, start)
        notes = Annealing(1000, 0.1, 1e-3, 0.0, 40).centre(network, {}, spectra(), seed)
        assert 0.2 < notes["walked"] < 0.95
        # Where training ended is almost outside; the centre is far within.
        assert float((network.weight.detach() - middle).abs().max()) < 0.2


def test_weights_that_do_not_matter_are_reduced_and_others_are_not() -> None:
    values = torch.cat([SIGNS, torch.zeros_like(SIGNS)], dim=2)
    network = Two()
    # Without noise the walk stands still; any loss is too much at this temperature.
    notes = Annealing(600, 0.0, 1e-9, 0.5, 100).centre(network, {}, spectra(values), seed=1)
    used, unused = network.weight.tolist()
    assert used == 3.0 and 0 < unused < 0.1
    assert notes["left"] == pytest.approx(math.hypot(used, unused) / math.hypot(3, 3))


def test_no_weight_is_reduced_that_costs_accuracy() -> None:
    # Warm enough that the loss never stops a step: only the accuracy does.
    near = torch.tensor([[[1.0, -0.95]], [[-1.0, 0.95]]]).double()
    network = Two()
    Annealing(300, 0.0, 1e9, 0.5, 2).centre(network, {}, spectra(near, torch.tensor([1, 0])), seed=0)
    kept = network.weight.tolist()
    assert kept[0] - 0.95 * kept[1] > 0 and kept[1] < 3.0


def test_the_steps_are_those_of_the_rules() -> None:
    """The walk by hand: the same draws, Metropolis written out, the mean of where it was."""
    steps, noise, temperature, seed = 40, 0.3, 0.05, 5
    network = nn.Sequential(nn.Flatten(), nn.Linear(1, 2)).double()
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[-0.7], [0.4]]))
        network[1].bias.copy_(torch.tensor([0.1, -0.2]))

    def loss(weight: Tensor, bias: Tensor) -> float:
        logits = SIGNS.double().flatten(1) @ weight.T + bias
        return float(nn.functional.cross_entropy(logits, LABELS))

    place = [parameter.detach().clone() for parameter in network.parameters()]
    random = torch.Generator().manual_seed(seed)
    scales = [noise * math.sqrt(float((here**2).mean())) for here in place]
    been, taken = [], 0
    for step in range(steps):
        there = [
            here + scale * torch.randn(here.shape, generator=random, dtype=torch.float64)
            for here, scale in zip(place, scales, strict=True)
        ]
        chance = math.exp(min(0.0, (loss(*place) - loss(*there)) / (temperature * (1 - step / steps))))
        if float(torch.rand((), generator=random, dtype=torch.float64)) < chance:
            place, taken = there, taken + 1
        been.append(place)
    notes = Annealing(steps, noise, temperature, 0.0, 100).centre(network, {}, spectra(), seed)
    assert 0 < taken < steps and notes["walked"] == taken / steps
    for k, parameter in enumerate(network.parameters()):
        mean = torch.stack([where[k] for where in been]).mean(0)
        torch.testing.assert_close(parameter.detach(), mean, rtol=0, atol=1e-12)


def test_it_is_a_function_of_the_seed() -> None:
    found = []
    for seed, state in ((1, 0), (1, 99), (2, 0)):
        torch.manual_seed(state)
        network = Well([0.0], 1.0, [0.5])
        Annealing(30, 0.5, 1e-3, 0.1, 9).centre(network, {}, spectra(), seed)
        found.append(float(network.weight.detach()))
    assert found[0] == found[1] != found[2]


def test_a_step_is_judged_by_so_many_spectra_with_their_labels() -> None:
    seen: list[Tensor] = []

    class Watched(Well):
        def forward(self, spectra: Tensor) -> Tensor:
            seen.append(spectra[:, 0, 0])
            return super().forward(spectra)

    values = torch.arange(1.0, 41.0).view(-1, 1, 1)
    network = Watched([0.0], 1.0, [0.5])
    Annealing(1, 0.1, 1e-3, 0.1, 9).centre(network, {}, spectra(values), seed=0)
    assert len(seen[0]) == 9 and len(seen[0].unique()) == 9
    assert all(torch.equal(one, seen[0]) for one in seen)


def test_batches_do_not_decide() -> None:
    found = []
    for size in (3, 40):
        network = nn.Sequential(nn.Flatten(), nn.Linear(1, 2))
        nn.init.constant_(network[1].weight, 0.5)
        nn.init.constant_(network[1].bias, 0.1)
        Annealing(20, 0.5, 1e-2, 0.1, 11).centre(network, {}, spectra(size=size), seed=3)
        found.append(network[1].weight.detach().clone())
    assert torch.equal(*found)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("steps", 0, "callbacks.steps is 0, expected a whole number of 1 or more"),
        ("noise", -1, "callbacks.noise is -1, expected a number of 0 or more"),
        ("temperature", 0, "callbacks.temperature is 0, expected a number above 0"),
        ("shrink", 2, "callbacks.shrink is 2, expected a number from 0 to 1"),
        ("spectra", 1, "callbacks.spectra is 1, expected a whole number of 2 or more"),
    ],
)
def test_what_cannot_be_meant_is_said(key: str, value: float, said: str) -> None:
    sound = {"steps": 10, "noise": 0.1, "temperature": 0.01, "shrink": 0.1, "spectra": 10}
    with pytest.raises(ConfigError, match=said):
        Annealing(**{**sound, key: value})
