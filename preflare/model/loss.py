"""The loss of Eq. 1: cross-entropy over the two softmax outputs plus an L2 penalty on the weights.

A loss is called as (network function, parameters, spectra, labels), so that it may look at the parameters, or
differentiate the network itself, and so that many members can be stacked.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from preflare.errors import ConfigError

Parameters = Mapping[str, Tensor]
Network = Callable[[Parameters, Tensor], Tensor]


class Loss(Protocol):
    """What training minimises."""

    def __call__(self, network: Network, parameters: Parameters, spectra: Tensor, labels: Tensor) -> Tensor:
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

    def __call__(self, network: Network, parameters: Parameters, spectra: Tensor, labels: Tensor) -> Tensor:
        loss = functional.cross_entropy(network(parameters, spectra), labels)
        return loss + self.l2 * squared_weights(parameters)


def squared_weights(parameters: Parameters) -> Tensor:
    """The sum of squares of all weights, biases and normalisation scales excluded: a scalar."""
    return torch.stack([weight.square().sum() for weight in parameters.values() if weight.ndim > 1]).sum()
