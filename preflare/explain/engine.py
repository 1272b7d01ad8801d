"""Expected gradients at volume: members x spectra x samples, in one call.

A network that is a chain of known layers takes the fast path (``chain``), any other the generic one, automatic
differentiation in large batches; both give the same numbers. Every spectrum meets the same baselines and positions,
so that its answer depends neither on who else is in the call nor on how the work is divided.
"""

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from preflare.explain.chain import lower
from preflare.explain.target import LOG_ODDS, explained, log_odds
from preflare.threads import torch_threads

# Spectra of one member that a worker takes at a time.
TASK = 256
# Pairs of a spectrum and a sample that are differentiated at a time.
COLUMNS = 2048


Attribute = Callable[[Tensor], Tensor]


class Explainable(Protocol):
    """One member: a ``chain.Chain``, or ``Differentiated``."""

    def log_odds(self, spectra: Tensor) -> Tensor: ...

    def explained(self, spectra: Tensor) -> Tensor: ...

    def along(self, baselines: Tensor, positions: Tensor) -> Attribute: ...


class Differentiated:
    """Any network (batch, 1, wavelength) -> (batch, 2), by automatic differentiation."""

    def __init__(self, network: nn.Module, quantity: str = LOG_ODDS) -> None:
        network = copy.deepcopy(network).eval().requires_grad_(False)
        self._odds = log_odds(network)
        self._explained = explained(network, quantity)

    def log_odds(self, spectra: Tensor) -> Tensor:
        """(n,) of spectra (n, wavelength)."""
        return self._answer(spectra, self._odds)

    def explained(self, spectra: Tensor) -> Tensor:
        """The quantity explained, (n,) of spectra (n, wavelength)."""
        return self._answer(spectra, self._explained)

    def _answer(self, spectra: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        with torch.no_grad():
            return torch.cat([function(part[:, None]) for part in spectra.split(COLUMNS)])

    def along(self, baselines: Tensor, positions: Tensor) -> Attribute:
        """As ``Chain.along``."""
        samples, points = baselines.shape

        def attribute(spectra: Tensor) -> Tensor:
            found = []
            for part in spectra.split(max(1, COLUMNS // samples)):
                paths = torch.lerp(baselines[None], part[:, None], positions[None, :, None])
                gradient = self._gradient(paths.view(-1, 1, points)).view(paths.shape)
                found.append(part * gradient.mean(dim=1) - (gradient * baselines).mean(dim=1))
            return torch.cat(found)

        return attribute

    def _gradient(self, spectra: Tensor) -> Tensor:
        with torch.enable_grad():
            leaf = spectra.requires_grad_()
            (gradient,) = torch.autograd.grad(self._explained(leaf).sum(), leaf)
        return gradient


def member(network: nn.Module, points: int, quantity: str = LOG_ODDS) -> Explainable:
    """The network by the fast path if it is a chain of known layers, else by the generic one."""
    return lower(network, points, quantity) or Differentiated(network, quantity)


@dataclass(frozen=True, eq=False)
class Attributions:
    """What members say of spectra; member axis first.

    attributions: (member, n, wavelength). log_odds: (member, n). residual: (member, n), the sum of attributions
    minus (F(x) - mean F of the baselines), in the unit of the quantity F that is explained.
    """

    attributions: Tensor
    log_odds: Tensor
    residual: Tensor


class Engine:
    """Members that explain spectra along fixed paths.

    networks: all of one length of spectra, or members made of them before. baselines: (sample, wavelength), or
    (member, sample, wavelength) if each member has its own; positions: (sample,), both of the networks' precision.
    workers: threads; the answer does not depend on them. quantity: what is explained, of target.QUANTITIES.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module | Explainable],
        baselines: Tensor,
        positions: Tensor,
        workers: int,
        quantity: str = LOG_ODDS,
    ) -> None:
        each = baselines if baselines.ndim == 3 else baselines.expand(len(networks), -1, -1)
        self.members = [
            member(one, baselines.shape[-1], quantity) if isinstance(one, nn.Module) else one for one in networks
        ]
        self.along = [one.along(own, positions) for one, own in zip(self.members, each, strict=True)]
        self.workers = workers
        self.reference = torch.stack(
            [one.explained(own).double().mean() for one, own in zip(self.members, each, strict=True)]
        )

    def __call__(self, spectra: Tensor) -> Attributions:
        """Explain spectra (n, wavelength)."""
        found = spectra.new_empty(len(self.members), *spectra.shape)
        odds, answer = (spectra.new_empty(len(self.members), len(spectra)) for _ in range(2))
        starts = range(0, len(spectra), TASK)
        tasks = [(number, slice(start, start + TASK)) for start in starts for number in range(len(self.members))]

        def work(task: tuple[int, slice]) -> None:
            number, rows = task
            found[number, rows] = self.along[number](spectra[rows])
            odds[number, rows] = self.members[number].log_odds(spectra[rows])
            answer[number, rows] = self.members[number].explained(spectra[rows])

        with torch_threads(1):
            if min(self.workers, len(tasks)) == 1:
                for task in tasks:
                    work(task)
            else:
                # How many threads PyTorch uses is a matter of each thread.
                with ThreadPoolExecutor(self.workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                    for _ in pool.map(work, tasks):
                        pass
        expected = answer.double() - self.reference[:, None]
        return Attributions(found, odds, (found.sum(dim=2, dtype=torch.float64) - expected).to(found.dtype))
