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

import contextlib
import hashlib
import json
import os
import shutil
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
from preflare.sun.observation import Block, Header, Label, Observation

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


def write(root: Path, observation: Observation) -> tuple[Path, bool]:
    """Write an observation into the folder root; returns its path and whether it was written.

    An observation that is already there from the same sources by the same recipe is left alone (False).
    Raises ShardError if it is there from others, if the folder holds shards of another origin or cannot be
    written to, or if the blocks do not add up to the stated size; then, and on any other exception, nothing is
    left behind.
    """
    header = observation.header
    path = root / f"{header.name}.h5"
    there = _there(root, header)
    _sweep(root, header.name)
    if there:
        _check_same(Shard.open(path), header)
        return path, False
    scratch = _scratch(root, header.name)
    with _folder(root):
        try:
            with _create_file(scratch) as file:
                _write_attributes(file, header)
                _write_plain(file, "wavelength", header.wavelength, "Angstrom")
                file["wavelength"].dims[0].label = "wavelength"
                _write_blocks(file, observation)
                if observation.goes is not None:
                    for name, unit in (("time", "s"), ("flux", "W/m2")):
                        _write_plain(file, f"goes/{name}", getattr(observation.goes, name), unit)
                file.attrs["digest"] = _digest(file)
            os.replace(scratch, path)
        finally:
            scratch.unlink(missing_ok=True)
    return path, True


def _scratch(root: Path, name: str) -> Path:
    return root / f".{name}.{os.getpid()}.part"


def _sweep(root: Path, name: str) -> None:
    """Remove what killed processes left of an observation half-written."""
    for path in root.glob(f".{name}.*.part"):
        number = path.name.split(".")[-2]
        if number.isdecimal() and not _runs(int(number)):
            with contextlib.suppress(OSError):
                path.unlink()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # somebody else's
    return True


@contextlib.contextmanager
def _folder(root: Path) -> Iterator[None]:
    """The folder root, made with its parents if need be; of those, on an exception, the empty ones go again."""
    new: list[Path] = []
    try:
        try:
            new += [folder for folder in (root, *root.parents) if not folder.exists()]
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(root, error) from error
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            for folder in new:
                folder.rmdir()
        raise


def _create_file(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "w", locking="best-effort")
    except OSError as error:
        raise _unwritable(path.parent, error) from error


def _unwritable(root: Path, error: OSError) -> ShardError:
    reason = os.strerror(error.errno) if error.errno else _first_line(error)
    if isinstance(error, FileExistsError | NotADirectoryError):
        reason = "it is a file, or below one"
    return ShardError(f"No shard can be written into {root} ({reason}). Choose another folder with data.root=DIR.")


def _there(root: Path, header: Header) -> bool:
    """Whether the folder holds a shard of this name. Raises ShardError if it holds shards of another origin."""
    try:
        paths = sorted(root.glob("*.h5")) if root.is_dir() else []
    except OSError as error:
        raise _unwritable(root, error) from error
    for path in paths:
        try:
            with h5py.File(path, "r", locking="best-effort") as file:
                origin = str(file.attrs["origin"])
        except (OSError, KeyError):
            continue
        if origin != header.origin:
            raise ShardError(
                f"{root} holds shards of origin {origin} ({path.name}), {header.name} is of origin {header.origin}. "
                "Keep one origin in a folder: choose another with data.root=DIR."
            )
        # One tells, as no other was let in; only what cannot be read does not.
        break
    return f"{header.name}.h5" in {path.name for path in paths}


def _check_same(found: "Shard", header: Header) -> None:
    old, new = found.header, header
    differing = [
        key
        for name in ("sources", "recipe")
        for key in sorted({**getattr(old, name), **getattr(new, name)})
        if getattr(old, name).get(key) != getattr(new, name).get(key)
    ]
    differing += [
        name for name in PLAIN_ATTRIBUTES if getattr(old, name) != getattr(new, name) and name not in differing
    ]
    if differing:
        raise ShardError(
            f"{found.path} is already there from another ingest; these differ: {', '.join(differing)}. "
            "Choose another folder with data.root=DIR, or delete the shard first."
        )


def _write_attributes(file: h5py.File, header: Header) -> None:
    file.attrs["schema"] = SCHEMA
    file.attrs["preflare"] = __version__
    file.attrs["name"] = header.name
    file.attrs["label"] = int(header.label)
    for key in PLAIN_ATTRIBUTES:
        file.attrs[key] = getattr(header, key)
    for key in ("settings", "sources", "recipe"):
        file.attrs[key] = json.dumps(dict(getattr(header, key)), sort_keys=True)


def _write_plain(file: h5py.File, name: str, array: np.ndarray, unit: str) -> None:
    """A small float64 dataset, written at once."""
    values = np.ascontiguousarray(array, dtype="<f8")
    dataset = file.create_dataset(name, data=values)
    dataset.attrs["unit"] = unit
    dataset.attrs["blake3"] = of_array(values)


class _Growing:
    """A dataset that is written and digested block by block; small blocks wait for each other, as every write costs."""

    def __init__(self, dataset: h5py.Dataset) -> None:
        # Kept open: a dataset that is opened again for every block is compressed anew every time.
        self._dataset, self._digest = dataset, Digest()
        self._waiting: list[np.ndarray] = []
        self._written = 0

    def append(self, values: np.ndarray) -> None:
        self._waiting.append(np.ascontiguousarray(values, dtype=self._dataset.dtype))
        if sum(one.nbytes for one in self._waiting) >= CHUNK:
            self._write()

    def finish(self) -> None:
        if self._waiting:
            self._write()
        self._dataset.attrs["blake3"] = self._digest.hexdigest()

    def _write(self) -> None:
        values = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting)
        self._dataset[self._written : self._written + len(values)] = values
        self._digest.update(values)
        self._written += len(values)
        self._waiting = []


def _write_blocks(file: h5py.File, observation: Observation) -> None:
    datasets: dict[str, _Growing] = {}
    row = 0
    for block in observation.blocks():
        arrays = {name: getattr(block, name) for name in LAYOUT}
        arrays |= {f"truth/{name}": array for name, array in block.truth.items()}
        if row == 0:
            for name, array in arrays.items():
                datasets[name] = _Growing(_create(file, name, array, observation))
        if set(arrays) != set(datasets):
            raise ShardError(f"{observation.header.name}: a block lacks {sorted(set(datasets) ^ set(arrays))}.")
        if row + len(block.spectra) > observation.repeats or block.spectra.shape[1:] != file["spectra"].shape[1:]:
            raise ShardError(
                f"{observation.header.name}: a block of shape {block.spectra.shape} at repeat {row} does not fit "
                f"a cube of shape {file['spectra'].shape}."
            )
        for name, array in arrays.items():
            datasets[name].append(array)
        row += len(block.spectra)
    if row != observation.repeats or row == 0:
        raise ShardError(f"{observation.header.name}: the blocks hold {row} repeats, expected {observation.repeats}.")
    for dataset in datasets.values():
        dataset.finish()


def _create(file: h5py.File, name: str, array: np.ndarray, observation: Observation) -> h5py.Dataset:
    if name in LAYOUT:
        dtype, axes, unit = LAYOUT[name]
    else:
        dtype, axes, unit = array.dtype.newbyteorder("<").str, min(array.ndim, 4), ""
    shape = (observation.repeats, *array.shape[1:])
    packed = {
        "chunks": chunk(shape, np.dtype(dtype).itemsize),
        "compression": "gzip",
        "compression_opts": 1,
        "shuffle": True,
    }
    # Noise fills the last bits of a spectrum: gzip would save a quarter and make reading 5 to 10 times slower.
    dataset = file.create_dataset(name, shape=shape, dtype=dtype, **({} if name == "spectra" else packed))
    for axis in range(axes):
        dataset.dims[axis].label = AXES[axis]
    if unit:
        dataset.attrs["unit"] = unit
    return dataset


def chunk(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """How a dataset (repeat, step, ...) is divided: whole repeats, or steps of one if that is larger; about 1 MiB."""
    repeats, steps, *rest = shape
    step = int(np.prod(rest)) * itemsize
    high = max(1, min(repeats, CHUNK // max(steps * step, 1)))
    wide = steps if steps * step <= CHUNK else max(1, CHUNK // step)
    return (high, wide, *rest)


def _digest(file: h5py.File) -> str:
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
                f"{path} cannot be read as a shard ({_first_line(error)}): it is truncated or not one of ours. "
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
        if _digest(file) != file.attrs["digest"]:
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
                f"{self.path} cannot be read ({_first_line(error)}): it is truncated or was changed. "
                "Ingest the observation again."
            ) from error
        if of_array(values) != expected:
            raise ShardError(f"{self.path}: {name} was changed after it was written. Ingest the observation again.")
        return values

    def goes(self) -> Goes | None:
        """The X-ray curve, None where unknown. Raises ShardError as ``read`` does."""
        return Goes(self.read("goes/time"), self.read("goes/flux")) if self.has_goes else None

    def expected(self, name: str) -> str:
        """The digest that a dataset had when it was written."""
        with h5py.File(self.path, "r", locking="best-effort") as file:
            return str(file[name].attrs["blake3"])

    def blocks(self, repeats: int) -> Iterator[tuple[slice, Block]]:
        """The observation in blocks of at most so many repeats: (which repeats, block), in time order."""
        for first in range(0, self.shape[0], repeats):
            rows = slice(first, min(first + repeats, self.shape[0]))
            with h5py.File(self.path, "r", locking="best-effort") as file:
                arrays = {name: file[name][rows] for name in LAYOUT}
                truth = {name: file["truth"][name][rows] for name in self.truth}
            yield rows, Block(**arrays, truth=truth)


def remask(shard: Shard, quality: np.ndarray, error: np.ndarray, quiet_sun: Mapping[str, Any]) -> Shard:
    """Give a shard another quality and the reconstruction errors it comes from; returns it as it is then.

    quality, error: (repeat, step, slit). quiet_sun: what set the flag QUIET_SUN, kept as an attribute.
    Atomic: a copy is changed and renamed into the shard's place. Raises ShardError if that cannot be written.
    """
    _sweep(shard.path.parent, shard.name)
    scratch = _scratch(shard.path.parent, shard.name)
    try:
        shutil.copyfile(shard.path, scratch)
        with h5py.File(scratch, "r+", locking="best-effort") as file:
            _replace(file, "quality", quality.astype("<u2"))
            if "reconstruction_error" not in file:
                dataset = file.create_dataset(
                    "reconstruction_error",
                    shape=quality.shape,
                    dtype="<f4",
                    chunks=chunk(quality.shape, 4),
                    compression="gzip",
                    compression_opts=1,
                    shuffle=True,
                )
                for axis in range(3):
                    dataset.dims[axis].label = AXES[axis]
            _replace(file, "reconstruction_error", error.astype("<f4"))
            file.attrs["quiet_sun"] = json.dumps(dict(quiet_sun), sort_keys=True)
            file.attrs["digest"] = _digest(file)
        os.replace(scratch, shard.path)
    except OSError as problem:
        raise _unwritable(shard.path.parent, problem) from problem
    finally:
        scratch.unlink(missing_ok=True)
    return Shard.open(shard.path)


def _replace(file: h5py.File, name: str, values: np.ndarray) -> None:
    file[name][...] = values
    file[name].attrs["blake3"] = of_array(values)


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


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
