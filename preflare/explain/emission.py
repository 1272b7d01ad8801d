"""What the kernels of expected gradients are made of: loops and vectors as LLVM instructions.

Numbers lie in rows of one to VECTORS vectors of BYTES; arrays are flat, and begin where a cache line does.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types

# Bytes of a vector, the largest there is; a row has at most so many.
BYTES, VECTORS = 64, 4


class Emitter:
    """Instructions on vectors of ``lanes`` neighbouring numbers."""

    def __init__(self, context: Any, builder: Any, number: Any) -> None:
        self.builder = builder
        self.size = number.bitwidth // 8
        self.lanes = BYTES // self.size
        self.real = context.get_value_type(number)
        self.type = ir.VectorType(self.real, self.lanes)

    def load(self, data: Any, place: Any, ahead: int = 0) -> Any:
        return self.builder.load(self._at(data, place, ahead), align=self.size)

    def store(self, value: Any, data: Any, place: Any, ahead: int = 0) -> None:
        self.builder.store(value, self._at(data, place, ahead), align=self.size)

    def _at(self, data: Any, place: Any, ahead: int) -> Any:
        pointer = self.builder.gep(data, [self.builder.add(place, whole(ahead * self.lanes))])
        return self.builder.bitcast(pointer, self.type.as_pointer())

    def spread(self, value: Any) -> Any:
        """One number in all lanes."""
        none, index = ir.Constant(self.type, ir.Undefined), ir.IntType(32)
        first = self.builder.insert_element(none, value, ir.Constant(index, 0))
        return self.builder.shuffle_vector(first, none, ir.Constant(ir.VectorType(index, self.lanes), [0] * self.lanes))

    def number(self, data: Any, place: Any) -> Any:
        """One number, in all lanes."""
        return self.spread(self.builder.load(self.builder.gep(data, [place])))

    def plus_product(self, total: Any, a: Any, b: Any) -> Any:
        product = self.builder.fmul(a, b, flags=("contract",))
        return self.builder.fadd(total, product, flags=("contract",))

    def at_least(self, value: Any, floor: Any) -> Any:
        """The larger of two; NaN stays."""
        return self.builder.select(self.builder.fcmp_ordered("<", value, floor), floor, value)

    def where_above(self, sign: Any, floor: Any, value: Any) -> Any:
        """The value where sign is above the floor, else 0."""
        return self.builder.select(self.builder.fcmp_ordered("<=", sign, floor), ir.Constant(self.type, None), value)


def whole(value: int) -> Any:
    return ir.Constant(ir.IntType(64), value)


def loop(
    builder: Any, first: Any, stop: Any, carried: list[Any], body: Callable[[Any, list[Any]], list[Any]]
) -> list[Any]:
    """for index in range(first, stop): carried = body(index, carried); the last."""
    before = builder.block
    head, inside, after = (builder.append_basic_block(name) for name in ("head", "inside", "after"))
    builder.branch(head)
    builder.position_at_end(head)
    index = builder.phi(first.type)
    now = [builder.phi(value.type) for value in carried]
    builder.cbranch(builder.icmp_signed("<", index, stop), inside, after)
    builder.position_at_end(inside)
    new = body(index, now)
    index.add_incoming(first, before)
    index.add_incoming(builder.add(index, whole(1)), builder.block)
    for phi, value, following in zip(now, carried, new, strict=True):
        phi.add_incoming(value, before)
        phi.add_incoming(following, builder.block)
    # The index is counted on in the block that it comes from.
    builder.branch(head)
    builder.position_at_end(after)
    return now


def unpacked(context: Any, builder: Any, signature: Any, given: Any) -> list[Any]:
    """Arguments, arrays as pointers."""
    return [
        context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
        for kind, value in zip(signature.args, given, strict=True)
    ]


def by_width(builder: Any, vectors: Any, emitted: Callable[[int], None]) -> None:
    """What is emitted for rows of so many vectors, as many as there are when it runs."""
    end = builder.append_basic_block("end")
    switch = builder.switch(vectors, end)
    for count in range(1, VECTORS + 1):
        case = builder.append_basic_block(f"of_{count}")
        switch.add_case(whole(count), case)
        builder.position_at_end(case)
        emitted(count)
        builder.branch(end)
    builder.position_at_end(end)


def keep(emit: Emitter, values: list[Any], into: Any, at: Any, add: Any) -> None:
    """Store a row, or add it to what is there."""
    with emit.builder.if_else(emit.builder.icmp_signed("!=", add, whole(0))) as (adding, setting):
        with adding:
            for k, value in enumerate(values):
                emit.store(emit.builder.fadd(emit.load(into, at, k), value), into, at, k)
        with setting:
            for k, value in enumerate(values):
                emit.store(value, into, at, k)
