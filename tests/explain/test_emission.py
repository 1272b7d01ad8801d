"""Loops and vectors that are emitted, by small functions made of them."""

from typing import Any

import numpy as np
import pytest
from numba.core import types
from numba.extending import intrinsic

from preflare.explain import emission
from preflare.explain.emission import BYTES, VECTORS, Emitter, by_width, keep, loop, unpacked, whole
from preflare.model.swarm.compiling import entry

LANES = BYTES // 8


def _polynomial(
    typing: Any, values: Any, factors: Any, into: Any, count: Any, vectors: Any, floor: Any, add: Any
) -> Any:
    """Horner's scheme in every lane, no less than the floor, kept where values are above it."""
    signature = types.void(values, factors, into, types.int64, types.int64, values.dtype, types.int64)

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        values, factors, into, count, vectors, floor, add = unpacked(context, builder, signature, given)
        emit = Emitter(context, builder, types.float64)

        def emitted(width: int) -> None:
            pieces = [emit.load(values, whole(0), k) for k in range(width)]

            def step(index: Any, totals: list[Any]) -> list[Any]:
                factor = emit.number(factors, index)
                return [emit.plus_product(factor, total, x) for total, x in zip(totals, pieces, strict=True)]

            nothing = emit.spread(builder.fsub(floor, floor))
            totals = loop(builder, whole(0), count, [nothing] * width, step)
            low = emit.spread(floor)
            found = [
                emit.where_above(x, low, emit.at_least(total, low)) for x, total in zip(pieces, totals, strict=True)
            ]
            keep(emit, found, into, whole(0), add)

        by_width(builder, vectors, emitted)
        return context.get_dummy_value()

    return signature, generate


horner: Any = intrinsic(_polynomial)


@entry(emission)
def polynomial(values, factors, into, count, vectors, floor, add):  # type: ignore[no-untyped-def]
    horner(values, factors, into, count, vectors, floor, add)


@pytest.mark.parametrize("count", [0, 1, 4])
@pytest.mark.parametrize("vectors", range(1, VECTORS + 1))
def test_loops_of_vectors(vectors: int, count: int) -> None:
    values = np.linspace(-1, 2, VECTORS * LANES)
    values[2] = np.nan
    factors = np.array([0.5, -1.0, 0.25, -0.125])
    expected = np.where(values <= 0, 0, np.maximum(np.polyval(factors[:count], values), 0.0))
    for add in (0, 1):
        into = np.full(VECTORS * LANES, 7.0)
        polynomial(values, factors, into, count, vectors, 0.0, add)
        width = vectors * LANES
        np.testing.assert_allclose(into[:width], expected[:width] + 7 * add, rtol=0, atol=1e-15)
        assert (into[width:] == 7).all() and np.isnan(into[2]) == (count > 0)
