"""Observations from the public IRIS archive: downloaded into a cache, then ingested as files on disk are.

An observation's folder in the cache holds the archive's files under their own names, ``SDO/`` with the unpacked AIA
cubes, and ``archive.json``: of each file that came and is sound its bytes and BLAKE3 digest, with which a later ingest
compares: what was damaged since is fetched again; null for both where the archive had none the last time. Rasters are
read from their tarball as it is. One command at a time works in an observation's folder.
"""

import fcntl
import json
import logging
import math
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from omegaconf import ListConfig

from preflare.checks import check_flag, check_integer, check_number, check_path, check_text
from preflare.digest import of_file
from preflare.errors import (
    ArchiveError,
    CatalogError,
    ConfigError,
    FlareError,
    Level2Error,
    PreflareError,
    UnreachableError,
)
from preflare.sun import catalog as catalogs
from preflare.sun import flares as flare_lists
from preflare.sun import tarball
from preflare.sun.catalog import Entry
from preflare.sun.folder import Folder
from preflare.sun.line import Line
from preflare.sun.observation import Label, Observation, check_identities
from preflare.sun.transfer import Advance, Remote, Web, arrived
from preflare.sun.window import LABELS, Window

RASTER = "iris_l2_{id}_raster.tar.gz"
AIA = "iris_l2_{id}_SDO.tar.gz"
SLIT_JAW = tuple(f"iris_l2_{{id}}_SJI_{filter}_t000.fits.gz" for filter in ("1330", "1400", "2796", "2832"))
RECORD = "archive.json"
LACKING = {"bytes": None, "blake3": None}
GIB = 2**30
# What a transatlantic line gave; only to say how long it may take.
RATE = 5e6  # bytes/s
# What downloads become, in their bytes: a film unpacks to 2.6 times; a shard of a whole raster has 0.8 (all pixels) to
# 1.6 times (binned) those of its packed files, but is mostly of a part. For the free disk only.
SHARDS, UNPACKED = 1.0, 2.6
ONSET = (
    "Give it as window.onset=2014-03-29T17:35, or in a catalog of your own, catalog=FILE, or have it looked up by "
    "source.resolve=hek."
)

log = logging.getLogger(__name__)

Watch = Callable[[str, int], AbstractContextManager[Advance]]


@contextmanager
def _unwatched(name: str, size: int) -> Iterator[Advance]:
    yield lambda count: None


@dataclass(frozen=True)
class Wanted:
    """An observation to get: its name, its folder in the cache, the files that the archive has, and those it lacks."""

    name: str
    folder: Path
    files: dict[str, Remote]
    lacking: tuple[str, ...]

    @property
    def missing(self) -> int:
        """Bytes that are still to come."""
        return sum(
            remote.size - arrived(self.folder / file, remote)
            for file, remote in self.files.items()
            if not self.has(file)
        )

    @property
    def growth(self) -> float:
        """Bytes that what is still to come takes beside itself, about: shards, and images unpacked."""
        id = self.folder.name
        rates = {RASTER.format(id=id): SHARDS, AIA.format(id=id): UNPACKED}
        return sum(rates.get(file, 0) * remote.size for file, remote in self.files.items() if not self.has(file))

    def has(self, file: str) -> bool:
        """Whether a file is there as large as it should be."""
        path = self.folder / file
        return path.exists() and path.stat().st_size == self.files[file].size


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
        self.images = check_flag("source.images", images)
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
        self.failed: list[str] = []
        self._offline = False

    def observations(self, line: Line) -> Iterator[Observation]:
        """Each observation once its files are there; what is there already is not asked for again.

        Says first how much is to come. Of the whole catalog those that cannot be had, or be cut, are named and left
        out; those of them that another time may bring are kept in ``failed``.
        Raises ArchiveError if a file does not come or is not what it should be, CatalogError or ConfigError if an
        observation that is named cannot be cut, and what ``Folder`` raises.
        """
        self.failed.clear()
        self._offline = False
        if self.folder.surroundings.flares is not None:
            flare_lists.read(self.folder.surroundings.flares)  # before anything is downloaded in vain
        entries = {entry.id: entry for entry in catalogs.read(self.folder.catalog)}
        names, whole = self._named(entries), self.names is None
        new = [name for name in names if not self._is_there(name)]
        if new:
            # Who cannot ask them should not find out after gigabytes.
            self.folder.surroundings.check_reachable(_start(new[0]))
        plan = self._asked(names, whole)
        if whole:
            self._tell(names, entries)
        self._announce(plan)
        for wanted in plan:
            try:
                with _alone(wanted.folder):
                    self._get(wanted)
                    observation = self._read(wanted, line)
            except (ArchiveError, CatalogError, ConfigError, FlareError, Level2Error) as error:
                self._leave_out(wanted.name, error, whole)
            else:
                yield observation

    def check_complete(self) -> None:
        """Raise ArchiveError if ``observations`` left out some that the same command may bring another time."""
        if self.failed:
            raise ArchiveError(
                f"{len(self.failed)} of the catalog did not come or could not be looked up, for the reasons above: "
                f"{', '.join(self.failed)}. Give the same command again: it goes on with them."
            )

    def _leave_out(self, name: str, error: PreflareError, whole: bool) -> None:
        """Go on without an observation of the whole catalog; one that was named is an error, a dead server always."""
        if not whole or isinstance(error, UnreachableError):
            raise error
        # A page that did not come says nothing of the observation.
        named = name.partition("_")[2] in str(error)
        log.warning("Left out: %s", error if named else f"{name}: {error}")
        if isinstance(error, ArchiveError | FlareError):
            self.failed.append(name)

    def _asked(self, names: Sequence[str], whole: bool) -> list[Wanted]:
        """How large everything is. Of the whole catalog, what the archive lacks is left out."""
        plan = []
        for number, name in enumerate(names):
            new = not self._is_there(name)
            try:
                plan.append(self._ask(name))
            except (ArchiveError, CatalogError) as error:
                self._leave_out(name, error, whole)
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
        unknown = [name for name in names if self._lacks_onset(name, entries)]
        if unknown:
            log.warning("Left out: %d PF whose flare onset is unknown: %s. %s", len(unknown), ", ".join(unknown), ONSET)
        names = [name for name in names if name not in unknown]
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
        if self._lacks_onset(name, entries):
            return f"{name} is PF but its flare onset is unknown. {ONSET}"
        return ""

    def _lacks_onset(self, name: str, entries: dict[str, Entry]) -> bool:
        entry = entries.get(name.partition("_")[2])
        label = self.window.label or name.partition("_")[0]
        known = self.window.onset or (entry.onset if entry else "") or self.folder.surroundings.knows_flares
        return label == name.partition("_")[0] == Label.PF.prefix and not known

    def _is_there(self, name: str) -> bool:
        """Whether the rasters of an observation came, as far as the record says."""
        folder = self.cache / name.partition("_")[2]
        try:
            return _is_sound(_read_record(folder).get(RASTER.format(id=folder.name)))
        except ArchiveError:
            return False  # and is said when it is asked for

    def _ask(self, name: str) -> Wanted:
        """How large the files of an observation are; those that are there are not asked for."""
        id = name.partition("_")[2]
        folder = self.cache / id
        record = _read_record(folder)
        files, lacking = {}, []
        for file in (pattern.format(id=id) for pattern in (RASTER, *((*SLIT_JAW, AIA) if self.images else ()))):
            known = record.get(file)
            if known is not None and _is_sound(known):
                files[file] = Remote(known["bytes"])
                continue
            lacked = known is not None and known["bytes"] is None
            remote = None if lacked and self._offline else self._asked_for(id, file, lacked)
            if remote is None:
                lacking.append(file)
            else:
                files[file] = remote
        raster = RASTER.format(id=id)
        if raster in lacking:
            raise CatalogError(
                f"There is no {self._url(id, raster)} (404): the archive has no rasters of {name}. Check its id and "
                "source.base."
            )
        if lacking and not self._offline:
            shown = ", ".join(file.removeprefix(f"iris_l2_{id}_").partition(".")[0] for file in lacking)
            log.info("%s: the archive has no %s (404). The next command asks for it again.", name, shown)
        return Wanted(name, folder, files, tuple(lacking))

    def _asked_for(self, id: str, file: str, lacked: bool) -> Remote | None:
        """A file as the archive has it. One that it lacked the last time is no reason to stop without a network."""
        try:
            return self.web.ask(self._url(id, file))
        except UnreachableError as error:
            if not lacked:
                raise
            self._offline = True
            log.warning("What the archive lacked the last time was not asked for again: %s", error)
            return None

    def _url(self, id: str, file: str) -> str:
        return f"{self.base}/level2_compressed/{id[:4]}/{id[4:6]}/{id[6:8]}/{id}/{file}"

    def _announce(self, plan: Sequence[Wanted]) -> None:
        missing = sum(wanted.missing for wanted in plan)
        if not missing:
            return
        _make(self.cache)
        growth = sum(wanted.growth for wanted in plan)
        free = shutil.disk_usage(self.cache).free
        count = sum(wanted.missing > 0 for wanted in plan)
        log.info(
            "To download: %s of %d observation%s, about %s at %.0f MB/s, into %s (%s free there); shards and unpacked "
            "images take about %s more.",
            _size(missing), count, "s" * (count > 1),
            _hours(missing / RATE), RATE / 1e6, self.cache, _size(free), _size(growth),
        )  # fmt: skip
        if missing + growth > free:
            raise ArchiveError(
                f"{_size(missing)} are to be downloaded, and shards and unpacked images take about {_size(growth)} "
                f"more, but {self.cache} has {_size(free)} free. Make room, choose another source.cache, leave out "
                "the images (source.images=false), or name fewer observations."
            )

    def _get(self, wanted: Wanted) -> None:
        """Download what is not there, or not whole; what is damaged or not safe to unpack is refused."""
        self._note(wanted, dict.fromkeys(wanted.lacking, LACKING))
        for file in wanted.files:
            path = wanted.folder / file
            if not wanted.has(file):
                if path.exists():
                    log.warning("%s is not as large as when it was downloaded, so it is fetched again.", path)
                self._fetch(wanted, file)
            elif not _is_sound(_read_record(wanted.folder).get(file)):
                # Killed just before it was noted.
                self._accept(wanted, file, of_file(path))
            if file == AIA.format(id=wanted.folder.name):
                self._unpack(wanted, file)

    def _fetch(self, wanted: Wanted, file: str) -> None:
        """Download a file into its place, whatever is there."""
        path, remote = wanted.folder / file, wanted.files[file]
        known = _read_record(wanted.folder).get(file, LACKING)["blake3"]
        with self.watch(file, remote.size) as advance:
            digest, size = self.web.fetch(self._url(wanted.folder.name, file), path, remote, known, advance)
        wanted.files[file] = Remote(size)
        self._accept(wanted, file, digest)

    def _accept(self, wanted: Wanted, file: str, digest: str) -> None:
        """Record a file that is there, if it can be used."""
        tarball.check(wanted.folder / file)
        self._note(wanted, {file: {"bytes": wanted.files[file].size, "blake3": digest}})

    def _note(self, wanted: Wanted, news: dict[str, dict]) -> None:
        record = _read_record(wanted.folder)
        if record | news != record:
            _write_record(wanted.folder, record | news)

    def _unpack(self, wanted: Wanted, file: str) -> None:
        path, folder = wanted.folder / file, wanted.folder / "SDO"
        if folder.is_dir():
            return
        try:
            tarball.extract(path, folder)
        except tarball.BROKEN as error:
            if not self._mend(wanted, file):
                raise ArchiveError(f"{path} cannot be unpacked into {folder} ({error}). Make room there.") from error
            tarball.extract(path, folder)

    def _mend(self, wanted: Wanted, file: str) -> bool:
        """Fetch a file again unless it is what was downloaded; returns whether it was."""
        path = wanted.folder / file
        if path.exists() and of_file(path) == _read_record(wanted.folder)[file]["blake3"]:
            return False
        log.warning("%s was changed or damaged since it was downloaded, so it is fetched again.", path)
        self._fetch(wanted, file)
        return True

    def _read(self, wanted: Wanted, line: Line) -> Observation:
        """The observation, of the very file that was downloaded."""
        raster = RASTER.format(id=wanted.folder.name)
        files = self.folder.at(wanted.folder / raster)
        try:
            (observation,) = files.observations(line)
        except Level2Error:
            if not self._mend(wanted, raster):
                raise
            (observation,) = files.observations(line)
        if observation.header.sources[raster] != _read_record(wanted.folder)[raster]["blake3"]:
            self._mend(wanted, raster)
            (observation,) = files.observations(line)
        return observation


def _read_record(folder: Path) -> dict[str, dict]:
    path = folder / RECORD
    try:
        files: dict[str, dict] = json.loads(path.read_text())["files"]
        if not all({"bytes", "blake3"} <= set(file) for file in files.values()):
            raise ValueError("a file without bytes or blake3")
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ArchiveError(f"{path} cannot be read ({error}). Delete it; the files beside it are kept.") from error
    return files


def _write_record(folder: Path, files: dict[str, dict]) -> None:
    _make(folder)
    try:
        scratch = folder / f".{RECORD}.part"
        scratch.write_text(json.dumps({"files": files}, indent=2) + "\n")
        os.replace(scratch, folder / RECORD)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _is_sound(known: dict | None) -> bool:
    return known is not None and known["blake3"] is not None


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> ConfigError:
    return ConfigError(f"Nothing can be written into {folder} ({error.strerror}). Choose another source.cache.")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other commands out of a folder, and wait for one that is in it; killed, it keeps nobody out."""
    _make(folder)
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("Another command is at work in %s: waiting until it is done there.", folder)
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            log.debug("%s is on a file system without locks.", folder)
        yield
    finally:
        os.close(handle)


def _start(name: str) -> datetime:
    return datetime.strptime(name.partition("_")[2][:15], "%Y%m%d_%H%M%S").replace(tzinfo=UTC)


def _size(count: float) -> str:
    if count < 2**20 / 10:
        return f"{math.ceil(count / 1024)} KiB"
    return f"{count / GIB:.1f} GiB" if count >= GIB / 10 else f"{count / 2**20:.1f} MiB"


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{math.ceil(seconds / 60)} min"
