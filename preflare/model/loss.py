"""The loss of Eq. 1: cross-entropy over the two softmax outputs plus an L2 penalty on the weights.

A loss is called as (network function, parameters, spectra, labels, draws), so that it may look at the parameters,
differentiate the network itself, or draw at random, and so that many members can be stacked.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from preflare.errors import ConfigError

Parameters = Mapping[str, Tensor]


class Network(Protocol):
    """A network as a function of its parameters."""

    def __call__(self, parameters: Parameters, spectra: Tensor, *, trained: bool = False) -> Tensor:
        """Logits (batch, 2) of spectra (batch, 1, wavelength). trained: as when training is over, without dropout
        and without a trace in batch statistics."""
        ...


class Draws(NamedTuple):
    """What a step has beside its batch: a member's own, whoever else trains.

    stream: scalar int64 that no other step and no other seed has; draw from it with swarm.streams. epoch: the epoch.
    """

    stream: Tensor
    epoch: int


class Loss(Protocol):
    """What training minimises."""

    def __call__(
        self, network: Network, parameters: Parameters, spectra: Tensor, labels: Tensor, draws: Draws
    ) -> Tensor:
        """The loss of a batch, a scalar. spectra: (batch, 1, wavelength); labels: (batch,), AR 0 and PF 1."""
        ...


class CrossEntropy:
    """Mean cross-entropy over the two logits, which is binary cross-entropy of the softmax score, plus
    l2 times the sum of squared weights; biases are excluded (paper Eq. 1, which gives no value for l2).

    Raises ConfigError if l2 is negative.
    """

    def __init__(self, l2: float) -> None:
        if not l2 >= 0:
            raise ConfigError(f"loss.l2 is {l2}, expected 0 or more.")
        self.l2 = l2

    def __call__(
        self, network: Network, parameters: Parameters, spectra: Tensor, labels: Tensor, draws: Draws
    ) -> Tensor:
        loss = functional.cross_entropy(network(parameters, spectra), labels)
        return loss + self.l2 * squared_weights(parameters)


def squared_weights(parameters: Parameters) -> Tensor:
    """The sum of squares of all weights, biases and normalisation scales excluded: a scalar."""
    return torch.stack([weight.square().sum() for weight in parameters.values() if weight.ndim > 1]).sum()


def call(network: nn.Module, tensors: Parameters, spectra: Tensor, trained: bool) -> Tensor:
    """The network's logits with these parameters and buffers in place of its own; ``trained`` as in Network."""
    modes = [(layer, layer.training) for layer in network.modules()]
    if trained:
        network.eval()
    try:
        logits: Tensor = functional_call(network, dict(tensors), (spectra,))
    finally:
        for layer, training in modes:
            layer.training = training
    return logits
