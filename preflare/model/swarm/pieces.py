"""Sums and products of unbroken pieces of memory, of which convolutions and linear layers are made.

Their inner loops are written in LLVM's terms, because its vectoriser would not keep the sums in registers.
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

from preflare.model.swarm.compiling import compiled

# Bytes of what ``combine`` sums up at once: four of the largest vector registers, one, and one number.
WIDE, NARROW, SINGLE = 256, 64, 0


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


@compiled
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


@compiled
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
