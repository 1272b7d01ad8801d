"""How many members fit: the formula by hand, and what autograd really keeps."""

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from preflare.command import CONF
from preflare.model.convnet import ConvNet
from preflare.model.deep_convnet import DeepConvNet
from preflare.model.loss import CrossEntropy, Loss
from preflare.model.swarm.memory import GIB, Needs, most_members, needs
from preflare.model.swarm.module import EVALUATION_BATCH
from tests.model.networks import Recurrent


class Twice(CrossEntropy):
    """A loss of a user's own, which passes every spectrum through the network twice."""

    def __call__(self, network, parameters, spectra, labels, draws):
        return super().__call__(network, parameters, torch.cat([spectra, spectra]), labels.repeat(2), draws)


class Once(CrossEntropy):
    """A loss of a user's own."""


def test_the_formula_by_hand() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(10, 6), nn.ReLU(), nn.Linear(6, 2))
    weights, outputs = 10 * 6 + 6 + 6 * 2 + 2, 10 + 6 + 6 + 2
    sides = 12 * 1000 + 8 * 700
    training = 4 * (4 * weights + 3 * 1024 * (10 + outputs))
    assert needs(network, Once(0), 10, 1024, 1000, 700, 4, 2) == (sides + training, 0)
    assert needs(network, CrossEntropy(0), 10, 1024, 1000, 700, 4, None) == (sides + training, 0)
    evaluation = 8 * (4 * weights + 1.5 * EVALUATION_BATCH * (10 + outputs))
    assert needs(network, Once(0), 10, 1, 1000, 700, 8, 2) == (sides + evaluation, 0)
    twice = 4 * (4 * weights + 2 * 6 * 1024 * (10 + outputs))
    assert needs(network, Twice(0), 10, 1024, 1000, 700, 4, 2) == (sides + twice, 0)
    # Compiled, the batch that passes is a matter of threads: what 10 inputs and 14 outputs give, and their slopes.
    each = sides + 4 * 4 * weights
    assert needs(network, CrossEntropy(0), 10, 1024, 1000, 700, 4, 3) == (each, 3 * 4 * (10 + 14) * 2 * 1024)


def test_references_of_the_attribution_prior_count() -> None:
    network = ConvNet(240, (2, 4), (20, 10), (3, 3), 2, 5)
    few, many = (needs(network, prior(references), 240, 512, 0, 0, 4, 2).each - 4 * 4 * 363 for references in (1, 3))
    assert many == 2 * few


def prior(references: int) -> Loss:
    config = OmegaConf.load(CONF / "loss" / "attribution_prior.yaml")
    config.references = references
    return instantiate(config)


@pytest.mark.parametrize("network", [ConvNet(240, (2, 4), (20, 10), (3, 3), 2, 5), DeepConvNet(240)])
def test_activations_are_at_least_what_autograd_keeps(network: nn.Module) -> None:
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(torch.rand(1024, 1, 240))
    assert sum(kept.values()) <= needs(network, Once(0), 240, 1024, 0, 0, 4, None).each


def test_the_network_is_left_as_it_was() -> None:
    network = DeepConvNet(240).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    generator = torch.random.get_rng_state()
    needs(network, Once(0), 240, 64, 0, 0, 4, None)
    assert torch.equal(torch.random.get_rng_state(), generator)
    assert network.training and not any(module._forward_hooks for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_recurrent_layers_count_too() -> None:
    assert needs(Recurrent(240), CrossEntropy(0), 240, 64, 0, 0, 4, 1).each > 4 * 64 * 240


def test_a_budget_is_filled_and_never_empty() -> None:
    assert most_members(2, Needs(GIB // 8, 0)) == 16
    assert most_members(2, Needs(GIB // 8 + 1, 0)) == 15
    assert most_members(2, Needs(GIB // 8, GIB)) == 8
    assert most_members(0.001, Needs(GIB, 0)) == most_members(1, Needs(1, 2 * GIB)) == 1
