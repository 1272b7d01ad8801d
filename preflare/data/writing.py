"""Writing a shard: whole, or with another quality in its place; never half of it under its name."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from preflare import __version__
from preflare.data.shard import AXES, CHUNK, LAYOUT, PLAIN_ATTRIBUTES, SCHEMA, Shard, chunk, digest_of, first_line
from preflare.digest import Digest, of_array
from preflare.errors import ShardError
from preflare.sun.observation import Header, Observation


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
                file.attrs["digest"] = digest_of(file)
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
    reason = os.strerror(error.errno) if error.errno else first_line(error)
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
            file.attrs["digest"] = digest_of(file)
        os.replace(scratch, shard.path)
    except OSError as problem:
        raise _unwritable(shard.path.parent, problem) from problem
    finally:
        scratch.unlink(missing_ok=True)
    return Shard.open(shard.path)


def _replace(file: h5py.File, name: str, values: np.ndarray) -> None:
    file[name][...] = values
    file[name].attrs["blake3"] = of_array(values)
