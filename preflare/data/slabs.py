"""Spectra of a shard read in slabs: consecutive exposures, about a megabyte."""

from collections.abc import Iterator
from dataclasses import dataclass

import h5py
import numpy as np

from preflare.data.shard import Shard, chunk
from preflare.digest import Digest
from preflare.errors import ShardError


@dataclass(frozen=True)
class Slabs:
    """The slabs of one shard, read one at a time. Holds no file handle, so it survives a fork and a pickle.

    edges: (slabs + 1,) int64; slab i holds the spectra from edges[i] to edges[i + 1], flat (C order) over
    (repeat, step, slit).
    """

    shard: Shard
    edges: np.ndarray
    stamp: tuple[int, int]

    @classmethod
    def of(cls, shard: Shard) -> "Slabs":
        """The slabs of a shard as it is on disk now; one that is written to later is refused."""
        repeats, steps, slit, _ = shard.shape
        high, wide, *_ = chunk(shard.shape, np.dtype(np.float32).itemsize)
        # A slab is some whole repeats, or some steps of one.
        first = np.arange(0, repeats, high)[:, np.newaxis] * steps + np.arange(0, steps, wide)
        return cls(shard, np.append(first.reshape(-1), repeats * steps) * slit, _stamp(shard))

    def read(self, slab: int) -> np.ndarray:
        """The spectra of a slab, (n, wavelength) float32.

        Raises ShardError if the file cannot be read, or was written to since ``of``.
        """
        if _stamp(self.shard) != self.stamp:
            raise ShardError(
                f"{self.shard.path} was changed while it was being read. Ingest the observation again, and start anew."
            )
        _, steps, slit, points = self.shard.shape
        start, stop = self.edges[slab : slab + 2] // slit
        repeat, step = divmod(int(start), steps)
        count = int(stop - start)
        if count < steps:
            where: tuple[slice, ...] = (slice(repeat, repeat + 1), slice(step, step + count))
        else:
            where = (slice(repeat, repeat + count // steps),)
        try:
            with h5py.File(self.shard.path, "r", locking="best-effort") as file:
                values: np.ndarray = file["spectra"][where]
        except (OSError, KeyError) as error:
            raise ShardError(f"{self.shard.path} cannot be read ({error}). Ingest the observation again.") from error
        return values.reshape(-1, points)

    def verified(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """The chosen spectra, slab by slab, (n, wavelength) float32, while all bytes are held to their hash.

        rows: sorted flat indices of spectra. Exhaust it: the hash is known, and compared, at the end.
        Raises ShardError if the bytes are not those that were written, or a chosen spectrum is not finite.
        """
        hashed = Digest()
        cuts = np.searchsorted(rows, self.edges)
        for slab in range(len(self.edges) - 1):
            values = self.read(slab)
            hashed.update(values)
            chosen = values[rows[cuts[slab] : cuts[slab + 1]] - self.edges[slab]]
            if not np.isfinite(chosen).all():
                raise ShardError(
                    f"{self.shard.path} has spectra that are flagged clean but are not finite. "
                    "Ingest the observation again."
                )
            yield chosen
        self.shard.check("spectra", hashed)


def _stamp(shard: Shard) -> tuple[int, int]:
    try:
        status = shard.path.stat()
    except FileNotFoundError:
        raise ShardError(f"There is no shard at {shard.path} any more. Ingest the observation again.") from None
    return status.st_size, status.st_mtime_ns
