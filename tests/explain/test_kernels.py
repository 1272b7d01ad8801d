"""Products of tiles, paths and poolings against NumPy and PyTorch, for rows of every width."""

from typing import Any

import numpy as np
import pytest
import torch

from preflare.explain import emission, kernels, tiles
from preflare.explain.emission import BYTES, VECTORS
from preflare.explain.kernels import backward, begin, close, forward, pool, unpool
from preflare.model.swarm.compiling import entry

FORWARD, BACKWARD, CLOSE = range(3)
WIDTHS = range(1, VECTORS + 1)
LANES = BYTES // 8


@entry(emission, kernels, tiles)
def product(kind, table, packed, vectors, values, into, beside, spectra, floor, add):  # type: ignore[no-untyped-def]
    """From the second row of values on to the third of into."""
    lanes = vectors * 8
    if kind == FORWARD:
        forward(table, packed, 0, len(table), vectors, values, lanes, into, 2 * lanes, beside, 0, spectra, 0, floor, 0)
    elif kind == BACKWARD:
        backward(table, packed, 0, len(table), vectors, values, lanes, into, 2 * lanes, beside, 0, spectra, 0, floor, add)  # fmt: skip # noqa: E501
    else:
        close(table, packed, 0, len(table), vectors, values, lanes, into, 16, beside, 0, spectra, 1, floor, 0)


@entry(emission, kernels, tiles)
def other(kind, values, slopes, starts, positions, ends, rows, window, channels, vectors, floor, add):  # type: ignore[no-untyped-def]
    lanes = vectors * 8
    if kind == 0:
        begin(starts, lanes, positions, lanes, ends, 1, values, rows, vectors, floor)
    elif kind == 1:
        pool(values, slopes, 1, 1 + rows, rows // window, window, channels, vectors, floor, 0)
    else:
        unpool(values, slopes, 1, 1 + rows, rows // window, window, channels, vectors, floor, add)


class Case:
    """A matrix with rows of many kinds, and what it is multiplied with."""

    def __init__(self, vectors: int) -> None:
        self.stream = np.random.default_rng(vectors)
        columns, rows = np.arange(40), np.arange(33)[:, None]
        matrix = self.draw(33, 40) * (abs(columns - 1.2 * rows) < 1 + rows % 7)
        matrix[5] = 0
        self.lanes = vectors * LANES
        self.vectors, self.matrix, self.offsets = vectors, matrix, self.draw(33)
        self.values = self.draw(41, self.lanes)
        self.beside, self.spectra = self.draw(33, self.lanes), self.draw(34)
        made = tiles.tiles(matrix, self.offsets)
        self.table, self.packed = made
        self.expected = matrix @ self.values[1:] + self.offsets[:, None]

    def draw(self, *shape: int) -> np.ndarray:
        return self.stream.normal(size=shape)

    def __call__(self, kind: int, into: np.ndarray, floor: float = -np.inf, add: int = 0) -> np.ndarray:
        flat = into.ravel().copy()
        arrays: list[Any] = [self.values.ravel(), flat, self.beside.ravel(), self.spectra]
        product(kind, self.table, self.packed, self.vectors, *arrays, floor, add)
        return flat.reshape(into.shape)


@pytest.mark.parametrize("vectors", WIDTHS)
def test_products(vectors: int) -> None:
    case = Case(vectors)
    before = case.draw(35, case.lanes)
    for floor in (-np.inf, 0.0):
        found = case(FORWARD, before, floor)
        np.testing.assert_array_equal(found[:2], before[:2])
        np.testing.assert_allclose(found[2:], np.maximum(case.expected, floor), rtol=0, atol=1e-13)
        masked = np.where(case.beside > floor, case.expected, 0)
        for add in (0, 1):
            found = case(BACKWARD, before, floor, add)
            np.testing.assert_allclose(found[2:], masked + add * before[2:], rtol=0, atol=1e-13)
    sums = case.draw(35, LANES)
    terms = case.expected * (case.spectra[1:, None] - case.beside)
    expected = sums[2:] + terms.reshape(33, vectors, LANES).sum(axis=1)
    np.testing.assert_allclose(case(CLOSE, sums)[2:], expected, rtol=0, atol=1e-12)


def test_a_number_that_is_none_stays_in_its_lane() -> None:
    case = Case(2)
    case.values[:, 3] = np.nan
    found = case(FORWARD, np.zeros((35, case.lanes)), 0.0)[2:]
    filled = np.flatnonzero(case.matrix.any(axis=1))
    assert np.isnan(found[filled, 3]).all() and np.isnan(found).sum() == len(filled)


@pytest.mark.parametrize("vectors", WIDTHS)
def test_paths(vectors: int) -> None:
    stream, lanes = np.random.default_rng(vectors), vectors * LANES
    starts, positions, ends = stream.normal(size=(6, lanes)), stream.uniform(size=(2, lanes)), stream.normal(size=6)
    values = np.zeros((5, lanes))
    flat = values.ravel()
    for floor in (-np.inf, 0.0):
        other(0, flat, flat, starts.ravel(), positions.ravel(), ends, 5, 1, 1, vectors, floor, 0)
        expected = np.maximum(starts[1:] + ends[1:, None] * positions[1], floor)
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("window", [1, 2, 3])
@pytest.mark.parametrize("vectors", WIDTHS)
def test_pooling_is_torchs(vectors: int, window: int) -> None:
    """Of whole numbers, so that there are ties, and NaN among them."""
    channels, positions, lanes = 3, 4 * window, vectors * LANES
    stream, rows = np.random.default_rng(vectors), 3 * 4 * window
    given = torch.from_numpy(stream.integers(-3, 4, (positions, channels, lanes)).astype(float))
    slope = torch.from_numpy(stream.normal(size=(4, channels, lanes)))
    for number, floor in ((0.0, -np.inf), (0.0, 0.0), (float("nan"), -np.inf)):
        given[1, 2, 5] = number
        leaf = given.permute(2, 1, 0).clone().requires_grad_()
        most = torch.nn.functional.max_pool1d(leaf, window)
        most = most.relu() if floor == 0 else most
        (expected,) = torch.autograd.grad(most, leaf, slope.permute(2, 1, 0))
        values, slopes = np.zeros((1 + rows + 12, lanes)), np.ones((1 + rows + 12, lanes))
        values[1 : 1 + rows] = given.reshape(rows, lanes)
        arrays = [values.ravel(), slopes.ravel(), slopes[0], slopes[0], slopes[0]]
        other(1, *arrays, rows, window, channels, vectors, floor, 0)
        found = values[1 + rows :].reshape(4, channels, lanes)
        np.testing.assert_array_equal(found, most.detach().permute(2, 1, 0))
        for add in (0, 1):
            slopes[1 : 1 + rows], slopes[1 + rows :] = 1, np.where(found <= floor, 0, slope).reshape(12, lanes)
            other(2, *arrays, rows, window, channels, vectors, floor, add)
            made = slopes[1 : 1 + rows].reshape(positions, channels, lanes) - add
            np.testing.assert_allclose(made, expected.permute(2, 1, 0), rtol=0, atol=1e-15)
