"""The columns of a table of operations."""

from preflare.model.swarm import operations


def test_no_two_columns_are_one() -> None:
    names = ("KIND BEFORE LENGTH AFTER OUTPUTS IN IN_STRIDE IN_PAD IN_ROWS OUT OUT_STRIDE OUT_PAD OUT_ROWS "
             "WEIGHT BIAS EACH KERNEL TAP PHASE RUNNING DRAWN LAYER")  # fmt: skip
    assert sorted(getattr(operations, name) for name in names.split()) == list(range(operations.COLUMNS))
    assert operations.NUMBERS == len({operations.MOMENTUM, operations.EPSILON, operations.PROBABILITY})
