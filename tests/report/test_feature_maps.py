"""Maps are the layer's answers, and their sum is what the published map is."""

import numpy as np
import torch
from torch import nn

from preflare.explain.activation_maps import gradcam
from preflare.model.convnet import ConvNet
from preflare.model.fnn import FNN
from preflare.report import feature_maps


def test_answers_stand_at_what_their_cells_see() -> None:
    torch.manual_seed(0)
    network = ConvNet(240).eval()
    spectrum = torch.rand(240)
    found = feature_maps.answer(network, spectrum)
    with torch.no_grad():
        cells = network.features(spectrum[None, None])[0].numpy()
    # The cells of the paper's network stand at points 23, 32, ..., 212.
    np.testing.assert_allclose(found.answers[:, 23:213:9], cells, atol=1e-6)
    assert np.isnan(found.answers[:, [0, 22, 213, 239]]).all()
    np.testing.assert_allclose(found.weighted, gradcam(network, spectrum[None, None])[0], atol=1e-6)


def test_every_convolution_has_its_maps() -> None:
    torch.manual_seed(0)
    network = ConvNet(240).eval()
    spectrum = torch.rand(240)
    first, last = feature_maps.reservoirs(network, spectrum)
    assert (len(first), len(last)) == (2, 4)
    np.testing.assert_array_equal(last, feature_maps.answer(network, spectrum).answers)
    with torch.no_grad():
        cells = network.features[:2](spectrum[None, None])[0].numpy()
    # The first convolution's cells see 20 points: their centres lie between 9 and 10, 3 apart.
    np.testing.assert_allclose(first[:, 11], cells[:, 0] / 2 + cells[:, 1] / 2, atol=1e-6)


def test_weights_are_means_of_gradients_over_cells() -> None:
    torch.manual_seed(0)
    found = feature_maps.answer(ConvNet(240).eval(), torch.rand(240))
    assert found.cells.shape == found.gradients.shape == (4, 22)
    np.testing.assert_allclose(found.gradients.mean(axis=1), found.weights, atol=1e-6)


def test_a_filter_answers_to_what_rises() -> None:
    found = feature_maps.filtered(torch.tensor([0.0, 0.0, 1.0, 3.0, 1.0, 0.0]), (-1.0, 0.0, 1.0))
    np.testing.assert_allclose(found.answer, [1, 3, 0, -3])
    np.testing.assert_allclose(found.kept, [1, 3, 0, 0])
    assert found.place == 1


def test_a_convolution_that_copies_resembles_the_spectrum() -> None:
    copying = nn.Conv1d(1, 2, 1, bias=False)
    network = nn.Sequential(copying, nn.ReLU(), nn.Flatten(), nn.Linear(60, 2)).eval()
    with torch.no_grad():
        copying.weight.copy_(torch.tensor([[[1.0]], [[2.0]]]))
    spectra = torch.rand(5, 30)
    plain, weighted = feature_maps.resemblance([network, network], spectra)
    np.testing.assert_allclose(plain, np.ones((2, 5)), atol=1e-6)
    # Of copies any weighing is a copy, too, or its negative.
    np.testing.assert_allclose(np.abs(weighted), np.ones((2, 5)), atol=1e-6)


def test_a_dead_channel_does_not_answer() -> None:
    torch.manual_seed(0)
    network = ConvNet(240).eval()
    with torch.no_grad():
        network.features[2].bias[1] = -1e6
    alive = feature_maps.answering(network, torch.rand(4, 240))
    assert not alive[1]
    assert alive.sum() == sum(bool(network.features(torch.rand(9, 1, 240))[:, k].any()) for k in range(4))


def test_who_has_maps() -> None:
    assert feature_maps.convolutional(ConvNet(240))
    assert not feature_maps.convolutional(FNN(240))
