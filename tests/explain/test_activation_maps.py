"""Grad-CAM against a slow loop, and its cells against what they really see."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from preflare.errors import ConfigError
from preflare.explain.activation_maps import (
    ReceptiveField,
    explained_layer,
    gradcam,
    gradcam_cells,
    place,
    receptive_field,
)

POINTS = 240


def paper_network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Sequential(nn.Conv1d(1, 2, 20, stride=3), nn.ReLU(), nn.Conv1d(2, 4, 10, stride=3), nn.ReLU()),
        nn.MaxPool1d(2),
        nn.Flatten(),
        nn.Linear(44, 5),
        nn.ReLU(),
        nn.Linear(5, 2),
    ).eval()


def spectra(count: int) -> Tensor:
    return torch.rand(count, 1, POINTS, generator=torch.Generator().manual_seed(2))


def slow_cells(network: nn.Sequential, spectrum: Tensor) -> np.ndarray:
    """Eqs. B.1 and B.2 cell by cell in float64; every gradient by a central difference of the part after the layer."""
    features, head = network[0].double(), network[1:].double()
    with torch.no_grad():
        maps = features(spectrum.double()[None])[0]

        def f(maps: Tensor) -> float:
            logits = head(maps[None])[0]
            return float(logits[1] - logits[0])

        channels, cells = maps.shape
        result = np.zeros(cells)
        for channel in range(channels):
            weight = 0.0
            for cell in range(cells):
                step = torch.zeros_like(maps)
                step[channel, cell] = 1e-6
                weight += (f(maps + step) - f(maps - step)) / 2e-6 / cells
            for cell in range(cells):
                result[cell] += weight * float(maps[channel, cell])
    return result


def test_gradcam_equals_a_slow_loop() -> None:
    network, batch = paper_network(), spectra(3)
    layer = explained_layer(network)
    assert layer is network[0][3]
    fast = gradcam_cells(network, layer, batch).numpy()
    assert np.abs(fast).max() > 1e-3
    for one, spectrum in zip(fast, batch, strict=True):
        np.testing.assert_allclose(one, slow_cells(network, spectrum), rtol=1e-4, atol=1e-6)


def test_gradcam_keeps_what_speaks_against_pf() -> None:
    """Turning the log-odds round turns the map round: no ReLU, no choice of the winning class."""
    network, batch = paper_network(), spectra(3)
    before = gradcam(network, batch)
    with torch.no_grad():
        network[-1].weight.copy_(network[-1].weight.flip(0))
    np.testing.assert_allclose(gradcam(network, batch), -before, rtol=1e-5)


def test_cells_of_the_papers_network_stand_at_nine_j_plus_23() -> None:
    network = paper_network()
    field = receptive_field(network, explained_layer(network))
    assert field == ReceptiveField(first=23.0, step=9, width=47)
    np.testing.assert_array_equal(field.centres(22), 9 * np.arange(22) + 23)


@pytest.mark.parametrize(
    "features",
    [
        nn.Sequential(nn.Conv1d(1, 2, 20, stride=3), nn.ReLU(), nn.Conv1d(2, 4, 10, stride=3), nn.ReLU()),
        nn.Sequential(nn.Conv1d(1, 2, 5, padding=2, dilation=3), nn.ReLU(), nn.Conv1d(2, 3, 4, stride=2), nn.ReLU()),
        nn.Sequential(nn.Conv1d(1, 2, 7, padding="same", dilation=2), nn.AvgPool1d(3), nn.Conv1d(2, 3, 3), nn.ELU()),
        nn.Sequential(
            nn.Conv1d(1, 2, 4), nn.BatchNorm1d(2), nn.MaxPool1d(4, 2, padding=1), nn.Conv1d(2, 2, 3), nn.Tanh()
        ),
    ],
)
def test_receptive_fields_are_what_the_input_gradient_says(features: nn.Sequential) -> None:
    """Oracle: move one input point at a time and see which cells answer."""
    features = features.double().eval()
    with torch.no_grad():  # positive weights and a linear reach: nothing that is seen can cancel
        for parameter in features.parameters():
            parameter.abs_()
    field = receptive_field(features, features[-1])
    spectrum = torch.zeros(1, 1, POINTS, dtype=torch.float64)
    with torch.no_grad():
        before = features(spectrum)[0]
        seen = np.zeros((POINTS, before.shape[-1]), dtype=bool)
        for point in range(POINTS):
            moved = spectrum.clone()
            moved[0, 0, point] = 1.0
            seen[point] = ((features(moved)[0] - before).abs() > 1e-12).any(dim=0).numpy()
    centres = field.centres(seen.shape[1])
    inside = [j for j, c in enumerate(centres) if c - field.width / 2 > 0 and c + field.width / 2 < POINTS]
    assert len(inside) > 10
    for j in inside:
        points = np.flatnonzero(seen[:, j])
        assert (points[0] + points[-1]) / 2 == centres[j]
        assert points[-1] - points[0] + 1 == field.width


def test_place_interpolates_between_centres_and_leaves_the_rest_empty() -> None:
    centres = np.array([2.0, 5.0, 8.0])
    placed = place(np.array([[0.0, 3.0, -3.0], [1.0, 1.0, 1.0]]), centres, 11)
    nan = np.nan
    np.testing.assert_allclose(placed[0], [nan, nan, 0, 1, 2, 3, 1, -1, -3, nan, nan], atol=1e-6)
    np.testing.assert_allclose(placed[1], [nan, nan, 1, 1, 1, 1, 1, 1, 1, nan, nan], atol=1e-6)


def test_gradcam_has_no_value_where_no_cell_is_centred() -> None:
    maps = gradcam(paper_network(), spectra(2))
    assert maps.shape == (2, POINTS) and maps.dtype == np.float32
    supported = np.isfinite(maps).all(axis=0)
    assert np.flatnonzero(supported)[[0, -1]].tolist() == [23, 212]
    assert supported[23:213].all() and not np.isfinite(maps[:, ~supported]).any()


def test_a_network_without_convolution_has_no_gradcam() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(POINTS, 2))
    assert explained_layer(network) is None
    with pytest.raises(ConfigError, match="has no convolution"):
        gradcam(network, spectra(1))


def test_the_convolution_itself_is_explained_where_no_activation_follows() -> None:
    network = nn.Sequential(nn.Conv1d(1, 2, 5), nn.Flatten(), nn.Linear(472, 2), nn.ReLU())
    assert explained_layer(network) is network[0]


def test_a_layer_that_cannot_be_placed_is_named() -> None:
    network = nn.Sequential(nn.Linear(POINTS, POINTS), nn.Conv1d(1, 2, 5), nn.ReLU())
    with pytest.raises(ConfigError, match="Sequential: Linear lies before its last convolution"):
        receptive_field(network, network[2])
