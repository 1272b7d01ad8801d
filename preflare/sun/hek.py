"""Flares and active regions from the Heliophysics Event Knowledgebase (HEK), by sunpy, kept as flare lists.

An answer is written as the CSV files that ``flares`` reads, headed by the query and its date, and not asked for again.
"""

import csv
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from preflare.errors import FlareError
from preflare.sun.flares import Flare, Region, merged, read, read_regions
from preflare.sun.observation import instant, iso

URL = "https://www.lmsal.com/hek/her?"
# Who enters flares of GOES classes, and who regions by the number that NOAA gives them.
FLARES = ("NOAA SWPC", "SWPC", "SSW Latest Events")
REGIONS = ("NOAA SWPC Observer",)


def flares(begin: datetime, end: datetime, cache: Path) -> tuple[Flare, ...]:
    """The flares that went on between begin and end, each once. Raises FlareError if HEK cannot be asked."""
    path = _place("flares", begin, end, cache)
    if not path.exists():
        rows = [
            [
                _time(row, "event_starttime"),
                row["fl_goescls"],
                _time(row, "event_peaktime"),
                _time(row, "event_endtime"),
            ]
            + [row["hpc_x"], row["hpc_y"], row["ar_noaanum"] or ""]
            for row in _ask("FL", begin, end, FLARES)
            if row["fl_goescls"]
        ]
        _write(path, ("start", "class", "peak", "end", "x", "y", "active_region"), rows, begin, end, FLARES)
    return tuple(flare for flare in merged(read(path)) if flare.between(begin, end))


def check_reachable(begin: datetime, end: datetime) -> None:
    """Ask HEK for flares and forget the answer. Raises FlareError if it cannot be asked."""
    _ask("FL", begin, end, FLARES)


def regions(begin: datetime, end: datetime, cache: Path) -> tuple[Region, ...]:
    """The numbered active regions on the disc from begin to end. Raises FlareError if HEK cannot be asked."""
    path = _place("regions", begin, end, cache)
    if not path.exists():
        rows = [
            [_time(row, "event_starttime"), row["hpc_x"], row["hpc_y"], row["ar_noaanum"]]
            for row in _ask("AR", begin, end, REGIONS)
            if row["ar_noaanum"]
        ]
        _write(path, ("time", "x", "y", "active_region"), rows, begin, end, REGIONS)
    return read_regions(path)


def _place(what: str, begin: datetime, end: datetime, cache: Path) -> Path:
    return cache / f"hek_{what}_{begin:%Y%m%dT%H%M%S}_{end:%Y%m%dT%H%M%S}.csv"


def _ask(kind: str, begin: datetime, end: datetime, sources: Sequence[str]) -> list[Any]:
    # Here, as it takes a second and few ingests ask for it.
    from sunpy.net import attrs as a
    from sunpy.net.hek import HEKClient

    time = a.Time(begin.replace(tzinfo=None), end.replace(tzinfo=None))
    try:
        rows = HEKClient(url=URL).search(time, a.hek.EventType(kind)).raw
        return [row for row in rows if row["frm_name"] in sources]
    except Exception as error:  # whatever a network, JSON and astropy's tables come up with
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise FlareError(
            f"HEK could not be asked for {iso(begin)} to {iso(end)} ({reason}). Check the network, or give a flare "
            "list on disk by source.flares=FILE and leave source.resolve out."
        ) from error


def _time(row: Any, name: str) -> str:
    return iso(instant(str(row[name]))) if row[name] else ""


def _write(
    path: Path,
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    begin: datetime,
    end: datetime,
    sources: Sequence[str],
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.part")
    with scratch.open("w", newline="") as file:
        file.write(f"# query: {URL} from {iso(begin)} to {iso(end)}, entered by {', '.join(sources)}\n")
        file.write(f"# asked: {iso(datetime.now(UTC))}\n")
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(rows)
    os.replace(scratch, path)
