"""Which spectra of the training side stand for it: the baselines of expected gradients."""

from collections.abc import Callable

import numpy as np
from scipy.spatial.distance import pdist, squareform

Choice = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]


def random(spectra: np.ndarray, count: int, stream: np.random.Generator) -> np.ndarray:
    """Rows (count,) of spectra (n, wavelength), drawn without repetition."""
    return stream.choice(len(spectra), count, replace=False)


def herding(spectra: np.ndarray, count: int, stream: np.random.Generator) -> np.ndarray:
    """Rows (count,) that together resemble all spectra (n, wavelength) best, in an order whose every part does.

    Kernel herding (Chen, Welling & Smola 2010): the next is the one whose mean similarity to all is highest after
    its mean similarity to those taken is subtracted. Similarity is exp(-d^2 / (2 m)), m the median of d^2.
    """
    distance = pdist(spectra.astype(np.float64), "sqeuclidean")
    similarity = squareform(np.exp(-distance / (2 * median(distance, len(spectra)) or 1.0)))
    np.fill_diagonal(similarity, 1.0)
    wanted = similarity.mean(axis=1)
    taken: list[int] = []
    so_far = np.zeros(len(spectra))
    for number in range(count):
        gain = wanted - so_far / (number + 1)
        gain[taken] = -np.inf
        taken.append(int(gain.argmax()))
        so_far += similarity[taken[-1]]
    return np.array(taken)


def median(distance: np.ndarray, count: int) -> float:
    """Of the whole matrix of distances, from those of its pairs (count (count - 1) / 2,): each twice, and zeros."""
    middle = {(count**2 - 1) // 2, count**2 // 2}
    pairs = [(place - count) // 2 for place in middle if place >= count]
    return float(np.partition(distance, pairs)[pairs].sum() / len(middle)) if pairs else 0.0


CHOICES: dict[str, Choice] = {"random": random, "herding": herding}
