"""The distance against SciPy, and what it says of what was never seen."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis
from torch import nn

from preflare.explain.distance import HiddenDistance

POINTS = 6


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(POINTS, 3), nn.Tanh(), nn.Linear(3, 2)).eval()


def training() -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    labels = torch.arange(60) % 2
    return torch.rand(60, 1, POINTS, generator=random) + labels[:, None, None] * 0.5, labels


def test_the_distance_is_scipys_to_the_nearer_class() -> None:
    one, (spectra, labels) = network(), training()
    fresh = torch.rand(8, 1, POINTS, generator=torch.Generator().manual_seed(2)) * 2
    with torch.no_grad():
        hidden, new = (one[:3](part).double().numpy() for part in (spectra, fresh))
    means = [hidden[labels.numpy() == label].mean(axis=0) for label in (0, 1)]
    centred = hidden - np.stack(means)[labels.numpy()]
    inverse = np.linalg.inv(centred.T @ centred / len(hidden))
    expected = [min(mahalanobis(row, mean, inverse) for mean in means) for row in new]
    found = HiddenDistance(one, spectra, labels)(fresh)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_what_was_never_seen_is_far() -> None:
    one, (spectra, labels) = network(), training()
    distance = HiddenDistance(one, spectra, labels)
    assert distance(-3 * torch.ones(1, 1, POINTS))[0] > distance(spectra).max()


@pytest.mark.parametrize("dead", ["a unit", "all"])
def test_dead_units_give_finite_distances(dead: str) -> None:
    one, (spectra, labels) = network(), training()
    one[2] = nn.ReLU()
    with torch.no_grad():
        one[1].bias[: 1 if dead == "a unit" else 3] = -100
    found = HiddenDistance(one, spectra, labels)(spectra)
    assert torch.isfinite(found).all()
