"""The catalog: which observations are AR or PF, and when and how strongly the latter flared.

``catalog.csv`` ships with the 37 observations of the paper: a row each, with the columns of ``Entry``. A user's
own file has the same columns (only ``label`` and ``id`` are required) and is added to the shipped one.
"""

import csv
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

from preflare.errors import CatalogError
from preflare.sun.goes import class_flux
from preflare.sun.observation import IDENTITY, Label, instant, iso

SHIPPED = Path(__file__).with_name("catalog.csv")


@dataclass(frozen=True)
class Entry:
    """One observation of the catalog.

    number: place within its class, from 0, which orders partitions; -1 where a file leaves it empty.
    label: AR or PF. id: start and OBSID, "20140329_140938_3860258481".
    onset, peak, end: of the flare, ISO UTC, "" where unknown. flare_class: GOES, "X1.0". active_region: NOAA number.
    source: where the row comes from. verified: whether somebody has confirmed it there.
    """

    number: int
    label: Label
    id: str
    onset: str
    peak: str
    end: str
    flare_class: str
    active_region: str
    source: str
    verified: bool

    @property
    def name(self) -> str:
        """Prefix and id, "PF_20140329_140938_3860258481"."""
        return f"{self.label.prefix}_{self.id}"

    @property
    def start(self) -> datetime:
        """When the observation began, to the second."""
        return datetime.strptime(self.id[:15], "%Y%m%d_%H%M%S").replace(tzinfo=UTC)

    @property
    def obsid(self) -> str:
        """The ten digits of the observing programme."""
        return self.id.rsplit("_", 1)[1]


COLUMNS = tuple(field.name for field in fields(Entry))


def read(path: Path | None = None) -> tuple[Entry, ...]:
    """The shipped catalog, AR before PF, each in the order of their numbers; with a file, the file's rows added.

    A row for an observation that is shipped replaces the shipped row. A new row without a number gets the next
    free one of its class.
    Raises CatalogError naming the file and row that cannot be used.
    """
    entries = {entry.id: entry for entry in _parse(SHIPPED)}
    if path is not None:
        for entry in _parse(path):
            if entry.number < 0:
                entry = replace(entry, number=_free_number(entry, entries))
            entries[entry.id] = entry
    _check_numbers(path or SHIPPED, entries)
    return tuple(sorted(entries.values(), key=lambda entry: (entry.label, entry.number)))


def _free_number(entry: Entry, entries: dict[str, Entry]) -> int:
    known = entries.get(entry.id)
    if known is not None and known.label is entry.label:
        return known.number
    return 1 + max((other.number for other in entries.values() if other.label is entry.label), default=-1)


def _check_numbers(path: Path, entries: dict[str, Entry]) -> None:
    places: dict[tuple[Label, int], Entry] = {}
    for entry in entries.values():
        other = places.setdefault((entry.label, entry.number), entry)
        if other is not entry:
            raise CatalogError(
                f"{path}: {other.name} and {entry.name} both have the number {entry.number}; numbers are unique "
                "within a class. Leave the number of a new row empty to get the next free one."
            )


def _parse(path: Path) -> list[Entry]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns = list(reader.fieldnames or ())
            advice = (
                f"expected label, id and any of {', '.join(name for name in COLUMNS if name not in ('label', 'id'))}. "
                "Let its first line name them, each once."
            )
            if not columns:
                raise CatalogError(f"{path} is empty; {advice}")
            if not {"label", "id"} <= set(columns) <= set(COLUMNS) or len(set(columns)) < len(columns):
                raise CatalogError(f"{path} has the columns {', '.join(columns)}; {advice}")
            entries: dict[str, Entry] = {}
            lines: dict[str, int] = {}
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                entry = _entry(where, row)
                if entry.id in entries:
                    raise CatalogError(
                        f"{where}: a second row for {entry.id}, which line {lines[entry.id]} has. "
                        "Keep one row for an observation."
                    )
                entries[entry.id], lines[entry.id] = entry, reader.line_num
            return list(entries.values())
    except FileNotFoundError:
        raise CatalogError(f"There is no catalog at {path}. Correct catalog=FILE.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CatalogError(f"{path} cannot be read as a CSV file: {error}. Save it as CSV in UTF-8.") from error


def _entry(where: str, row: dict[str, str | None]) -> Entry:
    if None in row or None in row.values():
        raise CatalogError(f"{where}: more or fewer cells than the first line has columns.")
    cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
    if cells["label"] not in ("AR", "PF"):
        raise CatalogError(f"{where}: label is {cells['label']!r}, expected AR or PF.")
    if not IDENTITY.fullmatch(f"{cells['label']}_{cells['id']}"):
        raise CatalogError(f"{where}: id is {cells['id']!r}, expected YYYYMMDD_HHMMSS_OBSID without a prefix.")
    if not cells["number"].isdecimal() and cells["number"]:
        raise CatalogError(f"{where}: number is {cells['number']!r}, expected 0, 1, 2, ... or nothing.")
    if cells["verified"] not in ("yes", "no", ""):
        raise CatalogError(f"{where}: verified is {cells['verified']!r}, expected yes or no.")
    try:
        start = datetime.strptime(cells["id"][:15], "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        raise CatalogError(f"{where}: id is {cells['id']!r}, which begins with no date and time.") from None
    if cells["flare_class"]:
        try:
            class_flux(cells["flare_class"])
        except ValueError:
            raise CatalogError(
                f"{where}: flare_class is {cells['flare_class']!r}, expected a GOES class such as M1.8."
            ) from None
    times = _times(where, cells)
    if times["onset"] and instant(times["onset"]) < start:
        raise CatalogError(
            f"{where}: onset {times['onset']} is before the observation began at {iso(start)}. Correct its date."
        )
    return Entry(
        number=int(cells["number"] or -1),
        label=Label[cells["label"]],
        id=cells["id"],
        onset=times["onset"],
        peak=times["peak"],
        end=times["end"],
        flare_class=cells["flare_class"],
        active_region=cells["active_region"],
        source=cells["source"],
        verified=cells["verified"] == "yes",
    )


def _times(where: str, cells: dict[str, str]) -> dict[str, str]:
    times: dict[str, str] = {}
    last = ""
    for name in ("onset", "peak", "end"):
        text = cells[name]
        try:
            times[name] = iso(instant(text)) if text else ""
        except ValueError:
            raise CatalogError(f"{where}: {name} is {text!r}, expected a UTC time such as 2014-03-29T17:35.") from None
        if times[name] and times[name] < last:
            raise CatalogError(f"{where}: {name} {times[name]} is before {last}; expected onset <= peak <= end.")
        last = times[name] or last
    return times
