"""A convolution as tiles, against torch's."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from preflare.model.swarm.tiles import Shape, Tiling, plan


def by_tiles(tiling: Tiling, row: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Outputs (tiles * width, after) of a row (positions, before), tile by tile."""
    shape, size = tiling.shape, tiling.block * tiling.shape.before
    matrix = np.append(kernel.ravel(), 0)[tiling.weights(kernel.size)]
    padded = np.pad(row.ravel(), (0, size))
    out = np.full((tiling.tiles * tiling.width, shape.after), np.nan)
    position, channel = tiling.order()
    for tile in range(tiling.tiles):
        window = padded[tile * size : tile * size + len(matrix)]
        out[tile * tiling.width + position, channel] = window @ matrix
    return out


@pytest.mark.parametrize("pool", [1, 2])
@pytest.mark.parametrize(
    "shapes",
    [
        [Shape(1, 2, 20, 3, 240), Shape(2, 4, 10, 3, 74)],
        [Shape(1, 3, 5, 1, 31)],
        [Shape(1, 2, 4, 4, 50), Shape(2, 2, 3, 2, 12), Shape(2, 5, 2, 1, 5)],
    ],
)
def test_tiles_are_the_convolution(shapes: list[Shape], pool: int) -> None:
    tilings = plan(shapes, pool)
    rng = np.random.default_rng(0)
    for number, (shape, tiling) in enumerate(zip(shapes, tilings, strict=True)):
        assert tiling.positions >= shape.length and tiling.tiles * tiling.width >= shape.outputs
        if number:
            assert tiling.positions == tilings[number - 1].tiles * tilings[number - 1].width
        row = rng.normal(size=(tiling.positions, shape.before))
        kernel = rng.normal(size=(shape.after, shape.before, shape.kernel))
        there = torch.from_numpy(row[: shape.length].T.copy()).unsqueeze(0)
        expected = functional.conv1d(there, torch.from_numpy(kernel), stride=shape.stride)[0].T.numpy()
        np.testing.assert_allclose(by_tiles(tiling, row, kernel)[: shape.outputs], expected, atol=1e-12)


def test_the_papers_network_has_tiles_that_fill_registers() -> None:
    assert all(tiling.columns % 8 == 0 for tiling in plan([Shape(1, 2, 20, 3, 240), Shape(2, 4, 10, 3, 74)], 2))


def test_pooled_pairs_lie_in_the_two_halves() -> None:
    position, channel = Tiling(Shape(1, 2, 3, 1, 20), 5, 4, pool=2).order()
    assert position.tolist() == [0, 0, 2, 2, 1, 1, 3, 3] and channel.tolist() == [0, 1] * 4
