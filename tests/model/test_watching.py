"""The handful of spectra that is looked at."""

import numpy as np
import torch

from preflare.model.watching import handful

SPECTRA = torch.arange(40.0).view(20, 1, 2)
LABELS = torch.tensor([0] * 14 + [1] * 6)


def batches():
    return iter([(SPECTRA[:9], LABELS[:9]), (SPECTRA[9:17], LABELS[9:17]), (SPECTRA[17:], LABELS[17:])])


def test_it_is_as_many_of_each_class_where_they_are() -> None:
    found = [handful(batches, 3, np.random.default_rng(seed)) for seed in range(60)]
    for places, spectra, labels in found:
        assert labels.tolist() == [0, 0, 0, 1, 1, 1] == LABELS[places].tolist()
        assert torch.equal(spectra, SPECTRA[places]) and len(set(places.tolist())) == 6
    drawn = torch.cat([places for places, _, _ in found])
    assert set(drawn.tolist()) == set(range(20))
    again = handful(batches, 3, np.random.default_rng(0))
    assert torch.equal(again[0], found[0][0])


def test_a_small_class_gives_all_it_has() -> None:
    places, _, labels = handful(batches, 10, np.random.default_rng(0))
    assert (labels == 1).sum() == 6 and (labels == 0).sum() == 10 == len(places) - 6
