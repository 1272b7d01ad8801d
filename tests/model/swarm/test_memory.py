"""How many members fit: the formula by hand, and what autograd really keeps."""

import pytest
import torch
from torch import nn

from preflare.model.convnet import ConvNet
from preflare.model.deep_convnet import DeepConvNet
from preflare.model.swarm.memory import GIB, member_bytes, most_members
from preflare.model.swarm.module import EVALUATION_BATCH
from tests.model.networks import Recurrent


def test_the_formula_by_hand() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(10, 6), nn.ReLU(), nn.Linear(6, 2))
    weights, outputs = 10 * 6 + 6 + 6 * 2 + 2, 10 + 6 + 6 + 2
    sides = 12 * 1000 + 8 * 700
    training = 4 * (4 * weights + 3 * 1024 * (10 + outputs))
    assert member_bytes(network, 10, 1024, 1000, 700, 4) == sides + training
    evaluation = 8 * (4 * weights + 1.5 * EVALUATION_BATCH * (10 + outputs))
    assert member_bytes(network, 10, 1, 1000, 700, 8) == sides + evaluation


@pytest.mark.parametrize("network", [ConvNet(240, (2, 4), (20, 10), (3, 3), 2, 5), DeepConvNet(240)])
def test_activations_are_at_least_what_autograd_keeps(network: nn.Module) -> None:
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(torch.rand(1024, 1, 240))
    assert sum(kept.values()) <= member_bytes(network, 240, 1024, 0, 0, 4)


def test_the_network_is_left_as_it_was() -> None:
    network = DeepConvNet(240).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    member_bytes(network, 240, 64, 0, 0, 4)
    assert network.training and not any(module._forward_hooks for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_recurrent_layers_count_too() -> None:
    assert member_bytes(Recurrent(240), 240, 64, 0, 0, 4) > 0


def test_a_budget_is_filled_and_never_empty() -> None:
    assert most_members(2, GIB // 8) == 16
    assert most_members(2, GIB // 8 + 1) == 15
    assert most_members(0.001, GIB) == 1
