"""What layers a network has, and what a spectrum becomes on its way through them, read from the network itself."""

from dataclasses import dataclass

import torch
from torch import nn

# Layers that change neither shape nor numbers at work.
IDLE = (nn.Dropout, nn.Dropout1d, nn.Identity, nn.Flatten)


@dataclass(frozen=True)
class Layer:
    """kind: of module, with the activation that follows, if any. reach: what it is, such as "20 wide, step 3".

    channels, length: of its answer; a dense layer answers with one channel. weights: trained numbers in it.
    """

    kind: str
    reach: str
    channels: int
    length: int
    weights: int


def trace(network: nn.Module, points: int) -> list[Layer]:
    """The layers in the order in which they act on a spectrum of so many points.

    An activation is told with the layer before it; what does nothing at work is left out.
    """
    acted: list[tuple[nn.Module, torch.Size]] = []
    leaves = [module for module in network.modules() if not any(module.children())]
    hooks = [
        leaf.register_forward_hook(lambda module, inputs, output: acted.append((module, output.shape)))
        for leaf in leaves
    ]
    try:
        with torch.no_grad():
            network(torch.zeros(1, 1, points))
    finally:
        for hook in hooks:
            hook.remove()
    layers: list[Layer] = []
    for module, shape in acted:
        weights = sum(values.numel() for values in module.parameters())
        kind = type(module).__name__
        if isinstance(module, IDLE):
            continue
        if not weights and len(shape) and layers and _same(layers[-1], shape):
            last = layers[-1]
            layers[-1] = Layer(f"{last.kind} + {kind}", last.reach, last.channels, last.length, last.weights)
            continue
        channels = shape[1] if len(shape) == 3 else 1
        layers.append(Layer(kind, _reach(module), channels, shape[-1], weights))
    return layers


def _same(layer: Layer, shape: torch.Size) -> bool:
    return (layer.channels, layer.length) == ((shape[1], shape[2]) if len(shape) == 3 else (1, shape[-1]))


def _reach(module: nn.Module) -> str:
    if isinstance(module, nn.Conv1d | nn.MaxPool1d | nn.AvgPool1d):
        kernel, stride = (size if isinstance(size, int) else size[0] for size in (module.kernel_size, module.stride))
        return f"{kernel} wide, step {stride}"
    return "all to all" if isinstance(module, nn.Linear) else ""
