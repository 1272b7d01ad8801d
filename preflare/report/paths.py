"""One spectrum on its way from a baseline (paper Fig. C.1): what the network says, and what each wavelength adds."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Path:
    """positions: (position,) from 0, the baseline, to 1, the spectrum. spectra: (position, wavelength) on the way.
    said: (position,) the quantity explained. attribution: (wavelength,), the difference times the mean gradient on the
    way (trapezoids), which sums to said[-1] - said[0] but for the steps' error."""

    positions: np.ndarray
    spectra: np.ndarray
    said: np.ndarray
    attribution: np.ndarray


def walk(function: Callable[[Tensor], Tensor], spectrum: Tensor, baseline: Tensor, steps: int) -> Path:
    """function: of spectra (n, 1, wavelength) to (n,). spectrum, baseline: (wavelength,). steps: positions, ends
    included."""
    positions = torch.linspace(0, 1, steps, dtype=spectrum.dtype)
    way = torch.lerp(baseline[None], spectrum[None], positions[:, None]).requires_grad_()
    with torch.enable_grad():
        said = function(way[:, None])
        (gradient,) = torch.autograd.grad(said.sum(), way)
    mean = torch.trapezoid(gradient, positions, dim=0)
    attribution = (spectrum - baseline) * mean
    return Path(positions.numpy(), way.detach().numpy(), said.detach().numpy(), attribution.numpy())
