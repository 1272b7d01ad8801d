"""Does an explanation say what the network does? Measures that an explanation can fail.

Wavelengths that are taken away are filled in from the data: they take the values of other spectra, and the network's
answer is averaged over these, so that it never meets a spectrum with a hole.
"""

import copy
from collections.abc import Callable

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor, nn

Answer = Callable[[Tensor], Tensor]


def deletion(answer: Answer, spectra: Tensor, order: np.ndarray, fill: Tensor, steps: int) -> np.ndarray:
    """The log-odds as wavelengths are taken away, first to last in the order: (n, steps + 1).

    answer: (n, wavelength) -> (n,). order: (n, wavelength), the wavelengths of each spectrum. fill: (m, wavelength).
    Insertion is the deletion of the same order backwards, read backwards.
    """
    rank = torch.from_numpy(np.argsort(order, axis=1))
    points = spectra.shape[1]
    found = []
    for step in range(steps + 1):
        gone = rank < round(step * points / steps)
        mixed = torch.where(gone[:, None], fill[None], spectra[:, None])
        found.append(answer(mixed.flatten(0, 1)).view(len(spectra), len(fill)).mean(dim=1))
    return torch.stack(found, dim=1).numpy()


def deletion_and_insertion(
    answer: Answer, spectra: Tensor, worth: np.ndarray, fill: Tensor, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """The mean of the log-odds on the way when the worthiest wavelengths are taken away, or put in, first: (n,) each.

    worth: (n, wavelength). If worth is what speaks for PF, the first is low and the second high. Ties are broken by
    wavelength.
    """
    order = np.argsort(-worth, axis=1, kind="stable")
    away = deletion(answer, spectra, order, fill, steps)
    put_in = deletion(answer, spectra, order[:, ::-1].copy(), fill, steps)
    return away.mean(axis=1), put_in.mean(axis=1)


def rank_correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Spearman's, between the wavelengths of each spectrum: (n,); 0 where one of the two is constant.

    one, other: (n, wavelength); wavelengths that either does not support (NaN) are left out.
    """
    known = np.isfinite(one) & np.isfinite(other)
    centred = []
    for values in (one, other):
        ranks = rankdata(np.where(known, values, np.nan), axis=1, nan_policy="omit")
        middle = (known.sum(axis=1, keepdims=True) + 1) / 2
        centred.append(np.where(known, ranks - middle, 0.0))
    size = np.sqrt((centred[0] ** 2).sum(axis=1) * (centred[1] ** 2).sum(axis=1))
    together = (centred[0] * centred[1]).sum(axis=1)
    return np.divide(together, size, out=np.zeros(len(one)), where=size > 0)


def redrawn(network: nn.Module, seed: int) -> nn.Module:
    """The network with the numbers of each tensor of weights in another order: trained in scale, not in function.

    For the check of Adebayo et al. (2018): an explanation that stays the same did not come from the weights.
    """
    other = copy.deepcopy(network).eval()
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in other.parameters():
            weights.copy_(weights.flatten()[torch.randperm(weights.numel(), generator=random)].view_as(weights))
    return other


def share_inside(attributions: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The share of |attribution| on the wavelengths of a mask, and the chance level, which is their number: (n,) each.

    attributions, mask: (n, wavelength); NaN counts for neither. NaN where nothing is attributed at all.
    """
    known = np.isfinite(attributions)
    size = np.where(known, np.abs(attributions), 0.0)
    total = size.sum(axis=1)
    inside = np.where(mask, size, 0.0).sum(axis=1)
    share = np.divide(inside, total, out=np.full(len(total), np.nan), where=total > 0)
    return share, (mask & known).sum(axis=1) / known.sum(axis=1)


def area(attributions: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """ROC AUC of |attribution| as a detector of a mask's wavelengths, (n,); 0.5 is chance, NaN without both kinds.

    attributions, mask: (n, wavelength).
    """
    found = np.full(len(attributions), np.nan)
    for row, (values, inside) in enumerate(zip(np.abs(attributions), mask, strict=True)):
        known = np.isfinite(values)
        ranks, hit = rankdata(values[known]), inside[known]
        if hit.any() and not hit.all():
            found[row] = (ranks[hit].mean() - (hit.sum() + 1) / 2) / (~hit).sum()
    return found
