"""A banded matrix as small dense tiles of neighbouring rows, chosen and packed for ``kernels``."""

from typing import NamedTuple

import numpy as np

# Columns of a table of tiles. The first number of a tile in the packed weights: its rows' offsets, then, column by
# column, its rows' weights.
HEIGHT, ROW, COLUMN, WIDTH, PACKED = range(5)
FIELDS = 5
# Rows of a tile: with four vectors of each, the sums stay in a processor's registers.
HEIGHTS = (1, 2, 3, 4, 5, 6)


class Tiles(NamedTuple):
    """table: (tile, FIELDS) int64. packed: (n,), as the matrix. Rows of zeros have tiles without columns."""

    table: np.ndarray
    packed: np.ndarray


def tiles(matrix: np.ndarray, offsets: np.ndarray | None = None) -> Tiles:
    """The tiles of a matrix (out, in) and its offsets (out,), zero if None, that take the fewest cycles together."""
    offsets = np.zeros(len(matrix), matrix.dtype) if offsets is None else offsets
    used = matrix != 0
    ends = np.arange(1, matrix.shape[1] + 1)
    stop = (used * ends).max(axis=1)
    start = np.where(used, ends - 1, matrix.shape[1]).min(axis=1)
    table, parts, place = [], [], 0
    for row, height in _heights(start.tolist(), stop.tolist()):
        rows = slice(row, row + height)
        last = int(stop[rows].max())
        first = min(int(start[rows].min()), last)
        table.append((height, row, first, last - first, place))
        parts += [offsets[rows], matrix[rows, first:last].T.ravel()]
        place += height * (1 + last - first)
    return Tiles(np.array(table, dtype=np.int64), np.concatenate(parts).astype(matrix.dtype))


def _heights(start: list[int], stop: list[int]) -> list[tuple[int, int]]:
    """First row and height of each tile; rows in order, of which each has weights from start to stop."""
    best, taken = [0.0], [0]
    for row in range(1, len(start) + 1):
        found = []
        first, last = start[row - 1], stop[row - 1]
        for height in HEIGHTS[:row]:
            first, last = min(first, start[row - height]), max(last, stop[row - height])
            found.append((best[row - height] + _cycles(height, max(0, last - first)), height))
        cycles, height = min(found)
        best.append(cycles)
        taken.append(height)
    runs, row = [], len(start)
    while row:
        height = taken[row]
        row -= height
        runs.append((row, height))
    return runs[::-1]


def _cycles(height: int, width: int) -> float:
    """Of a tile with four vectors: two products and two loads a cycle, each sum every fourth."""
    return width * max(2 * height, (height + 4) / 2, 4) + 2 * height + 12
