"""The spectra of many members, held once, and the batches of all of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from preflare.data.batches import permutation
from preflare.data.datamodule import GIB, FlareDataModule, Pool, read_spectra
from preflare.data.partition import Division, Partition
from preflare.model.swarm import CannotSwarm

# Steps of the whole swarm that the Trainer sees as one batch: its own work for one is that of several steps.
STEPS = 128


class Steps(NamedTuple):
    """Some consecutive steps of an epoch.

    spectra: (step, member, batch) int64, places in ``SwarmData.spectra``; beyond a member's count, 0.
    counts: (step, member), the spectra in each batch; 0 where a member waits for the others to end their epoch.
    """

    spectra: Tensor
    counts: Tensor


class SwarmData(pl.LightningDataModule):
    """Serves the sides of many partitions of the same shards; each member has its own, and its own order.

    members: one FlareDataModule each, of one root, line and batch size; they need not be set up, and read no
        spectra. After ``setup`` each has its shards, partition, sides and choosing side.
    first_epoch: what the Trainer's epoch 0 is, where training resumes.
    pause: steps after which, and after every so many more of an epoch, the Trainer gets to see the swarm; None
        for whenever it is fast.

    After ``setup``: ``spectra`` (n, 1, wavelength) float32, every one that some member uses; ``labels`` (n,)
    int64; ``sides``: for every member, side -> places (m,) int64 in ``spectra``, in the order in which
    FlareDataModule has them.

    Raises CannotSwarm if the members' data cannot be served together.
    """

    spectra: Tensor
    labels: Tensor
    sides: list[dict[str, Tensor]]

    def __init__(self, members: Sequence[FlareDataModule], first_epoch: int = 0, pause: int | None = None) -> None:
        super().__init__()
        for name in ("root", "line", "batch_size"):
            values = {str(getattr(member, name)) for member in members}
            if len(values) > 1:
                raise CannotSwarm(f"Members differ in data.{name}: {', '.join(sorted(values))}.")
        self.members = tuple(members)
        self.first_epoch = first_epoch
        self.pause = pause
        self.batch_size = members[0].batch_size
        self.ready = False

    def setup(self, stage: str | None = None) -> None:
        """Derive all partitions and read every spectrum that is used, once; the second time nothing.

        Raises ShardError or PartitionError.
        """
        if self.ready:
            return
        pool = Pool(self.members[0].root, self.members[0].line)
        headers = [shard.header for shard in pool.shards]
        partitions: dict[Division, Partition] = {}
        for member in self.members:
            member.partitioner.observations(headers)
        for member in self.members:
            rules = member.partitioner
            if rules not in partitions:
                partitions[rules] = rules.divide(headers, pool.usable)
            member.adopt(pool.shards, partitions[rules])
        places = self._read(pool, list(partitions.values()))
        distinct = {rules: _sides(partition, places) for rules, partition in partitions.items()}
        self.sides = [distinct[member.partitioner] for member in self.members]
        self.ready = True

    def _check_resident(self, count: int) -> None:
        """A member that would stream its spectra alone has its batches in another order."""
        size = count * (4 * self.members[0].line.points + 8) / GIB
        for member in self.members:
            if not (member.resident is True or (member.resident == "auto" and size <= member.memory)):
                raise CannotSwarm(
                    f"The {count:,} spectra of all members take {size:.2g} GiB, with data.resident={member.resident} "
                    f"and data.memory={member.memory:g}; a swarm holds them in memory."
                )

    def train_dataloader(self) -> DataLoader[Steps]:
        """An epoch's batches of all members, several steps at a time."""
        counts = [len(sides["train"]) for sides in self.sides]
        seeds = [member.seed for member in self.members]
        batches = SwarmBatches(counts, self.batch_size, seeds, self.first_epoch, self.pause)
        return DataLoader(_Lookup([sides["train"] for sides in self.sides]), sampler=batches, batch_size=None)

    def val_dataloader(self) -> DataLoader[int]:
        """One empty batch: the swarm evaluates all sides of all members by itself."""
        return DataLoader(_Nothing(), batch_size=None)

    def _read(self, pool: Pool, partitions: Sequence[Partition]) -> dict[str, np.ndarray]:
        """Read the spectra that a partition uses; name -> their places, by row."""
        used = {name: np.zeros(mask.size, dtype=bool) for name, mask in pool.usable.items()}
        for partition in partitions:
            for rows in partition.rows.values():
                for name, chosen in rows.items():
                    used[name][chosen] = True
        count = sum(int(mask.sum()) for mask in used.values())
        self._check_resident(count)
        self.spectra = torch.empty(count, 1, self.members[0].line.points)
        self.labels = torch.empty(count, dtype=torch.int64)
        places, start = {}, 0
        for shard in pool.shards:
            mine = np.flatnonzero(used[shard.name])
            if not len(mine):
                continue
            stop = start + len(mine)
            self.spectra[start:stop, 0] = torch.from_numpy(read_spectra(shard, mine))
            self.labels[start:stop] = int(shard.header.label)
            places[shard.name] = start + np.cumsum(used[shard.name]) - 1
            start = stop
        return places


class SwarmBatches(Sampler[tuple[Tensor, Tensor]]):
    """For every few steps, places within each member's training side (step, member, batch), and the counts.

    Each member's batches are those of ShuffledBatches(count, batch_size, seed) in the same epoch; a member that
    has had its last one waits.
    """

    def __init__(
        self, counts: Sequence[int], batch_size: int, seeds: Sequence[int], first_epoch: int, pause: int | None = None
    ) -> None:
        self.counts = counts
        self.batch_size = batch_size
        self.seeds = seeds
        self.first_epoch = first_epoch
        self.epoch = first_epoch
        self.steps = -(-max(counts) // batch_size)
        self.starts = sorted({*range(0, self.steps, STEPS), *range(0, self.steps, pause or STEPS)})

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self.epoch = self.first_epoch + epoch

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.zeros(len(self.counts), self.steps * self.batch_size, dtype=torch.int64)
        for row, count, seed in zip(order, self.counts, self.seeds, strict=True):
            row[:count] = permutation(count, seed, self.epoch)
        left = torch.tensor(self.counts) - self.batch_size * torch.arange(self.steps).unsqueeze(1)
        sizes = left.clamp(0, self.batch_size)
        order = order.view(len(self.counts), self.steps, self.batch_size)
        for start, stop in zip(self.starts, [*self.starts[1:], self.steps], strict=True):
            yield order[:, start:stop].transpose(0, 1), sizes[start:stop]


class _Lookup(Dataset[Steps]):
    """From places within each member's training side to places in the spectra of all."""

    def __init__(self, sides: Sequence[Tensor]) -> None:
        self.sides = sides

    def __getitem__(self, batches: tuple[Tensor, Tensor]) -> Steps:
        within, counts = batches
        return Steps(torch.stack([side[within[:, k]] for k, side in enumerate(self.sides)], dim=1), counts)


class _Nothing(Dataset[int]):
    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        return index


def _sides(partition: Partition, places: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    return {
        side: torch.from_numpy(np.concatenate([places[name][partition.rows[side][name]] for name in names]))
        for side, names in partition.sides.items()
        if names
    }
