"""What the last convolution answers to a spectrum, channel by channel, on the grid of wavelengths (Fig. 5, App. B)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from preflare.explain.activation_maps import (
    answer_and_gradient,
    answering_layers,
    explained_layer,
    place,
    receptive_field,
)
from preflare.explain.equivalence import compare


@dataclass(frozen=True, eq=False)
class Maps:
    """Of one spectrum. answers: (channel, wavelength), at the centres of what cells see; NaN beyond the outermost.
    weights: (channel,), the gradient's mean over cells (paper Eq. B.2). weighted: (wavelength,), their sum times
    answers: published Grad-CAM before its ReLU. cells, gradients: (channel, cell), as they are in the network."""

    answers: np.ndarray
    weights: np.ndarray
    weighted: np.ndarray
    cells: np.ndarray
    gradients: np.ndarray


@dataclass(frozen=True, eq=False)
class Filtered:
    """What one filter makes of points (n,). answer, kept: (n - kernel + 1,), before and after the ReLU. place: where
    the answer is largest."""

    points: np.ndarray
    answer: np.ndarray
    kept: np.ndarray
    place: int


def answer(network: nn.Module, spectrum: Tensor) -> Maps:
    """To a spectrum (wavelength,); the network has a convolution and is in evaluation mode."""
    layer = explained_layer(network)
    assert layer is not None
    answers, gradient = answer_and_gradient(network, layer, spectrum[None, None])
    weights = gradient[0].mean(dim=1)
    cells = answers[0].double().numpy()
    centres = receptive_field(network, layer).centres(cells.shape[1])
    placed = place(cells, centres, len(spectrum))
    weighted = (weights.double().numpy()[:, None] * placed).sum(axis=0)
    return Maps(placed, weights.numpy(), weighted, cells, gradient[0].double().numpy())


def reservoirs(network: nn.Module, spectrum: Tensor) -> list[np.ndarray]:
    """What every convolution in turn answers to a spectrum (wavelength,), after its activation: (channel, wavelength),
    as ``Maps.answers``."""
    found = []
    for layer in answering_layers(network):
        answers, _ = answer_and_gradient(network, layer, spectrum[None, None])
        cells = answers[0].double().numpy()
        found.append(place(cells, receptive_field(network, layer).centres(cells.shape[1]), len(spectrum)))
    return found


def filtered(points: Tensor, kernel: Sequence[float]) -> Filtered:
    """Points (n,) of a spectrum through one filter, as a convolution of the networks without bias (Fig. 4)."""
    answer = functional.conv1d(points[None, None], torch.tensor([[list(kernel)]], dtype=points.dtype))[0, 0]
    return Filtered(points.numpy(), answer.numpy(), functional.relu(answer).numpy(), int(answer.argmax()))


def resemblance(networks: Sequence[nn.Module], spectra: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """By how much the plain sum over channels looks like the spectrum: the correlation, (member, n), and that of the
    member's weighted sum, (member, n). spectra: (n, wavelength)."""
    plain: list[np.ndarray] = []
    weighted: list[np.ndarray] = []
    for network in networks:
        layer = explained_layer(network)
        assert layer is not None
        answers, gradient = answer_and_gradient(network, layer, spectra[:, None])
        centres = receptive_field(network, layer).centres(answers.shape[2])
        weights = gradient.mean(dim=2, keepdim=True)
        for found, cells in ((plain, answers.sum(dim=1)), (weighted, (weights * answers).sum(dim=1))):
            placed = place(cells.double().numpy(), centres, spectra.shape[1])
            found.append(compare(spectra.numpy(), placed).correlation)
    return np.array(plain), np.array(weighted)


def answering(network: nn.Module, spectra: Tensor) -> np.ndarray:
    """Which channels of the last convolution answer to any of some spectra (n, wavelength): (channel,) bool."""
    layer = explained_layer(network)
    assert layer is not None
    answers, _ = answer_and_gradient(network, layer, spectra[:, None])
    alive: np.ndarray = (answers != 0).any(dim=2).any(dim=0).numpy()
    return alive


def convolutional(network: nn.Module) -> bool:
    """Whether there are such maps."""
    with torch.no_grad():
        return explained_layer(network) is not None
