"""The centre of the minimum that training ended in: what finds it, and how good it is.

The paper names stochastic weight averaging and annealing beside the ensemble. One of them is chosen as
``callbacks=swa`` or ``callbacks=annealing``; its weights become the checkpoint ``averaged``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from preflare.checks import check_number
from preflare.data.batches import permutation
from preflare.data.datamodule import EVALUATION_BATCH, FlareDataModule
from preflare.model.swarm.data import SwarmData
from preflare.model.swarm.scores import member_scores

Batches = Iterable[tuple[Tensor, Tensor]]
State = dict[str, Any]


@dataclass(frozen=True)
class Spectra:
    """A member's spectra and labels. sides: each in large batches. shuffled: the training side as it is trained on."""

    sides: Mapping[str, Callable[[], Batches]]
    shuffled: Callable[[], Batches]
    choosing: str


class Averaging(Protocol):
    """What is told of each epoch of one member, and moves its network to the centre in the end."""

    # Whether training has to go on to the last epoch.
    to_the_end: bool

    def rate(self, epoch: int, epochs: int) -> float | None:
        """The learning rate in this epoch, if it is not the optimizer's own."""
        ...

    def follow(self, kept: State, epoch: int, epochs: int, weights: Mapping[str, Tensor]) -> State:
        """What is to be kept after this epoch; at first kept is empty. It goes into the checkpoint ``last``."""
        ...

    def centre(self, network: nn.Module, kept: State, spectra: Spectra, seed: int) -> dict[str, float]:
        """Move the last epoch's network to the centre, in place; what is worth telling of it."""
        ...


class WeightAveraging:
    """Stochastic weight averaging (Izmailov et al. 2018): the mean of the weights over epochs.

    start: share of all epochs that goes by first. lr: constant learning rate from then on; None: the optimizer's own.
    Raises ConfigError for values that cannot be meant.
    """

    to_the_end = True

    def __init__(self, start: float, lr: float | None = None) -> None:
        self.start = check_number("callbacks.start", start, 0, 0.999)
        self.lr = None if lr is None else check_number("callbacks.lr", lr, above=0)

    def rate(self, epoch: int, epochs: int) -> float | None:
        return self.lr if epoch >= self._first(epochs) else None

    def follow(self, kept: State, epoch: int, epochs: int, weights: Mapping[str, Tensor]) -> State:
        if epoch < self._first(epochs):
            return {}
        count = kept.get("epochs", 0) + 1
        # On the CPU, where a checkpoint is read back to.
        now = {name: value.detach().cpu().double() for name, value in weights.items()}
        before = kept.get("mean", now)
        mean = {name: before[name] + (value - before[name]) / count for name, value in now.items()}
        return {"epochs": count, "mean": mean}

    def centre(self, network: nn.Module, kept: State, spectra: Spectra, seed: int) -> dict[str, float]:
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(kept["mean"][name])
        return {"epochs": kept["epochs"]}

    def _first(self, epochs: int) -> int:
        # The tiny excess keeps 0.29 of 100 from becoming 28.
        return int(self.start * epochs + 1e-9)


def refresh_statistics(network: nn.Module, batches: Batches) -> None:
    """Recompute the batch-norm statistics as the mean over these batches, as torch.optim.swa_utils.update_bn does.

    Only those layers train; dropout stays off, so that nothing is drawn. The network is left in evaluation mode.
    """
    network.eval()
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm) and layer.track_running_stats]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean
        layer.train()
    with torch.no_grad():
        for spectra, _ in batches:
            network(spectra.to(own_dtype(network)))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    network.eval()


def evaluate(network: nn.Module, spectra: Spectra) -> dict[str, float]:
    """What FlareClassifier logs after an epoch, of this network."""
    log_odds, labels = {}, {}
    with torch.no_grad():
        for side, batches in spectra.sides.items():
            answers = [(answer(network, batch), true) for batch, true in batches()]
            log_odds[side], labels[side] = (torch.cat(parts) for parts in zip(*answers, strict=True))
    return member_scores(log_odds, labels, spectra.choosing)


def answer(network: nn.Module, spectra: Tensor) -> Tensor:
    """Log-odds (n,) of spectra (n, 1, wavelength)."""
    logits: Tensor = network(spectra.to(own_dtype(network)))
    return logits[:, 1] - logits[:, 0]


def served(data: FlareDataModule) -> Spectra:
    """The spectra of a member that trained alone."""
    loaders = dict(zip(data.sides, data.val_dataloader(), strict=True))
    return Spectra({side: loader.__iter__ for side, loader in loaders.items()}, data.train_dataloader, data.choosing)


def shared(data: SwarmData, member: int) -> Spectra:
    """The spectra of a member of a swarm."""
    mine = data.members[member]

    def batches(places: Tensor, size: int) -> Batches:
        return ((data.spectra[some], data.labels[some]) for some in places.split(size))

    sides = data.sides[member]
    training = sides["train"]
    return Spectra(
        {side: partial(batches, places, EVALUATION_BATCH) for side, places in sides.items()},
        lambda: batches(training[permutation(len(training), mine.seed, 0)], mine.batch_size),
        mine.choosing,
    )


def own_dtype(network: nn.Module) -> torch.dtype:
    """In which a network computes."""
    return next(network.parameters()).dtype
