"""Streamed batches: every spectrum once, well mixed, the same again, through ordinary loaders."""

import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from preflare.data.mixing import Places, Pool, StreamedBatches, deal, shares_of, spread
from preflare.data.stream import StreamedSpectra

BuildSide = Callable[..., StreamedSpectra]
FORK = pytest.mark.filterwarnings(
    "ignore:.*multi-threaded.*fork:DeprecationWarning", "ignore:This DataLoader will create:UserWarning"
)
# Six observations of very different size, 1640 spectra in 44 pieces or more.
SHAPES = [(40, 1, 10), (10, 2, 10), (3, 2, 20), (70, 1, 10), (4, 3, 10), (5, 2, 10)]


def epoch(batches: StreamedBatches, epoch: int = 0, workers: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    places = Places(len(batches))
    places.set_epoch(epoch)
    return list(DataLoader(batches, sampler=places, batch_size=None, num_workers=workers))


def names(found: list[tuple[torch.Tensor, torch.Tensor]]) -> list[float]:
    """Which spectra, by the first value, in order."""
    return torch.cat([spectra[:, 0, 0] for spectra, _ in found]).tolist()


@FORK
@pytest.mark.parametrize("workers", [0, 1, 2, 3])
@pytest.mark.parametrize(("every", "room"), [(1, 200), (3, 10_000)])
def test_an_epoch_holds_every_spectrum_once_with_its_label(
    build_side: BuildSide, every: int, room: int, workers: int
) -> None:
    side = build_side(SHAPES, every)
    batches = StreamedBatches(side, batch_size=16, seed=3, room=room)
    found = epoch(batches, 1, workers)
    assert [len(labels) for _, labels in found[:-1]] == [16] * (len(batches) - 1)
    assert len(found) == len(batches) == -(-len(side) // 16)
    spectra, labels = (torch.cat(part) for part in zip(*found, strict=True))
    expected, truth = side[:]
    order = spectra[:, 0, 0].argsort()
    by_name = expected[:, 0, 0].argsort()
    assert torch.equal(spectra[order], expected[by_name])
    assert torch.equal(labels[order], truth[by_name])
    assert spectra.dtype == torch.float32 and labels.dtype == torch.int64


@FORK
@pytest.mark.parametrize("workers", [0, 2])
def test_the_order_is_a_function_of_seed_and_epoch(build_side: BuildSide, workers: int) -> None:
    side = build_side(SHAPES)
    first = names(epoch(StreamedBatches(side, 16, 3, 300), 2, workers))
    np.random.seed(1)
    torch.manual_seed(1)
    again = StreamedBatches(side, 16, 3, 300)
    assert names(epoch(again, 1, workers)) != first
    assert names(epoch(again, 2, workers)) == first
    assert names(epoch(StreamedBatches(side, 16, 4, 300), 2, workers)) != first


@FORK
def test_workers_that_live_on_get_each_epochs_order(build_side: BuildSide) -> None:
    side = build_side(SHAPES)
    batches = StreamedBatches(side, 16, 3, 300)
    places = Places(len(batches))
    loader = DataLoader(batches, sampler=places, batch_size=None, num_workers=2, persistent_workers=True)
    orders = []
    for number in (0, 1, 0):
        places.set_epoch(number)
        orders.append(names(list(loader)))
    assert orders[0] == orders[2] != orders[1]
    assert orders[1] == names(epoch(batches, 1, 2))


def test_a_batch_out_of_order_is_the_same_batch(build_side: BuildSide) -> None:
    side = build_side(SHAPES)
    found = epoch(StreamedBatches(side, 16, 3, 300), 1)
    batches = StreamedBatches(side, 16, 3, 300)
    for batch in (7, 8, 3, 3, len(found) - 1, 0):
        assert torch.equal(batches[1, batch][0], found[batch][0])


def test_a_pickle_taken_in_the_middle_of_an_epoch_begins_where_asked(build_side: BuildSide) -> None:
    batches = StreamedBatches(build_side(SHAPES), 16, 3, 300)
    found = [batches[0, 0], batches[0, 1]]
    again = pickle.loads(pickle.dumps(batches))
    assert torch.equal(again[0, 1][0], found[1][0])
    assert torch.equal(again[0, 2][0], batches[0, 2][0])


def test_each_slab_is_read_once_an_epoch(build_side: BuildSide, monkeypatch: pytest.MonkeyPatch) -> None:
    side = build_side(SHAPES)
    reads: list[int] = []
    piece = StreamedSpectra.piece
    monkeypatch.setattr(StreamedSpectra, "piece", lambda self, which: reads.append(which) or piece(self, which))
    epoch(StreamedBatches(side, 16, 3, 300))
    assert sorted(reads) == list(range(len(side.counts)))


def test_the_pool_is_as_large_as_allowed_and_no_larger(build_side: BuildSide, monkeypatch: pytest.MonkeyPatch) -> None:
    side = build_side(SHAPES)
    sizes: list[tuple[int, int]] = []
    make = Pool.__init__
    monkeypatch.setattr(Pool, "__init__", lambda self, *args: sizes.append(args[:2]) or make(self, *args))
    for room in (300, 10**9):
        epoch(StreamedBatches(side, 16, 3, room))
    assert sizes == [(284, 16), (len(side), 16)]


def test_the_pool_is_freed_with_the_last_batch(build_side: BuildSide) -> None:
    batches = StreamedBatches(build_side(SHAPES), 16, 3, 300)
    epoch(batches)
    assert batches._batches is None


def test_batches_are_as_mixed_as_random_ones(build_side: BuildSide) -> None:
    """Batches out of a pool of a tenth of the data, which holds about 50 pieces, against independent draws."""
    side = build_side([(200, 1, 10)] * 10)  # 20,000 spectra, half of them PF, in 500 pieces
    batches = StreamedBatches(side, 50, 0, 2000)
    found = [batch for number in range(2) for batch in epoch(batches, number)]
    share = np.array([labels.double().mean().item() for _, labels in found])
    # Independent draws: mean 1/2, standard deviation 0.5 / sqrt(50) = 0.0707; 800 batches know it to 2.5%.
    assert abs(share.mean() - 0.5) < 1e-9
    assert 0.066 < share.std() < 0.077
    observations = np.array([len(np.unique(spectra[:, 0, 0].numpy() // 1e5)) for spectra, _ in found])
    assert abs(observations.mean() - 10 * (1 - 0.9**50)) < 0.02
    # Of the 49 others in a batch, random ones are of the same slab (of 40) 39/19999 of the time; out of a pool of
    # 1950, ten times as often. In the order of the files it would be nearly always.
    same = np.mean([_same_slab(spectra[:, 0, 0].numpy()) for spectra, _ in found])
    assert same < 1.2 * 49 * 39 / 1950


def _same_slab(first: np.ndarray) -> float:
    """How many others of its slab a spectrum of a batch meets there, on average."""
    slab = np.floor(first / 1e5) * 1000 + np.floor(first % 1e5 / 40)
    return float((slab[:, None] == slab).sum(axis=1).mean() - 1)


def test_any_stretch_of_an_epoch_holds_the_classes_evenly(build_side: BuildSide) -> None:
    # Two large AR, many small PF: in file order, or with the observations one by one, the first third is all AR.
    side = build_side([(100, 1, 10), (10, 1, 20), (100, 1, 10), (10, 1, 20), (10, 1, 10), (160, 1, 10)])
    whole = side.labels.double().mean().item()
    for number in range(10):
        labels = torch.cat([labels for _, labels in epoch(StreamedBatches(side, 20, 5, 400), number)])
        for stretch in labels.split(400)[:-1]:
            # 4.5 standard deviations of a random draw of 400.
            assert abs(stretch.double().mean().item() - whole) < 4.5 * np.sqrt(whole * (1 - whole) / 400)


def test_orders_are_uniform(build_side: BuildSide) -> None:
    """Out of a pool that takes all of it, every spectrum comes at every time equally often."""
    side = build_side([(4, 1, 10), (8, 1, 10)])  # 120 spectra in 3 pieces
    batches = StreamedBatches(side, 10, 0, 1000)
    which = side[:][0][:, 0, 0].tolist()
    orders = [names(epoch(batches, number)) for number in range(120)]
    places = np.array([[order.index(name) for name in which] for order in orders])
    counts = np.stack([np.bincount(places[:, i] // 10, minlength=12) for i in range(120)])
    # Rows and columns are fixed: 119 x 11 degrees of freedom; the 0.1% and 99.9% points are 1154 and 1472.
    assert 1154 < ((counts - 10) ** 2 / 10).sum() < 1472


@pytest.mark.parametrize(("count", "size", "hands"), [(100, 10, 3), (101, 10, 3), (95, 10, 4), (7, 10, 2), (64, 64, 1)])
def test_shares_are_what_the_loader_asks_of_each_hand(count: int, size: int, hands: int) -> None:
    expected = [0] * hands
    for batch, start in enumerate(range(0, count, size)):
        expected[batch % hands] += min(size, count - start)
    assert shares_of(count, size, hands) == expected


@pytest.mark.parametrize("hands", [1, 2, 5])
def test_pieces_are_dealt_in_full_and_evenly(hands: int) -> None:
    random = np.random.default_rng(7)
    counts = random.integers(1, 40, 200)
    owner = np.sort(random.integers(0, 8, 200))
    shares = shares_of(int(counts.sum()), 16, hands)
    dealt = deal(counts, owner, shares, np.random.default_rng(1))
    taken: dict[int, list[int]] = {piece: [] for piece in range(200)}
    for hand, parts in enumerate(dealt):
        assert (parts[:, 2] - parts[:, 1]).sum() == shares[hand]
        for piece, start, stop in parts:
            assert start < stop
            taken[piece] += range(start, stop)
        for one in range(8):
            here = parts[owner[parts[:, 0]] == one]
            share = (here[:, 2] - here[:, 1]).sum()
            assert abs(share - counts[owner == one].sum() / hands) < 2 * 40
    assert all(sorted(rows) == list(range(counts[piece])) for piece, rows in taken.items())
    assert sum(len(parts) for parts in dealt) < 200 + hands, "at most one cut a hand"


def test_observations_keep_pace_when_spread() -> None:
    random = np.random.default_rng(7)
    owner = np.repeat([0, 1, 2], [10, 100, 400])
    counts = random.integers(1, 40, len(owner))
    (parts,) = deal(counts, owner, [int(counts.sum())], np.random.default_rng(1))
    order = spread(parts, owner, np.random.default_rng(2))
    assert sorted(map(tuple, order)) == sorted(map(tuple, parts))
    for one in range(3):
        mine = order[owner[order[:, 0]] == one, 0]
        assert 0.3 < np.mean(np.diff(mine) > 0) < 0.7, "pieces of an observation come in no order"
    sizes = order[:, 2] - order[:, 1]
    gone = np.stack([np.cumsum(sizes * (owner[order[:, 0]] == one)) for one in range(3)])
    gone = gone / gone[:, -1:]
    # The few pieces of the smallest are a tenth each.
    assert np.abs(gone[1] - gone[2]).max() < 0.04 and np.abs(gone[0] - gone[2]).max() < 0.2
    assert spread(parts[:0], owner, random).shape == (0, 3)


def test_the_order_is_pinned(build_side: BuildSide) -> None:
    """A run must not change with a new version of NumPy."""
    side = build_side([(4, 1, 10), (8, 1, 10)])
    found = names(epoch(StreamedBatches(side, 8, 0, 64)))
    assert [round(name) for name in found[:8]] == [2100046, 14, 12, 2100052, 15, 2100045, 2100059, 2100060]
