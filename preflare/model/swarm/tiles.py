"""Strided convolutions as a few dense tiles: which tiles, and where each of their entries comes from.

A row of positions is cut into blocks. The outputs of one block read that block and the beginning of the next, so
a convolution is two matrix products: (blocks, block) @ (block, outputs) + (blocks shifted by one, over) @ (over,
outputs). The two matrices hold the kernel at shifted places and zeros elsewhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

# Matrix products whose columns do not fill vector registers take about twice as long (measured).
REGISTER = 8


@dataclass(frozen=True)
class Shape:
    """A convolution without padding: channels before and after, kernel, stride, and positions before."""

    before: int
    after: int
    kernel: int
    stride: int
    length: int

    @property
    def outputs(self) -> int:
        """Positions after."""
        return (self.length - self.kernel) // self.stride + 1


@dataclass(frozen=True)
class Tiling:
    """``tiles`` of ``width`` output positions each; the last ones may lie beyond the outputs, and are not used.

    pool: 1, or 2 to have the even positions of a tile before the odd ones.
    """

    shape: Shape
    tiles: int
    width: int
    pool: int = 1

    @property
    def block(self) -> int:
        """Input positions that a tile begins with."""
        return self.width * self.shape.stride

    @property
    def over(self) -> int:
        """Input positions that it takes from the next block."""
        return max(self.shape.kernel - self.shape.stride, 0)

    @property
    def positions(self) -> int:
        """Input positions of a row, at least the shape's length."""
        return self.tiles * self.block

    @property
    def columns(self) -> int:
        """Outputs of a tile, channels counted."""
        return self.width * self.shape.after

    @property
    def cost(self) -> int:
        """About how long one spectrum takes."""
        products = self.tiles * (self.block + self.over) * self.shape.before * self.columns
        return products if self.columns % REGISTER == 0 else 2 * products

    def order(self) -> np.ndarray:
        """Output position and channel of every column, (2, columns)."""
        places = np.arange(self.width).reshape(-1, self.pool).T.ravel()
        return np.stack([np.repeat(places, self.shape.after), np.tile(np.arange(self.shape.after), self.width)])

    def weights(self, zero: int) -> np.ndarray:
        """Which entry of the kernel (after, before, kernel) each entry of the two matrices is, ``zero`` where none.

        ((block + over) * before, columns): one matrix below the other.
        """
        position, channel = self.order()
        place = np.arange(self.block + self.over)[:, np.newaxis, np.newaxis]
        tap = place - position * self.shape.stride
        entry = (channel * self.shape.before + np.arange(self.shape.before)[:, np.newaxis]) * self.shape.kernel + tap
        entry = np.where((tap >= 0) & (tap < self.shape.kernel), entry, zero)
        return entry.reshape(-1, self.columns)


def plan(shapes: Sequence[Shape], pool: int) -> list[Tiling]:
    """The cheapest tilings of a chain of convolutions, of which the last is pooled: the rows of outputs of each are
    the rows of inputs of the next."""
    found = min(_plans(list(shapes), pool, None), key=lambda tilings: sum(tiling.cost for tiling in tilings))
    return found


def _plans(shapes: list[Shape], pool: int, row: int | None) -> Iterator[list[Tiling]]:
    """All tilings, the last one's outputs filling a row of this length (any, if None)."""
    *before, last = shapes
    least = max(1, -(-(last.kernel - last.stride) // last.stride))
    for width in range(least, max(least, 32) + 1):
        if width % pool:
            continue
        if row is not None and row % width:
            continue
        enough = -(-max(last.length, last.outputs * last.stride) // (width * last.stride))
        for tiles in range(enough, enough + 3) if row is None else (row // width,):
            tiling = Tiling(last, tiles, width, pool)
            if tiling.positions < last.length:
                continue
            if before:
                yield from ([*earlier, tiling] for earlier in _plans(before, 1, tiling.positions))
            else:
                yield [tiling]
