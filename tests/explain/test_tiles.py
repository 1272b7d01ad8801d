"""Tiles against the matrices that they stand for."""

import numpy as np
import pytest

from preflare.explain.tiles import HEIGHTS, tiles


def band(shape: str) -> np.ndarray:
    matrix = np.random.default_rng(4).uniform(0.1, 1, (22, 75))
    columns, rows = np.arange(75), np.arange(22)[:, None]
    if shape in ("convolution", "transposed"):
        matrix = matrix * ((columns >= 3 * (rows // 2)) & (columns < 3 * (rows // 2) + 10))
    if shape == "holes":
        matrix[3:9] = 0
        matrix[:, ::2] = 0
    if shape == "nothing":
        matrix[:] = 0
    return matrix.T.copy() if shape == "transposed" else matrix


@pytest.mark.parametrize("offsets", [False, True])
@pytest.mark.parametrize("shape", ["convolution", "transposed", "dense", "holes", "nothing"])
def test_tiles_are_the_matrix(shape: str, offsets: bool) -> None:
    matrix = band(shape)
    given = np.arange(1.0, len(matrix) + 1) if offsets else None
    table, packed = tiles(matrix, given)
    found, added, following = np.zeros_like(matrix), np.zeros(len(matrix)), 0
    for height, row, column, width, start in table:
        assert height in HEIGHTS and row == following
        following = row + height
        numbers = packed[start : start + height * (1 + width)].reshape(1 + width, height)
        added[row:following] = numbers[0]
        found[row:following, column : column + width] = numbers[1:].T
    assert following == len(matrix)
    np.testing.assert_array_equal(found, matrix)
    np.testing.assert_array_equal(added, 0 if given is None else given)


def test_a_band_takes_little_more_than_its_weights() -> None:
    """Two channels of one position have the same columns, and make one tile."""
    matrix = band("convolution")
    table, packed = tiles(matrix)
    assert set(table[:, 0]) == {2} and len(packed) == np.count_nonzero(matrix) + len(matrix)
    assert len(tiles(band("transposed")).packed) < 1.3 * np.count_nonzero(matrix) + 75


def test_the_cheapest_partition_is_found() -> None:
    """Against all partitions of a few rows."""
    matrix = band("transposed")[:9]
    from preflare.explain.tiles import _cycles

    used = matrix != 0

    def cost(parts: list[int]) -> float:
        total, row = 0.0, 0
        for height in parts:
            columns = np.flatnonzero(used[row : row + height].any(axis=0))
            total += _cycles(height, int(np.ptp(columns)) + 1 if len(columns) else 0)
            row += height
        return total

    def partitions(left: int) -> list[list[int]]:
        return [[h, *rest] for h in HEIGHTS if h <= left for rest in partitions(left - h)] if left else [[]]

    assert cost(tiles(matrix).table[:, 0].tolist()) == min(cost(parts) for parts in partitions(9))
