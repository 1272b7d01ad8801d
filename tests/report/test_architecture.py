"""Shapes and weights are those of the network."""

import pytest
import torch
from torch import nn

from preflare.model.convnet import ConvNet
from preflare.model.fnn import FNN
from preflare.report.architecture import Layer, trace


def test_the_papers_network() -> None:
    network = ConvNet(240)
    assert trace(network, 240) == [
        Layer("Conv1d + ReLU", "20 wide, step 3", 2, 74, 42),
        Layer("Conv1d + ReLU", "10 wide, step 3", 4, 22, 84),
        Layer("MaxPool1d", "2 wide, step 2", 4, 11, 0),
        Layer("Linear + ReLU", "all to all", 1, 5, 225),
        Layer("Linear", "all to all", 1, 2, 12),
    ]


@pytest.mark.parametrize("network", [ConvNet(240, channels=(3,), kernels=(8,), strides=(2,)), FNN(240)])
def test_no_weight_is_lost_and_no_hook_stays(network: nn.Module) -> None:
    layers = trace(network, 240)
    assert sum(layer.weights for layer in layers) == sum(values.numel() for values in network.parameters())
    assert layers[-1].length == 2
    assert not any(module._forward_hooks for module in network.modules())


def test_what_does_nothing_at_work_is_left_out() -> None:
    network = nn.Sequential(
        nn.Dropout(), nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2), nn.Tanh(), nn.Flatten(), nn.Linear(16, 2)
    )
    kinds = [layer.kind for layer in trace(network.eval(), 10)]
    assert kinds == ["Conv1d", "BatchNorm1d + Tanh", "Linear"]
    assert torch.isfinite(network(torch.zeros(1, 1, 10))).all()
