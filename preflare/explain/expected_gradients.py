"""Expected gradients (paper Eq. C.2): which baselines and positions they are taken over.

The attribution of a wavelength is the mean, over baselines b from the training side and positions a between 0 and
1, of (x - b) times the gradient at b + a (x - b). The attributions of a spectrum then sum to F(x) - mean F(b) but
for a residual, which is stored and never forced to zero.

Every spectrum meets the same baselines and positions, drawn once: its answer does not depend on its company, and
neighbouring spectra share their noise.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from preflare.checks import check_integer
from preflare.errors import ConfigError
from preflare.explain.baselines import CHOICES

# Spectra of a class that a choice is made from, at most: herding compares each with each.
CANDIDATES = 2048


class Indexed(Protocol):
    """A tensor, or what reads one from disk when indexed."""

    def __getitem__(self, index: Tensor) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class Paths:
    """baselines: (sample, wavelength). positions: (sample,) between 0 and 1. rows: (sample,) of the training side."""

    baselines: Tensor
    positions: Tensor
    rows: np.ndarray


@dataclass(frozen=True)
class ExpectedGradients:
    """How expected gradients are taken.

    baselines: their number, half AR and half PF. positions: on the path from each.
    choice: how baselines are chosen, "herding" (representative of their class) or "random". seed: of the choice.
    """

    baselines: int
    positions: int
    choice: str
    seed: int

    def __post_init__(self) -> None:
        if self.baselines < 2 or self.baselines % 2:
            raise ConfigError(
                f"expected_gradients.baselines is {self.baselines}, expected an even number: half AR, half PF."
            )
        if self.positions < 1:
            raise ConfigError(f"expected_gradients.positions is {self.positions}, expected 1 or more.")
        check_integer("expected_gradients.seed", self.seed, 0)
        if self.choice not in CHOICES:
            raise ConfigError(f"expected_gradients.choice is {self.choice!r}, expected {' or '.join(CHOICES)}.")

    @property
    def samples(self) -> int:
        """Pairs of a baseline and a position."""
        return self.baselines * self.positions

    def check_enough(self, name: str, count: int) -> None:
        """Raise ConfigError if the training side has fewer spectra of a class than baselines are to be of it."""
        if count < self.baselines // 2:
            raise ConfigError(
                f"The training side has {count} {name} spectra to compare with, expected_gradients.baselines="
                f"{self.baselines} needs {self.baselines // 2}. Give at most {2 * count}."
            )

    def paths(self, spectra: Indexed, labels: np.ndarray, allowed: np.ndarray) -> Paths:
        """The paths of every spectrum to explain.

        spectra: (n, 1, wavelength) of the training side, or what reads them when indexed; labels: (n,) of 0 and 1;
        allowed: (n,) bool, False for those of the observation explained. More than CANDIDATES are thinned at random.
        Baseline number i of B meets position (p + (i + 1/2) / B) / P on the p-th of P
        parts of its path: all positions together are evenly spaced, and AR and PF take turns.
        Raises ConfigError if a class has too few.
        """
        half, classes = self.baselines // 2, []
        for name, label in (("AR", 0), ("PF", 1)):
            there = np.flatnonzero((labels == label) & allowed)
            self.check_enough(name, len(there))
            stream = np.random.default_rng((self.seed, label))
            if len(there) > max(CANDIDATES, half):
                there = np.sort(stream.choice(there, max(CANDIDATES, half), replace=False))
            classes.append((there, spectra[torch.from_numpy(there)][:, 0].numpy(), stream))

        def chosen(among: tuple[np.ndarray, np.ndarray, np.random.Generator]) -> np.ndarray:
            there, candidates, stream = among
            return there[CHOICES[self.choice](candidates, half, stream)]

        with ThreadPoolExecutor(len(classes)) as pool:
            rows = np.stack(list(pool.map(chosen, classes)), axis=1).ravel()
        places = (np.arange(self.positions)[:, None] + (np.arange(len(rows)) + 0.5) / len(rows)) / self.positions
        rows = np.tile(rows, self.positions)
        baselines = spectra[torch.from_numpy(rows)][:, 0].contiguous()
        return Paths(baselines, torch.from_numpy(places.ravel()).to(baselines.dtype), rows)
