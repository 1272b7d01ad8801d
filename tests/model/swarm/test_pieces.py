"""Sums and products of pieces against slow loops, for lengths that fill registers and that do not."""

import numba
import numpy as np
import pytest

from preflare.model.swarm import pieces

BATCH, ROWS, TAPS, EACH = 7, 40, 5, 6


@numba.njit
def combine(values, row, shifts, entries, into, numbers):
    start, pitch, outputs, length, origin, batch, first, count, weight, each, bias = numbers
    pieces.combine(
        values, row, shifts, entries, into,
        start, pitch, outputs, length, origin, batch, first, count, weight, each, bias,
    )  # fmt: skip


@numba.njit
def dots(values, slopes, shifts, entries, into, numbers):
    start, pitch, outputs, length, origin, batch, first, count, weight, each = numbers
    pieces.dots(
        values, slopes, shifts, entries, into,
        start, pitch, outputs, length, origin, batch, first, count, weight, each,
    )  # fmt: skip


@pytest.fixture
def drawn():
    random = np.random.default_rng(0)
    return (
        random.normal(size=ROWS * BATCH * 10),
        random.normal(size=40),
        random.integers(0, 10, size=TAPS),
        random.permutation(EACH)[:TAPS],
    )


@pytest.mark.parametrize("bias", [-1, 30])
@pytest.mark.parametrize("length", [1, 8, 45, 133])
@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_combine(drawn, outputs: int, length: int, bias: int) -> None:
    values, row, shifts, entries = drawn
    into = np.zeros(1000)
    start, pitch, origin, weight = 11, 200, 3 * BATCH, 4
    combine(
        values, row, shifts, entries, into, (start, pitch, outputs, length, origin, BATCH, 1, 4, weight, EACH, bias)
    )
    expected = np.zeros(1000)
    for o in range(outputs):
        for i in range(length):
            total = row[bias + o] if bias >= 0 else 0
            for t in range(1, 5):
                total += row[weight + o * EACH + entries[t]] * values[origin + shifts[t] * BATCH + i]
            expected[start + o * pitch + i] = total
    np.testing.assert_allclose(into, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("length", [1, 8, 45, 133])
@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_dots(drawn, outputs: int, length: int) -> None:
    values, _, shifts, entries = drawn
    slopes = np.random.default_rng(1).normal(size=1000)
    into, expected = np.zeros(40), np.zeros(40)
    start, pitch, origin, weight = 11, 200, 3 * BATCH, 4
    dots(values, slopes, shifts, entries, into, (start, pitch, outputs, length, origin, BATCH, 0, TAPS, weight, EACH))
    for o in range(outputs):
        for t in range(TAPS):
            for i in range(length):
                slope = slopes[start + o * pitch + i]
                expected[weight + o * EACH + entries[t]] += slope * values[origin + shifts[t] * BATCH + i]
    np.testing.assert_allclose(into, expected, rtol=0, atol=1e-12)
