"""The plane against networks evaluated one by one."""

import copy

import pytest
import torch
from torch.nn import functional

from preflare.model.convnet import ConvNet
from preflare.report import loss_plane


@pytest.fixture
def networks() -> list[ConvNet]:
    found = []
    for seed in range(3):
        torch.manual_seed(seed)
        found.append(ConvNet(60).eval())
    return found


def loss_of(network: ConvNet, flat: torch.Tensor, spectra: torch.Tensor, labels: torch.Tensor) -> float:
    other = copy.deepcopy(network)
    torch.nn.utils.vector_to_parameters(flat, other.parameters())
    with torch.no_grad():
        return float(functional.cross_entropy(other(spectra), labels))


def test_every_point_is_a_network_of_its_own(networks: list[ConvNet]) -> None:
    spectra, labels = torch.rand(20, 1, 60), torch.arange(20) % 2
    found = loss_plane.measure(networks, spectra, labels, grid=6)
    flat = [torch.nn.utils.parameters_to_vector(one.parameters()).detach() for one in networks]

    for corner, weights, loss in zip(found.corners, flat, found.corner_loss, strict=True):
        assert float(loss) == pytest.approx(loss_of(networks[0], weights, spectra, labels), abs=1e-6)
        assert float(corner.norm()) == pytest.approx(float((weights - flat[0]).norm()), abs=1e-5)
    # The plane is affine: solve for the weights of corners in its coordinates.
    corners = torch.cat([found.corners, torch.ones(3, 1)], dim=1)
    for row, column in ((0, 0), (2, 4), (5, 1)):
        place = torch.tensor([found.x[column], found.y[row], 1.0])
        share = torch.linalg.solve(corners.T, place)
        weights = sum(part * one for part, one in zip(share, flat, strict=True))
        assert isinstance(weights, torch.Tensor)
        assert float(found.loss[row, column]) == pytest.approx(loss_of(networks[0], weights, spectra, labels), abs=1e-5)
    assert found.centre_loss == pytest.approx(loss_of(networks[0], sum(flat) / 3, spectra, labels), abs=1e-6)  # type: ignore[arg-type]
    with torch.no_grad():
        chances = sum(one(spectra).softmax(1) for one in networks) / 3
    assert found.ensemble_loss == pytest.approx(float(-chances[torch.arange(20), labels].log().mean()), abs=1e-6)


def test_a_barrier_is_what_rises_above_the_line(networks: list[ConvNet]) -> None:
    spectra, labels = torch.rand(20, 1, 60), torch.arange(20) % 2
    one, other = (torch.nn.utils.parameters_to_vector(net.parameters()).detach() for net in networks[:2])
    found = loss_plane.barrier(networks[0], one, other, spectra, labels, 5)
    way = [loss_of(networks[0], one + part * (other - one), spectra, labels) for part in (0, 0.25, 0.5, 0.75, 1)]
    line = [way[0] + part * (way[-1] - way[0]) for part in (0, 0.25, 0.5, 0.75, 1)]
    assert float(found) == pytest.approx(max(a - b for a, b in zip(way, line, strict=True)), abs=1e-6)
    assert float(loss_plane.barrier(networks[0], one, one, spectra, labels, 5)) == pytest.approx(0, abs=1e-7)
