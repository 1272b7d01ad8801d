"""Shards in, batches out: the spectra that a partition chose, resident in memory."""

from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from preflare.data.batches import ShuffledBatches, SpectraDataset
from preflare.data.partition import CLASSES, SIDES, Partition, Partitioner
from preflare.data.shard import Shard, open_all
from preflare.errors import ConfigError, ShardError
from preflare.sun.line import Line
from preflare.sun.observation import Phase
from preflare.sun.quality import Quality

# Spectra an evaluation loader hands over at once: large enough for speed, small enough for any network here.
EVALUATION_BATCH = 4096


class FlareDataModule(pl.LightningDataModule):
    """Serves the sides of one partition. Batches are (spectra (batch, 1, wavelength) float32, labels (batch,) int64).

    root: folder of shards, of one line and origin. line: the line they must hold. partition: the rules.
    batch_size: of training; the last batch may be smaller. seed: of the batches' order.
    workers: loading processes.

    After ``setup``: ``shards`` (name -> AR or PF shard), ``origin`` of them, ``partition`` (observations and
    spectra of each side), ``sides`` that are not empty, ``choosing`` (the side whose loss chooses the epoch) and
    ``datasets`` (side -> SpectraDataset, AR before PF).
    """

    shards: dict[str, Shard]
    origin: str
    partition: Partition
    sides: tuple[str, ...]
    choosing: str
    datasets: dict[str, SpectraDataset]

    def __init__(
        self, root: str, line: Line, partition: Partitioner, batch_size: int, seed: int, workers: int = 0
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise ConfigError(f"data.batch_size is {batch_size}, expected 1 or more.")
        if seed < 0:
            raise ConfigError(f"data.seed is {seed}, expected 0 or more.")
        if workers < 0:
            raise ConfigError(f"data.workers is {workers}, expected 0 or more.")
        self.root = Path(root)
        self.line = line
        self.partitioner = partition
        self.batch_size = batch_size
        self.seed = seed
        self.workers = workers
        self.ready = False

    def setup(self, stage: str | None = None) -> None:
        """Check the shards, derive the partition and read its spectra; the second time nothing.

        Raises ShardError or PartitionError.
        """
        if self.ready:
            return
        found = [shard for shard in open_all(self.root, self.line) if shard.header.label in CLASSES]
        headers = [shard.header for shard in found]
        # First the observations, which costs nothing: what cannot be divided need not be read.
        self.partitioner.observations(headers)
        self.shards = {shard.name: shard for shard in found}
        self.origin = found[0].header.origin
        self.partition = self.partitioner.divide(headers, {shard.name: _usable(shard) for shard in found})
        self.sides = tuple(side for side in SIDES if self.partition.sides[side])
        self.choosing = "validation" if "validation" in self.sides else "test"
        self.datasets = {side: self._read(side) for side in self.sides}
        self.ready = True

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Shuffled batches; the order is a function of seed and epoch alone."""
        dataset = self.datasets["train"]
        return self._loader(dataset, ShuffledBatches(len(dataset), self.batch_size, self.seed))

    def val_dataloader(self) -> list[DataLoader[tuple[Tensor, Tensor]]]:
        """One loader for each of ``sides``, the training side among them, in large unshuffled batches."""
        return [self._evaluation(side) for side in self.sides]

    def test_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """The test side, in large unshuffled batches."""
        return self._evaluation("test")

    def _evaluation(self, side: str) -> DataLoader[tuple[Tensor, Tensor]]:
        dataset = self.datasets[side]
        return self._loader(dataset, torch.arange(len(dataset)).split(EVALUATION_BATCH))

    def _loader(
        self, dataset: SpectraDataset, batches: ShuffledBatches | tuple[Tensor, ...]
    ) -> DataLoader[tuple[Tensor, Tensor]]:
        # The sampler yields whole batches, so the loader itself must not batch.
        return DataLoader(
            dataset,
            sampler=batches,
            batch_size=None,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
        )

    def _read(self, side: str) -> SpectraDataset:
        names = self.partition.sides[side]
        rows = self.partition.rows[side]
        counts = [len(rows[name]) for name in names]
        spectra = torch.empty(sum(counts), 1, self.line.points)
        stop = 0
        for name, count in zip(names, counts, strict=True):
            start, stop = stop, stop + count
            chosen = self.shards[name].read("spectra").reshape(-1, self.line.points)[rows[name]]
            if not np.isfinite(chosen).all():
                raise ShardError(
                    f"{self.shards[name].path} has spectra that are flagged clean but are not finite. "
                    "Ingest the observation again."
                )
            spectra[start:stop, 0] = torch.from_numpy(chosen)
        per_name = torch.tensor(counts)
        labels = torch.tensor([int(self.shards[name].header.label) for name in names])
        places = torch.arange(len(names))
        return SpectraDataset(spectra, labels.repeat_interleave(per_name), places.repeat_interleave(per_name), names)


def _usable(shard: Shard) -> np.ndarray:
    """Which spectra may enter a partition: clean, and in the analysis window. (repeat, step, slit) bool."""
    in_window = shard.read("phase") == Phase.PREFLARE
    return (shard.read("quality") == Quality.CLEAN) & in_window[:, :, np.newaxis]
