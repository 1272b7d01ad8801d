"""Training steps and answers of networks as compiled loops, which carry out a table of operations (see program).

Every activation lies as rows of one batch, batch innermost. Position p of a channel that a convolution of stride s
reads is row (p mod s, p div s): one tap of the convolution then reads one unbroken piece of memory for all its
outputs, and so do its gradients. A convolution, or a linear layer, is ``combine`` forwards and backwards to its input
(sums of pieces times weights) and ``dots`` for its weights (pieces times pieces, summed up). Their inner loops are
written in LLVM's terms, because its vectoriser would not keep the sums in registers.

All that is compiled is in this file: what numba keeps on disk it keeps until the file of its entry changes.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

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
SGD, ADAM, ADAMW = range(3)


class Program(NamedTuple):
    """A network as operations on the rows of one batch.

    ops: (n, COLUMNS) int64; numbers: (n, NUMBERS) float64. shifts, entries: (taps,) int64, the row of each tap from
    where the input begins and its weight from where the weights begin. phases: (n, 2) int64, first tap and taps of
    each phase of an input's slopes. inputs: (points,) int64, the row of each wavelength. penalised: (width,) float64,
    1 for weights under L2. rows: of room. running: running means and variances.
    """

    ops: np.ndarray
    numbers: np.ndarray
    shifts: np.ndarray
    entries: np.ndarray
    phases: np.ndarray
    inputs: np.ndarray
    penalised: np.ndarray


# Bytes of what ``combine`` sums up at once: four of the largest vector registers, one, and one number.
WIDE, NARROW, SINGLE = 256, 64, 0


def compiled(entry: bool = False) -> Callable[[Any], Any]:
    """Compile at the first call. Entries are kept on disk, if numba finds a folder that it may write to."""
    options: dict[str, Any] = {"nogil": True, "fastmath": {"contract", "reassoc"}, "error_model": "numpy"}

    if not entry:
        options |= {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

    def decorate(function: Any) -> Any:
        try:
            return numba.njit(cache=entry, **options)(function)
        except RuntimeError:
            return numba.njit(**options)(function)

    return decorate


class _Emitter:
    """Loads, stores and products of ``lanes`` neighbouring numbers as LLVM instructions."""

    def __init__(self, context: Any, builder: Any, number: Any, lanes: int) -> None:
        self.builder = builder
        self.size = number.bitwidth // 8
        self.lanes = lanes
        real = context.get_value_type(number)
        self.type = real if lanes == 1 else ir.VectorType(real, lanes)

    def at(self, data: Any, place: Any) -> Any:
        pointer = self.builder.gep(data, [place])
        return pointer if self.lanes == 1 else self.builder.bitcast(pointer, self.type.as_pointer())

    def load(self, data: Any, place: Any) -> Any:
        return self.builder.load(self.at(data, place), align=self.size)

    def store(self, value: Any, data: Any, place: Any) -> None:
        self.builder.store(value, self.at(data, place), align=self.size)

    def spread(self, data: Any, place: Any) -> Any:
        """One number in all lanes."""
        value = self.builder.load(self.builder.gep(data, [place]))
        if self.lanes == 1:
            return value
        none, index = ir.Constant(self.type, ir.Undefined), ir.IntType(32)
        first = self.builder.insert_element(none, value, ir.Constant(index, 0))
        return self.builder.shuffle_vector(first, none, ir.Constant(ir.VectorType(index, self.lanes), [0] * self.lanes))

    def accumulate(self, total: Any, a: Any, b: Any) -> None:
        product = self.builder.fmul(a, b, flags=("contract",))
        self.builder.store(self.builder.fadd(self.builder.load(total), product, flags=("contract",)), total)

    def zero(self) -> Any:
        total = cgutils.alloca_once(self.builder, self.type)
        self.builder.store(ir.Constant(self.type, None), total)
        return total

    def sum(self, total: Any) -> Any:
        """The sum over lanes."""
        name = f"llvm.vector.reduce.fadd.v{self.lanes}f{8 * self.size}"
        kind = ir.FunctionType(self.type.element, [self.type.element, self.type])
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        nothing = ir.Constant(self.type.element, 0.0)
        return self.builder.call(function, [nothing, self.builder.load(total)], fastmath=("reassoc",))


def _data(context: Any, builder: Any, signature: Any, given: Any, *places: int) -> list[Any]:
    return [context.make_array(signature.args[k])(context, builder, given[k]).data for k in places]


def _whole(value: int) -> Any:
    return ir.Constant(ir.IntType(64), value)


def _combine(outputs: int, wide: int) -> Any:
    """Sums of pieces for so many outputs, of so many bytes."""

    @intrinsic
    def kernel(
        typing: Any, values: Any, row: Any, shifts: Any, entries: Any, into: Any, start: Any, pitch: Any, origin: Any,
        batch: Any, first: Any, count: Any, weight: Any, each: Any, bias: Any,
    ) -> Any:  # fmt: skip
        number = values.dtype
        signature = types.void(values, row, shifts, entries, into, *[types.int64] * 9)

        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            emit = _Emitter(context, builder, number, max(1, wide * 8 // number.bitwidth))
            values, row, shifts, entries, into = _data(context, builder, signature, given, 0, 1, 2, 3, 4)
            start, pitch, origin, batch, first, count, weight, each, bias = given[5:]
            totals = [emit.zero() for _ in range(outputs)]
            with builder.if_then(builder.icmp_signed(">=", bias, _whole(0))):
                for k, total in enumerate(totals):
                    builder.store(emit.spread(row, builder.add(bias, _whole(k))), total)
            with cgutils.for_range(builder, count) as loop:
                tap = builder.add(first, loop.index)
                shift = builder.mul(builder.load(builder.gep(shifts, [tap])), batch)
                piece = emit.load(values, builder.add(origin, shift))
                entry = builder.add(weight, builder.load(builder.gep(entries, [tap])))
                for k, total in enumerate(totals):
                    factor = emit.spread(row, builder.add(entry, builder.mul(each, _whole(k))))
                    emit.accumulate(total, factor, piece)
            for k, total in enumerate(totals):
                emit.store(builder.load(total), into, builder.add(start, builder.mul(pitch, _whole(k))))
            return context.get_dummy_value()

        return signature, generate

    return kernel


def _dots(outputs: int, taps: int) -> Any:
    """Products of so many outputs' slopes with so many taps' pieces, summed up."""

    @intrinsic
    def kernel(
        typing: Any, values: Any, slopes: Any, shifts: Any, entries: Any, into: Any, start: Any, pitch: Any,
        origin: Any, batch: Any, first: Any, weight: Any, each: Any, length: Any,
    ) -> Any:  # fmt: skip
        number = values.dtype
        signature = types.void(values, slopes, shifts, entries, into, *[types.int64] * 8)

        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            values, slopes, shifts, entries, into = _data(context, builder, signature, given, 0, 1, 2, 3, 4)
            start, pitch, origin, batch, first, weight, each, length = given[5:]
            places = [builder.add(first, _whole(k)) for k in range(taps)]
            pieces = [builder.mul(builder.load(builder.gep(shifts, [tap])), batch) for tap in places]
            pieces = [builder.add(origin, piece) for piece in pieces]
            mine = [builder.add(start, builder.mul(pitch, _whole(k))) for k in range(outputs)]
            many = _Emitter(context, builder, number, NARROW * 8 // number.bitwidth)
            single = _Emitter(context, builder, number, 1)
            sums, rests = ([[emit.zero() for _ in pieces] for _ in mine] for emit in (many, single))
            done = builder.and_(length, _whole(-many.lanes))

            def products(emit: _Emitter, totals: Any, here: Any) -> None:
                found = [emit.load(values, builder.add(piece, here)) for piece in pieces]
                for place, of_output in zip(mine, totals, strict=True):
                    slope = emit.load(slopes, builder.add(place, here))
                    for piece, total in zip(found, of_output, strict=True):
                        emit.accumulate(total, slope, piece)

            with cgutils.for_range_slice(builder, _whole(0), done, _whole(many.lanes), inc=True) as (here, _):
                products(many, sums, here)
            with cgutils.for_range_slice(builder, done, length, _whole(1), inc=True) as (here, _):
                products(single, rests, here)
            for k in range(outputs):
                for j, tap in enumerate(places):
                    entry = builder.add(weight, builder.load(builder.gep(entries, [tap])))
                    entry = builder.add(entry, builder.mul(each, _whole(k)))
                    total = builder.fadd(many.sum(sums[k][j]), builder.load(rests[k][j]))
                    single.store(total, into, entry)
            return context.get_dummy_value()

        return signature, generate

    return kernel


_two_wide, _two_narrow, _two_single = (_combine(2, wide) for wide in (WIDE, NARROW, SINGLE))
_one_wide, _one_narrow, _one_single = (_combine(1, wide) for wide in (WIDE, NARROW, SINGLE))
_two_by_four, _two_by_one, _one_by_four, _one_by_one = (_dots(outputs, taps) for outputs in (2, 1) for taps in (4, 1))


@compiled()
def combine(  # type: ignore[no-untyped-def]
    values, row, shifts, entries, into, start, pitch, outputs, length, origin, batch, first, count, weight, each, bias
):  # fmt: skip
    """into[start + o pitch + i] = row[bias + o] + sum over taps t of
    row[weight + o each + entries[t]] * values[origin + shifts[t] batch + i], for outputs o and i < length.

    The taps are count from the first on. bias: -1 for none.
    """
    wide, narrow = WIDE // values.itemsize, NARROW // values.itemsize
    o = 0
    while o + 2 <= outputs:
        to, mine, offset, i = start + o * pitch, weight + o * each, bias + o if bias >= 0 else bias, 0
        while i + wide <= length:
            _two_wide(values, row, shifts, entries, into, to + i, pitch, origin + i, batch, first, count, mine, each, offset)  # fmt: skip # noqa: E501
            i += wide
        while i + narrow <= length:
            _two_narrow(values, row, shifts, entries, into, to + i, pitch, origin + i, batch, first, count, mine, each, offset)  # fmt: skip # noqa: E501
            i += narrow
        while i < length:
            _two_single(values, row, shifts, entries, into, to + i, pitch, origin + i, batch, first, count, mine, each, offset)  # fmt: skip # noqa: E501
            i += 1
        o += 2
    if o < outputs:
        to, mine, offset, i = start + o * pitch, weight + o * each, bias + o if bias >= 0 else bias, 0
        while i + wide <= length:
            _one_wide(values, row, shifts, entries, into, to + i, pitch, origin + i, batch, first, count, mine, each, offset)  # fmt: skip # noqa: E501
            i += wide
        while i + narrow <= length:
            _one_narrow(values, row, shifts, entries, into, to + i, pitch, origin + i, batch, first, count, mine, each, offset)  # fmt: skip # noqa: E501
            i += narrow
        while i < length:
            _one_single(values, row, shifts, entries, into, to + i, pitch, origin + i, batch, first, count, mine, each, offset)  # fmt: skip # noqa: E501
            i += 1


@compiled()
def dots(values, slopes, shifts, entries, into, start, pitch, outputs, length, origin, batch, first, count, weight, each):  # type: ignore[no-untyped-def]  # fmt: skip # noqa: E501
    """into[weight + o each + entries[t]] = sum over i < length of
    slopes[start + o pitch + i] * values[origin + shifts[t] batch + i], for outputs o and count taps t."""
    o = 0
    while o < outputs:
        two = o + 2 <= outputs
        at, mine, t = start + o * pitch, weight + o * each, first
        while t < first + count:
            four = t + 4 <= first + count
            if two and four:
                _two_by_four(values, slopes, shifts, entries, into, at, pitch, origin, batch, t, mine, each, length)
            elif two:
                _two_by_one(values, slopes, shifts, entries, into, at, pitch, origin, batch, t, mine, each, length)
            elif four:
                _one_by_four(values, slopes, shifts, entries, into, at, pitch, origin, batch, t, mine, each, length)
            else:
                _one_by_one(values, slopes, shifts, entries, into, at, pitch, origin, batch, t, mine, each, length)
            t += 4 if four else 1
        o += 2 if two else 1


@compiled()
def _gather(program, held, places, values):  # type: ignore[no-untyped-def]
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


@compiled()
def _piece(values, row, batch):  # type: ignore[no-untyped-def]
    """A row. Loops over pieces are vectorised, loops over places in all rows are not."""
    return values[row * batch : row * batch + batch]


@compiled()
def _convolve(op, program, batch, values, row):  # type: ignore[no-untyped-def]
    combine(
        values, row, program.shifts, program.entries, values,
        (op[OUT] + op[OUT_PAD]) * batch, op[OUT_ROWS] * batch, op[AFTER], op[OUTPUTS] * batch,
        op[IN] * batch, batch, op[TAP], op[EACH], op[WEIGHT], op[EACH], op[BIAS],
    )  # fmt: skip


@compiled()
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


@compiled()
def _rows(op, channel, position):  # type: ignore[no-untyped-def]
    """Where a position is read and where it is written, in rows; what is not convolved has stride 1 on reading."""
    place = position + op[OUT_PAD]
    written = op[OUT] + (channel * op[OUT_STRIDE] + place % op[OUT_STRIDE]) * op[OUT_ROWS] + place // op[OUT_STRIDE]
    return op[IN] + channel * op[IN_ROWS] + op[IN_PAD] + position, written


@compiled()
def _relu(op, batch, values):  # type: ignore[no-untyped-def]
    zero = values.dtype.type(0)
    for channel in range(op[BEFORE]):
        for position in range(op[LENGTH]):
            read, written = _rows(op, channel, position)
            given, gave = _piece(values, read, batch), _piece(values, written, batch)
            for b in range(batch):
                gave[b] = zero if given[b] < zero else given[b]  # keeps NaN


@compiled()
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


@compiled()
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


@compiled()
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


@compiled()
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


@compiled()
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


@compiled()
def mix(number):  # type: ignore[no-untyped-def]
    """As streams.mix, of uint64."""
    number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    number = (number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return number ^ (number >> np.uint64(31))


@compiled()
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


@compiled()
def _drop_back(op, batch, values, slopes):  # type: ignore[no-untyped-def]
    zero = values.dtype.type(0)
    for channel in range(op[BEFORE]):
        for position in range(op[LENGTH]):
            read, written = _rows(op, channel, position)
            drawn = (op[DRAWN] + channel * op[LENGTH] + position) * batch
            for b in range(batch):
                kept = values[drawn + b]
                slopes[read * batch + b] = slopes[written * batch + b] * kept if kept > zero else zero


@compiled()
def _forward(program, batch, training, values, row, running, own, stream):  # type: ignore[no-untyped-def]
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


@compiled()
def _backward(program, batch, values, slopes, row, own, gradient):  # type: ignore[no-untyped-def]
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


@compiled()
def _cross_entropy_back(program, labels, places, values, slopes):  # type: ignore[no-untyped-def]
    """Slopes of the mean cross-entropy to the two logits."""
    count, last = len(places), program.ops[-1]
    start = (last[OUT] + last[OUT_PAD]) * count
    pitch = last[OUT_ROWS] * count
    for b in range(count):
        sign = values.dtype.type(2 * labels[places[b]] - 1)
        margin = (values[start + b] - values[start + pitch + b]) * sign
        slope = sign / (1 + np.exp(-margin)) / count
        slopes[start + b], slopes[start + pitch + b] = slope, -slope


@compiled()
def _update(kind, numbers, step, row, gradient, first, second):  # type: ignore[no-untyped-def]
    """torch.optim's SGD, Adam or AdamW; numbers in the order of the stacked optimizer's options."""
    real = row.dtype.type
    lr, decay = numbers[0], real(numbers[-1])
    if kind == SGD:
        rate, momentum = real(lr), real(numbers[1])
        for i in range(len(row)):
            first[i] = momentum * first[i] + (gradient[i] + decay * row[i])
            row[i] -= rate * first[i]
        return
    beta1, beta2 = numbers[1], numbers[2]
    rate, root, epsilon = real(lr / (1 - beta1**step)), real(math.sqrt(1 - beta2**step)), real(numbers[3])
    keep1, rest1, keep2, rest2 = real(beta1), real(1 - beta1), real(beta2), real(1 - beta2)
    shrink = real(1 - lr * numbers[-1]) if kind == ADAMW else real(1)
    added = real(0) if kind == ADAMW else decay
    for i in range(len(row)):
        slope = gradient[i] + added * row[i]
        first[i] = keep1 * first[i] + rest1 * slope
        second[i] = keep2 * second[i] + rest2 * (slope * slope)
        row[i] = shrink * row[i] - rate * (first[i] / (np.sqrt(second[i]) / root + epsilon))


@compiled(entry=True)
def train(  # type: ignore[no-untyped-def]
    program, kind, members, numbers, penalties, seeds, rows, first, second, steps, running, held, labels, places,
    counts, values, slopes,
):  # fmt: skip
    """Steps of the members, one member after the other, in place.

    kind: of optimizer. members: (m,) which. Of all members: numbers (member, options) of the optimizer, penalties
    (member,), seeds (member,) of dropout, rows (member, width) of weights, first and second (member, width) moments,
    steps (member,) so far, running (member, n) means and variances. held: (spectra, points). labels: (spectra,).
    places: (step, member, batch). counts: (step, member), 0 for no step. values, slopes: room for all rows.
    """
    gradient, own = np.zeros_like(rows[0]), np.zeros_like(running[0])
    golden, before = np.uint64(0x9E3779B97F4A7C15), 0
    for k in members:
        penalty = rows.dtype.type(2 * penalties[k])
        for step in range(len(places)):
            count = counts[step, k]
            if count == 0:
                continue
            if count != before:
                values[:] = 0  # paddings lie elsewhere now
                slopes[:] = 0
                before = count
            mine = places[step, k, :count]
            stream = mix(seeds[k] + np.uint64(steps[k]) * golden)
            _gather(program, held, mine, values)
            _forward(program, count, True, values, rows[k], running[k], own, stream)
            _cross_entropy_back(program, labels, mine, values, slopes)
            _backward(program, count, values, slopes, rows[k], own, gradient)
            for i in range(rows.shape[1]):
                gradient[i] += penalty * program.penalised[i] * rows[k, i]
            steps[k] += 1
            _update(kind, numbers[k], steps[k], rows[k], gradient, first[k], second[k])


@compiled(entry=True)
def answer(program, members, rows, running, held, places, batch, values, log_odds):  # type: ignore[no-untyped-def]
    """Fill in log_odds (m, n) of members (m,) for the spectra at places (n,), so many at a time."""
    own, before = np.zeros_like(running[0]), 0
    last = program.ops[-1]
    for start in range(0, len(places), batch):
        mine = places[start : start + batch]
        count = len(mine)
        if count != before:
            values[:] = 0
            before = count
        _gather(program, held, mine, values)
        logits = (last[OUT] + last[OUT_PAD]) * count
        for m in range(len(members)):
            k = members[m]
            _forward(program, count, False, values, rows[k], running[k], own, np.uint64(0))
            for b in range(count):
                other = values[logits + last[OUT_ROWS] * count + b]
                log_odds[m, start + b] = other - values[logits + b]
