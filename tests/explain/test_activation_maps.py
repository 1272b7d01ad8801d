"""Activation maps against Captum and slow loops, and their cells against what they really see."""

import copy

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn

from preflare.errors import ConfigError
from preflare.explain.activation_maps import (
    MAPS,
    ReceptiveField,
    answer_and_gradient,
    explained_layer,
    gradcam,
    gradcam_reference,
    hirescam,
    place,
    receptive_field,
)
from preflare.explain.target import log_odds

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


def slow_gradient(network: nn.Sequential, spectrum: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Answer and gradient of a spectrum in float64, by central differences of the part after the layer."""
    features, head = copy.deepcopy(network[0]).double(), copy.deepcopy(network[1:]).double()
    with torch.no_grad():
        maps = features(spectrum.double()[None])[0]
        gradient = np.zeros(maps.shape)
        for channel, cell in np.ndindex(*maps.shape):
            step = torch.zeros_like(maps)
            step[channel, cell] = 1e-6
            up, down = head((maps + step)[None])[0], head((maps - step)[None])[0]
            gradient[channel, cell] = ((up[1] - up[0]) - (down[1] - down[0])) / 2e-6
    return maps.numpy(), gradient


def slow_map(name: str, answer: np.ndarray, gradient: np.ndarray) -> list[float]:
    """The three formulas, cell by cell and channel by channel."""
    channels, cells = answer.shape
    result = [0.0] * cells
    for j in range(cells):
        for c in range(channels):
            if name == "gradcam":
                result[j] += sum(gradient[c, i] for i in range(cells)) / cells * answer[c, j]
            elif name == "hirescam":
                result[j] += gradient[c, j] * answer[c, j]
            else:
                result[j] += sum(gradient[k, j] for k in range(channels)) / channels * answer[c, j] / channels
    return result


@pytest.mark.parametrize("name", MAPS)
def test_maps_equal_a_slow_loop(name: str) -> None:
    network, batch = paper_network(), spectra(3)
    with torch.no_grad():  # every cell answers: where two that are pooled tie at zero there is no one gradient
        network[0][2].bias += 1
    centres = 9 * np.arange(22) + 23
    found = MAPS[name](network, batch)[:, centres]
    assert np.abs(found).max() > 1e-4
    for one, spectrum in zip(found, batch, strict=True):
        np.testing.assert_allclose(one, slow_map(name, *slow_gradient(network, spectrum)), rtol=1e-4, atol=1e-6)


def test_gradcam_equals_captum() -> None:
    network, batch = paper_network(), spectra(30)
    layer = explained_layer(network)
    assert layer is network[0][3]
    expected = LayerGradCam(log_odds(network), layer).attribute(batch, relu_attributions=False).detach()[:, 0].numpy()
    np.testing.assert_allclose(gradcam(network, batch)[:, 9 * np.arange(22) + 23], expected, rtol=1e-5, atol=1e-7)


def test_hirescam_sums_to_the_log_odds_where_the_head_is_linear() -> None:
    """Its completeness: without bias and bend after the layer, nothing is lost; Grad-CAM has no such property."""
    torch.manual_seed(4)
    features = nn.Sequential(nn.Conv1d(1, 2, 20, stride=3), nn.ReLU(), nn.Conv1d(2, 4, 10, stride=3), nn.ReLU())
    network, batch = nn.Sequential(features, nn.Flatten(), nn.Linear(88, 2, bias=False)), spectra(5)
    with torch.no_grad():
        logits = network(batch)
    centres = 9 * np.arange(22) + 23
    odds = (logits[:, 1] - logits[:, 0]).numpy()
    np.testing.assert_allclose(hirescam(network, batch)[:, centres].sum(axis=1), odds, rtol=1e-4)
    assert not np.allclose(gradcam(network, batch)[:, centres].sum(axis=1), odds, rtol=0.1)


def test_only_the_published_map_loses_a_planted_place() -> None:
    """A head that reads one cell and takes away the others' mean: the two that keep places find that cell."""
    conv = nn.Conv1d(1, 1, 10, stride=10)
    head = nn.Linear(24, 2)
    with torch.no_grad():
        conv.weight.fill_(0.1)
        conv.bias.zero_()
        head.weight.zero_()
        head.bias.zero_()
        head.weight[1] = -1 / 23
        head.weight[1, 7] = 1.0
    network = nn.Sequential(conv, nn.ReLU(), nn.Flatten(), head)
    bump = torch.full((1, 1, POINTS), 0.5)
    bump[0, 0, 70:80] = 1.0
    assert np.nanargmax(hirescam(network, bump)[0]) in range(73, 77)
    assert np.nanargmax(gradcam_reference(network, bump)[0]) in range(73, 77)
    np.testing.assert_allclose(gradcam(network, bump)[0, 5:230], 0, atol=1e-7)


@pytest.mark.parametrize("name", MAPS)
def test_what_speaks_against_pf_is_kept(name: str) -> None:
    """Turning the log-odds round turns the map round: no ReLU, no choice of the winning class."""
    network, batch = paper_network(), spectra(3)
    before = MAPS[name](network, batch)
    with torch.no_grad():
        network[-1].weight.copy_(network[-1].weight.flip(0))
    np.testing.assert_allclose(MAPS[name](network, batch), -before, rtol=1e-5)


def test_frozen_weights_do_not_hinder() -> None:
    network, batch = paper_network(), spectra(2)
    before = hirescam(network, batch)
    with torch.no_grad():
        np.testing.assert_array_equal(hirescam(network.requires_grad_(False), batch), before)


def test_no_hook_stays_behind() -> None:
    network = paper_network()
    layer = explained_layer(network)
    assert layer is not None
    answer_and_gradient(network, layer, spectra(1))
    assert not layer._forward_hooks


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
