"""Explanations against what is known to have changed, by hand, and kind by kind."""

import numpy as np
import pytest

from preflare.explain.truth import ALL, Truth, against, by_kind
from preflare.sun.simulation.precursor import Precursor

STREAM = np.random.default_rng(0)
SAID = STREAM.normal(size=(6, 40))
AFTER = STREAM.random((6, 40)) < 0.3
AFTER[5] = False
KIND = np.array([Precursor.TRIPLET] * 2 + [Precursor.RED_WING] * 3 + [Precursor.NONE], dtype=np.uint8)


def test_what_was_not_changed_does_not_count() -> None:
    truth = Truth(AFTER, ~AFTER, KIND)
    share, chance, area, before = against(SAID, truth)
    size = np.abs(SAID[:5])
    assert share == pytest.approx(np.mean((size * AFTER[:5]).sum(axis=1) / size.sum(axis=1)))
    assert chance == pytest.approx(AFTER[:5].mean()) and before == pytest.approx(1 - area)
    assert np.isnan(against(SAID, None)).all()
    assert np.isnan(against(SAID[5:], Truth(AFTER[5:], AFTER[5:], KIND[5:]))).all()


def test_kinds_have_their_own_rows() -> None:
    truth = Truth(AFTER, ~AFTER, KIND)
    found = {(row.kind, row.method): row for row in by_kind({"a": SAID, "b": AFTER.astype(float)}, truth)}
    assert [kind for kind, method in found if method == "a"] == [ALL, "triplet", "red wing"]
    assert [found[kind, "a"].spectra for kind in (ALL, "triplet", "red wing")] == [5, 2, 3]
    red = Truth(AFTER[2:5], ~AFTER[2:5], KIND[2:5])
    row = found["red wing", "a"]
    assert (row.share, row.chance, row.area, row.area_before) == against(SAID[2:5], red)
    perfect = found["triplet", "b"]
    assert perfect.share == 1 and perfect.area == 1 and perfect.area_before == 0


def test_parts_are_put_together() -> None:
    parts = [Truth(AFTER[:2], ~AFTER[:2], KIND[:2]), Truth(AFTER[2:], ~AFTER[2:], KIND[2:])]
    together = Truth.together(parts)
    np.testing.assert_array_equal(together.after, AFTER)
    np.testing.assert_array_equal(together.before, ~AFTER)
    np.testing.assert_array_equal(together.kind, KIND)
