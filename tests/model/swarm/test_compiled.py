"""The compiled loops against torch.func, which autograd checks: every network of the framework through both."""

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from preflare.command import CONF
from preflare.model.convnet import ConvNet
from preflare.model.deep_convnet import DeepConvNet
from preflare.model.fnn import FNN
from preflare.model.loss import CrossEntropy
from preflare.model.swarm.compiled import Compiled, compile_
from preflare.model.swarm.layout import Layout, stack
from preflare.model.swarm.optimizers import StackedOptimizer, stacked
from preflare.model.swarm.streams import streams
from preflare.model.swarm.vectorised import Vectorised

POINTS = 240
NAMES = ["convnet", "deep_convnet", "fnn"]


def network(name: str) -> nn.Module:
    config = OmegaConf.load(CONF / "model" / f"{name}.yaml")
    config.wavelengths = POINTS
    return instantiate(config)


class Swarm:
    """Networks stacked, and random batches for them: a whole one and a short one."""

    def __init__(self, networks: list[nn.Module], points: int = POINTS, batch: int = 21) -> None:
        count, self.points = len(networks), points
        self.layout = Layout(dict(networks[0].named_parameters()))
        self.losses = [CrossEntropy(0.01 * k) for k in range(count)]
        self.networks = networks
        self.rows = self.layout.pack(stack([dict(one.named_parameters()) for one in networks]))
        self.buffers = stack([dict(one.named_buffers()) for one in networks])
        generator = torch.Generator().manual_seed(1)
        self.spectra = torch.randn(100, 1, points, generator=generator, dtype=self.rows.dtype)
        self.labels = torch.randint(0, 2, (100,), generator=generator)
        self.places = torch.randint(0, 100, (2, count, batch), generator=generator)
        self.counts = np.array([[batch] * count, [batch // 2 + 1] * count])
        self.seeds = list(range(5, 5 + count))

    def compiled(self) -> Compiled:
        found = compile_(self.networks[0], self.losses, self.layout, self.points)
        assert found is not None
        return found

    def train(self, members: list[int] | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Rows and buffers after a step down the slope on each batch."""
        rows = nn.Parameter(self.rows.clone())
        buffers = {name: values.clone() for name, values in self.buffers.items()}
        counts = self.counts.copy()
        if members is not None:
            counts[:, [k for k in range(len(rows)) if k not in members]] = 0
        self.compiled().train(
            descent(rows), buffers, self.spectra[:, 0], self.labels, self.places, counts, self.seeds, together
        )
        return rows.detach(), buffers


def descent(rows: nn.Parameter) -> StackedOptimizer:
    return stacked([torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)] * len(rows), rows)


def together(function, members: Tensor) -> None:
    function(members)


def check(networks: list[nn.Module], points: int = POINTS, batch: int = 21) -> None:
    swarm = Swarm(networks, points, batch)
    slow = Vectorised(networks[0], swarm.losses, swarm.layout)
    everyone = torch.arange(len(networks))
    rows, buffers = swarm.rows.clone(), swarm.buffers
    for step, (places, counts) in enumerate(zip(swarm.places, swarm.counts, strict=True)):
        mine = places[:, : counts[0]]
        drawn = streams(swarm.seeds, torch.full((len(networks),), step))
        gradients, buffers = slow.gradients(everyone, rows, buffers, swarm.spectra, mine, swarm.labels[mine], drawn)
        rows = rows - gradients
    found, after = swarm.train()
    torch.testing.assert_close(found, rows, rtol=0, atol=1e-12)
    assert after.keys() == buffers.keys()
    for name, values in buffers.items():
        torch.testing.assert_close(after[name], values, rtol=0, atol=1e-12)
    everything = torch.arange(100)
    answers = slow.log_odds(rows, buffers, swarm.spectra, everything.expand(len(networks), -1))
    given = swarm.compiled().log_odds(everyone, rows, buffers, swarm.spectra[:, 0], everything)
    torch.testing.assert_close(given, answers, rtol=0, atol=1e-11)


@pytest.mark.parametrize("batch", [21, 64])
@pytest.mark.parametrize("name", NAMES)
def test_networks_are_computed_alike_both_ways(name: str, batch: int) -> None:
    torch.manual_seed(0)
    check([network(name).double() for _ in range(2)], batch=batch)


@pytest.mark.parametrize(
    "options",
    [
        {"channels": (3,), "kernels": (7,), "strides": (2,), "pool": 3},
        {"channels": (3, 5, 2), "kernels": (6, 4, 3), "strides": (1, 2, 3), "hidden": 9},
        {"channels": (2, 2), "kernels": (4, 4), "strides": (4, 4)},
        {"channels": (2, 3), "kernels": (2, 3), "strides": (3, 2)},
    ],
)
@pytest.mark.parametrize("points", [97, 100])
def test_other_sizes(options, points: int) -> None:
    torch.manual_seed(0)
    check([ConvNet(points, **options).double() for _ in range(2)], points)


def test_other_chains() -> None:
    torch.manual_seed(0)
    check([FNN(50, hidden=()).double() for _ in range(2)], 50)
    check([DeepConvNet(53, (3, 5), 5, 7, 0.5).double() for _ in range(2)], 53)
    layers = (nn.ReLU(), nn.Dropout(0.2), nn.Conv1d(1, 2, 5, 2, bias=False), nn.MaxPool1d(2), nn.Flatten())
    head = (nn.Linear(22, 3, bias=False), nn.BatchNorm1d(3), nn.Linear(3, 3), nn.Linear(3, 2))
    check([nn.Sequential(*layers, *head).double()] * 2, 50)


@pytest.mark.parametrize("name", NAMES)
def test_a_member_does_not_depend_on_the_others_in_the_last_bit(name: str) -> None:
    torch.manual_seed(0)
    swarm = Swarm([network(name) for _ in range(7)])
    rows, buffers = swarm.train()
    assert not any(torch.equal(rows[k], swarm.rows[k]) for k in range(7))
    for members in ([3], [5, 2], [1, 2, 3, 4, 6]):
        found, after = swarm.train(members)
        for k in range(7):
            assert torch.equal(found[k], rows[k] if k in members else swarm.rows[k])
            assert all(torch.equal(after[name][k], buffers[name][k]) for name in after if k in members)
            assert all(torch.equal(after[name][k], swarm.buffers[name][k]) for name in after if k not in members)


def test_a_member_that_diverged_does_not_reach_the_next() -> None:
    torch.manual_seed(0)
    swarm = Swarm([network("deep_convnet") for _ in range(3)])
    expected, _ = swarm.train()
    swarm.rows[1, : swarm.layout.starts["features.1.bias"]] = torch.nan
    found, _ = swarm.train()
    assert torch.equal(found[[0, 2]], expected[[0, 2]]) and found[1].isnan().any()
    answers = swarm.compiled().log_odds(
        torch.arange(3), swarm.rows, swarm.buffers, swarm.spectra[:, 0], torch.arange(100)
    )
    assert answers[1].isnan().all() and answers[[0, 2]].isfinite().all()


class Weighted(CrossEntropy):
    """A loss of a user's own."""


def test_a_loss_or_a_network_that_is_not_known_is_left_to_torch_func() -> None:
    odd = nn.Sequential(nn.Flatten(), nn.Linear(POINTS, 4), nn.Tanh(), nn.Linear(4, 2))
    for one, loss in ((ConvNet(POINTS), Weighted(0)), (odd, CrossEntropy(0))):
        assert compile_(one, [loss], Layout(dict(one.named_parameters())), POINTS) is None
