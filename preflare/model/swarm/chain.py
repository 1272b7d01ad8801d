"""Whether a network is a chain of layers that can be lowered, found by watching it once."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

# Names and layers, in the order in which they are called.
Layers = list[tuple[str, Any]]


@dataclass(frozen=True)
class Chain:
    """Convolutions, each with its ReLU; whether the last is max-pooled by two; linear layers with ReLU between."""

    convolutions: Layers
    pooled: bool
    linear: Layers


def calls(network: nn.Module, points: int) -> Layers | None:
    """The layers that network calls on (batch, 1, points), each on what the one before gave; None if it does more."""
    seen: list[tuple[str, nn.Module, Tensor, Tensor]] = []
    hooks = [
        layer.register_forward_hook(lambda layer, given, gave, name=name: seen.append((name, layer, given[0], gave)))
        for name, layer in network.named_modules()
        if not any(True for _ in layer.children())
    ]
    spectra = torch.rand(2, 1, points, dtype=next(network.parameters()).dtype)
    training = network.training
    try:
        with torch.no_grad():
            final: Any = network.eval()(spectra)
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    before: Any = spectra
    for _, _, given, gave in seen:
        if given is not before:
            return None
        before = gave
    return [(name, layer) for name, layer, _, _ in seen] if final is before else None


def chain(network: nn.Module, points: int) -> Chain | None:
    """The network as a chain, None if it is another."""
    rest = calls(network, points)
    if rest is None:
        return None
    convolutions, pooled = [], False
    while len(rest) > 1 and _plain(rest[0][1]) and type(rest[1][1]) is nn.ReLU:
        convolutions.append(rest[0])
        del rest[:2]
    if convolutions and rest and _halves(rest[0][1]):
        pooled = True
        del rest[0]
    if not rest or type(rest[0][1]) is not nn.Flatten or (rest[0][1].start_dim, rest[0][1].end_dim) != (1, -1):
        return None
    linear, between = rest[1::2], rest[2::2]
    if len(linear) != len(between) + 1 or any(type(layer) is not nn.ReLU for _, layer in between):
        return None
    if any(type(layer) is not nn.Linear or layer.bias is None for _, layer in linear):
        return None
    return Chain(convolutions, pooled, linear) if linear[-1][1].out_features == 2 else None


def _plain(layer: Any) -> bool:
    return (
        type(layer) is nn.Conv1d
        and (layer.padding, layer.dilation, layer.groups) == ((0,), (1,), 1)
        and layer.bias is not None
        and layer.kernel_size[0] >= layer.stride[0]
    )


def _halves(layer: Any) -> bool:
    return type(layer) is nn.MaxPool1d and (
        (layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.ceil_mode) == (2, 2, 0, 1, False)
    )
