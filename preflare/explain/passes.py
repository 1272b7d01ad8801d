"""Answers of a chain and its gradients along paths, as compiled passes over tables of steps, batch innermost.

What a processor's core works on at a time, the samples of a few baselines, stays in its cache.
"""

from typing import NamedTuple

import numpy as np

from preflare.explain import emission, kernels, tiles
from preflare.explain.emission import BYTES, VECTORS
from preflare.explain.kernels import backward, begin, close, forward, pool, unpool
from preflare.model.swarm.compiling import compiled, entry

# Kinds of steps, and their columns. An affine step: its tiles forwards and backwards. A pooling: window, channels.
AFFINE, POOL = range(2)
KIND, IN, READ, OUT, WRITTEN, FIRST, LAST, BACK_FIRST, BACK_LAST, WINDOW, CHANNELS = range(11)
COLUMNS = 11
# Columns of a block of samples: vectors in a row; where its rows of starts, positions and weights, baselines begin.
WIDE, STARTS, POSITIONS, BASELINES = range(4)
# Spectra that meet a block one after the other, while it is in the cache.
GROUP = 8


class Program(NamedTuple):
    """A chain as steps between activations, of which the first is the first affine map's answer.

    steps: (n, COLUMNS) int64: the first row that each reads, how many, those that it writes. floors: (n + 1,) of each
    activation, 0 if it is rectified, else minus infinity. table, packed: of all tiles; the first ``opening`` are those
    of the first affine map, the next ``closing`` those of its transpose. rows: of all activations.
    """

    steps: np.ndarray
    floors: np.ndarray
    table: np.ndarray
    packed: np.ndarray
    opening: int
    closing: int
    rows: int


class Blocks(NamedTuple):
    """The samples, in blocks of baselines that each meet as many positions.

    table: (block, 4) int64. starts: for each block (round, row, lane), what the first affine map says of the baseline
    times 1 - position; positions: (round, lane); weights: (lane,), 1, or 0 where a row is only filled up;
    baselines: (point, lane).
    """

    table: np.ndarray
    rounds: int
    starts: np.ndarray
    positions: np.ndarray
    weights: np.ndarray
    baselines: np.ndarray


@compiled
def _forward(program, vectors, lanes, values):  # type: ignore[no-untyped-def]
    for k in range(len(program.steps)):
        step, floor = program.steps[k], program.floors[k + 1]
        read, written = step[IN] * lanes, step[OUT] * lanes
        if step[KIND] == AFFINE:
            forward(
                program.table, program.packed, step[FIRST], step[LAST], vectors,
                values, read, values, written, values, 0, values, 0, floor, 0,
            )  # fmt: skip
        else:
            pool(values, values, step[IN], step[OUT], step[WRITTEN], step[WINDOW], step[CHANNELS], vectors, floor, 0)


@compiled
def _backward(program, vectors, lanes, values, slopes, add):  # type: ignore[no-untyped-def]
    """Slopes of all activations from those of the last; to those of the first they are added if add is 1."""
    for k in range(len(program.steps) - 1, -1, -1):
        step, adding = program.steps[k], add if k == 0 else 0
        if step[KIND] == AFFINE:
            backward(
                program.table, program.packed, step[BACK_FIRST], step[BACK_LAST], vectors,
                slopes, step[OUT] * lanes, slopes, step[IN] * lanes, values, step[IN] * lanes, values, 0,
                program.floors[k], adding,
            )  # fmt: skip
        else:
            if not adding:
                slopes[(step[IN] + step[WRITTEN] * step[WINDOW]) * lanes : (step[IN] + step[READ]) * lanes] = 0
            unpool(
                values, slopes, step[IN], step[OUT], step[WRITTEN], step[WINDOW], step[CHANNELS], vectors,
                program.floors[k], adding,
            )  # fmt: skip


@compiled
def _piece(values, row, lanes):  # type: ignore[no-untyped-def]
    # LLVM vectorises loops over such a piece, not over places in all rows: those might count from the end.
    return values[row * lanes : (row + 1) * lanes]


@compiled
def _gather(spectra, inputs, lanes):  # type: ignore[no-untyped-def]
    """Spectra (n, point) as rows of points; lanes beyond them are 0."""
    count = len(spectra)
    for point in range(spectra.shape[1]):
        row = _piece(inputs, point, lanes)
        for i in range(lanes):
            row[i] = spectra[i, point] if i < count else row.dtype.type(0)


@entry(emission, kernels, tiles)
def answer(program, spectra, inputs, values, firsts, logits):  # type: ignore[no-untyped-def]
    """Fill in the first affine map's answers firsts (n, row) and the logits (n, 2) of spectra (n, point).

    inputs: room for a row for each point; values: for all rows; rows of VECTORS vectors.
    """
    lanes = VECTORS * BYTES // values.itemsize
    last, lowest = program.rows - 2, values.dtype.type(-np.inf)
    for start in range(0, len(spectra), lanes):
        some = spectra[start : start + lanes]
        _gather(some, inputs, lanes)
        forward(
            program.table, program.packed, 0, program.opening, VECTORS,
            inputs, 0, values, 0, inputs, 0, inputs, 0, lowest, 0,
        )  # fmt: skip
        for row in range(firsts.shape[1]):
            piece = _piece(values, row, lanes)
            for i in range(len(some)):
                firsts[start + i, row] = piece[i]
            for i in range(lanes):
                piece[i] = program.floors[0] if piece[i] < program.floors[0] else piece[i]
        _forward(program, VECTORS, lanes, values)
        for logit in range(2):
            for i in range(len(some)):
                logits[start + i, logit] = values[(last + logit) * lanes + i]


@compiled
def _seed(program, weights, lanes, seeds, squashed, values, slopes):  # type: ignore[no-untyped-def]
    """Slopes of what is explained to the two logits; 0 in lanes that only fill up."""
    one, ar, pf = values.dtype.type(1), program.rows - 2, program.rows - 1
    for i in range(lanes):
        slope = weights[i]
        if squashed:
            value = one / (one + np.exp(-(seeds[0] * values[ar * lanes + i] + seeds[1] * values[pf * lanes + i])))
            slope *= value * (one - value)
        slopes[ar * lanes + i] = seeds[0] * slope
        slopes[pf * lanes + i] = seeds[1] * slope


@entry(emission, kernels, tiles)
def attribute(program, blocks, ends, spectra, seeds, squashed, values, slopes, sums, found):  # type: ignore[no-untyped-def]
    """Fill in found (n, point): the sum over samples of (x - b) times the gradient at b + a (x - b).

    ends: (n, row), what the first affine map says of spectra (n, point). seeds: (2,) slopes of what is explained, or
    of the number of which it is the sigmoid if squashed, to the logits. values, slopes: room for all rows of VECTORS
    vectors; sums: (GROUP, point x lanes of a vector).
    """
    width, points = BYTES // values.itemsize, spectra.shape[1]
    rows, flat, firsts = ends.shape[1], spectra.reshape(-1), ends.reshape(-1)
    for start in range(0, len(spectra), GROUP):
        count = min(GROUP, len(spectra) - start)
        sums[:] = 0
        for k in range(len(blocks.table)):
            block = blocks.table[k]
            vectors, lanes = block[WIDE], block[WIDE] * width
            weights = blocks.weights[block[POSITIONS] : block[POSITIONS] + lanes]
            for n in range(count):
                for part in range(blocks.rounds):
                    begin(
                        blocks.starts, block[STARTS] + part * rows * lanes,
                        blocks.positions, block[POSITIONS] * blocks.rounds + part * lanes,
                        firsts, (start + n) * rows, values, rows, vectors, program.floors[0],
                    )  # fmt: skip
                    _forward(program, vectors, lanes, values)
                    _seed(program, weights, lanes, seeds, squashed, values, slopes)
                    _backward(program, vectors, lanes, values, slopes, 1 if part else 0)
                close(
                    program.table, program.packed, program.opening, program.opening + program.closing, vectors,
                    slopes, 0, sums[n], 0, blocks.baselines, block[BASELINES], flat, (start + n) * points,
                    program.floors[0], 0,
                )  # fmt: skip
        for n in range(count):
            for point in range(points):
                total = values.dtype.type(0)
                mine = sums[n, point * width : (point + 1) * width]
                for i in range(width):
                    total += mine[i]
                found[start + n, point] = total
