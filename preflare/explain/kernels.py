"""Products of tiles with what lies batch innermost, paths and poolings, as LLVM instructions.

A row has as many numbers as there are samples, of one wavelength, or one channel and position, or the slopes there.
LLVM's own vectoriser would not keep the sums in registers.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic

from preflare.explain.emission import Emitter, by_width, keep, loop, unpacked, whole
from preflare.explain.tiles import COLUMN, FIELDS, HEIGHT, HEIGHTS, PACKED, ROW, WIDTH


class _Given(NamedTuple):
    """What a product of tiles is called with, as below."""

    table: Any
    packed: Any
    first: Any
    last: Any
    vectors: Any
    values: Any
    read: Any
    into: Any
    start: Any
    beside: Any
    look: Any
    spectra: Any
    point: Any
    floor: Any
    add: Any


class _Tile:
    """One tile's sums: what they are of, and where they belong."""

    def __init__(self, emit: Emitter, given: _Given, vectors: int) -> None:
        self.emit, self.given, self.vectors = emit, given, vectors
        self.pitch = vectors * emit.lanes

    def sums(self, tile: Any, height: int) -> list[list[Any]]:
        """Offsets plus weights times values: [row][vector]."""
        emit, builder = self.emit, self.emit.builder
        packed = self.field(tile, PACKED)
        offsets = [emit.number(self.given.packed, builder.add(packed, whole(k))) for k in range(height)]
        origin = builder.add(self.given.read, builder.mul(self.field(tile, COLUMN), whole(self.pitch)))

        def add(column: Any, totals: list[Any]) -> list[Any]:
            place = builder.add(origin, builder.mul(column, whole(self.pitch)))
            pieces = [emit.load(self.given.values, place, k) for k in range(self.vectors)]
            weights = builder.add(packed, builder.mul(builder.add(column, whole(1)), whole(height)))
            factors = [emit.number(self.given.packed, builder.add(weights, whole(k))) for k in range(height)]
            pairs = [(factor, piece) for factor in factors for piece in pieces]
            return [emit.plus_product(total, *pair) for total, pair in zip(totals, pairs, strict=True)]

        begin = [offset for offset in offsets for _ in range(self.vectors)]
        totals = loop(builder, whole(0), self.field(tile, WIDTH), begin, add)
        return [totals[k * self.vectors : (k + 1) * self.vectors] for k in range(height)]

    def field(self, tile: Any, which: int) -> Any:
        builder = self.emit.builder
        place = builder.add(builder.mul(tile, whole(FIELDS)), whole(which))
        return builder.load(builder.gep(self.given.table, [place]))

    def place(self, start: Any, row: Any) -> Any:
        return self.emit.builder.add(start, self.emit.builder.mul(row, whole(self.pitch)))


Finish = Callable[[_Tile, Any, list[Any]], None]


def _forward(tile: _Tile, row: Any, totals: list[Any]) -> None:
    emit, given = tile.emit, tile.given
    at = tile.place(given.start, row)
    for k, total in enumerate(totals):
        emit.store(emit.at_least(total, emit.spread(given.floor)), given.into, at, k)


def _backward(tile: _Tile, row: Any, totals: list[Any]) -> None:
    emit, given = tile.emit, tile.given
    there, floor = tile.place(given.look, row), emit.spread(given.floor)
    masked = [emit.where_above(emit.load(given.beside, there, k), floor, total) for k, total in enumerate(totals)]
    keep(emit, masked, given.into, tile.place(given.start, row), given.add)


def _close(tile: _Tile, row: Any, totals: list[Any]) -> None:
    emit, builder, given = tile.emit, tile.emit.builder, tile.given
    there = tile.place(given.look, row)
    at = builder.add(given.start, builder.mul(row, whole(emit.lanes)))
    value, result = emit.number(given.spectra, builder.add(given.point, row)), emit.load(given.into, at)
    for k, total in enumerate(totals):
        result = emit.plus_product(result, total, builder.fsub(value, emit.load(given.beside, there, k)))
    emit.store(result, given.into, at)


def _products(finish: Finish) -> Any:
    """All tiles from the first to the last, of rows of so many vectors."""

    @intrinsic
    def kernel(
        typing: Any, table: Any, packed: Any, first: Any, last: Any, vectors: Any, values: Any, read: Any, into: Any,
        start: Any, beside: Any, look: Any, spectra: Any, point: Any, floor: Any, add: Any,
    ) -> Any:  # fmt: skip
        number, place = values.dtype, types.int64
        signature = types.void(
            table, packed, place, place, place, values, place, into, place, beside, place, spectra, place, number, place
        )

        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            found = _Given(*unpacked(context, builder, signature, given))
            emit = Emitter(context, builder, number)
            by_width(builder, found.vectors, lambda count: _tiles(emit, found, count, finish))
            return context.get_dummy_value()

        return signature, generate

    return kernel


def _tiles(emit: Emitter, given: _Given, vectors: int, finish: Finish) -> None:
    builder, tile = emit.builder, _Tile(emit, given, vectors)

    def one(index: Any, _: list[Any]) -> list[Any]:
        end = builder.append_basic_block("done")
        switch = builder.switch(tile.field(index, HEIGHT), end)
        for height in HEIGHTS:
            case = builder.append_basic_block(f"by_{height}")
            switch.add_case(whole(height), case)
            builder.position_at_end(case)
            row = tile.field(index, ROW)
            for k, totals in enumerate(tile.sums(index, height)):
                finish(tile, builder.add(row, whole(k)), totals)
            builder.branch(end)
        builder.position_at_end(end)
        return []

    loop(builder, given.first, given.last, [], one)


# kernel(table, packed, first, last, vectors, values, read, into, start, beside, look, spectra, point, floor, add):
# the tiles [first, last) of table and packed times the rows of values from read on. The sum of a row r of the matrix
# - ``forward``: goes to row r of into from start on, no less than the floor;
# - ``backward``: the same, or is added there, but counts only where row r of beside, from look on, is above the floor;
# - ``close``: times the difference of spectra[point + r] and row r of beside, is added to vector r of into.
forward, backward, close = (_products(finish) for finish in (_forward, _backward, _close))


def _begin(
    typing: Any, starts: Any, first: Any, positions: Any, place: Any, ends: Any, end: Any, values: Any, rows: Any,
    vectors: Any, floor: Any,
) -> Any:  # fmt: skip
    """values[row] = starts[first + row] + ends[end + row] positions[place], no less than the floor."""
    number, whole_ = values.dtype, types.int64
    signature = types.void(starts, whole_, positions, whole_, ends, whole_, values, whole_, whole_, number)

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        starts, first, positions, place, ends, end, values, rows, vectors, floor = unpacked(
            context, builder, signature, given
        )
        emit = Emitter(context, builder, number)

        def emitted(count: int) -> None:
            there = [emit.load(positions, place, k) for k in range(count)]

            def one(row: Any, _: list[Any]) -> list[Any]:
                at = builder.mul(row, whole(count * emit.lanes))
                start, factor = builder.add(first, at), emit.number(ends, builder.add(end, row))
                for k, position in enumerate(there):
                    value = emit.plus_product(emit.load(starts, start, k), factor, position)
                    emit.store(emit.at_least(value, emit.spread(floor)), values, at, k)
                return []

            loop(builder, whole(0), rows, [], one)

        by_width(builder, vectors, emitted)
        return context.get_dummy_value()

    return signature, generate


begin: Any = intrinsic(_begin)


def _pooling(windows: Callable[..., None]) -> Any:
    """For all windows and channels."""

    @intrinsic
    def kernel(
        typing: Any, values: Any, slopes: Any, read: Any, written: Any, rows: Any, window: Any, channels: Any,
        vectors: Any, floor: Any, add: Any,
    ) -> Any:  # fmt: skip
        number, place = values.dtype, types.int64
        signature = types.void(values, slopes, place, place, place, place, place, place, number, place)

        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            values, slopes, read, written, rows, window, channels, vectors, floor, add = unpacked(
                context, builder, signature, given
            )
            emit = Emitter(context, builder, number)

            def emitted(count: int) -> None:
                pitch = whole(count * emit.lanes)

                def one(row: Any, carried: list[Any]) -> list[Any]:
                    channel, begin = carried
                    first = builder.mul(builder.add(builder.add(read, begin), channel), pitch)
                    places = _Places(first, builder.mul(channels, pitch), window)
                    at = builder.mul(builder.add(written, row), pitch)
                    windows(emit, count, values, slopes, places, at, floor, add)
                    following = builder.add(channel, whole(1))
                    again = builder.icmp_signed("==", following, channels)
                    further = builder.add(begin, builder.mul(window, channels))
                    return [builder.select(again, whole(0), following), builder.select(again, further, begin)]

                loop(builder, whole(0), rows, [whole(0), whole(0)], one)

            by_width(builder, vectors, emitted)
            return context.get_dummy_value()

        return signature, generate

    return kernel


class _Places(NamedTuple):
    """Where the numbers of a window lie: the first, the step from one to the next, and how many."""

    first: Any
    step: Any
    window: Any


def _most(emit: Emitter, count: int, values: Any, slopes: Any, places: _Places, at: Any, floor: Any, add: Any) -> None:
    builder = emit.builder

    def larger(place: Any, most: list[Any]) -> list[Any]:
        here = builder.add(places.first, builder.mul(place, places.step))
        found = [emit.load(values, here, k) for k in range(count)]
        # NaN is the largest.
        leads = [
            builder.or_(builder.fcmp_ordered(">", value, other), builder.fcmp_unordered("uno", value, value))
            for value, other in zip(found, most, strict=True)
        ]
        return [builder.select(*three) for three in zip(leads, found, most, strict=True)]

    first = [emit.load(values, places.first, k) for k in range(count)]
    for k, value in enumerate(loop(builder, whole(1), places.window, first, larger)):
        emit.store(emit.at_least(value, emit.spread(floor)), values, at, k)


def _spread(
    emit: Emitter, count: int, values: Any, slopes: Any, places: _Places, at: Any, floor: Any, add: Any
) -> None:
    builder, zero = emit.builder, ir.Constant(emit.type, None)
    most = [emit.load(values, at, k) for k in range(count)]

    def take(place: Any, left: list[Any]) -> list[Any]:
        here = builder.add(places.first, builder.mul(place, places.step))
        found = [emit.load(values, here, k) for k in range(count)]
        # Where the largest is NaN, the first NaN.
        won = [
            builder.or_(builder.fcmp_ordered("==", value, largest), builder.fcmp_unordered("uno", value, value))
            for value, largest in zip(found, most, strict=True)
        ]
        keep(emit, [builder.select(*pair, zero) for pair in zip(won, left, strict=True)], slopes, here, add)
        return [builder.select(mine, zero, slope) for mine, slope in zip(won, left, strict=True)]

    loop(builder, whole(0), places.window, [emit.load(slopes, at, k) for k in range(count)], take)


# kernel(values, slopes, read, written, rows, window, channels, vectors, floor, add): max-pooling of windows of so many
# neighbouring positions, from the rows at read to those at written.
# - ``pool``: the largest, no less than the floor;
# - ``unpool``: the first that equals the largest has its slope, as in PyTorch (below the floor there is none to have).
pool, unpool = (_pooling(windows) for windows in (_most, _spread))
