"""What is a chain of known layers, and what is not."""

import copy

import pytest
import torch
from torch import Tensor, nn

from preflare.model.convnet import ConvNet
from preflare.model.deep_convnet import DeepConvNet
from preflare.model.fnn import FNN
from preflare.model.swarm.chain import calls, chain

POINTS = 60


class Doubled(nn.Module):
    """Does something between its layers that no layer shows."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(POINTS, 2))

    def forward(self, spectra: Tensor) -> Tensor:
        return self.layers(2 * spectra)


def test_the_papers_network_is_a_chain() -> None:
    found = chain(ConvNet(POINTS), POINTS)
    assert found is not None and found.pooled
    assert [name for name, _ in found.convolutions] == ["features.0", "features.2"]
    assert [name for name, _ in found.linear] == ["head.0", "head.2"]
    found = chain(FNN(POINTS), POINTS)
    assert found is not None and not found.pooled and not found.convolutions and len(found.linear) == 3


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


@pytest.mark.parametrize(
    "layers",
    [
        FLAT,
        (*FLAT, nn.Tanh(), nn.Linear(4, 2)),
        (*FLAT, nn.ReLU(), nn.Linear(4, 2, bias=False)),
        (*FLAT, nn.ReLU(), nn.Linear(4, 2), nn.ReLU()),
        (nn.Flatten(2), nn.Flatten(), nn.Linear(POINTS, 2)),
        (nn.Conv1d(1, 2, 7, padding=3), *HEAD),
        (nn.Conv1d(1, 2, 7, dilation=2), *HEAD),
        (nn.Conv1d(1, 2, 7, bias=False), *HEAD),
        (nn.Conv1d(1, 2, 2, stride=3), *HEAD),
        (nn.Conv1d(1, 2, 7), nn.Tanh(), *HEAD),
        (nn.Conv1d(1, 2, 7), nn.ReLU(), nn.MaxPool1d(3), nn.Flatten(), nn.LazyLinear(2)),
        (nn.Conv1d(1, 2, 7), nn.ReLU(), nn.MaxPool1d(2, stride=1), nn.Flatten(), nn.LazyLinear(2)),
        (nn.Conv1d(1, 2, 7), nn.ReLU(), nn.BatchNorm1d(2), nn.Flatten(), nn.LazyLinear(2)),
    ],
    ids=lambda layers: " ".join(type(layer).__name__ for layer in layers),
)
def test_other_networks_are_no_chain(layers: tuple[nn.Module, ...]) -> None:
    network = nn.Sequential(*copy.deepcopy(layers))
    network(torch.rand(2, 1, POINTS))
    assert chain(network, POINTS) is None
