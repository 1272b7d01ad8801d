"""Spectra on disk against the same spectra in memory."""

import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch

from preflare.data.batches import SpectraDataset
from preflare.data.shard import Shard
from preflare.data.slabs import Slabs
from preflare.data.stream import StreamedSpectra
from preflare.sun.observation import Label

WriteCube = Callable[..., Shard]
SHAPES = [(23, 2, 3), (4, 9, 9), (3, 2, 50)]


@pytest.fixture
def both(write_cube: WriteCube) -> tuple[StreamedSpectra, SpectraDataset]:
    """The same uneven choice, on disk and in memory; the second observation has slabs without a chosen spectrum."""
    shards = [write_cube(Label(place % 2), place, shape, bad=9) for place, shape in enumerate(SHAPES)]
    random = np.random.default_rng(3)
    rows = [np.flatnonzero((one.read("quality") == 0) & (random.random(one.shape[:3]) < 0.3)) for one in shards]
    rows[1] = rows[1][(rows[1] < 40) | (rows[1] > 200)]
    spectra = [one.read("spectra").reshape(-1, 6)[chosen] for one, chosen in zip(shards, rows, strict=True)]
    counts = torch.tensor([len(chosen) for chosen in rows])
    memory = SpectraDataset(
        torch.from_numpy(np.concatenate(spectra))[:, None],
        torch.tensor([0, 1, 0]).repeat_interleave(counts),
        torch.arange(3).repeat_interleave(counts),
        [one.name for one in shards],
    )
    return StreamedSpectra([Slabs.of(one) for one in shards], rows), memory


def test_it_answers_as_a_resident_dataset_does(both: tuple[StreamedSpectra, SpectraDataset]) -> None:
    disk, memory = both
    count = len(memory)
    assert len(disk) == count and disk.names == memory.names
    assert torch.equal(disk.labels, memory.labels) and torch.equal(disk.observation, memory.observation)
    indices = [
        0,
        count - 1,
        -1,
        slice(None),
        slice(5, 90),
        slice(90, 5, -7),
        slice(3, 3),
        torch.tensor([3, 3, count - 1, 0, -2]),
        torch.from_numpy(np.random.default_rng(0).permutation(count)),
        torch.arange(count) % 3 == 0,
    ]
    for index in indices:
        if not (isinstance(index, slice) and index.step):  # which a tensor cannot do backwards
            expected = memory[index]
        else:
            expected = memory[torch.arange(count).numpy()[index].copy()]  # type: ignore[index]
        found = disk[index]
        assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])
        assert found[0].dtype == torch.float32 and found[1].dtype == torch.int64
        assert torch.equal(disk.spectra[index], expected[0])
    assert len(disk.spectra) == count


def test_an_index_beyond_the_end_is_an_error(both: tuple[StreamedSpectra, SpectraDataset]) -> None:
    disk, memory = both
    for index in (len(memory), -len(memory) - 1, torch.tensor([0, len(memory)])):
        with pytest.raises(IndexError):
            disk[index]


def test_pieces_are_what_was_chosen_of_the_slabs(both: tuple[StreamedSpectra, SpectraDataset]) -> None:
    disk, memory = both
    pieces = [disk.piece(piece) for piece in range(len(disk.counts))]
    assert [len(piece) for piece in pieces] == disk.counts.tolist() and min(disk.counts) > 0
    assert np.array_equal(np.concatenate(pieces), memory.spectra[:, 0].numpy())
    assert np.array_equal(np.repeat(disk.owner, disk.counts), memory.observation.numpy())


@pytest.mark.parametrize("size", [1, 30, 100, 10_000])
def test_slices_hold_everything_and_read_no_slab_twice(
    both: tuple[StreamedSpectra, SpectraDataset], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, memory = both
    reads: list[tuple[str, int]] = []
    read = Slabs.read
    monkeypatch.setattr(Slabs, "read", lambda self, slab: reads.append((self.shard.name, slab)) or read(self, slab))
    slices = disk.slices(size)
    parts = [disk[one] for one in slices]
    assert torch.equal(torch.cat([spectra for spectra, _ in parts]), memory.spectra)
    assert torch.equal(torch.cat([labels for _, labels in parts]), memory.labels)
    assert len(reads) == len(set(reads)) == len(disk.counts)
    assert max(len(labels) for _, labels in parts) < size + disk.counts.max()
    assert len(slices) >= len(memory) // (size + disk.counts.max())


def test_it_survives_a_pickle(both: tuple[StreamedSpectra, SpectraDataset]) -> None:
    disk, memory = both
    assert torch.equal(pickle.loads(pickle.dumps(disk))[:][0], memory.spectra)
