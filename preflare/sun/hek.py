"""Flares and active regions from the Heliophysics Event Knowledgebase (HEK), by sunpy, kept as flare lists.

An answer is written as the CSV files that ``flares`` reads, headed by the query and its date, and not asked for again.
"""

import csv
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from preflare.errors import FlareError
from preflare.sun.flares import Flare, Region, merged, parse, parse_region, read, read_regions
from preflare.sun.observation import iso
from preflare.sun.transfer import said

URL = "https://www.lmsal.com/hek/her?"
# Who enters flares of GOES classes, and who regions by the number that NOAA gives them.
FLARES = ("NOAA SWPC", "SWPC", "SSW Latest Events")
REGIONS = ("NOAA SWPC Observer",)
# Columns of ours -> of HEK.
FLARE = {
    "start": "event_starttime",
    "class": "fl_goescls",
    "peak": "event_peaktime",
    "end": "event_endtime",
    "x": "hpc_x",
    "y": "hpc_y",
    "active_region": "ar_noaanum",
}
REGION = {"time": "event_starttime", "x": "hpc_x", "y": "hpc_y", "active_region": "ar_noaanum"}

log = logging.getLogger(__name__)


def flares(begin: datetime, end: datetime, cache: Path) -> tuple[Flare, ...]:
    """The flares that went on between begin and end, each once. Raises FlareError if HEK cannot be asked."""
    path = _place("flares", begin, end, cache)
    if not path.exists():
        rows = [_flare(row) for row in _ask("FL", begin, end, FLARES) if row["fl_goescls"]]
        _write(path, FLARE, [row for row in rows if row is not None], begin, end, FLARES)
    return tuple(flare for flare in merged(read(path)) if flare.between(begin, end))


def check_reachable(begin: datetime, end: datetime) -> None:
    """Ask HEK for flares and forget the answer. Raises FlareError if it cannot be asked."""
    _ask("FL", begin, end, FLARES)


def regions(begin: datetime, end: datetime, cache: Path) -> tuple[Region, ...]:
    """The numbered active regions on the disc from begin to end. Raises FlareError if HEK cannot be asked."""
    path = _place("regions", begin, end, cache)
    if not path.exists():
        rows = [_region(row) for row in _ask("AR", begin, end, REGIONS) if row["ar_noaanum"]]
        _write(path, REGION, [row for row in rows if row is not None], begin, end, REGIONS)
    return read_regions(path)


def _flare(row: Any) -> dict[str, str] | None:
    """HEK's row as that of a flare list, without an odd peak or end; None if its start or class cannot be read.

    What no list could hold is said and never written: the answer is kept, and would be in the way for good.
    """
    cells = _cells(row, FLARE)
    try:
        parse(cells | {"peak": "", "end": "", "x": "", "y": ""})
    except ValueError as error:
        log.warning("HEK's %s flare of %s is left out: %s.", cells["class"], cells["start"], error)
        return None
    for name in ("peak", "end", "x", "y"):
        try:
            parse(cells | {other: "" for other in ("peak", "end", "x", "y") if other != name})
        except ValueError as error:
            log.warning(
                "HEK's %s flare of %s is taken without its %s: %s.", cells["class"], cells["start"], name, error
            )
            cells[name] = ""
    return cells


def _region(row: Any) -> dict[str, str] | None:
    """HEK's row as that of a file of regions; None if it cannot be read."""
    cells = _cells(row, REGION)
    try:
        parse_region(cells)
    except ValueError as error:
        log.warning("HEK's region %s of %s is left out: %s.", cells["active_region"], cells["time"], error)
        return None
    return cells


def _cells(row: Any, columns: Mapping[str, str]) -> dict[str, str]:
    values = {name: row[key] if key in row.keys() else None for name, key in columns.items()}
    unknown = [name for name, value in values.items() if value is None or np.ma.is_masked(value)]
    cells = {name: "" if name in unknown else " ".join(str(value).split()) for name, value in values.items()}
    return cells | {"active_region": cells["active_region"].removesuffix(".0") if cells["active_region"] != "0" else ""}


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
        raise FlareError(
            f"HEK could not be asked for {iso(begin)} to {iso(end)} ({said(error)}). Check the network, or give a "
            "flare list on disk by source.flares=FILE and leave source.resolve out."
        ) from error


def _write(
    path: Path,
    columns: Iterable[str],
    rows: Iterable[dict[str, str]],
    begin: datetime,
    end: datetime,
    sources: Sequence[str],
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.part")
    with scratch.open("w", newline="") as file:
        file.write(f"# query: {URL} from {iso(begin)} to {iso(end)}, entered by {', '.join(sources)}\n")
        file.write(f"# asked: {iso(datetime.now(UTC))}\n")
        writer = csv.DictWriter(file, list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(scratch, path)
