"""Quiet-Sun spectra for an autoencoder: shards labelled QS in, batches out, observations held out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from preflare.checks import check_integer, check_number, check_path
from preflare.data.batches import ShuffledBatches, SpectraDataset
from preflare.data.datamodule import EVALUATION_BATCH, read_spectra
from preflare.data.shard import Shard, open_all
from preflare.errors import PartitionError
from preflare.sun.line import Line
from preflare.sun.observation import Label, Phase
from preflare.sun.quality import Quality, is_clean

# Of all streams drawn from a run's seed, this is which observations are held out.
STREAM = 17
SIDES = ("train", "test")


class QuietSunDataModule(pl.LightningDataModule):
    """Serves quiet-Sun spectra, (spectra (batch, 1, wavelength) float32, labels (batch,)), all labels QS.

    root: folder of shards, of which those labelled QS are taken. regions: folder of AR and PF shards that an
    autoencoder is tried on, None for none. line: what they must hold. batch_size: of training. seed: of the batches'
    order and of what is held out. held_out: share of the observations, at least one.
    Raises ConfigError for values that cannot be meant.

    After ``setup``: ``shards`` (name -> QS shard), ``origin`` of them, ``sides`` (side -> names) and ``datasets``.
    """

    shards: dict[str, Shard]
    origin: str
    sides: dict[str, tuple[str, ...]]
    datasets: dict[str, SpectraDataset]

    def __init__(self, root: str, regions: str | None, line: Line, batch_size: int, seed: int, held_out: float) -> None:
        super().__init__()
        self.root = check_path("data.root", root)
        self.regions = None if regions is None else check_path("data.regions", regions)
        self.line = line
        self.batch_size = check_integer("data.batch_size", batch_size, 1)
        self.seed = check_integer("data.seed", seed, 0)
        self.held_out = check_number("data.held_out", held_out, maximum=0.9, above=0)

    def setup(self, stage: str | None = None) -> None:
        """Read the shards. Raises ShardError, or PartitionError if there are not two with quiet spectra."""
        found = quiet_shards(self.root, self.line)
        rows = {shard.name: np.flatnonzero(quiet(shard, self.line)) for shard in found}
        used = [shard for shard in found if len(rows[shard.name])]
        if len(used) < 2:
            raise PartitionError(
                f"{self.root} holds {len(used)} observations of quiet Sun with clean spectra, an autoencoder needs two "
                "or more: one is held out. Ingest more with window.label=QS, or simulate some: python ingest.py "
                "source=quiet_sun"
            )
        self.shards = {shard.name: shard for shard in used}
        self.origin = used[0].header.origin
        order = np.random.default_rng(np.random.SeedSequence((self.seed, STREAM))).permutation(len(used))
        aside = set(order[: max(1, min(len(used) - 1, round(self.held_out * len(used))))].tolist())
        names = [shard.name for shard in used]
        self.sides = {
            "train": tuple(name for place, name in enumerate(names) if place not in aside),
            "test": tuple(name for place, name in enumerate(names) if place in aside),
        }
        self.datasets = {side: _dataset([self.shards[n] for n in self.sides[side]], rows) for side in SIDES}

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Shuffled batches, which together hold every spectrum once."""
        dataset = self.datasets["train"]
        batches = ShuffledBatches(len(dataset), self.batch_size, self.seed)
        return DataLoader(dataset, sampler=batches, batch_size=None)

    def val_dataloader(self) -> list[DataLoader[tuple[Tensor, Tensor]]]:
        """One loader for each of ``SIDES``, in large unshuffled batches."""
        found = []
        for side in SIDES:
            batches = torch.arange(len(self.datasets[side])).split(EVALUATION_BATCH)
            found.append(DataLoader(self.datasets[side], sampler=batches, batch_size=None))
        return found


def quiet_shards(root: Path, line: Line) -> list[Shard]:
    """The shards of a folder that are labelled QS. Raises ShardError."""
    found = open_all(root, line, make="python ingest.py source=quiet_sun")
    return [shard for shard in found if shard.header.label is Label.QS]


def quiet(shard: Shard, line: Line) -> np.ndarray:
    """Which spectra are clean and in the analysis window, whatever an autoencoder says; (repeat, step, slit) bool."""
    in_window = shard.read("phase") == Phase.PREFLARE
    quality = shard.read("quality") & ~np.uint16(Quality.QUIET_SUN)
    found: np.ndarray = is_clean(quality, line) & in_window[:, :, np.newaxis]
    return found


def _dataset(shards: Sequence[Shard], rows: dict[str, np.ndarray]) -> SpectraDataset:
    parts = [torch.from_numpy(read_spectra(shard, rows[shard.name])) for shard in shards]
    counts = torch.tensor([len(part) for part in parts])
    spectra = torch.cat(parts).unsqueeze(1)
    labels = torch.full((len(spectra),), int(Label.QS))
    places = torch.arange(len(shards)).repeat_interleave(counts)
    return SpectraDataset(spectra, labels, places, [shard.name for shard in shards])
