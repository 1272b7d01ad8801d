"""Spectra that stay on disk, indexed as those in memory are."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from preflare.data.slabs import Slabs


class StreamedSpectra(Dataset[tuple[Tensor, Tensor]]):
    """One side's spectra, on disk.

    slabs, rows: for each observation its slabs, and the sorted flat indices of the spectra used.
    names: of the observations. counts, owner: (pieces,) int64, the spectra of each piece and the observation it
    belongs to, index into names.
    Indexed as a SpectraDataset is, with the same answers; only neighbours are read fast.
    """

    def __init__(self, slabs: Sequence[Slabs], rows: Sequence[np.ndarray]) -> None:
        self._slabs = tuple(slabs)
        self._rows = tuple(rows)
        self.names = tuple(one.shard.name for one in slabs)
        self.points = slabs[0].shard.shape[3]
        cuts = [np.searchsorted(chosen, one.edges) for one, chosen in zip(slabs, rows, strict=True)]
        used = [np.flatnonzero(np.diff(cut)) for cut in cuts]
        self._slab = np.concatenate(used)
        self._first = np.concatenate([cut[slab] for cut, slab in zip(cuts, used, strict=True)])
        self.counts = np.concatenate([np.diff(cut)[slab] for cut, slab in zip(cuts, used, strict=True)])
        self.owner = np.repeat(np.arange(len(used)), [len(slab) for slab in used])
        self._edges = np.concatenate([[0], np.cumsum(self.counts)])

    def __len__(self) -> int:
        return int(self._edges[-1])

    @property
    def labels(self) -> Tensor:
        """(n,) int64, AR 0, PF 1; made when asked for."""
        return torch.tensor([self.label(place) for place in range(len(self.names))])[self.observation]

    @property
    def observation(self) -> Tensor:
        """(n,) int64, index into names; made when asked for."""
        return torch.from_numpy(np.repeat(self.owner, self.counts))

    @property
    def spectra(self) -> "OnDisk":
        """What a SpectraDataset has as a tensor; here reading it by index is all there is."""
        return OnDisk(self)

    def __getitem__(self, index: int | slice | Tensor) -> tuple[Tensor, Tensor]:
        if isinstance(index, int):
            spectra, labels = self[torch.tensor([index])]
            return spectra[0], labels[0]
        wanted = np.arange(*index.indices(len(self))) if isinstance(index, slice) else index.numpy()
        if wanted.dtype == bool:
            wanted = np.flatnonzero(wanted)
        if len(wanted) and not -len(self) <= wanted.min() <= wanted.max() < len(self):
            raise IndexError(f"An index is beyond the {len(self)} spectra.")
        wanted = wanted % len(self)
        piece = np.searchsorted(self._edges, wanted, side="right") - 1
        found = np.empty((len(wanted), 1, self.points), dtype=np.float32)
        truth = np.empty(len(wanted), dtype=np.int64)
        for one in np.unique(piece):
            here = piece == one
            found[here, 0] = self.piece(one)[wanted[here] - self._edges[one]]
            truth[here] = self.label(self.owner[one])
        return torch.from_numpy(found), torch.from_numpy(truth)

    def label(self, observation: int) -> int:
        """AR 0, PF 1, of an observation given by its place in names."""
        return int(self._slabs[observation].shard.header.label)

    def piece(self, piece: int) -> np.ndarray:
        """The spectra of a piece, (count, wavelength) float32. Raises ShardError if its shard was changed."""
        slabs, slab = self._slabs[self.owner[piece]], self._slab[piece]
        rows = self._rows[self.owner[piece]][self._first[piece] : self._first[piece] + self.counts[piece]]
        return slabs.read(slab)[rows - slabs.edges[slab]]

    def slices(self, size: int) -> list[slice]:
        """All spectra in order, as slices of whole pieces, each of about size spectra."""
        starts = self._edges[:-1][np.diff(self._edges[:-1] // size, prepend=-1) > 0].tolist()
        return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], len(self)], strict=True)]


class OnDisk:
    """Spectra of a side, (n, 1, wavelength) float32, read when indexed."""

    def __init__(self, streamed: StreamedSpectra) -> None:
        self._streamed = streamed

    def __len__(self) -> int:
        return len(self._streamed)

    def __getitem__(self, index: int | slice | Tensor) -> Tensor:
        return self._streamed[index][0]
