"""Spectra in one tensor, and batches of them taken by index, with no Python per spectrum."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

# Of all streams drawn from a run's seed, this is the order of batches.
STREAM = 11


class SpectraDataset(Dataset[tuple[Tensor, Tensor]]):
    """One side's spectra, resident.

    spectra: (n, 1, wavelength) float32. labels: (n,) int64, AR 0, PF 1. observation: (n,) int64, index into
    names. names: of the side's observations.
    ``dataset[index]`` is (spectra, labels) of an integer, a slice or a tensor of indices.
    """

    def __init__(self, spectra: Tensor, labels: Tensor, observation: Tensor, names: Sequence[str]) -> None:
        self.spectra = spectra
        self.labels = labels
        self.observation = observation
        self.names = tuple(names)

    def __len__(self) -> int:
        return len(self.spectra)

    def __getitem__(self, index: int | slice | Tensor) -> tuple[Tensor, Tensor]:
        return self.spectra[index], self.labels[index]


def permutation(count: int, seed: int, epoch: int) -> Tensor:
    """The order of an epoch, (count,) int64: a pure function of its arguments."""
    stream = np.random.default_rng(np.random.SeedSequence((seed, STREAM, epoch)))
    return torch.from_numpy(stream.permutation(count))


class ShuffledBatches(Sampler[Tensor]):
    """Index tensors of at most batch_size, which together visit every spectrum once; the last may be short.

    For a DataLoader with ``batch_size=None``. The order is that of ``permutation(count, seed, epoch)``; Lightning
    calls ``set_epoch`` before each epoch, and who does not gets the same order every time.
    """

    def __init__(self, count: int, batch_size: int, seed: int) -> None:
        self.count = count
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        return iter(permutation(self.count, self.seed, self.epoch).split(self.batch_size))
