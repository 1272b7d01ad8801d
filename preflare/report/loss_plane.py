"""The loss on the plane through the weights of three networks (the paper's Fig. 8, measured instead of sketched)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional

# Networks evaluated in one call.
AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class Plane:
    """Distances are between weights (Euclidean).

    x, y: (n,) the grid. loss: (n of y, n of x) mean cross-entropy. corners: (3, 2) where the networks lie, the first
    at the origin, the second on the x axis. corner_loss: (3,) theirs. centre_loss: of the mean of their weights, which
    lies at the mean of the corners; ensemble_loss: of the mean of their probabilities. barriers: (3,), for the sides
    between 1 and 2, 2 and 3, 3 and 1: how far the loss on the way rises above the straight line between its ends.
    """

    x: Tensor
    y: Tensor
    loss: Tensor
    corners: Tensor
    corner_loss: Tensor
    centre_loss: float
    ensemble_loss: float
    barriers: Tensor


def measure(networks: Sequence[nn.Module], spectra: Tensor, labels: Tensor, grid: int, margin: float = 0.35) -> Plane:
    """Through three networks of one architecture, in evaluation mode, on spectra (n, 1, wavelength).

    grid: points of an axis. margin: how far it reaches beyond the corners, as a share of their extent.
    """
    first, second, third = (_flat(one) for one in networks)
    u = second - first
    across = u / u.norm()
    rest = third - first - (third - first) @ across * across
    up = rest / rest.norm()
    corners = torch.stack([torch.stack([(one - first) @ across, (one - first) @ up]) for one in (first, second, third)])
    low, high = corners.min(dim=0).values, corners.max(dim=0).values
    reach = margin * (high - low)
    x, y = (torch.linspace(float(a), float(b), grid) for a, b in zip(low - reach, high + reach, strict=True))
    places = torch.cartesian_prod(y, x)
    network = networks[0]
    loss = losses(network, first + places[:, 1:] * across + places[:, :1] * up, spectra, labels)
    corner = losses(network, torch.stack([first, second, third]), spectra, labels)
    centre = losses(network, ((first + second + third) / 3)[None], spectra, labels)
    with torch.no_grad():
        chances = torch.stack([functional.softmax(one(spectra), dim=1) for one in networks]).mean(dim=0)
    together = functional.nll_loss(chances.clamp_min(1e-12).log(), labels)
    barriers = torch.stack(
        [barrier(network, a, b, spectra, labels, grid) for a, b in ((first, second), (second, third), (third, first))]
    )
    return Plane(x, y, loss.reshape(grid, grid), corners, corner, float(centre[0]), float(together), barriers)


def barrier(network: nn.Module, one: Tensor, other: Tensor, spectra: Tensor, labels: Tensor, steps: int) -> Tensor:
    """The largest excess of the loss on the way from one to other over the straight line between its ends: a scalar."""
    part = torch.linspace(0, 1, steps)[:, None]
    way = losses(network, torch.lerp(one[None], other[None], part), spectra, labels)
    excess = way - torch.lerp(way[0], way[-1], part[:, 0])
    return excess.max()


def losses(network: nn.Module, weights: Tensor, spectra: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of the network with each of some flattened weights (n, weight): (n,). Buffers are its own."""
    shapes = {name: values.shape for name, values in network.named_parameters()}
    sizes = [shape.numel() for shape in shapes.values()]

    def one(flat: Tensor) -> Tensor:
        parts = flat.split(sizes)
        tensors = {name: part.view(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
        loss = functional.cross_entropy(functional_call(network, tensors, (spectra,)), labels)
        assert isinstance(loss, Tensor)
        return loss

    with torch.no_grad():
        return torch.cat([vmap(one)(part) for part in weights.split(AT_ONCE)])


def _flat(network: nn.Module) -> Tensor:
    return torch.cat([values.detach().flatten() for values in network.parameters()])
