"""Shuffled batches of spectra that stay on disk: read in shuffled pieces, and mixed in a pool of bounded size.

How an epoch is mixed. The pieces (what was chosen of a slab) of each observation are shuffled, and laid over the
epoch so that at every moment each observation has given the same share of its spectra. A pool is filled from
this sequence; a batch is drawn from the pool at random, and the next spectra take the places that it leaves. So
a batch is an unbiased draw from a pool that holds the observations, and hence the classes, in the proportions
of the whole; neighbours in a slab meet in a batch about as often as batch size over pool size.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler, get_worker_info

from preflare.data.stream import StreamedSpectra

# Of all streams drawn from a run's seed, this is the order of streamed batches.
STREAM = 12


class StreamedBatches(Dataset[tuple[Tensor, Tensor]]):
    """Shuffled batches of one side; together those of an epoch hold every spectrum once, the last may be short.

    ``batches[epoch, k]`` is (spectra (batch, 1, wavelength) float32, labels (batch,) int64): a function of seed,
    epoch, k and the number of loading processes, each of which mixes its own share in its own pool. In order it
    is fast; out of order it is right.

    room: spectra that all pools together may hold.
    """

    def __init__(self, streamed: StreamedSpectra, batch_size: int, seed: int, room: int) -> None:
        self.streamed = streamed
        self.batch_size = batch_size
        self.seed = seed
        self.room = room
        self._next: tuple[int, int] | None = None
        self._batches: Iterator[tuple[Tensor, Tensor]] | None = None

    def __len__(self) -> int:
        return -(-len(self.streamed) // self.batch_size)

    def __getstate__(self) -> dict[str, Any]:
        # A running epoch stays behind: whoever unpickles begins where it is asked to.
        return self.__dict__ | {"_batches": None}

    def __getitem__(self, place: tuple[int, int]) -> tuple[Tensor, Tensor]:
        epoch, batch = place
        info = get_worker_info()
        hands = info.num_workers if info else 1
        if place != self._next or self._batches is None:
            self._batches = None  # frees the old pool before a new one is filled
            self._batches = self._epoch(epoch, batch % hands, hands)
            for _ in range(batch // hands):
                next(self._batches)
        found = next(self._batches)
        self._next = epoch, batch + hands
        if batch + hands >= len(self):
            self._batches = None
        return found

    def _epoch(self, epoch: int, hand: int, hands: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Every batch of one hand, in order."""
        streamed, size = self.streamed, self.batch_size
        shares = shares_of(len(streamed), size, hands)
        common, own = _stream(self.seed, epoch, 0), _stream(self.seed, epoch, 1 + hand)
        parts = spread(deal(streamed.counts, streamed.owner, shares, common)[hand], streamed.owner, own)
        # The pool has room for one more batch, which takes in what is left at the end.
        pool = Pool(min(self.room // hands - size, shares[hand]), size, self._incoming(parts), streamed.points)
        left = shares[hand] - pool.size
        while left >= size:
            places = own.choice(pool.size, size, replace=False)
            yield pool.take(places)
            pool.fill(places)
            left -= size
        pool.fill(np.arange(pool.size, pool.size + left))
        order = own.permutation(pool.size + left)
        for start in range(0, len(order), size):
            yield pool.take(order[start : start + size])

    def _incoming(self, parts: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
        for piece, start, stop in parts:
            yield self.streamed.piece(piece)[start:stop], self.streamed.label(self.streamed.owner[piece])


class Pool:
    """Spectra and labels in memory: ``size`` places filled from incoming pieces at once, and spare ones."""

    def __init__(self, size: int, spare: int, incoming: Iterator[tuple[np.ndarray, int]], points: int) -> None:
        self.size = size
        self._incoming = incoming
        self._spectra = np.empty((size + spare, points), dtype=np.float32)
        self._labels = np.empty(size + spare, dtype=np.int64)
        self._piece, self._label = np.empty((0, points), dtype=np.float32), 0
        self.fill(np.arange(size))

    def fill(self, places: np.ndarray) -> None:
        """Put the next spectra that come in into these places."""
        while len(places):
            if len(self._piece) == 0:
                self._piece, self._label = next(self._incoming)
            count = min(len(places), len(self._piece))
            self._spectra[places[:count]] = self._piece[:count]
            self._labels[places[:count]] = self._label
            places, self._piece = places[count:], self._piece[count:]

    def take(self, places: np.ndarray) -> tuple[Tensor, Tensor]:
        """Copies of the spectra (n, 1, wavelength) and labels (n,) at these places."""
        return torch.from_numpy(self._spectra[places][:, np.newaxis]), torch.from_numpy(self._labels[places])


class Places(Sampler[tuple[int, int]]):
    """(epoch, 0), (epoch, 1), ...: the batches of the epoch that was set, for a DataLoader over StreamedBatches.

    Lightning calls ``set_epoch`` before each epoch, and who does not gets the same order every time.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.epoch, batch) for batch in range(self.count))


def shares_of(count: int, batch_size: int, hands: int) -> list[int]:
    """How many spectra each hand gets, if hand i serves batches i, i + hands, ... and only the last is short."""
    batches = -(-count // batch_size)
    shares = [batch_size * len(range(hand, batches, hands)) for hand in range(hands)]
    shares[(batches - 1) % hands] -= batches * batch_size - count
    return shares


def deal(counts: np.ndarray, owner: np.ndarray, shares: Sequence[int], stream: np.random.Generator) -> list[np.ndarray]:
    """Deal all pieces to hands, a piece being cut where a hand is full: per hand (n, 3) of piece, start, stop.

    counts, owner: (pieces,). shares: spectra for each hand, together all there are. Each hand gets its share of
    every observation to within a piece; the pieces of an observation come one after another, shuffled.
    """
    left = list(shares)
    hands: list[list[tuple[int, int, int]]] = [[] for _ in shares]
    for piece in np.lexsort((stream.random(len(counts)), owner)).tolist():
        start, stop = 0, int(counts[piece])
        while start < stop:
            hand = left.index(max(left))
            taken = min(stop - start, left[hand])
            hands[hand].append((piece, start, start + taken))
            left[hand] -= taken
            start += taken
    return [np.array(hand, dtype=np.int64).reshape(-1, 3) for hand in hands]


def spread(parts: np.ndarray, owner: np.ndarray, stream: np.random.Generator) -> np.ndarray:
    """Reorder the parts (n, 3) of one hand so that its observations keep pace with each other.

    A part lies where, of the spectra of its observation, some random one of its own does.
    """
    if len(parts) == 0:
        return parts
    counts, whose = parts[:, 2] - parts[:, 1], owner[parts[:, 0]]
    before = np.cumsum(counts) - counts
    begins = np.flatnonzero(np.diff(whose, prepend=-1))
    lengths = np.diff(begins, append=len(parts))
    totals = np.add.reduceat(counts, begins)
    place = before - np.repeat(before[begins], lengths) + stream.random(len(parts)) * counts
    return parts[np.argsort(place / np.repeat(totals, lengths), kind="stable")]


def _stream(seed: int, epoch: int, which: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence((seed, STREAM, epoch, which)))
