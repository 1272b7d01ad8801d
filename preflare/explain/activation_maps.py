"""Grad-CAM on the last convolution, placed where its cells look (paper Eqs. B.1 and B.2).

The map is signed: the ReLU of Eq. B.1 is for display and hides what speaks against PF. Each cell stands at the
centre of its receptive field and wavelengths outside the outermost centres get no value, since stretching the
cells over the whole spectrum shifts features by up to 1.4 Å in the paper's network.

With a dense layer that weighs positions, the published average over positions loses most of the place: on a
planted bump the map's maximum is hardly ever on the bump. It is here as published, not as advice.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn

from preflare.errors import ConfigError
from preflare.explain.target import log_odds

ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Softplus, nn.Tanh, nn.Sigmoid)
# Layers that neither move nor widen what a cell sees.
POINTWISE = (*ACTIVATIONS, nn.BatchNorm1d, nn.Dropout, nn.Dropout1d, nn.Identity)
SLIDING = (nn.Conv1d, nn.MaxPool1d, nn.AvgPool1d)


@dataclass(frozen=True)
class ReceptiveField:
    """What cell j of a layer sees: ``width`` grid points around ``first + j * step``."""

    first: float
    step: int
    width: int

    def centres(self, cells: int) -> np.ndarray:
        """Centres of the cells as fractional indices of the grid, (cells,)."""
        return self.first + self.step * np.arange(cells, dtype=np.float64)


def explained_layer(network: nn.Module) -> nn.Module | None:
    """The activation that follows the last convolution (that convolution if none does); None without one."""
    layers = list(_layers(network))
    last = max((i for i, layer in enumerate(layers) if isinstance(layer, nn.Conv1d)), default=None)
    if last is None:
        return None
    for layer in layers[last + 1 :]:
        if isinstance(layer, ACTIVATIONS):
            return layer
        if not isinstance(layer, POINTWISE):
            break
    return layers[last]


def receptive_field(network: nn.Module, layer: nn.Module) -> ReceptiveField:
    """What a cell of the layer sees, from kernel, stride, padding and dilation of the layers up to it.

    The layers are taken to act one after the other in the order in which the network holds them.
    Raises ConfigError if one of them is neither a convolution, a pooling, an activation nor a normalisation.
    """
    first, step, width = 0.0, 1, 1
    for one in _layers(network):
        if isinstance(one, SLIDING):
            kernel, stride, dilation = _single(one.kernel_size), _single(one.stride), _dilation(one)
            reach = dilation * (kernel - 1)
            first += (reach / 2 - _padding(one, reach)) * step
            width += reach * step
            step *= stride
        elif not isinstance(one, POINTWISE):
            raise ConfigError(
                f"Grad-CAM cannot place the cells of {type(network).__name__}: {type(one).__name__} lies before its "
                "last convolution. Leave it out with gradcam=false."
            )
        if one is layer:
            break
    return ReceptiveField(first, step, width)


def gradcam_cells(network: nn.Module, layer: nn.Module, spectra: Tensor) -> Tensor:
    """Signed Grad-CAM of the log-odds, one value per cell of the layer: (batch, cells).

    The weight of a channel is the mean over positions of the gradient (Eq. B.2); Captum computes it.
    """
    method = LayerGradCam(log_odds(network), layer)
    cells: Tensor = method.attribute(spectra, relu_attributions=False)
    return cells.detach()[:, 0]


def place(cells: np.ndarray, centres: np.ndarray, points: int) -> np.ndarray:
    """Cells interpolated linearly between their centres to a grid of so many points: (batch, points).

    NaN before the first and after the last centre.
    """
    grid = np.arange(points)
    supported = (grid >= centres[0]) & (grid <= centres[-1])
    # Interpolation is linear in the cells: the maps of single unit cells are its matrix.
    matrix = np.stack([np.interp(grid[supported], centres, unit) for unit in np.eye(len(centres))])
    placed = np.full((len(cells), points), np.nan, dtype=np.float32)
    placed[:, supported] = cells @ matrix
    return placed


def gradcam(network: nn.Module, spectra: Tensor) -> np.ndarray:
    """Signed Grad-CAM of the log-odds on the grid of the spectra, (batch, wavelength) float32.

    spectra: (batch, 1, wavelength). Raises ConfigError for a network without a convolution.
    """
    layer = explained_layer(network)
    if layer is None:
        raise ConfigError(f"{type(network).__name__} has no convolution, so there is no Grad-CAM.")
    with torch.enable_grad():
        cells = gradcam_cells(network, layer, spectra).double().numpy()
    return place(cells, receptive_field(network, layer).centres(cells.shape[1]), spectra.shape[-1])


def _layers(network: nn.Module) -> Iterator[nn.Module]:
    return (module for module in network.modules() if not any(module.children()))


def _single(value: int | tuple[int, ...]) -> int:
    return value if isinstance(value, int) else value[0]


def _dilation(layer: nn.Module) -> int:
    return 1 if isinstance(layer, nn.AvgPool1d) else _single(layer.dilation)  # type: ignore[arg-type]


def _padding(layer: nn.Module, reach: int) -> int:
    padding = layer.padding
    if padding == "valid":
        return 0
    if padding == "same":
        return reach // 2
    return _single(padding)  # type: ignore[arg-type]
