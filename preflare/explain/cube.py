"""The saliency cube: one HDF5 file per explained observation, on the axes of its shard.

    attrs                what was explained, by whom, how (``Cube.attributes``); name, origin and digest of the shard
    wavelength           (wavelength,)                      float64   Å, vacuum
    phase                (repeat, step)                     uint8     as in the shard: 1 is the analysis window
    clean                (repeat, step, slit)               uint8     1 where no flag is set that the line does not
                                                                      tolerate
    score                (repeat, step, slit)               float32   softmax probability of PF, mean over members, of
                                                                      every valid spectrum, clean or not; NaN where a
                                                                      wavelength is missing
    log_odds             (repeat, step, slit)               float32   logit PF minus logit AR, mean over members
    log_odds_spread      (repeat, step, slit)               float32   standard deviation over members, if several
    distance             (repeat, step, slit)               float32   from the training spectra, in the last hidden
                                                                      layer (Mahalanobis), mean over members
    expected_gradients   (repeat, step, slit, wavelength)   float32   signed, mean over members; NaN where not
                                                            or 16     computed (attributes spectra and sample say of
                                                                      which spectra they are)
    expected_gradients_spread    the same axes                        standard deviation over members, if several
    completeness         (repeat, step, slit)               float32   sum of expected gradients minus what it
                                                                      should be, in the unit of what is explained,
                                                                      before any rounding
    gradcam, hirescam, gradcam_reference: those asked for
                         (repeat, step, slit, wavelength)   float32   signed; NaN where not computed or unsupported
                                                            or 16
    paths/               observation, row (partition, sample)         where each baseline is from (its place in the
                                                                      flattened shard)
                         position (sample,)                           how far along its path
                         partition (member,)                          whose baselines a member has

What is explained is the attribute quantity: log_odds, probability, logit_pf or logit_ar. log_odds are always there.
Attribute seen: whether any member trained with the observation; chose: whether it was on the side whose loss chose the
epoch of any, which is less than to train with it, and more than nothing.

A network without convolution has no activation maps. Cubes are derived data: one that was made in another way is
replaced. Files are written beside their place and renamed into it.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from preflare import __version__
from preflare.data.shard import AXES
from preflare.errors import RunError

SCHEMA = 4

Attribute = str | int | float | bool


def write(
    path: Path,
    shape: tuple[int, int, int, int],
    wavelength: np.ndarray,
    phase: np.ndarray,
    clean: np.ndarray,
    dense: Mapping[str, np.ndarray],
    sparse: Iterable[tuple[np.ndarray, Mapping[str, np.ndarray]]],
    paths: Mapping[str, np.ndarray],
    precision: str,
    attributes: Mapping[str, Attribute],
) -> None:
    """Write a cube; on an exception nothing is left behind.

    shape, wavelength, phase: of the shard. clean: which of its spectra are, (repeat, step, slit). dense: arrays on
    these axes. sparse: parts of whole repeats, each the positions that have values, (n,), which count in the flattened
    (repeat, step, slit), and the same arrays in every part, (n,) or (n, wavelength). precision: of the
    latter, float32 or float16.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.stem}.{os.getpid()}.part")
    try:
        with h5py.File(scratch, "w", locking="best-effort") as file:
            file.attrs.update({"schema": SCHEMA, "preflare": __version__, **attributes})
            file.create_dataset("wavelength", data=wavelength.astype("<f8")).attrs["unit"] = "Angstrom"
            file["wavelength"].dims[0].label = AXES[3]
            file.create_dataset("phase", data=phase.astype("u1"))
            for axis in range(2):
                file["phase"].dims[axis].label = AXES[axis]
            _create(file, "clean", shape[:3], "uint8", 0)[...] = clean
            for name, array in paths.items():
                file[f"paths/{name}"] = array
            for name, array in dense.items():
                _create(file, name, shape[:3], "float32")[...] = array
            for index, arrays in sparse:
                for name, rows in arrays.items():
                    if name not in file:
                        _create(file, name, (*shape[:3], *rows.shape[1:]), precision if rows.ndim > 1 else "float32")
                    _scatter(file[name], index, rows)
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def _create(
    file: h5py.File, name: str, shape: tuple[int, ...], precision: str, nothing: float = np.nan
) -> h5py.Dataset:
    # A chunk is one repeat; those without a value take no room.
    dataset = file.create_dataset(
        name,
        shape=shape,
        dtype=np.dtype(precision).newbyteorder("<"),
        chunks=(1, *shape[1:]),
        fillvalue=nothing,
        compression="gzip",
        compression_opts=1,
        shuffle=True,
    )
    for axis, label in zip(range(len(shape)), AXES, strict=False):
        dataset.dims[axis].label = label
    return dataset


def _scatter(dataset: h5py.Dataset, index: np.ndarray, rows: np.ndarray) -> None:
    per_repeat = int(np.prod(dataset.shape[1:3]))
    for repeat in np.unique(index // per_repeat):
        here = index // per_repeat == repeat
        block = np.full((per_repeat, *rows.shape[1:]), np.nan, dtype=dataset.dtype)
        block[index[here] % per_repeat] = rows[here]
        dataset[repeat] = block.reshape(dataset.shape[1:])


@dataclass(frozen=True, eq=False)
class Cube:
    """A cube on disk. Holds no file handle.

    attributes: all of them. shape: (repeat, step, slit, wavelength). names: the datasets there are.
    """

    path: Path
    attributes: dict[str, Attribute]
    shape: tuple[int, int, int, int]
    names: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> "Cube":
        """Raises RunError if the file is no cube, is truncated, or was written by another preflare."""
        try:
            with h5py.File(path, "r", locking="best-effort") as file:
                attributes = {k: v.item() if isinstance(v, np.generic) else v for k, v in file.attrs.items()}
                shape = (*file["score"].shape, file["wavelength"].size)
                names = tuple(sorted(name for name in file if isinstance(file[name], h5py.Dataset)))
                schema = int(attributes["schema"])
        except (OSError, KeyError, ValueError) as error:
            raise RunError(f"{path} cannot be read as a saliency cube. Delete it and run explain.py again.") from error
        if schema > SCHEMA:
            raise RunError(
                f"{path} has schema {schema}, this preflare ({__version__}) reads up to {SCHEMA}. Update preflare."
            )
        if schema < SCHEMA:
            raise RunError(
                f"{path} has schema {schema}, expected {SCHEMA}: it was made when cubes did not yet say "
                "which spectra are clean, nor hold a score of every valid one. Run explain.py again."
            )
        return cls(path, attributes, shape, names)

    def read(self, name: str) -> np.ndarray:
        """A whole dataset."""
        with h5py.File(self.path, "r", locking="best-effort") as file:
            return file[name][()]

    def clean(self) -> np.ndarray:
        """Which spectra are clean, (repeat, step, slit) bool."""
        return self.read("clean") > 0

    def of_clean(self, name: str) -> np.ndarray:
        """A dataset on (repeat, step, slit) of clean spectra, NaN elsewhere: what the networks were trained for."""
        values = self.read(name)
        values[~self.clean()] = np.nan
        return values

    def explained(self) -> np.ndarray:
        """Which spectra have attributions: increasing positions in the flattened (repeat, step, slit). Of a cube made
        with spectra=all some are not clean."""
        return np.flatnonzero(np.isfinite(self.read("completeness")))

    def rows(self, name: str, index: np.ndarray) -> np.ndarray:
        """The values, (n,) or (n, wavelength), at positions of the flattened (repeat, step, slit)."""
        per_repeat = self.shape[1] * self.shape[2]
        with h5py.File(self.path, "r", locking="best-effort") as file:
            found = np.empty((len(index), *file[name].shape[3:]), dtype=np.float32)
            for repeat in np.unique(index // per_repeat):
                here = index // per_repeat == repeat
                block = file[name][repeat].reshape(per_repeat, *found.shape[1:])
                found[here] = block[index[here] % per_repeat]
        return found


def is_same(path: Path, attributes: Mapping[str, Attribute]) -> bool:
    """Whether a readable cube with all these attributes is already there."""
    if not path.is_file():
        return False
    try:
        found = Cube.open(path).attributes
    except RunError:
        return False
    return all(found.get(name) == value for name, value in attributes.items())
