"""Networks that differ in their seed alone (paper Sect. 7): how alike they are in skill and in what they say."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from preflare.errors import RunError
from preflare.explain.display import WINDOW, smoothed
from preflare.explain.equivalence import compare
from preflare.run import Run

# Epochs that a mean loss is taken over.
ABOUT = 10


@dataclass(frozen=True, eq=False)
class Skill:
    """Arrays over the runs, (run,): scores on the test side at the best epoch, NaN where not defined."""

    seeds: np.ndarray
    tss: np.ndarray
    ppv_npv: np.ndarray
    accuracy: np.ndarray
    best_epoch: np.ndarray


def skill(runs: Sequence[Run]) -> Skill:
    """Of runs on one partition. Raises RunError if there are fewer than three, or they have several partitions."""
    partitions = {str(one.record["partition"]) for one in runs}
    if len(partitions) > 1:
        raise RunError(
            f"The {len(runs)} runs have {len(partitions)} partitions, expected one. Give a sweep over seed alone: "
            "python train.py -m experiment=paper_swarm 'seed=range(50)'"
        )
    if len(runs) < 3:
        raise RunError(f"A swarm needs three living networks or more, there are {len(runs)}. Train more seeds.")

    def scores(name: str) -> np.ndarray:
        values = [one.record["metrics"]["test"][name] for one in runs]
        return np.array([np.nan if value is None else value for value in values])

    return Skill(
        np.array([one.config.seed for one in runs]),
        scores("tss"),
        scores("ppv_npv"),
        scores("accuracy"),
        np.array([one.record["best_epoch"] for one in runs]),
    )


def rises(losses: Sequence[np.ndarray], epoch: int) -> np.ndarray:
    """By what share the mean loss of the last epochs is above that of those from ``epoch``, (run,).

    losses: of each run, a value per epoch.
    """
    return np.array([one[-ABOUT:].mean() / one[epoch : epoch + ABOUT].mean() - 1 for one in losses])


def misses(attributions: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """By how much the mean of the first 1, 2, ... members misses that of all: relative root mean square, (len(order),).

    attributions: (member, n, wavelength), of spectra that ``order`` was not chosen by.
    """
    flat = attributions.reshape(len(attributions), -1).astype(np.float64)
    mean = flat.mean(axis=0)
    some = flat[list(order)].cumsum(axis=0) / np.arange(1, len(order) + 1)[:, None]
    errors: np.ndarray = np.linalg.norm(some - mean, axis=1) / np.linalg.norm(mean)
    return errors


@dataclass(frozen=True)
class Likeness:
    """Median over spectra of the correlation of a map with expected gradients: of a single member (median over
    members), of the means over all, and of these with expected gradients smoothed as in the paper."""

    method: str
    single: float
    together: float
    displayed: float


def likeness(method: str, maps: np.ndarray, gradients: np.ndarray) -> Likeness:
    """maps, gradients: (member, n, wavelength); maps are NaN where they support nothing."""

    def alike(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.median(compare(one, other).correlation))

    singles = [alike(one, other) for one, other in zip(maps, gradients, strict=True)]
    mean, flow = maps.mean(axis=0), gradients.mean(axis=0)
    return Likeness(method, float(np.median(singles)), alike(mean, flow), alike(mean, smoothed(flow, fitting(flow))))


def fitting(spectra: np.ndarray) -> int:
    """The paper's smoothing window, or the widest odd number of points that spectra (n, wavelength) have."""
    return min(WINDOW, spectra.shape[-1] - 1 + spectra.shape[-1] % 2)
