"""Observations from the public IRIS archive: downloaded into a cache, then ingested as files on disk are.

An observation's folder in the cache holds the archive's files under their own names, ``SDO/`` with the unpacked AIA
cubes, and ``archive.json``: for each file that was asked for its bytes (null: the archive has none) and, once it is
there, its SHA-256, with which a later ingest compares. Rasters are read from their tarball as it is.
"""

import json
import logging
import math
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from omegaconf import ListConfig

from preflare.checks import check_integer, check_number, check_path, check_text
from preflare.errors import ArchiveError, CatalogError, ConfigError, Level2Error
from preflare.sun import catalog as catalogs
from preflare.sun.catalog import Entry
from preflare.sun.folder import Folder
from preflare.sun.line import Line
from preflare.sun.observation import Label, Observation, check_identities
from preflare.sun.transfer import Advance, Web, partial_path
from preflare.sun.window import LABELS, Window

RASTER = "iris_l2_{id}_raster.tar.gz"
AIA = "iris_l2_{id}_SDO.tar.gz"
SLIT_JAW = tuple(f"iris_l2_{{id}}_SJI_{filter}_t000.fits.gz" for filter in ("1330", "1400", "2796", "2832"))
RECORD = "archive.json"
GIB = 2**30
# What a transatlantic line gave; only to say how long it may take.
RATE = 5e6  # bytes/s

log = logging.getLogger(__name__)

Watch = Callable[[str, int], AbstractContextManager[Advance]]


@contextmanager
def _unwatched(name: str, size: int) -> Iterator[Advance]:
    yield lambda count: None


@dataclass(frozen=True)
class Wanted:
    """An observation to get: its name, its folder in the cache, and the bytes of each file that the archive has."""

    name: str
    folder: Path
    sizes: dict[str, int]

    @property
    def missing(self) -> int:
        """Bytes that are still to come."""
        sizes = {self.folder / file: size for file, size in self.sizes.items()}
        parts = {path: partial_path(path) for path in sizes}
        return sum(
            size - (parts[path].stat().st_size if parts[path].exists() else 0)
            for path, size in sizes.items()
            if not path.exists()
        )


class Archive:
    """Observations by name from the IRIS archive (``conf/source/archive.yaml``).

    base: URL below which ``level2_compressed/YYYY/MM/DD/ID/`` lies. cache: folder for what is downloaded.
    images: whether slit-jaw images and co-aligned AIA cubes are wanted, too.
    tries, pause: how often a request is made, and s between two (``Web``).
    observations: names with their prefix, or None for the whole catalog.
    window, catalog, resolve, flares, goes, allow, saa, correct_zero_point: as for ``Folder``.
    Raises ConfigError for values that cannot be meant.
    """

    def __init__(
        self,
        base: str,
        cache: str,
        images: bool,
        tries: int,
        pause: float,
        observations: Sequence[str] | str | None,
        window: Window,
        catalog: str | None,
        resolve: str | None,
        flares: str | None,
        goes: str | None,
        allow: Sequence[str] | str | None,
        saa: str | None,
        correct_zero_point: bool,
    ) -> None:
        self.base = check_text("source.base", base, "https://www.lmsal.com/solarsoft/irisa/data").rstrip("/")
        if not self.base.startswith(("http://", "https://")):
            raise ConfigError(f"source.base is {base!r}, expected a URL with http:// or https://.")
        self.cache = check_path("source.cache", cache)
        self.images = images
        self.web = Web(
            check_integer("source.tries", tries, 1), check_number("source.pause", pause, 0, 3600, unit="seconds")
        )
        self.names = (
            None
            if observations is None
            else check_identities(
                list(observations) if isinstance(observations, list | tuple | ListConfig) else [observations]
            )
        )
        self.window = window
        self.folder = Folder(None, window, catalog, resolve, flares, goes, allow, cache, saa, correct_zero_point)
        self.watch: Watch = _unwatched

    def observations(self, line: Line) -> Iterator[Observation]:
        """Each observation once its files are there; what is there already is not asked for again.

        Says first how much is to come. Of the whole catalog those that cannot be had, or be cut, are named and left
        out.
        Raises ArchiveError if a file does not come or is not what it should be, CatalogError or ConfigError if an
        observation that is named cannot be cut, and what ``Folder`` raises.
        """
        entries = {entry.id: entry for entry in catalogs.read(self.folder.catalog)}
        names, whole = self._named(entries), self.names is None
        plan = self._asked(names, whole)
        if whole:
            self._tell(names, entries)
        self._announce(plan)
        for wanted in plan:
            self._get(wanted)
            try:
                yield from self._read(wanted, line)
            except (CatalogError, ConfigError, Level2Error) as error:
                if not whole:
                    raise
                log.warning("Left out: %s", error)

    def _asked(self, names: Sequence[str], whole: bool) -> list[Wanted]:
        """How large everything is. Of the whole catalog, what the archive lacks is left out."""
        plan = []
        for number, name in enumerate(names):
            new = not (self.cache / name.partition("_")[2] / RECORD).exists()
            try:
                plan.append(self._ask(name))
            except CatalogError as error:
                if not whole:
                    raise
                log.warning("Left out: %s", error)
            if number == 0 and new and len(names) > 1:
                log.info("Asking the archive how large the files of %d observations are.", len(names))
        return plan

    def _tell(self, names: Sequence[str], entries: dict[str, Entry]) -> None:
        """What the whole catalog lacks that is looked up."""
        unknown = [name for name in names if name.startswith("PF") and not entries[name.partition("_")[2]].onset]
        if unknown and not self.window.onset:
            log.info("%d onsets that the catalog lacks are looked up: %s.", len(unknown), ", ".join(unknown))

    def _named(self, entries: dict[str, Entry]) -> list[str]:
        """The names to get, refused (or, of the whole catalog, left out) before anything is downloaded."""
        if self.names is not None:
            for name in self.names:
                reason = self._hindrance(name, entries)
                if reason:
                    raise CatalogError(reason)
            return list(dict.fromkeys(self.names))
        names = [entry.name for entry in entries.values()]
        reasons = {name: self._hindrance(name, entries) for name in names}
        for reason in filter(None, reasons.values()):
            log.warning("Left out: %s", reason)
        return [name for name in names if not reasons[name]]

    def _hindrance(self, name: str, entries: dict[str, Entry]) -> str:
        """Why a name cannot be ingested with this window and catalog; "" if it can."""
        prefix, _, id = name.partition("_")
        entry = entries.get(id)
        label = LABELS[self.window.label] if self.window.label is not None else entry.label if entry else None
        if label is None:
            return (
                f"The catalog has no observation {id}. Add it by catalog=FILE, or say what it is by window.label=AR, "
                "PF or NA."
            )
        if label.prefix != prefix:
            return f"{name} is {label.prefix} by the catalog or the window. Ask for {label.prefix}_{id}."
        onset = self.window.onset or (entry.onset if entry else "")
        if label is Label.PF and not onset and not self.folder.surroundings.knows_flares:
            return (
                f"{name} is PF but its flare onset is unknown. Give it as window.onset=2014-03-29T17:35, or in a "
                "catalog of your own, catalog=FILE, or have it looked up by source.resolve=hek."
            )
        return ""

    def _ask(self, name: str) -> Wanted:
        """How large the files of an observation are; only what the cache does not know is asked for."""
        id = name.partition("_")[2]
        folder = self.cache / id
        record = _read_record(folder)
        patterns = (RASTER, *((*SLIT_JAW, AIA) if self.images else ()))
        for file in (pattern.format(id=id) for pattern in patterns):
            if file not in record:
                record[file] = {"bytes": self.web.size(self._url(id, file)), "sha256": None}
        raster = RASTER.format(id=id)
        if record[raster]["bytes"] is None:
            raise CatalogError(
                f"There is no {self._url(id, raster)} (404): the archive has no rasters of {name}. Check its id and "
                "source.base."
            )
        _write_record(folder, record)
        return Wanted(name, folder, {file: record[file]["bytes"] for file in record if record[file]["bytes"]})

    def _url(self, id: str, file: str) -> str:
        return f"{self.base}/level2_compressed/{id[:4]}/{id[4:6]}/{id[6:8]}/{id}/{file}"

    def _announce(self, plan: Sequence[Wanted]) -> None:
        missing = sum(wanted.missing for wanted in plan)
        if not missing:
            return
        free = shutil.disk_usage(self.cache).free
        log.info(
            "To download: %s of %d observation%s, about %s at %.0f MB/s, into %s (%s free there).",
            _size(missing), sum(wanted.missing > 0 for wanted in plan), "s" * (len(plan) > 1),
            _hours(missing / RATE), RATE / 1e6, self.cache, _size(free),
        )  # fmt: skip
        if missing > free:
            raise ArchiveError(
                f"{_size(missing)} are to be downloaded, but {self.cache} has {_size(free)} free. Make room, choose "
                "another source.cache, leave out the images (source.images=false), or name fewer observations."
            )

    def _get(self, wanted: Wanted) -> None:
        """Download what is not there; a tarball that asks for a place outside its folder is refused and deleted."""
        for file, size in wanted.sizes.items():
            path = wanted.folder / file
            record = _read_record(wanted.folder)
            if not path.exists():
                with self.watch(file, size) as advance:
                    id = wanted.folder.name
                    digest = self.web.fetch(self._url(id, file), path, size, record[file]["sha256"], advance)
                if file.endswith(".tar.gz"):
                    _check_tar(path)
                record[file]["sha256"] = digest
                _write_record(wanted.folder, record)
            if file == AIA.format(id=wanted.folder.name):
                _unpack(path, wanted.folder / "SDO")

    def _read(self, wanted: Wanted, line: Line) -> Iterator[Observation]:
        raster = RASTER.format(id=wanted.folder.name)
        for observation in self.folder.at(wanted.folder / raster).observations(line):
            found, expected = observation.header.sources[raster], _read_record(wanted.folder)[raster]["sha256"]
            if found != expected:
                raise ArchiveError(
                    f"{wanted.folder / raster} has the SHA-256 {found[:12]}..., {str(expected)[:12]}... when it was "
                    "downloaded: it was changed or damaged since. Delete it and give the command again."
                )
            yield observation


def _check_tar(path: Path) -> None:
    """Read a tarball to its end. Deletes it and raises ArchiveError if it is damaged or not safe to unpack."""
    try:
        with tarfile.open(path, "r:gz") as tar:
            for member in tar:
                tarfile.data_filter(member, str(path.parent))
    except tarfile.FilterError as error:
        path.unlink()
        raise ArchiveError(
            f"{path.name} is not safe to unpack ({error}), so it was deleted. Tell those who run the archive."
        ) from error
    except (tarfile.TarError, EOFError, OSError) as error:
        path.unlink()
        raise ArchiveError(f"{path.name} is no whole tarball ({error}), so it was deleted. Get it again.") from error


def _unpack(path: Path, folder: Path) -> None:
    if folder.is_dir():
        return
    scratch = folder.with_name(f".{folder.name}.{os.getpid()}.part.d")
    try:
        with tarfile.open(path, "r:gz") as tar:
            tar.extractall(scratch, filter="data")
        os.replace(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _read_record(folder: Path) -> dict[str, dict]:
    path = folder / RECORD
    try:
        files: dict[str, dict] = json.loads(path.read_text())["files"]
        if not all({"bytes", "sha256"} <= set(file) for file in files.values()):
            raise ValueError("a file without bytes or sha256")
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ArchiveError(f"{path} cannot be read ({error}). Delete it; the files beside it are kept.") from error
    return files


def _write_record(folder: Path, files: dict[str, dict]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = folder / f".{RECORD}.part"
        scratch.write_text(json.dumps({"files": files}, indent=2) + "\n")
        os.replace(scratch, folder / RECORD)
    except OSError as error:
        raise ConfigError(
            f"Nothing can be written into {folder} ({error.strerror}). Choose another source.cache."
        ) from error


def _size(count: float) -> str:
    return f"{count / GIB:.1f} GiB" if count >= GIB / 10 else f"{count / 2**20:.1f} MiB"


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{math.ceil(seconds / 60)} min"
