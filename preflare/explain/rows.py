"""Small tables beside the cubes: a list of dataclasses as CSV, and back."""

import csv
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def write(path: Path, rows: Sequence[Any]) -> None:
    """Rows of one dataclass; a number that is not defined (NaN) is left empty. No row, no file."""
    if not rows:
        path.unlink(missing_ok=True)
        return
    scratch = path.with_name(f".{path.name}.part")
    with scratch.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(rows[0])])
        for row in rows:
            writer.writerow(["" if value != value else value for value in asdict(row).values()])
    os.replace(scratch, path)


def read(path: Path, kind: type[T]) -> list[T]:
    """What ``write`` wrote, of a dataclass of texts, integers and numbers; [] if there is no such file."""
    if not path.is_file():
        return []
    as_typed: dict[Any, Callable[[str], Any]] = {
        str: str,
        int: int,
        float: lambda text: float(text) if text else float("nan"),
    }
    made = {field.name: as_typed[field.type] for field in fields(kind)}  # type: ignore[arg-type]
    with path.open(newline="") as file:
        return [kind(**{name: made[name](text) for name, text in line.items()}) for line in csv.DictReader(file)]
