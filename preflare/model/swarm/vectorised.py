"""Gradients and answers of many networks at once by torch.func: any network, any loss, if it can be vectorised."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from preflare.model.loss import Draws, Loss, Parameters, call
from preflare.model.swarm import CannotSwarm
from preflare.model.swarm.layout import Layout
from preflare.model.swarm.streams import with_streams

Buffers = dict[str, Tensor]
# torch.func computes one member by other kernels than several, which differ in the last bit.
FEWEST = 2


class Vectorised:
    """Calls for any members at once; member axis first everywhere.

    network: any member's; its values do not matter. losses: of all members, of one kind, which may differ in
    numbers. Raises CannotSwarm if they differ in anything else. epoch: what losses are told; to be kept up to date.
    """

    # torch.func puts parameters into the one network there is.
    parallel = False

    def __init__(self, network: nn.Module, losses: Sequence[Loss], layout: Layout) -> None:
        self.name = type(network).__name__
        self.network = with_streams(copy.deepcopy(network))
        self.layout = layout
        self.loss = losses[0]
        self.numbers = _numbers(losses)
        self.epoch = 0
        self._random = [name for name, _ in self.network.named_buffers() if name.rpartition(".")[2] == "stream"]

    def hold(self, spectra: Tensor) -> Tensor:
        """Spectra (n, 1, wavelength) as this engine takes them: as they are."""
        return spectra

    def gradients(
        self,
        members: Tensor,
        rows: Tensor,
        buffers: Buffers,
        held: Tensor,
        places: Tensor,
        labels: Tensor,
        streams: Tensor,
    ) -> tuple[Tensor, Buffers]:
        """One batch of each member: gradients (m, width) and the buffers after it.

        members: (m,) which; rows: (m, width) their weights; buffers: name -> (m, ...); held: all spectra, from
        ``hold``; places: (m, batch) in them; labels: (m, batch); streams: (m,) of dropout and of the losses' draws.
        """
        self.network.train()
        parameters = self.layout.unpack(rows)
        numbers = {name: values.to(rows)[members] for name, values in self.numbers.items()}
        state = buffers | dict.fromkeys(self._random, streams)
        gradient, after = _padded(
            vmap(grad(self._loss, has_aux=True)), parameters, state, numbers, held[places], labels, streams
        )
        return self.layout.pack(gradient), {name: after[name] for name in buffers}

    def log_odds(self, rows: Tensor, buffers: Buffers, held: Tensor, places: Tensor) -> Tensor:
        """Log-odds (m, batch) of the spectra at places (m, batch), with dropout off."""
        self.network.eval()

        def answer(parameters: Parameters, buffers: Buffers, spectra: Tensor) -> Tensor:
            logits = functional_call(self.network, (dict(parameters), buffers), (spectra,))
            return logits[:, 1] - logits[:, 0]

        state = buffers | dict.fromkeys(self._random, torch.zeros(len(rows), dtype=torch.int64, device=rows.device))
        return _padded(vmap(answer), self.layout.unpack(rows), state, held[places])

    def _loss(
        self,
        parameters: Parameters,
        buffers: Buffers,
        numbers: Mapping[str, Tensor],
        spectra: Tensor,
        labels: Tensor,
        stream: Tensor,
    ) -> tuple[Tensor, Buffers]:
        # What the network changes in place, as batch statistics, is a copy; the last one is what remains.
        after = {name: value.clone() for name, value in buffers.items()}

        def network(parameters: Parameters, spectra: Tensor, *, trained: bool = False) -> Tensor:
            return call(self.network, {**parameters, **after}, spectra, trained)

        loss = copy.copy(self.loss)
        for name, value in numbers.items():
            setattr(loss, name, value)
        return loss(network, parameters, spectra, labels, Draws(stream, self.epoch)), after


def _padded(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call with member axes no shorter than FEWEST; the result without what was added."""
    leaves, tree = torch.utils._pytree.tree_flatten(arguments)
    count = len(leaves[0])
    if count >= FEWEST:
        return function(*arguments)
    wide = [torch.cat([leaf] * FEWEST)[:FEWEST] for leaf in leaves]
    result = function(*torch.utils._pytree.tree_unflatten(wide, tree))
    return torch.utils._pytree.tree_map(lambda leaf: leaf[:count], result)


def _numbers(losses: Sequence[Loss]) -> dict[str, Tensor]:
    """The numbers in which losses of one kind differ: attribute -> (member,) float64."""
    kinds = {type(loss) for loss in losses}
    if len(kinds) > 1:
        raise CannotSwarm(f"Members have different losses ({', '.join(sorted(k.__name__ for k in kinds))}).")
    if not all(hasattr(loss, "__dict__") for loss in losses):
        return {}
    numbers = {}
    for name, first in vars(losses[0]).items():
        values = [vars(loss)[name] for loss in losses]
        if isinstance(first, int | float) and not isinstance(first, bool):
            if any(value != first for value in values):
                numbers[name] = torch.tensor(values, dtype=torch.float64)
        elif any(value is not first and value != first for value in values):
            raise CannotSwarm(f"Members differ in {kinds.pop().__name__}.{name}, which is no number.")
    return numbers
