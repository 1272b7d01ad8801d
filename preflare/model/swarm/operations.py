"""A network as a table of operations on the rows of one batch: what ``program`` writes and ``layers`` carries out."""

from typing import NamedTuple

import numpy as np

# Kinds of operations.
CONVOLUTION, RELU, POOL, NORMALISATION, DROPOUT = range(5)
# Columns of an operation. Channels and positions that it reads, channels and positions that it writes.
KIND, BEFORE, LENGTH, AFTER, OUTPUTS = range(5)
# Where what it reads and what it writes begins (rows), and its stride, padding, and rows of one phase.
IN, IN_STRIDE, IN_PAD, IN_ROWS, OUT, OUT_STRIDE, OUT_PAD, OUT_ROWS = range(5, 13)
# Its first weight and first offset in a member's row (-1: none). Of a convolution: weights of an output, the kernel,
# its first tap, its first phase. Of a pooling: the kernel.
WEIGHT, BIAS, EACH, KERNEL, TAP, PHASE = range(13, 19)
# Of a normalisation the first of its running means, which its variances follow; of a dropout the first row of what
# it drew, and its number.
RUNNING, DRAWN, LAYER = range(19, 22)
COLUMNS = 22
# Columns of an operation's numbers: of a normalisation, and of a dropout.
MOMENTUM, EPSILON, PROBABILITY, NUMBERS = range(4)


class Program(NamedTuple):
    """A network as operations on the rows of one batch.

    ops: (n, COLUMNS) int64; numbers: (n, NUMBERS) float64. shifts, entries: (taps,) int64, the row of each tap from
    where the input begins and its weight from where the weights begin. phases: (n, 2) int64, first tap and taps of
    each phase of an input's slopes. inputs: (points,) int64, the row of each wavelength. penalised: (width,) float64,
    1 for weights under L2.
    """

    ops: np.ndarray
    numbers: np.ndarray
    shifts: np.ndarray
    entries: np.ndarray
    phases: np.ndarray
    inputs: np.ndarray
    penalised: np.ndarray
