"""What members take from the data they were trained with: baselines, distances, and which spectra are faint.

Each partition has its own training side, and a member never leaves its own.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from preflare.data.datamodule import FlareDataModule, Pool
from preflare.explain.distance import HiddenDistance
from preflare.explain.expected_gradients import ExpectedGradients, Paths
from preflare.explain.parts import Arrays
from preflare.run import Run

# Training spectra that distances are measured from.
TRAINING = 4096
# Share of the training spectra that count as faint.
FAINT = 0.1


@dataclass(frozen=True, eq=False)
class Side:
    """The training side of a run's partition. data: set up."""

    data: FlareDataModule
    seed: int

    @classmethod
    def of(cls, run: Run, pool: Pool, seed: int) -> "Side":
        """pool: the run's own shards. seed: of random choices."""
        config = run.config.data.copy()
        config.root = str(pool.root)
        data: FlareDataModule = instantiate(config)
        data.divide(pool, logging.DEBUG)  # one of many partitions
        return cls(data, seed)

    def paths(self, method: ExpectedGradients, without: str | None = None) -> tuple[Paths, Arrays]:
        """Paths whose baselines are of any training observation but one, and where each baseline is from."""
        train = self.data.datasets["train"]
        owner = train.observation.numpy()
        allowed = np.array([name != without for name in train.names])[owner]
        paths = method.paths(train.spectra, train.labels.numpy(), allowed)
        rows = np.concatenate([self.data.partition.rows["train"][name] for name in train.names])
        names = np.array([train.names[owner[row]] for row in paths.rows], dtype="S")
        return paths, {"observation": names, "row": rows[paths.rows].astype(np.int64)}

    def distances(self, networks: Iterable[nn.Module]) -> list[HiddenDistance]:
        """Of each network from what it was trained with."""
        spectra, labels = self.some(TRAINING)
        return [HiddenDistance(one, spectra, labels) for one in networks]

    def some(self, count: int) -> tuple[Tensor, Tensor]:
        """So many spectra, (n, 1, wavelength), at most, drawn at random, and their classes (n,)."""
        train = self.data.datasets["train"]
        stream = np.random.default_rng(self.seed)
        rows = torch.from_numpy(np.sort(stream.choice(len(train), min(count, len(train)), replace=False)))
        return train.spectra[rows], train.labels[rows]

    def faint(self, count: int) -> Tensor:
        """Of the tenth of the training spectra with the lowest intensity, so many, (count, wavelength), at random.

        They stand in for the quiet Sun, of which a training side has no spectra of its own.
        """
        train, rows = self.data.datasets["train"], self.data.partition.rows["train"]
        light = [self.data.shards[name].read("intensity").ravel()[rows[name]] for name in train.names]
        order = np.argsort(np.concatenate(light), kind="stable")
        darkest = order[: max(1, round(FAINT * len(order)))]
        stream = np.random.default_rng(self.seed)
        drawn = np.sort(stream.choice(darkest, count, replace=len(darkest) < count))
        return train.spectra[torch.from_numpy(drawn)][:, 0]
