"""Layers forwards and backwards as compiled loops over the rows of one batch, as a table of operations has them.

Every activation lies as rows of one batch, batch innermost. Position p of a channel that a convolution of stride s
reads is row (p mod s, p div s): one tap of the convolution then reads one unbroken piece of memory for all its
outputs, and so do its gradients. A convolution, or a linear layer, is ``combine`` forwards and backwards to its input
(sums of pieces times weights) and ``dots`` for its weights (pieces times pieces, summed up).
"""

import numpy as np

from preflare.model.swarm.compiling import compiled
from preflare.model.swarm.operations import (
    AFTER,
    BEFORE,
    BIAS,
    CONVOLUTION,
    DRAWN,
    EACH,
    EPSILON,
    IN,
    IN_PAD,
    IN_ROWS,
    IN_STRIDE,
    KERNEL,
    KIND,
    LAYER,
    LENGTH,
    MOMENTUM,
    NORMALISATION,
    OUT,
    OUT_PAD,
    OUT_ROWS,
    OUT_STRIDE,
    OUTPUTS,
    PHASE,
    POOL,
    PROBABILITY,
    RELU,
    RUNNING,
    TAP,
    WEIGHT,
)
from preflare.model.swarm.pieces import NARROW, combine, dots


@compiled
def gather(program, held, places, values):  # type: ignore[no-untyped-def]
    """The spectra at places, transposed into the rows that the first operation reads."""
    # Unsigned places are never counted from the end: such a check for every number would cost more than the copy.
    count, line = np.uint64(len(places)), NARROW // values.itemsize
    for begin in range(0, held.shape[1], line):
        end = min(begin + line, held.shape[1])
        rows = program.inputs[begin:end].astype(np.uint64)
        for b in range(len(places)):
            spectrum = held[places[b], begin:end]
            for p in range(end - begin):
                values[rows[p] * count + np.uint64(b)] = spectrum[p]


@compiled
def _piece(values, row, batch):  # type: ignore[no-untyped-def]
    """A row. Loops over pieces are vectorised, loops over places in all rows are not."""
    return values[row * batch : row * batch + batch]


@compiled
def _convolve(op, program, batch, values, row):  # type: ignore[no-untyped-def]
    combine(
        values, row, program.shifts, program.entries, values,
        (op[OUT] + op[OUT_PAD]) * batch, op[OUT_ROWS] * batch, op[AFTER], op[OUTPUTS] * batch,
        op[IN] * batch, batch, op[TAP], op[EACH], op[WEIGHT], op[EACH], op[BIAS],
    )  # fmt: skip


@compiled
def _convolve_back(op, program, batch, values, slopes, row, gradient, inwards):  # type: ignore[no-untyped-def]
    start, pitch, length = (op[OUT] + op[OUT_PAD]) * batch, op[OUT_ROWS] * batch, op[OUTPUTS] * batch
    dots(
        values, slopes, program.shifts, program.entries, gradient, start, pitch, op[AFTER], length,
        op[IN] * batch, batch, op[TAP], op[EACH], op[WEIGHT], op[EACH],
    )  # fmt: skip
    if op[BIAS] >= 0:
        for o in range(op[AFTER]):
            total = gradient.dtype.type(0)
            mine = slopes[start + o * pitch : start + o * pitch + length]
            for i in range(length):
                total += mine[i]
            gradient[op[BIAS] + o] = total
    if inwards:
        for phase in range(op[IN_STRIDE]):
            first, count = program.phases[op[PHASE] + phase]
            combine(
                slopes, row, program.shifts, program.entries, slopes,
                (op[IN] + phase * op[IN_ROWS]) * batch, op[IN_STRIDE] * op[IN_ROWS] * batch, op[BEFORE],
                op[IN_ROWS] * batch, start, batch, first, count, op[WEIGHT], op[KERNEL], -1,
            )  # fmt: skip


@compiled
def _rows(op, channel, position):  # type: ignore[no-untyped-def]
    """Where a position is read and where it is written, in rows; what is not convolved has stride 1 on reading."""
    place = position + op[OUT_PAD]
    written = op[OUT] + (channel * op[OUT_STRIDE] + place % op[OUT_STRIDE]) * op[OUT_ROWS] + place // op[OUT_STRIDE]
    return op[IN] + channel * op[IN_ROWS] + op[IN_PAD] + position, written


@compiled
def _relu(op, batch, values):  # type: ignore[no-untyped-def]
    zero = values.dtype.type(0)
    for channel in range(op[BEFORE]):
        for position in range(op[LENGTH]):
            read, written = _rows(op, channel, position)
            given, gave = _piece(values, read, batch), _piece(values, written, batch)
            for b in range(batch):
                gave[b] = zero if given[b] < zero else given[b]  # keeps NaN


@compiled
def _relu_back(op, batch, values, slopes):  # type: ignore[no-untyped-def]
    zero = values.dtype.type(0)
    for channel in range(op[BEFORE]):
        for position in range(op[LENGTH]):
            read, written = _rows(op, channel, position)
            gave, slope, inner = (
                _piece(values, written, batch),
                _piece(slopes, written, batch),
                _piece(slopes, read, batch),
            )
            for b in range(batch):
                inner[b] = zero if gave[b] <= zero else slope[b]


@compiled
def _pool(op, batch, values):  # type: ignore[no-untyped-def]
    for channel in range(op[BEFORE]):
        for position in range(op[OUTPUTS]):
            _, written = _rows(op, channel, position)
            read, _ = _rows(op, channel, position * op[KERNEL])
            most, first = _piece(values, written, batch), _piece(values, read, batch)
            for b in range(batch):
                most[b] = first[b]
            for k in range(1, op[KERNEL]):
                value = _piece(values, read + k, batch)
                for b in range(batch):
                    most[b] = value[b] if value[b] > most[b] or value[b] != value[b] else most[b]


@compiled
def _pool_back(op, batch, values, slopes):  # type: ignore[no-untyped-def]
    zero = values.dtype.type(0)
    for channel in range(op[BEFORE]):
        for position in range(op[OUTPUTS] * op[KERNEL], op[LENGTH]):
            slopes[_rows(op, channel, position)[0] * batch :][:batch] = zero
        for position in range(op[OUTPUTS]):
            _, written = _rows(op, channel, position)
            read, _ = _rows(op, channel, position * op[KERNEL])
            most, slope = _piece(values, written, batch), _piece(slopes, written, batch)
            left = slope.copy()
            for k in range(op[KERNEL]):
                # The first that equals the most has it all, as in torch; where that is NaN, the first NaN.
                value, inner = _piece(values, read + k, batch), _piece(slopes, read + k, batch)
                for b in range(batch):
                    won = value[b] == most[b] or value[b] != value[b]
                    inner[b] = left[b] if won else zero
                    left[b] = zero if won else left[b]


@compiled
def _normalise(op, numbers, batch, training, values, row, running, own):  # type: ignore[no-untyped-def]
    count, channels = op[LENGTH] * batch, op[BEFORE]
    share, size = values.dtype.type(numbers[MOMENTUM]), values.dtype.type(count)
    one, epsilon = values.dtype.type(1), values.dtype.type(numbers[EPSILON])
    for channel in range(channels):
        start = _rows(op, channel, 0)[0] * batch
        mean, variance = running[op[RUNNING] + channel], running[op[RUNNING] + channels + channel]
        if training:
            mean, mine = values.dtype.type(0), values[start : start + count]
            for i in range(count):
                mean += mine[i]
            mean /= size
            variance = values.dtype.type(0)
            for i in range(count):
                variance += (mine[i] - mean) * (mine[i] - mean)
            variance /= size
            running[op[RUNNING] + channel] += share * (mean - running[op[RUNNING] + channel])
            unbiased = variance * (size / (size - one))
            place = op[RUNNING] + channels + channel
            running[place] += share * (unbiased - running[place])
        inverse = one / np.sqrt(variance + epsilon)
        own[op[RUNNING] + channel], own[op[RUNNING] + channels + channel] = mean, inverse
        scale = row[op[WEIGHT] + channel] * inverse
        offset = row[op[BIAS] + channel] - mean * scale
        for position in range(op[LENGTH]):
            read, written = _rows(op, channel, position)
            for b in range(batch):
                values[written * batch + b] = values[read * batch + b] * scale + offset


@compiled
def _normalise_back(op, batch, values, slopes, row, own, gradient):  # type: ignore[no-untyped-def]
    count, channels = values.dtype.type(op[LENGTH] * batch), op[BEFORE]
    for channel in range(channels):
        mean, inverse = own[op[RUNNING] + channel], own[op[RUNNING] + channels + channel]
        by_scale, by_offset = values.dtype.type(0), values.dtype.type(0)
        for position in range(op[LENGTH]):
            read, written = _rows(op, channel, position)
            for b in range(batch):
                slope = slopes[written * batch + b]
                by_offset += slope
                by_scale += slope * ((values[read * batch + b] - mean) * inverse)
        gradient[op[WEIGHT] + channel], gradient[op[BIAS] + channel] = by_scale, by_offset
        factor = row[op[WEIGHT] + channel] * inverse
        mean_slope, tilt = by_offset / count, by_scale / count * inverse
        for position in range(op[LENGTH]):
            read, written = _rows(op, channel, position)
            for b in range(batch):
                rest = slopes[written * batch + b] - mean_slope - (values[read * batch + b] - mean) * tilt
                slopes[read * batch + b] = factor * rest


@compiled
def mix(number):  # type: ignore[no-untyped-def]
    """As streams.mix, of uint64."""
    number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    number = (number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return number ^ (number >> np.uint64(31))


@compiled
def _drop(op, numbers, batch, training, values, stream):  # type: ignore[no-untyped-def]
    """As StreamDropout: what is kept is a function of (stream, layer, place)."""
    golden, zero = np.uint64(0x9E3779B97F4A7C15), values.dtype.type(0)
    begin = mix(stream + np.uint64(op[LAYER] + 1))
    probability = numbers[PROBABILITY]
    least = np.uint64(round(probability * (1 << 24)))
    factor = values.dtype.type(1 / (1 - probability) if probability < 1 else 1)
    features = op[BEFORE] * op[LENGTH]
    for channel in range(op[BEFORE]):
        for position in range(op[LENGTH]):
            read, written = _rows(op, channel, position)
            feature = channel * op[LENGTH] + position
            drawn = (op[DRAWN] + feature) * batch
            for b in range(batch):
                if training:
                    bits = mix(begin + np.uint64(b * features + feature) * golden)
                    values[drawn + b] = factor if (bits >> np.uint64(40)) >= least else zero
                value = values[read * batch + b]
                kept = values[drawn + b] if training else values.dtype.type(1)
                values[written * batch + b] = value * kept if kept > zero else zero


@compiled
def _drop_back(op, batch, values, slopes):  # type: ignore[no-untyped-def]
    zero = values.dtype.type(0)
    for channel in range(op[BEFORE]):
        for position in range(op[LENGTH]):
            read, written = _rows(op, channel, position)
            drawn = (op[DRAWN] + channel * op[LENGTH] + position) * batch
            for b in range(batch):
                kept = values[drawn + b]
                slopes[read * batch + b] = slopes[written * batch + b] * kept if kept > zero else zero


@compiled
def forward(program, batch, training, values, row, running, own, stream):  # type: ignore[no-untyped-def]
    for k in range(len(program.ops)):
        op, numbers = program.ops[k], program.numbers[k]
        if op[KIND] == CONVOLUTION:
            _convolve(op, program, batch, values, row)
        elif op[KIND] == RELU:
            _relu(op, batch, values)
        elif op[KIND] == POOL:
            _pool(op, batch, values)
        elif op[KIND] == NORMALISATION:
            _normalise(op, numbers, batch, training, values, row, running, own)
        else:
            _drop(op, numbers, batch, training, values, stream)


@compiled
def backward(program, batch, values, slopes, row, own, gradient):  # type: ignore[no-untyped-def]
    for k in range(len(program.ops) - 1, -1, -1):
        op = program.ops[k]
        if op[KIND] == CONVOLUTION:
            _convolve_back(op, program, batch, values, slopes, row, gradient, k > 0)
        elif op[KIND] == RELU:
            _relu_back(op, batch, values, slopes)
        elif op[KIND] == POOL:
            _pool_back(op, batch, values, slopes)
        elif op[KIND] == NORMALISATION:
            _normalise_back(op, batch, values, slopes, row, own, gradient)
        else:
            _drop_back(op, batch, values, slopes)
