"""Class activation maps of what is explained: three ways to weigh what the last convolution answers.

With A (channel, cell) the layer's answer to a spectrum and G the gradient of what is explained there:

    gradcam             sum over channels of mean-over-cells(G) times A: as published (paper Eqs. B.1 and B.2)
    gradcam_reference   mean-over-channels(G) times mean-over-channels(A): what the authors' code averages, here of
                        one fixed quantity (theirs: of the logit that won) and without its ReLU, stretch and rescaling
    hirescam            sum over channels of G times A, cell by cell (Draelos & Carin 2020)

With a dense layer that weighs positions, the published average over cells loses most of the place: on a planted
bump the maximum of ``gradcam`` is hardly ever on the bump, that of ``hirescam`` mostly is.

Maps are signed: the ReLU of Eq. B.1 is for display and hides what speaks against PF. Each cell stands at the
centre of its receptive field and wavelengths outside the outermost centres get no value, since stretching the
cells over the whole spectrum shifts features by up to 1.4 Å in the paper's network.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from preflare.errors import ConfigError
from preflare.explain.target import LOG_ODDS, explained

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
    return next(reversed(answering_layers(network)), None)


def answering_layers(network: nn.Module) -> list[nn.Module]:
    """For each convolution in turn the activation that follows it, or itself if none does."""
    layers = list(_layers(network))
    found: list[nn.Module] = []
    for number, layer in enumerate(layers):
        if isinstance(layer, nn.Conv1d):
            after = next((one for one in layers[number + 1 :] if not _passes(one)), None)
            found.append(after if isinstance(after, ACTIVATIONS) else layer)
    return found


def _passes(layer: nn.Module) -> bool:
    return isinstance(layer, POINTWISE) and not isinstance(layer, ACTIVATIONS)


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
                f"No activation map can place the cells of {type(network).__name__}: {type(one).__name__} lies before "
                "its last convolution. Leave them out with maps=[]."
            )
        if one is layer:
            break
    return ReceptiveField(first, step, width)


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


def gradcam(network: nn.Module, spectra: Tensor, quantity: str = LOG_ODDS) -> np.ndarray:
    """Published Grad-CAM on the grid of the spectra, (batch, wavelength) float32: one weight for each channel.

    spectra: (batch, 1, wavelength). Raises ConfigError for a network without a convolution.
    """
    return _on_grid(network, spectra, quantity, lambda a, g: (g.mean(dim=2, keepdim=True) * a).sum(dim=1))


def gradcam_reference(network: nn.Module, spectra: Tensor, quantity: str = LOG_ODDS) -> np.ndarray:
    """The authors' averages on the grid of the spectra, (batch, wavelength) float32: one weight for each cell.

    As ``gradcam`` otherwise.
    """
    return _on_grid(network, spectra, quantity, lambda a, g: g.mean(dim=1) * a.mean(dim=1))


def hirescam(network: nn.Module, spectra: Tensor, quantity: str = LOG_ODDS) -> np.ndarray:
    """HiResCAM on the grid of the spectra, (batch, wavelength) float32: a weight for each channel and cell.

    As ``gradcam`` otherwise.
    """
    return _on_grid(network, spectra, quantity, lambda a, g: (g * a).sum(dim=1))


Map = Callable[[nn.Module, Tensor, str], np.ndarray]
# Name in configs and cubes -> the map.
MAPS: dict[str, Map] = {"gradcam": gradcam, "gradcam_reference": gradcam_reference, "hirescam": hirescam}


def _on_grid(
    network: nn.Module, spectra: Tensor, quantity: str, combine: Callable[[Tensor, Tensor], Tensor]
) -> np.ndarray:
    layer = explained_layer(network)
    if layer is None:
        raise ConfigError(f"{type(network).__name__} has no convolution, so there is no activation map.")
    cells = combine(*answer_and_gradient(network, layer, spectra, quantity)).double().numpy()
    return place(cells, receptive_field(network, layer).centres(cells.shape[1]), spectra.shape[-1])


def answer_and_gradient(
    network: nn.Module, layer: nn.Module, spectra: Tensor, quantity: str = LOG_ODDS
) -> tuple[Tensor, Tensor]:
    """A layer's output and the gradient of what is explained there, both (batch, channel, cell)."""
    answers: list[Tensor] = []
    hook = layer.register_forward_hook(lambda module, inputs, output: answers.append(output))
    try:
        with torch.enable_grad():
            # The gradient needs a graph even where no weight asks for one.
            value = explained(network, quantity)(spectra.detach().requires_grad_())
            (gradient,) = torch.autograd.grad(value.sum(), answers[0])
    finally:
        hook.remove()
    return answers[0].detach(), gradient


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
