"""Shards in, batches out: the spectra that a partition chose, resident in memory or streamed from disk."""

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from preflare.checks import check_integer, check_number, check_path
from preflare.data.batches import ShuffledBatches, SpectraDataset
from preflare.data.mixing import Places, StreamedBatches
from preflare.data.partition import CLASSES, SIDES, Division, Partition
from preflare.data.shard import Shard, open_all
from preflare.data.slabs import Slabs
from preflare.data.stream import StreamedSpectra
from preflare.errors import ConfigError
from preflare.sun.line import Line
from preflare.sun.observation import Phase
from preflare.sun.quality import is_clean

# Spectra an evaluation loader hands over at once: large enough for speed, small enough for any network here.
EVALUATION_BATCH = 4096
GIB = 2**30

log = logging.getLogger(__name__)


class Pool:
    """What partitions are made from: the shards of a folder that may enter them, opened once for all.

    Raises ShardError.
    """

    def __init__(self, root: Path, line: Line) -> None:
        self.root = root
        self.line = line
        self.shards = candidates(root, line)

    @cached_property
    def usable(self) -> dict[str, np.ndarray]:
        """Observation -> which of its spectra may enter a partition, (repeat, step, slit) bool."""
        return {shard.name: usable(shard, self.line) for shard in self.shards}


class FlareDataModule(pl.LightningDataModule):
    """Serves the sides of one partition. Batches are (spectra (batch, 1, wavelength) float32, labels (batch,) int64).

    root: folder of shards, of one line and origin. line: the line they must hold. partition: the rules.
    batch_size: of training; the last batch may be smaller. seed: of the batches' order.
    workers: loading processes.
    resident: whether the spectra are held in memory; "auto" does so if they fit.
    memory: GiB for spectra: what fits is resident, and what is streamed is mixed in pools of this size together.
    Raises ConfigError for values that cannot be meant.

    After ``setup``: ``shards`` (name -> AR or PF shard), ``origin`` of them, ``partition`` (observations and
    spectra of each side), ``sides`` that are not empty, ``choosing`` (the side whose loss chooses the epoch),
    ``streamed`` (whether the spectra stay on disk) and ``datasets`` (side -> SpectraDataset, or StreamedSpectra,
    which answers alike; AR before PF).

    The order of training batches is a function of seed and epoch alone if the spectra are resident, and of
    memory and workers as well if they are streamed.
    """

    shards: dict[str, Shard]
    origin: str
    partition: Partition
    sides: tuple[str, ...]
    choosing: str
    streamed: bool
    datasets: Mapping[str, SpectraDataset | StreamedSpectra]

    def __init__(
        self,
        root: str,
        line: Line,
        partition: Division,
        batch_size: int,
        seed: int,
        workers: int = 0,
        resident: bool | str = "auto",
        memory: float = 0.5,
    ) -> None:
        super().__init__()
        check_integer("data.batch_size", batch_size, 1)
        check_integer("data.seed", seed, 0)
        check_integer("data.workers", workers, 0)
        check_number("data.memory", memory, above=0, unit="GiB")
        if not isinstance(resident, bool) and resident != "auto":
            raise ConfigError(f"data.resident is {resident!r}, expected auto, true or false.")
        self.root = check_path("data.root", root)
        self.line = line
        self.partitioner = partition
        self.batch_size = batch_size
        self.seed = seed
        self.workers = workers
        self.resident = resident
        self.memory = memory
        self.ready = False

    def setup(self, stage: str | None = None) -> None:
        """Check the shards, derive the partition and read its spectra, once; the second time nothing.

        All of a shard's bytes are held to their hash, also where its spectra are not kept.
        Raises ShardError or PartitionError, and ConfigError if data.memory is too small to stream through.
        """
        if self.ready:
            return
        self.divide(Pool(self.root, self.line))

    def divide(self, pool: Pool, level: int = logging.INFO) -> None:
        """As ``setup``, of shards that were opened before. level: of the word on whether the spectra are resident."""
        headers = [shard.header for shard in pool.shards]
        # First the observations, which costs nothing: what cannot be divided need not be read.
        self.partitioner.observations(headers)
        self.adopt(pool.shards, self.partitioner.divide(headers, pool.usable))
        self.streamed = self._must_stream(level)
        self.datasets = {side: self._stream(side) if self.streamed else self._read(side) for side in self.sides}
        self.ready = True

    def adopt(self, found: Sequence[Shard], partition: Partition) -> None:
        """Set everything that ``setup`` sets, short of reading spectra."""
        self.shards = {shard.name: shard for shard in found}
        self.origin = found[0].header.origin
        self.partition = partition
        self.sides = tuple(side for side in SIDES if partition.sides[side])
        self.choosing = "validation" if "validation" in self.sides else "test"

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Shuffled batches, which together hold every spectrum once."""
        dataset = self.datasets["train"]
        if isinstance(dataset, StreamedSpectra):
            batches = StreamedBatches(dataset, self.batch_size, self.seed, self._room())
            return self._loader(batches, Places(len(batches)))
        return self._loader(dataset, ShuffledBatches(len(dataset), self.batch_size, self.seed))

    def val_dataloader(self) -> list[DataLoader[tuple[Tensor, Tensor]]]:
        """One loader for each of ``sides``, the training side among them, in large unshuffled batches."""
        return [self._evaluation(side) for side in self.sides]

    def test_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """The test side, in large unshuffled batches."""
        return self._evaluation("test")

    def _evaluation(self, side: str) -> DataLoader[tuple[Tensor, Tensor]]:
        dataset = self.datasets[side]
        if isinstance(dataset, StreamedSpectra):
            return self._loader(dataset, dataset.slices(EVALUATION_BATCH))
        return self._loader(dataset, torch.arange(len(dataset)).split(EVALUATION_BATCH))

    def _loader(
        self, dataset: Dataset[tuple[Tensor, Tensor]], batches: Sampler[Any] | Sequence[Tensor] | Sequence[slice]
    ) -> DataLoader[tuple[Tensor, Tensor]]:
        # The sampler yields whole batches, so the loader itself must not batch.
        return DataLoader(
            dataset,
            sampler=batches,
            batch_size=None,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
        )

    def _must_stream(self, level: int) -> bool:
        count, hands = sum(self.partition.spectra(side) for side in self.sides), max(1, self.workers)
        size = f"{count:,} spectra take {count * self._bytes() / GIB:.2g} GiB, data.memory is {self.memory:g} GiB"
        if self.resident is True or (self.resident == "auto" and count <= self._room()):
            log.log(level, "Resident: %s.", size)
            return False
        # Half of the least room is the next batch, which is drawn from the other half.
        least = 2 * self.batch_size * hands
        if self._room() < least:
            raise ConfigError(
                f"data.memory is {self.memory:g} GiB, too little to mix batches of {self.batch_size} spectra in "
                f"{hands} loading process{'es' * (hands > 1)}; expected {least * self._bytes() / GIB:.2g} or more."
            )
        log.log(level, "Streamed from disk: %s. The shards are checked first.", size)
        return True

    def _bytes(self) -> int:
        """Of one spectrum and its label."""
        return 4 * self.line.points + 8

    def _room(self) -> int:
        """How many spectra data.memory holds."""
        return int(self.memory * GIB) // self._bytes()

    def _stream(self, side: str) -> StreamedSpectra:
        names = self.partition.sides[side]
        slabs = [Slabs.of(self.shards[name]) for name in names]
        rows = [self.partition.rows[side][name] for name in names]
        for one, chosen in zip(slabs, rows, strict=True):
            for _ in one.verified(chosen):
                pass
        return StreamedSpectra(slabs, rows)

    def _read(self, side: str) -> SpectraDataset:
        names = self.partition.sides[side]
        rows = self.partition.rows[side]
        counts = [len(rows[name]) for name in names]
        spectra = torch.empty(sum(counts), 1, self.line.points)
        stop = 0
        for name, count in zip(names, counts, strict=True):
            start, stop = stop, stop + count
            spectra[start:stop, 0] = torch.from_numpy(read_spectra(self.shards[name], rows[name]))
        per_name = torch.tensor(counts)
        labels = torch.tensor([int(self.shards[name].header.label) for name in names])
        places = torch.arange(len(names))
        return SpectraDataset(spectra, labels.repeat_interleave(per_name), places.repeat_interleave(per_name), names)


def candidates(root: Path, line: Line) -> list[Shard]:
    """The shards that enter partitions: AR and PF, of this line. Raises ShardError."""
    return [shard for shard in open_all(root, line) if shard.header.label in CLASSES]


def read_spectra(shard: Shard, rows: np.ndarray) -> np.ndarray:
    """Spectra (n, wavelength) float32 of these rows, flat (C order) over (repeat, step, slit).

    Raises ShardError if one is not finite, or if the shard was changed.
    """
    return np.concatenate(list(Slabs.of(shard).verified(rows)))


def usable(shard: Shard, line: Line) -> np.ndarray:
    """Which spectra may enter a partition: clean by the line's rules, and in the analysis window.

    (repeat, step, slit) bool.
    """
    in_window = shard.read("phase") == Phase.PREFLARE
    return is_clean(shard.read("quality"), line) & in_window[:, :, np.newaxis]
