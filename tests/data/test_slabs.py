"""Slabs against the whole cube, and against shards that changed."""

import os
import pickle
from collections.abc import Callable

import h5py
import numpy as np
import pytest

from preflare.data.shard import Shard
from preflare.data.slabs import Slabs
from preflare.errors import ShardError
from preflare.sun.observation import Label

WriteCube = Callable[..., Shard]

# Many repeats in a slab; one; several slabs in a repeat, the last smaller; a slit longer than a slab; sit and stare.
SHAPES = [(23, 2, 3), (7, 3, 10), (4, 9, 9), (3, 2, 50), (90, 1, 7)]


@pytest.mark.parametrize("shape", SHAPES)
def test_slabs_in_order_are_the_cube(write_cube: WriteCube, shape: tuple[int, int, int]) -> None:
    shard = write_cube(Label.AR, 1, shape)
    slabs = Slabs.of(shard)
    parts = [slabs.read(slab) for slab in range(len(slabs.edges) - 1)]
    assert len(parts) > 1
    assert [len(part) for part in parts] == np.diff(slabs.edges).tolist()
    assert max(len(part) for part in parts) <= max(40, shape[2])
    assert np.array_equal(np.concatenate(parts), shard.read("spectra").reshape(-1, 6))


def test_spectra_lie_in_the_file_as_they_are(write_cube: WriteCube) -> None:
    shard = write_cube(Label.AR, 1, (9, 2, 10))
    with h5py.File(shard.path) as file:
        begin = file["spectra"].id.get_offset()
    found = np.fromfile(shard.path, "<f4", 9 * 2 * 10 * 6, offset=begin)
    assert np.array_equal(found, shard.read("spectra").reshape(-1))


@pytest.mark.parametrize("shape", SHAPES)
def test_verified_gives_the_chosen_spectra(write_cube: WriteCube, shape: tuple[int, int, int]) -> None:
    shard = write_cube(Label.AR, 1, shape, bad=7)
    clean = np.flatnonzero(shard.read("quality") == 0)
    for rows in (clean, clean[::5], clean[-1:], clean[:0]):
        found = np.concatenate(list(Slabs.of(shard).verified(rows)))
        assert np.array_equal(found, shard.read("spectra").reshape(-1, 6)[rows])


def test_a_chosen_spectrum_that_is_not_finite_is_refused(write_cube: WriteCube) -> None:
    shard = write_cube(Label.PF, 2, (9, 2, 10), bad=7)
    with pytest.raises(ShardError, match=f"{shard.path} has spectra that are flagged clean but are not finite"):
        list(Slabs.of(shard).verified(np.arange(30)))


def test_changed_bytes_are_found_wherever_they_are(write_cube: WriteCube) -> None:
    shard = write_cube(Label.PF, 2, (9, 2, 10))
    with h5py.File(shard.path, "r+") as file:
        file["spectra"][8, 1, 9, 5] += 1  # the very last value
    with pytest.raises(ShardError, match="spectra was changed after it was written. Ingest the observation again."):
        list(Slabs.of(shard).verified(np.arange(3)))


def test_a_shard_written_to_after_it_was_checked_is_refused(write_cube: WriteCube) -> None:
    shard = write_cube(Label.PF, 2, (9, 2, 10))
    slabs = Slabs.of(shard)
    slabs.read(1)
    with h5py.File(shard.path, "r+") as file:
        file["spectra"][0, 0, 0, 0] += 1
    os.utime(shard.path, ns=(0, slabs.stamp[1] + 1))
    with pytest.raises(ShardError, match=f"{shard.path} was changed while it was being read. .* start anew"):
        slabs.read(1)


def test_a_shard_that_is_gone_is_named(write_cube: WriteCube) -> None:
    shard = write_cube(Label.PF, 2, (9, 2, 10))
    slabs = Slabs.of(shard)
    shard.path.unlink()
    for attempt in (lambda: slabs.read(0), lambda: Slabs.of(shard)):
        with pytest.raises(ShardError, match=f"There is no shard at {shard.path} any more"):
            attempt()


def test_a_shard_cut_short_is_one_sentence(write_cube: WriteCube) -> None:
    shard = write_cube(Label.PF, 2, (9, 2, 10))
    shard.path.write_bytes(shard.path.read_bytes()[:-2000])
    with pytest.raises(ShardError, match=f"{shard.path} cannot be read .*Ingest the observation again"):
        Slabs.of(shard).read(4)


def test_it_survives_a_pickle(write_cube: WriteCube) -> None:
    slabs = Slabs.of(write_cube(Label.AR, 0, (9, 2, 10)))
    slabs.read(0)
    assert np.array_equal(pickle.loads(pickle.dumps(slabs)).read(3), slabs.read(3))
