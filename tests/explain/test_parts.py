"""Parts are whole or absent, and belong to what they are of."""

from pathlib import Path

import numpy as np
import pytest

from preflare.explain.parts import Arrays, Parts


class Counted:
    """Makes arrays, and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> Arrays:
        self.times += 1
        return {"a": np.arange(3), "b": np.array([[np.nan, 1.5]], dtype=np.float32)}


def test_a_part_is_made_once(tmp_path: Path) -> None:
    make = Counted()
    first = Parts(tmp_path / "parts", {"seed": 1}).get("0", make)
    again = Parts(tmp_path / "parts", {"seed": 1}).get("0", make)
    assert make.times == 1
    for name in ("a", "b"):
        np.testing.assert_array_equal(again[name], first[name])
        assert again[name].dtype == first[name].dtype


def test_parts_of_anything_else_are_thrown_away(tmp_path: Path) -> None:
    make = Counted()
    Parts(tmp_path / "parts", {"seed": 1}).get("0", make)
    Parts(tmp_path / "parts", {"seed": 2}).get("0", make)
    assert make.times == 2


def test_a_part_that_was_being_written_is_made_again(tmp_path: Path) -> None:
    make = Counted()
    parts = Parts(tmp_path / "parts", {})
    (tmp_path / "parts" / "0.part").write_bytes(b"half")
    np.testing.assert_array_equal(parts.get("0", make)["a"], np.arange(3))
    assert make.times == 1 and [path.name for path in (tmp_path / "parts").glob("0*")] == ["0.npz"]


def test_a_part_that_fails_leaves_nothing(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "parts", {})

    def fail() -> Arrays:
        raise ValueError

    with pytest.raises(ValueError):
        parts.get("0", fail)
    assert not list((tmp_path / "parts").glob("0*"))
    parts.remove()
    assert not (tmp_path / "parts").exists()
