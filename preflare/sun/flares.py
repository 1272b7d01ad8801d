"""A flare list: what flared when, how strongly and where, from a CSV file of the user's or an answer of HEK.

Columns: ``start`` (onset, UTC) and ``class`` (C1.2, M2.3, X1) are required, ``peak``, ``end``, ``x``, ``y``
(helioprojective, arcsec, at the start) and ``active_region`` (NOAA number) may be empty or missing. Lines that begin
with ``#`` are comments. A file of regions has ``time``, ``x``, ``y`` and ``active_region``.
"""

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from preflare.errors import FlareError
from preflare.sun.goes import class_flux, is_strong
from preflare.sun.observation import utc

T = TypeVar("T")


@dataclass(frozen=True)
class Flare:
    """One flare. start, peak, end: UTC, None where unknown. x, y: arcsec, NaN where unknown. active_region: "12017"."""

    start: datetime
    flare_class: str
    peak: datetime | None = None
    end: datetime | None = None
    x: float = math.nan
    y: float = math.nan
    active_region: str = ""

    @property
    def strong(self) -> bool:
        """Whether it is of class M or X."""
        return is_strong(self.flare_class)

    def between(self, begin: datetime, end: datetime) -> bool:
        """Whether it went on at a time between the two; one of unknown end counts by its start."""
        return self.start <= end and (self.end or self.start) >= begin

    def distance(self, x: float, y: float) -> float:
        """Arcsec to a place; NaN where the flare's own is unknown."""
        return math.hypot(self.x - x, self.y - y)


@dataclass(frozen=True)
class Region:
    """An active region at a time: x, y in arcsec, number as NOAA gives it."""

    time: datetime
    x: float
    y: float
    active_region: str


def read(path: Path) -> tuple[Flare, ...]:
    """The flares of a list in the order of their starts. Raises FlareError naming the line that cannot be read."""
    return tuple(sorted(_rows(path, ("start", "class"), parse), key=lambda flare: flare.start))


def read_regions(path: Path) -> tuple[Region, ...]:
    """The regions of a file. Raises FlareError naming the line that cannot be read."""
    return tuple(_rows(path, ("time", "x", "y", "active_region"), parse_region))


def merged(flares: Sequence[Flare]) -> tuple[Flare, ...]:
    """Each flare once, where services list it each with its own start: of two within 5 min and of one class, the
    one that knows more of where it was.
    """
    kept: list[Flare] = []
    for flare in sorted(flares, key=lambda flare: flare.start):
        for index, other in enumerate(kept):
            near = abs((flare.start - other.start).total_seconds()) <= 300
            if near and flare.flare_class == other.flare_class:
                if _known(flare) > _known(other):
                    kept[index] = flare
                break
        else:
            kept.append(flare)
    return tuple(kept)


def _known(flare: Flare) -> int:
    return 2 * (not math.isnan(flare.x)) + bool(flare.active_region)


def _rows(path: Path, required: tuple[str, ...], parse: Callable[[dict[str, str]], T]) -> Iterator[T]:
    try:
        lines = io.StringIO(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise FlareError(f"There is no flare list {path}. Correct source.flares.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise FlareError(f"{path} cannot be read as a CSV file: {error}. Save it as CSV in UTF-8.") from error
    # Comments stay as empty lines, so that the reader counts them and does not look for quotes in them.
    reader = csv.reader(("\n" if line.startswith("#") or not line.strip() else line for line in lines), strict=True)
    head: list[str] | None = None
    number = 1
    try:
        for row in reader:
            if row and head is None:
                head = _head(path, row, required)
            elif row and head is not None:
                # A quote that nobody closed would take whole flares into a cell.
                if any("\n" in cell for cell in row):
                    raise ValueError("a quoted cell goes on over the next line")
                if len(row) != len(head):
                    raise ValueError(f"{len(row)} cells, expected {len(head)}")
                yield parse({name: cell.strip() for name, cell in zip(head, row, strict=True)})
            number = reader.line_num + 1
    except (csv.Error, ValueError) as error:
        raise FlareError(f"{path}, line {number}, cannot be read: {error}. Correct or delete the line.") from error
    if head is None:
        raise FlareError(f"{path} is empty. Begin it with a line of columns: {', '.join(required)}.")


def _head(path: Path, row: Sequence[str], required: tuple[str, ...]) -> list[str]:
    head = [name.strip() for name in row]
    advice = f"Let its first line name {', '.join(required)} and, if you like, others, each once."
    if not set(required) <= set(head):
        raise FlareError(f"{path} has the columns {', '.join(head)}; expected {', '.join(required)}. {advice}")
    twice = next((name for name in head if head.count(name) > 1), None)
    if twice is not None:
        raise FlareError(f"{path} has the column {twice} twice. {advice}")
    return head


def parse(row: Mapping[str, str]) -> Flare:
    """The flare of a list's row, column -> cell. Raises ValueError saying which cell cannot be read."""
    class_flux(row["class"])
    start = utc("start", row["start"])
    times = {name: utc(name, row[name]) if row.get(name) else None for name in ("peak", "end")}
    for name, time in times.items():
        if time is not None and time < start:
            raise ValueError(f"{name} {row[name]} is before start {row['start']}")
    x, y = (_arcsec(name, row[name]) if row.get(name) else math.nan for name in ("x", "y"))
    if x == y == 0:  # how services say that they do not know
        x = y = math.nan
    return Flare(start, row["class"], times["peak"], times["end"], x, y, row.get("active_region", ""))


def parse_region(row: Mapping[str, str]) -> Region:
    """The region of a row, column -> cell. Raises ValueError saying which cell cannot be read."""
    x, y = (_arcsec(name, row[name]) for name in ("x", "y"))
    return Region(utc("time", row["time"]), x, y, row["active_region"])


def _arcsec(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} is {text!r}, expected a number of arcsec")
    return number
