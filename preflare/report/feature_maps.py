"""What the last convolution answers to a spectrum, channel by channel, on the grid of wavelengths (Fig. 5, App. B)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from preflare.explain.activation_maps import answer_and_gradient, explained_layer, place, receptive_field
from preflare.explain.equivalence import compare


@dataclass(frozen=True, eq=False)
class Maps:
    """Of one spectrum. answers: (channel, wavelength), at the centres of what cells see; NaN beyond the outermost.
    weights: (channel,), the gradient's mean over cells (paper Eq. B.2). weighted: (wavelength,), their sum times
    answers: published Grad-CAM before its ReLU."""

    answers: np.ndarray
    weights: np.ndarray
    weighted: np.ndarray


def answer(network: nn.Module, spectrum: Tensor) -> Maps:
    """To a spectrum (wavelength,); the network has a convolution and is in evaluation mode."""
    layer = explained_layer(network)
    assert layer is not None
    answers, gradient = answer_and_gradient(network, layer, spectrum[None, None])
    weights = gradient[0].mean(dim=1)
    cells = answers[0].double().numpy()
    centres = receptive_field(network, layer).centres(cells.shape[1])
    placed = place(cells, centres, len(spectrum))
    return Maps(placed, weights.numpy(), (weights.double().numpy()[:, None] * placed).sum(axis=0))


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
