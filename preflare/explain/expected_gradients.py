"""Expected gradients of the log-odds (paper Eq. C.2), by Captum's ``GradientShap``.

The attribution of a wavelength is the mean, over baselines b from the training side and places a between 0 and
1, of (x - b) times the gradient at b + a (x - b). In expectation the attributions of a spectrum sum to
F(x) - mean F(b); with a finite number of samples they miss it by a residual, which is stored and never forced
to zero.

Captum draws baselines and places from NumPy's and PyTorch's global generators, one after another over a batch,
so the draws of a spectrum depend on who else is in its batch. Batches are therefore of a fixed size and order,
and the generators are seeded anew for each, by the seed and the batch's number.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import GradientShap
from torch import Tensor, nn

from preflare.errors import ConfigError
from preflare.explain.target import log_odds

# Spectra per call of Captum; a call holds this many times ``samples`` spectra in memory, several times over.
BATCH = 16


@dataclass(frozen=True)
class ExpectedGradients:
    """How expected gradients are taken.

    samples: pairs of a baseline and a place drawn for each spectrum.
    baselines: size of the fixed set that baselines are drawn from, half AR and half PF.
    seed: of the choice of that set and of the draws.
    """

    samples: int
    baselines: int
    seed: int

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ConfigError(f"expected_gradients.samples is {self.samples}, expected 1 or more.")
        if self.baselines < 2 or self.baselines % 2:
            raise ConfigError(
                f"expected_gradients.baselines is {self.baselines}, expected an even number: half AR, half PF."
            )

    def choose_baselines(self, spectra: Tensor, labels: Tensor) -> Tensor:
        """The baselines: at random and without repetition from the training side, AR first, then PF.

        spectra: (n, 1, wavelength); labels: (n,) of 0 and 1. Raises ConfigError if a class has too few.
        """
        random = np.random.default_rng(self.seed)
        half = self.baselines // 2
        chosen = []
        for name, label in (("AR", 0), ("PF", 1)):
            there = np.flatnonzero(labels.numpy() == label)
            if len(there) < half:
                raise ConfigError(
                    f"The training side has {len(there)} {name} spectra, expected_gradients.baselines="
                    f"{self.baselines} needs {half}. Give at most {2 * len(there)}."
                )
            chosen.append(np.sort(random.choice(there, half, replace=False)))
        return spectra[torch.from_numpy(np.concatenate(chosen))]

    def __call__(
        self, network: nn.Module, spectra: Tensor, baselines: Tensor
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batch by batch: attributions (batch, wavelength) and completeness residuals (batch,), float32.

        spectra: (n, 1, wavelength). A residual is the sum of the attributions minus (F(x) - mean F(baselines)).
        """
        explained = log_odds(network)
        method = GradientShap(explained)
        with torch.no_grad():
            reference = explained(baselines).double().mean()
        for number, batch in enumerate(spectra.split(BATCH)):
            with seeded(self.seed, number), torch.enable_grad():
                attributions = method.attribute(batch, baselines=baselines, n_samples=self.samples).detach()[:, 0]
            with torch.no_grad():
                expected = explained(batch).double() - reference
            residual = attributions.double().sum(dim=1) - expected
            yield attributions.float().numpy(), residual.float().numpy()


@contextmanager
def seeded(*seed: int) -> Iterator[None]:
    """Seed the global generators of NumPy and PyTorch (CPU) inside the block; their states come back after it."""
    numpy_state, torch_state = np.random.get_state(), torch.get_rng_state()
    words = np.random.SeedSequence(seed).generate_state(2)
    try:
        np.random.seed(words[0])
        torch.default_generator.manual_seed(int(words[1]))
        yield
    finally:
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)
