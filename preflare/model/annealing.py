"""Annealing: a random walk within the minimum that training ended in, whose mean is its centre.

The paper names the idea (perturb weights around the minimum, reduce those that matter least for accuracy), not the
rules. Ours, of a loss L and an accuracy A over fixed training spectra:

walk     In step t of n every weight gets Gaussian noise, of a share of its layer's root mean square. The step is
         taken with probability min(1, exp(-dL / T)), T = temperature (1 - t / n) (Metropolis). The mean of the n
         places where the walk was is the centre; where the minimum is flat, the walk fills it evenly.
reduce   From there, in each of n steps a random fiftieth of the weights loses a share of itself. The step is taken by
         the same rule, and only if A does not fall: weights that matter least end up small.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from preflare.checks import check_integer, check_number
from preflare.model.averaging import Spectra, State, answer, own_dtype

# Of the weights, in one step of reducing.
FIFTIETH = 0.02
Move = Callable[[list[Tensor]], list[Tensor]]


class Annealing:
    """Finds the centre of a minimum as above; a function of network, spectra and seed.

    steps: of the walk, and then of reducing. noise: share of a layer's root mean square. temperature: at first, in
    units of the loss. shrink: share that a weight loses. spectra: how many of the training side judge a step.
    Raises ConfigError for values that cannot be meant.
    """

    to_the_end = False

    def __init__(self, steps: int, noise: float, temperature: float, shrink: float, spectra: int) -> None:
        self.steps = check_integer("callbacks.steps", steps, 1)
        self.noise = check_number("callbacks.noise", noise, 0)
        self.temperature = check_number("callbacks.temperature", temperature, above=0)
        self.shrink = check_number("callbacks.shrink", shrink, 0, 1)
        self.spectra = check_integer("callbacks.spectra", spectra, 2)

    def rate(self, epoch: int, epochs: int) -> None:
        """The optimizer's own: annealing comes after training."""
        return None

    def follow(self, kept: State, epoch: int, epochs: int, weights: object) -> State:
        """Nothing."""
        return {}

    def centre(self, network: nn.Module, kept: State, spectra: Spectra, seed: int) -> dict[str, float]:
        """Move the network to the centre. Shares of steps that were taken, and of the weights' length that is left."""
        walk = _Walk(network.eval(), *_sample(spectra, self.spectra, seed), seed)
        scales = [self.noise * parameter.square().mean().sqrt() for parameter in walk.place]
        sums = [torch.zeros_like(parameter) for parameter in walk.place]
        walked = 0
        for step in range(self.steps):
            walked += walk.step(walk.noise(scales), self._temperature(step), math.inf)
            for total, here in zip(sums, walk.place, strict=True):
                total += here
        walk.go([total / self.steps for total in sums])
        before, reduced = walk.length(), 0
        for step in range(self.steps):
            reduced += walk.step(walk.less(self.shrink), self._temperature(step), 0)
        return {"walked": walked / self.steps, "reduced": reduced / self.steps, "left": walk.length() / before}

    def _temperature(self, step: int) -> float:
        return self.temperature * (1 - step / self.steps)


class _Walk:
    """Where in the space of its weights a network is, and steps from there."""

    def __init__(self, network: nn.Module, spectra: Tensor, labels: Tensor, seed: int) -> None:
        self.network = network
        self.spectra, self.labels = spectra.to(own_dtype(network)), labels
        self.random = torch.Generator().manual_seed(seed)
        self.go([parameter.detach().clone() for parameter in network.parameters()])

    def go(self, place: list[Tensor]) -> None:
        """Be there."""
        self.place = place
        self.loss, self.wrong = self._judge(place)

    def step(self, place: list[Tensor], temperature: float, more_wrong: float) -> bool:
        """Go there if the Metropolis rule lets, and if at most so many more spectra are called wrongly."""
        loss, wrong = self._judge(place)
        # Drawn in any case, so that the stream does not depend on what was decided.
        threshold = float(torch.rand((), generator=self.random, dtype=torch.float64))
        rise = loss - self.loss
        taken = wrong - self.wrong <= more_wrong and (rise <= 0 or threshold < math.exp(-rise / temperature))
        if taken:
            self.place, self.loss, self.wrong = place, loss, wrong
        else:
            self._put(self.place)
        return taken

    def noise(self, scales: list[Tensor]) -> list[Tensor]:
        """A place near by."""
        return [here + scale * self._draw(torch.randn, here) for here, scale in zip(self.place, scales, strict=True)]

    def less(self, share: float) -> list[Tensor]:
        """A place where a random fiftieth of the weights has lost this share."""
        return [here * (1 - share * (self._draw(torch.rand, here) < FIFTIETH)) for here in self.place]

    def length(self) -> float:
        """Root of the sum of squares of all weights."""
        return math.sqrt(sum(float(here.double().square().sum()) for here in self.place))

    def _draw(self, kind: Callable[..., Tensor], like: Tensor) -> Tensor:
        return kind(like.shape, generator=self.random, dtype=torch.float64).to(like.dtype)

    def _judge(self, place: list[Tensor]) -> tuple[float, int]:
        self._put(place)
        with torch.no_grad():
            log_odds = answer(self.network, self.spectra)
        loss = binary_cross_entropy_with_logits(log_odds.double(), self.labels.double())
        return float(loss), int(((log_odds > 0) != (self.labels == 1)).sum())

    def _put(self, place: list[Tensor]) -> None:
        with torch.no_grad():
            for parameter, here in zip(self.network.parameters(), place, strict=True):
                parameter.copy_(here)


def _sample(spectra: Spectra, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """So many of the training spectra, or all, drawn from the seed; and their labels."""
    total = sum(len(labels) for _, labels in spectra.sides["train"]())
    chosen = torch.randperm(total, generator=torch.Generator().manual_seed(seed))[:count].sort().values
    parts, start = [], 0
    for some, labels in spectra.sides["train"]():
        mine = chosen[(chosen >= start) & (chosen < start + len(labels))] - start
        parts.append((some[mine], labels[mine]))
        start += len(labels)
    found, labels = (torch.cat(part) for part in zip(*parts, strict=True))
    return found, labels
