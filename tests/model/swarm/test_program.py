"""Which networks become a table of operations, and where their activations lie."""

import copy

import pytest
import torch
from torch import Tensor, nn

from preflare.model.convnet import ConvNet
from preflare.model.deep_convnet import DeepConvNet
from preflare.model.fnn import FNN
from preflare.model.swarm.layout import Layout
from preflare.model.swarm.operations import CONVOLUTION, EACH, KIND, OUTPUTS, POOL, RELU, TAP
from preflare.model.swarm.program import activations, calls, program, steps

POINTS = 60


class Doubled(nn.Module):
    """Does something between its layers that no layer shows."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(POINTS, 2))

    def forward(self, spectra: Tensor) -> Tensor:
        return self.layers(2 * spectra)


def test_the_papers_network_is_known() -> None:
    found = steps(ConvNet(POINTS), POINTS)
    assert found is not None
    assert [step.kind for step in found] == [CONVOLUTION, RELU, CONVOLUTION, RELU, POOL, CONVOLUTION, RELU, CONVOLUTION]
    assert [(step.before, step.length) for step in found[:3]] == [(1, 60), (2, 14), (2, 14)]
    assert [step.flattened for step in found] == [False] * 5 + [True, False, False]
    assert all(steps(network, POINTS) for network in (FNN(POINTS), DeepConvNet(POINTS)))


def test_every_activation_has_rows_of_its_own_and_a_tap_reads_unbroken_pieces() -> None:
    network = DeepConvNet(POINTS, channels=(3, 4), kernel=5)
    table, names, room = program(network, Layout(dict(network.named_parameters())), POINTS)
    assert names == ["features.1", "features.4"]
    rows = activations(steps(network, POINTS), POINTS)
    assert all(a.end == b.start for a, b in zip(rows, rows[1:], strict=False)) and rows[-1].end < room
    second = table.ops[3]
    assert second[KIND] == CONVOLUTION
    for tap in range(second[TAP], second[TAP] + second[EACH]):
        channel, kernel = divmod(table.entries[tap], 5)
        for output in range(second[OUTPUTS]):
            assert table.shifts[tap] + output == rows[3].at(channel, 2 * output + kernel - 2)


def test_watching_leaves_the_network_as_it_was() -> None:
    network = DeepConvNet(POINTS).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert calls(network, POINTS) is not None and network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(layer._forward_hooks for layer in network.modules())


def test_what_happens_between_layers_is_seen() -> None:
    assert calls(Doubled(), POINTS) is None


HEAD = (nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
FLAT = (nn.Flatten(), nn.Linear(POINTS, 4))
AGAIN = nn.Linear(4, 4)


@pytest.mark.parametrize(
    "layers",
    [
        FLAT,
        (*FLAT, nn.Tanh(), nn.Linear(4, 2)),
        (*FLAT, nn.Linear(4, 2), nn.ReLU()),
        (*FLAT, AGAIN, nn.ReLU(), AGAIN, nn.Linear(4, 2)),
        (nn.Flatten(2), nn.Flatten(), nn.Linear(POINTS, 2)),
        (nn.Linear(POINTS, 4), nn.Flatten(), nn.Linear(4, 2)),
        (nn.Conv1d(1, 2, 7, dilation=2), *HEAD),
        (nn.Conv1d(1, 2, 7, padding="same"), *HEAD),
        (nn.Conv1d(1, 2, 7, padding=3, padding_mode="circular"), *HEAD),
        (nn.Conv1d(1, 2, 7), nn.Conv1d(2, 2, 7), *HEAD),
        (nn.Conv1d(1, 2, 7), nn.Flatten(), nn.LazyLinear(2)),
        (nn.Conv1d(1, 2, 7), nn.Tanh(), *HEAD),
        (nn.Conv1d(1, 2, 7), nn.ReLU(), nn.MaxPool1d(2, stride=1), nn.Flatten(), nn.LazyLinear(2)),
        (nn.Conv1d(1, 2, 7), nn.ReLU(), nn.MaxPool1d(2, ceil_mode=True), nn.Flatten(), nn.LazyLinear(2)),
        (nn.Conv1d(1, 2, 7), nn.BatchNorm1d(2, momentum=None), nn.Flatten(), nn.LazyLinear(2)),
        (nn.Conv1d(1, 2, 7), nn.BatchNorm1d(2, affine=False), nn.Flatten(), nn.LazyLinear(2)),
    ],
    ids=lambda layers: " ".join(type(layer).__name__ for layer in layers),
)
def test_other_networks_are_left_to_torch_func(layers: tuple[nn.Module, ...]) -> None:
    network = nn.Sequential(*copy.deepcopy(layers))
    network(torch.rand(2, 1, POINTS))
    assert steps(network, POINTS) is None
