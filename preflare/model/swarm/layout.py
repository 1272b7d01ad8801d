"""Where each parameter of a network lies in a member's row of the stacked weights."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

# Rows begin where vector registers do (64 bytes in float32).
ALIGNMENT = 16


class Layout:
    """Names and shapes of the parameters of one network, and their places in a row.

    names, shapes: in the network's order. starts: name -> first place in a row. width: of a row, at least the
    number of weights; what is beyond is 0.
    """

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self.names = tuple(parameters)
        self.shapes = tuple(parameter.shape for parameter in parameters.values())
        self._slices: list[slice] = []
        start = 0
        for shape in self.shapes:
            self._slices.append(slice(start, start + math.prod(shape)))
            start += math.prod(shape)
        self.starts = {name: place.start for name, place in zip(self.names, self._slices, strict=True)}
        self.width = -(-start // ALIGNMENT) * ALIGNMENT

    def pack(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """Rows (..., width) of parameters (..., *shape); a copy."""
        first = parameters[self.names[0]]
        ahead = first.shape[: first.ndim - len(self.shapes[0])]
        rows = torch.zeros(*ahead, self.width, dtype=first.dtype, device=first.device)
        for name, view in self.unpack(rows).items():
            view.copy_(parameters[name])
        return rows

    def unpack(self, rows: Tensor) -> dict[str, Tensor]:
        """Views (..., *shape) of rows (..., width), by name."""
        return {
            name: rows[..., place].view(*rows.shape[:-1], *shape)
            for name, shape, place in zip(self.names, self.shapes, self._slices, strict=True)
        }


def stack(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Tensors of the same names and shapes, stacked: name -> (member, *shape)."""
    return {name: torch.stack([state[name].detach() for state in states]) for name in states[0]}
