"""Tables beside the cubes come back as they were written."""

import csv
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from preflare.explain import rows


@dataclass(frozen=True)
class Row:
    name: str
    count: int
    value: float


def test_rows_come_back_to_the_last_bit(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    written = [Row("a, b", 3, 0.1 + 0.2), Row("c", 0, float("nan"))]
    rows.write(path, written)
    with path.open(newline="") as file:
        assert list(csv.DictReader(file))[1] == {"name": "c", "count": "0", "value": ""}
    np.testing.assert_equal([astuple(row) for row in rows.read(path, Row)], [astuple(row) for row in written])
    assert list(tmp_path.iterdir()) == [path]


def test_no_row_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    rows.write(path, [Row("a", 1, 2.0)])
    rows.write(path, [])
    assert not path.exists() and rows.read(path, Row) == []
