"""The South Atlantic Anomaly (SAA), where particles hit the detector: which exposures were taken in it.

Three who may say so: the file's header (SAA other than 0), a list of intervals, and the hits themselves.
"""

import csv
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numba
import numpy as np

from preflare.errors import ConfigError
from preflare.sun.observation import utc

# A hit is narrower than anything that comes through the spectrograph, which spreads all light over two pixels: it
# stands above twice what lies two pixels beside it, by more than noise. In real full-resolution exposures of a quiet
# time it is one pixel of a million.
RATIO, EXCESS = 2.0, 30.0  # of the neighbours, DN
Interval = tuple[datetime, datetime]


def read_intervals(path: Path) -> tuple[Interval, ...]:
    """The rows ``start,end`` (UTC) of a CSV file, the first line naming the columns; lines with # are comments.

    Raises ConfigError naming the line that cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as a list of intervals ({error}). Correct source.saa.") from error
    intervals: list[Interval] = []
    head: list[str] | None = None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in next(csv.reader([line]))]
        if head is None:
            head = cells
            if not {"start", "end"} <= set(head) or len(set(head)) < len(head):
                raise ConfigError(
                    f"{path} has the columns {', '.join(head)}; expected start, end and, if you like, others. Let its "
                    "first line name them, each once."
                )
            continue
        try:
            if len(cells) != len(head):
                raise ValueError(f"{len(cells)} cells, expected {len(head)}")
            row = dict(zip(head, cells, strict=True))
            start, end = utc("start", row["start"]), utc("end", row["end"])
            if end < start:
                raise ValueError(f"end {row['end']} is before start {row['start']}")
        except ValueError as error:
            raise ConfigError(
                f"{path}, line {number}, cannot be read: {error}. Correct or delete the line; one is "
                "start,end in UTC, such as 2015-07-03T17:10,2015-07-03T17:20."
            ) from error
        intervals.append((start, end))
    if head is None:
        raise ConfigError(f"{path} is empty. Begin it with a line of columns: start, end.")
    return tuple(intervals)


def within(start: datetime, time: np.ndarray, exposure: np.ndarray, intervals: Sequence[Interval]) -> np.ndarray:
    """Whether exposures (...) overlap with an interval. time: when they began, s from start; exposure: s."""
    inside: np.ndarray = np.zeros(time.shape, bool)
    for first, last in intervals:
        begin, stop = (first - start).total_seconds(), (last - start).total_seconds()
        inside |= (time < stop) & (time + np.maximum(exposure, 0) >= begin)
    return inside


def header_says(value: object) -> bool:
    """Whether a header's SAA is anything but zero; a file without it says nothing."""
    text = str("" if value is None else value).strip()
    try:
        return bool(text) and float(text) != 0
    except ValueError:
        return text.upper() not in ("N", "NO", "F", "FALSE")


@numba.njit(cache=True, nogil=True)
def hit_rate(counts: np.ndarray, null: float) -> float:
    """Hits per million pixels of one exposure (slit, native) in DN; pixels below null, or beside such, do not count."""
    hits, pixels = 0, 0
    for row in range(counts.shape[0]):
        for at in range(2, counts.shape[1] - 2):
            left, here, right = counts[row, at - 2], counts[row, at], counts[row, at + 2]
            if left >= null and here >= null and right >= null:
                pixels += 1
                hits += here > RATIO * max(left, right, 0.0) + EXCESS
    return 1e6 * hits / max(pixels, 1)
