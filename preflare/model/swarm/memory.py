"""What the members of a swarm take in memory beside the spectra, and how many members a budget allows."""

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from preflare.data.datamodule import GIB
from preflare.model.loss import Draws, Loss, Parameters, call
from preflare.model.swarm.compiled import AT_ONCE, compile_
from preflare.model.swarm.layout import Layout
from preflare.model.swarm.module import EVALUATION_BATCH


class Needs(NamedTuple):
    """Bytes beside the spectra, which are held once: each, of every member; once, however many there are."""

    each: int
    once: int


def needs(
    network: nn.Module,
    loss: Loss,
    points: int,
    batch_size: int,
    spectra: int,
    training: int,
    number: int,
    threads: int | None,
) -> Needs:
    """What a swarm of such members takes.

    points: of a spectrum. spectra, training: how many a member's sides have together, and its training side. number:
    bytes of a floating-point number. threads: of a CPU, each of which has room of its own; None for another device.
    """
    weights = sum(parameter.numel() for parameter in network.parameters())
    each = 12 * spectra + 8 * training + 4 * number * weights
    engine = compile_(network, [loss], Layout(dict(network.named_parameters())), points) if threads else None
    if threads and engine:
        # Training has as much for slopes as for values.
        return Needs(each, threads * number * engine.rows * max(2 * batch_size, AT_ONCE))
    # Training keeps outputs and gradients, twice for a gradient of a gradient. Evaluation peaks at half as much again
    # as the outputs (both measured).
    passes = _passes(network, loss, points)
    kept = (3 if passes == 1 else 6) * passes * batch_size
    at_once = max(kept, 3 * EVALUATION_BATCH // 2)
    return Needs(each + number * at_once * (points + _activations(network, points)), 0)


def most_members(budget: float, needs: Needs) -> int:
    """How many members fit in a budget of GiB; at least one."""
    return max(1, int((budget * GIB - needs.once) / needs.each))


def _passes(network: nn.Module, loss: Loss, points: int) -> int:
    """How often a step passes each spectrum of its batch, or one made from it, through the network; warmed up."""
    network, seen = copy.deepcopy(network), 0
    parameters = dict(network.named_parameters())
    spectra = torch.linspace(0, 1, 2 * points, dtype=next(iter(parameters.values())).dtype).view(2, 1, points)

    def counted(parameters: Parameters, spectra: Tensor, *, trained: bool = False) -> Tensor:
        nonlocal seen
        seen += len(spectra)
        return call(network, {**parameters, **dict(network.named_buffers())}, spectra, trained)

    # Dropout must not take numbers from training.
    with torch.random.fork_rng(devices=[]):
        loss(counted, parameters, spectra, torch.tensor([0, 1]), Draws(torch.tensor(0), 1 << 30))
    return seen // len(spectra)


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
