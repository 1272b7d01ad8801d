"""What each member of a swarm takes in memory beside the spectra, and how many members a budget allows."""

import torch
from torch import Tensor, nn

from preflare.data.datamodule import GIB
from preflare.model.swarm.module import EVALUATION_BATCH


def member_bytes(network: nn.Module, points: int, batch_size: int, spectra: int, training: int, number: int) -> int:
    """What one more member takes, beside the spectra, which are held once.

    points: of a spectrum. spectra, training: how many its sides have together, and its training side. number: bytes
    of a floating-point number.
    """
    weights = sum(parameter.numel() for parameter in network.parameters())
    # Training keeps outputs and gradients. Evaluation peaks at half as much again as the outputs (measured).
    at_once = max(3 * batch_size, 3 * EVALUATION_BATCH // 2)
    return 12 * spectra + 8 * training + number * (4 * weights + at_once * (points + _activations(network, points)))


def most_members(budget: float, each: int) -> int:
    """How many members of so many bytes each fit in a budget of GiB; at least one."""
    return max(1, int(budget * GIB / each))


def _activations(network: nn.Module, points: int) -> int:
    """Numbers in the outputs of all layers for one spectrum."""
    sizes: list[int] = []

    def count(_layer: nn.Module, _inputs: object, output: object) -> None:
        outputs = output if isinstance(output, tuple) else (output,)
        sizes.extend(part.numel() for part in outputs if isinstance(part, Tensor))

    layers = [layer for layer in network.modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    training = network.training
    with torch.no_grad():
        network.eval()(torch.zeros(1, 1, points, dtype=next(network.parameters()).dtype))
    network.train(training)
    for hook in hooks:
        hook.remove()
    return sum(sizes)
