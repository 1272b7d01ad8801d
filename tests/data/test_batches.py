"""Batches against a plain DataLoader, and the order they come in."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from preflare.data.batches import ShuffledBatches, SpectraDataset, permutation


def dataset(count: int = 23) -> SpectraDataset:
    spectra = torch.arange(count * 4, dtype=torch.float32).reshape(count, 1, 4)
    return SpectraDataset(spectra, torch.arange(count) % 2, torch.zeros(count, dtype=torch.int64), ["AR_x"])


@pytest.mark.parametrize("count", [1, 22, 23, 24])
def test_batches_equal_those_of_a_plain_loader_in_the_same_order(count: int) -> None:
    data = dataset(count)
    batches = ShuffledBatches(count, batch_size=8, seed=5)
    for epoch in (0, 3):
        batches.set_epoch(epoch)
        ours = list(DataLoader(data, sampler=batches, batch_size=None))
        plain = TensorDataset(data.spectra, data.labels)
        theirs = list(DataLoader(plain, batch_size=8, sampler=permutation(count, 5, epoch).tolist()))
        assert len(ours) == len(theirs) == len(batches)
        for (spectra, labels), (expected, truth) in zip(ours, theirs, strict=True):
            assert torch.equal(spectra, expected) and torch.equal(labels, truth)
            assert labels.dtype == torch.int64


def test_the_order_is_a_function_of_seed_and_epoch_alone() -> None:
    first = permutation(1000, 3, 7)
    np.random.seed(1)
    torch.manual_seed(1)
    assert torch.equal(first, permutation(1000, 3, 7))
    assert torch.equal(first.sort().values, torch.arange(1000))
    assert not torch.equal(first, permutation(1000, 3, 8))
    assert not torch.equal(first, permutation(1000, 4, 7))
    # Pinned: a run must not change with a new version of NumPy.
    assert permutation(8, 0, 0).tolist() == [4, 0, 7, 2, 5, 6, 1, 3]


def test_orders_are_uniform() -> None:
    places = torch.stack([permutation(6, seed, epoch) for seed in range(40) for epoch in range(50)])
    counts = torch.stack([(places == value).sum(dim=0) for value in range(6)]).double()
    expected = 2000 / 6
    # 36 cells, 25 degrees of freedom: the 0.1% and 99.9% points of chi-squared.
    assert 8.6 < float(((counts - expected) ** 2 / expected).sum()) < 52.6


def test_set_epoch_moves_on_and_back() -> None:
    batches = ShuffledBatches(30, 7, seed=0)
    orders = []
    for epoch in (0, 1, 0):
        batches.set_epoch(epoch)
        orders.append(torch.cat(list(batches)))
    assert torch.equal(orders[0], orders[2]) and not torch.equal(orders[0], orders[1])
    assert [len(batch) for batch in batches] == [7, 7, 7, 7, 2] and len(batches) == 5


def test_a_dataset_is_indexed_by_number_slice_and_tensor() -> None:
    data = dataset()
    one, label = data[3]
    assert one.shape == (1, 4) and int(label) == 1
    assert torch.equal(data[2:5][0], data[torch.tensor([2, 3, 4])][0])
    assert len(data) == 23
