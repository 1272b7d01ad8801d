"""Dropout whose mask is a function of (seed, step, layer, place): each member's own, whoever else trains."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

# Multipliers and shifts of the SplitMix64 generator (Steele et al. 2014, Fig. 15), as signed 64-bit integers.
GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
MIX = ((30, 0xBF58476D1CE4E5B9 - (1 << 64)), (27, 0x94D049BB133111EB - (1 << 64)))


def mix(numbers: Tensor) -> Tensor:
    """Scatter int64 numbers over all of int64, one to one (the output function of SplitMix64)."""
    for shift, multiplier in MIX:
        numbers = (numbers ^ _shift(numbers, shift)) * multiplier
    return numbers ^ _shift(numbers, 31)


def streams(seeds: Sequence[int], steps: Tensor) -> Tensor:
    """The stream of each member at its step: (member,) int64 from (member,) int64."""
    return mix(mix(torch.tensor([seed % (1 << 63) for seed in seeds]) + GOLDEN) + steps * GOLDEN)


def kept(stream: Tensor, layer: int, shape: Sequence[int], probability: float) -> Tensor:
    """Which values dropout keeps, bool (*shape), or (member, *shape) for a stream (member,)."""
    places = torch.arange(torch.Size(shape).numel(), device=stream.device).view(*shape)
    begin = mix(stream + layer + 1)
    bits = mix(begin.view(*begin.shape, *[1] * len(shape)) + places * GOLDEN)
    # The upper 24 bits, as a fraction, are exact in float32.
    return _shift(bits, 40) >= round(probability * (1 << 24))


def _shift(numbers: Tensor, bits: int) -> Tensor:
    # Torch shifts the sign in from the left; it must be zeros.
    return (numbers >> bits) & ((1 << (64 - bits)) - 1)


class StreamDropout(nn.Module):
    """nn.Dropout that draws from ``stream`` (a scalar int64 buffer) instead of torch's generator."""

    stream: Tensor

    def __init__(self, probability: float, layer: int) -> None:
        super().__init__()
        self.probability = probability
        self.layer = layer
        self.register_buffer("stream", torch.zeros((), dtype=torch.int64), persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        """Values, some of them zero and the others scaled up, while training."""
        if not self.training or self.probability == 0:
            return values
        keep = kept(self.stream, self.layer, values.shape, self.probability)
        return torch.where(keep, values / (1 - self.probability) if self.probability < 1 else values, 0)


def with_streams(network: nn.Module) -> nn.Module:
    """Replace every nn.Dropout inside network, in place, by a StreamDropout; the network."""
    layers = dropouts(network)
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Dropout:
                setattr(parent, name, StreamDropout(child.p, layers.index(child)))
    return network


def dropouts(network: nn.Module) -> list[nn.Dropout]:
    """Every nn.Dropout inside network; its place here is the layer that its masks depend on."""
    return [layer for layer in network.modules() if type(layer) is nn.Dropout]
