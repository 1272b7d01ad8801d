"""The shard: one self-describing HDF5 file per observation, readable by anyone with h5py.

    attrs        schema, origin, label, name, id, line, dispersion (Å), start, window_start, window_end,
                 onset, peak, end (ISO UTC, "" where unknown), flare_class, active_region, number (place in the
                 catalog, -1 for none), settings, sources and recipe (JSON), preflare (version), digest
    wavelength   (wavelength,)                       float64   Å, vacuum
    spectra      (repeat, step, slit, wavelength)    float32   divided by their own maximum; NaN where missing
    intensity    (repeat, step, slit)                float32   DN/s
    time         (repeat, step)                      float64   s from start
    phase        (repeat, step)                      uint8     0 outside, 1 preflare (the window), 2 flare
    exposure     (repeat, step)                      float32   s
    quality      (repeat, step, slit)                uint16    bit flags, 0 = clean (preflare.sun.quality)
    position     (repeat, step, slit, 2)             float32   helioprojective x, y, arcsec
    reconstruction_error  (repeat, step, slit)       float32   where a quiet-Sun autoencoder was applied, which the
                                                               attribute quiet_sun (JSON) names with its threshold
    truth/       simulation only                     arrays that lead with (repeat, step, slit)
    goes/        where known: the X-ray curve, 1 to 8 Å, on a clock of its own
      time       (n,)                                float64   s from start, increasing
      flux       (n,)                                float64   W/m²

Spectra are stored as they are, in one piece; all else is compressed by gzip in chunks of whole repeats, about 1 MiB.
Every dataset carries the BLAKE3 digest of its bytes in C order; ``digest`` is the SHA-256 over those and the
attributes, so that a change of anything is seen. Files are written beside their place and renamed into it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from preflare import __version__
from preflare.digest import Digest, of_array
from preflare.errors import ShardError
from preflare.sun.goes import Goes
from preflare.sun.line import Line
from preflare.sun.observation import Block, Header, Label

SCHEMA = 3
# Bytes of a stored chunk, and of a slab of spectra, at most: HDF5 keeps a megabyte of a dataset at hand.
CHUNK = 2**20
AXES = ("repeat", "step", "slit", "wavelength")
# name -> dtype, number of axes shared with AXES, unit
LAYOUT: dict[str, tuple[str, int, str]] = {
    "spectra": ("<f4", 4, ""),
    "intensity": ("<f4", 3, "DN/s"),
    "time": ("<f8", 2, "s"),
    "phase": ("u1", 2, ""),
    "exposure": ("<f4", 2, "s"),
    "quality": ("<u2", 3, ""),
    "position": ("<f4", 3, "arcsec"),
}
PLAIN_ATTRIBUTES = (
    "id",
    "origin",
    "line",
    "dispersion",
    "start",
    "window_start",
    "window_end",
    "onset",
    "peak",
    "end",
    "flare_class",
    "active_region",
    "number",
)


def find(where: Path, make: str = "python ingest.py") -> list[Path]:
    """The shards a path names: the file itself, or every ``*.h5`` of a folder, sorted by name.

    make: the command that makes such. Raises ShardError if there are none.
    """
    if where.is_file():
        return [where]
    if not where.is_dir():
        raise ShardError(f"No shards at {where}: there is no such file or folder. Make some with: {make}")
    paths = sorted(path for path in where.glob("*.h5") if not path.name.startswith("."))
    if not paths:
        raise ShardError(f"No shards in {where}: it holds no .h5 file. Make some with: {make}")
    return paths


def chunk(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """How a dataset (repeat, step, ...) is divided: whole repeats, or steps of one if that is larger; about 1 MiB."""
    repeats, steps, *rest = shape
    step = int(np.prod(rest)) * itemsize
    high = max(1, min(repeats, CHUNK // max(steps * step, 1)))
    wide = steps if steps * step <= CHUNK else max(1, CHUNK // step)
    return (high, wide, *rest)


def digest_of(file: h5py.File) -> str:
    parts: dict[str, object] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            parts[name] = str(item.attrs["blake3"])

    file.visititems(visit)
    # The version that wrote a shard does not change what it holds.
    attributes = {k: _plain(v) for k, v in file.attrs.items() if k not in ("digest", "preflare")}
    return hashlib.sha256(json.dumps([parts, attributes], sort_keys=True).encode()).hexdigest()


def _plain(value: object) -> Any:
    return value.item() if isinstance(value, np.generic) else value


@dataclass(frozen=True)
class Shard:
    """A shard on disk, checked when opened. Holds no file handle, so it survives a fork and a pickle.

    shape: (repeat, step, slit, wavelength). digest: SHA-256 over its content. truth: names of its truth arrays.
    has_goes: whether it knows the X-ray curve. quiet_sun: what set its flag QUIET_SUN, empty if nothing did.
    """

    path: Path
    header: Header
    shape: tuple[int, int, int, int]
    digest: str
    truth: tuple[str, ...]
    has_goes: bool
    quiet_sun: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The observation's name with its prefix."""
        return self.header.name

    @classmethod
    def open(cls, path: Path, line: Line | None = None) -> "Shard":
        """Read and check the header; with a line, the grid as well.

        Raises ShardError if the file is no shard, is truncated, of another schema, of another line, or was
        changed after it was written.
        """
        try:
            with h5py.File(path, "r", locking="best-effort") as file:
                shard = cls._read(path, file)
        except FileNotFoundError:
            raise ShardError(f"There is no shard at {path}.") from None
        except (OSError, KeyError, ValueError) as error:
            raise ShardError(
                f"{path} cannot be read as a shard ({first_line(error)}): it is truncated or not one of ours. "
                "Ingest the observation again."
            ) from error
        if line is not None:
            shard.check_line(line)
        return shard

    @classmethod
    def _read(cls, path: Path, file: h5py.File) -> "Shard":
        if "schema" not in file.attrs:
            raise ShardError(f"{path} is an HDF5 file but not a shard: it has no attribute schema.")
        schema = int(file.attrs["schema"])
        if schema < SCHEMA:
            raise ShardError(
                f"{path} has schema {schema}, of an older preflare; this one ({__version__}) reads {SCHEMA}. "
                "Ingest the observation again."
            )
        if schema > SCHEMA:
            raise ShardError(
                f"{path} has schema {schema}, this preflare ({__version__}) reads {SCHEMA}. Update preflare."
            )
        if digest_of(file) != file.attrs["digest"]:
            raise ShardError(f"{path} was changed after it was written. Ingest the observation again.")
        header = Header(
            label=Label(int(file.attrs["label"])),
            wavelength=file["wavelength"][:],
            settings=json.loads(file.attrs["settings"]),
            sources=json.loads(file.attrs["sources"]),
            recipe=json.loads(file.attrs["recipe"]),
            **{key: _plain(file.attrs[key]) for key in PLAIN_ATTRIBUTES},
        )
        truth = tuple(sorted(file["truth"])) if "truth" in file else ()
        quiet_sun = json.loads(file.attrs.get("quiet_sun", "{}"))
        return cls(path, header, file["spectra"].shape, str(file.attrs["digest"]), truth, "goes" in file, quiet_sun)

    def check_line(self, line: Line) -> None:
        """Raise ShardError unless the shard holds this line on this grid."""
        if self.header.line != line.name:
            raise ShardError(
                f"{self.path} holds the line {self.header.line}, expected {line.name}. "
                f"Use line={self.header.line}, or ingest it again with line={line.name}."
            )
        found = self.header.wavelength
        if len(found) != line.points:
            raise ShardError(
                f"{self.path} has {len(found)} wavelengths, the line {line.title} expects {line.points}. "
                f"Ingest it again with line={line.name}."
            )
        if not np.allclose(found, line.wavelength, rtol=0, atol=1e-6):
            raise ShardError(
                f"{self.path} covers {found[0]:.2f} to {found[-1]:.2f} Å, the line {line.title} expects "
                f"{line.start:.2f} to {line.stop:.2f} Å. Ingest it again with line={line.name}."
            )

    def read(self, name: str) -> np.ndarray:
        """A whole dataset, for example ``read("quality")`` or ``read("truth/kind")``.

        Raises ShardError if its bytes are not those that were written.
        """
        try:
            with h5py.File(self.path, "r", locking="best-effort") as file:
                values = file[name][()]
                expected = str(file[name].attrs["blake3"])
        except (OSError, KeyError) as error:
            raise ShardError(
                f"{self.path} cannot be read ({first_line(error)}): it is truncated or was changed. "
                "Ingest the observation again."
            ) from error
        self._compare(name, of_array(values), expected)
        return values

    def goes(self) -> Goes | None:
        """The X-ray curve, None where unknown. Raises ShardError as ``read`` does."""
        return Goes(self.read("goes/time"), self.read("goes/flux")) if self.has_goes else None

    def check(self, name: str, digest: Digest) -> None:
        """Raise ShardError unless the digest of what was read of a dataset is that of what was written."""
        with h5py.File(self.path, "r", locking="best-effort") as file:
            expected = str(file[name].attrs["blake3"])
        self._compare(name, digest.hexdigest(), expected)

    def _compare(self, name: str, found: str, expected: str) -> None:
        if found != expected:
            raise ShardError(f"{self.path}: {name} was changed after it was written. Ingest the observation again.")

    def blocks(self, repeats: int) -> Iterator[tuple[slice, Block]]:
        """The observation in blocks of at most so many repeats: (which repeats, block), in time order.

        Raises ShardError after the last one if their bytes are not those that were written.
        """
        digests: dict[str, Digest] = {}
        for first in range(0, self.shape[0], repeats):
            rows = slice(first, min(first + repeats, self.shape[0]))
            with h5py.File(self.path, "r", locking="best-effort") as file:
                arrays = {name: file[name][rows] for name in LAYOUT}
                truth = {name: file["truth"][name][rows] for name in self.truth}
            for name, values in (arrays | {f"truth/{name}": values for name, values in truth.items()}).items():
                digests.setdefault(name, Digest()).update(values)
            yield rows, Block(**arrays, truth=truth)
        for name, digest in digests.items():
            self.check(name, digest)


def open_all(where: Path, line: Line, only: Sequence[str] | None = None, make: str = "python ingest.py") -> list[Shard]:
    """Every shard a path names, checked against the line and against each other; sorted by name.

    only: names of the observations wanted, each of which must be there. make: the command that makes such shards.
    Raises ShardError if there are none, if one is of another line, or if origins are mixed.
    """
    shards = [Shard.open(path, line) for path in find(where, make)]
    if only is not None:
        missing = sorted(set(only) - {shard.name for shard in shards})
        if missing:
            raise ShardError(f"{where} holds no shard of {', '.join(missing)}.")
        shards = [shard for shard in shards if shard.name in set(only)]
    origins = sorted({shard.header.origin for shard in shards})
    if len(origins) > 1:
        odd = next(s for s in shards if s.header.origin != shards[0].header.origin)
        raise ShardError(
            f"{where} mixes shards of origins {' and '.join(origins)} ({shards[0].path.name}, {odd.path.name}). "
            "Keep one origin in a folder."
        )
    return shards


def first_line(error: BaseException) -> str:
    """Of what an error says, or its name."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
