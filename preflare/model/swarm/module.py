"""The LightningModule that trains many FlareClassifiers as one."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from preflare.errors import ConfigError
from preflare.model.classifier import FlareClassifier
from preflare.model.swarm import CannotSwarm
from preflare.model.swarm.data import Steps, SwarmData
from preflare.model.swarm.layout import Layout, stack
from preflare.model.swarm.lowering import lower
from preflare.model.swarm.optimizers import stacked
from preflare.model.swarm.scores import member_scores
from preflare.model.swarm.streams import streams
from preflare.model.swarm.vectorised import Vectorised
from preflare.model.swarm.workers import Workers

# Spectra of a member that are evaluated at once.
EVALUATION_BATCH = 512


class SwarmClassifier(pl.LightningModule):
    """Trains its members together; each becomes what ``Trainer.fit`` would make of it alone.

    members: with their initial weights, of one architecture, and optimizers and losses that may differ in numbers.
    seeds: of each one's dropout. data: of as many members.

    After each epoch ``scores`` has for each member what a FlareClassifier logs then (nothing for one that has
    ended), and the median over members is logged under the same names. A member that diverges has scores that are
    not finite; whether it ends is the caller's to say (``end``).

    ``weights``: the stacked parameters (member, width), see Layout. ``active``: (member,) bool, who has not ended.

    Raises CannotSwarm if the members cannot be trained together.
    """

    def __init__(self, members: Sequence[FlareClassifier], seeds: Sequence[int], data: SwarmData) -> None:
        super().__init__()
        # The swarm steps several times in what the Trainer sees as one batch.
        self.automatic_optimization = False
        networks = [member.network for member in members]
        _check_alike(networks)
        parameters = stack([dict(network.named_parameters()) for network in networks])
        self.layout = Layout({name: values[0] for name, values in parameters.items()})
        self.weights = nn.Parameter(self.layout.pack(parameters))
        self._buffer_names = {name: f"each_{name.replace('.', '_')}" for name, _ in networks[0].named_buffers()}
        for name, values in stack([dict(network.named_buffers()) for network in networks]).items():
            self.register_buffer(self._buffer_names[name], values)
        losses, points = [member.loss for member in members], data.members[0].line.points
        self.engine = lower(networks[0], losses, self.layout, points) or Vectorised(networks[0], losses, self.layout)
        self._optimizers = [member.configure_optimizers() for member in members]
        self._stacked = stacked(self._optimizers, self.weights)
        self._workers: Workers | None = None
        self._resumed: dict[int, dict[str, Any]] = {}
        self.seeds = tuple(seeds)
        self.data = data
        self.active = np.ones(len(members), dtype=bool)
        self.scores: list[dict[str, float]] = [{} for _ in members]
        if isinstance(self.engine, Vectorised):
            self._try(self.engine, points)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        # Anew: by now the weights have the device and the precision of the Trainer.
        self._stacked = stacked(self._optimizers, self.weights)
        for member, state in self._resumed.items():
            self._stacked.load_member_state(member, state)
        return self._stacked

    def on_fit_start(self) -> None:
        if self.trainer.precision not in ("32-true", "64-true"):
            raise ConfigError(f"trainer.precision is {self.trainer.precision}, a swarm takes 32-true or 64-true.")
        self._held = self.engine.hold(self.data.spectra.to(self.weights))
        self._labels = self.data.labels.to(self.device)
        self._workers = Workers(self.device)
        if (self._held.dtype, self._held.device) == (self.data.spectra.dtype, self.data.spectra.device):
            # The same memory, that there are not two copies.
            points = self.data.spectra.shape[-1]
            self.data.spectra = self._held.view(len(self._held), 1, -1)[..., :points]

    def teardown(self, stage: str) -> None:
        if self._workers:
            self._workers.close()
            self._workers = None

    def on_train_epoch_start(self) -> None:
        if isinstance(self.engine, Vectorised):
            self.engine.epoch = self.data.first_epoch + self.current_epoch

    def training_step(self, batch: Steps, batch_idx: int) -> None:
        optimizer = self.optimizers()
        for places, counts in zip(batch.spectra, batch.counts.cpu().numpy() * self.active, strict=True):
            if self.trainer.global_step == self.trainer.max_steps:
                return
            if counts.any():
                self.weights.grad = self._gradients(places, counts)
                self._stacked.moving = None if counts.all() else _places(counts > 0, self.device)
                optimizer.step()  # type: ignore[union-attr]

    def validation_step(self, batch: int, batch_idx: int) -> None:
        """Score every active member on all its sides."""
        self.scores = [{} for _ in self.scores]
        self._share(self._score, _places(self.active, torch.device("cpu")))

    def on_validation_epoch_end(self) -> None:
        found = [scores for scores in self.scores if scores]
        for name in found[0] if found else ():
            self.log(name, float(np.median([scores[name] for scores in found])))

    def end(self, member: int) -> None:
        """Train and score this member no more; the last one to end ends the fit."""
        self.active[member] = False
        if not self.active.any():
            self.trainer.should_stop = True

    def member_state(self, member: int) -> dict[str, Any]:
        """``state_dict`` as that of the member's FlareClassifier, and ``optimizer``: its step count and moments."""
        tensors = self.layout.unpack(self.weights.detach()[member])
        tensors |= {name: values[member] for name, values in self._buffers_of(slice(None)).items()}
        return {
            "state_dict": {f"network.{name}": values.clone() for name, values in tensors.items()},
            "optimizer": self._stacked.member_state(member),
        }

    def load_member_state(self, member: int, state: dict[str, Any]) -> None:
        """Put back what ``member_state`` gave, before the fit begins."""
        tensors = {name.removeprefix("network."): values for name, values in state["state_dict"].items()}
        with torch.no_grad():
            self.weights[member] = self.layout.pack({name: tensors[name] for name in self.layout.names})
            for name, buffer in self._buffer_names.items():
                getattr(self, buffer)[member] = tensors[name]
        self._resumed[member] = state["optimizer"]

    def _share(self, function: Callable[[Tensor], None], members: Tensor) -> None:
        if self.engine.parallel and self._workers:
            self._workers.share(function, members)
        else:
            function(members)

    def _gradients(self, places: Tensor, counts: np.ndarray) -> Tensor:
        """Gradients (member, width) of the members that have a batch; batches of one size are done at once."""
        weights = self.weights.detach()
        gradients = torch.zeros_like(weights)

        def compute(members: Tensor) -> None:
            mine = places[members, : counts[int(members[0])]]
            gradients[members], after = self.engine.gradients(
                members,
                weights[members],
                self._buffers_of(members),
                self._held,
                mine,
                self._labels[mine],
                self._streams(members),
            )
            for name, values in after.items():
                getattr(self, self._buffer_names[name])[members] = values

        for count in np.unique(counts[counts > 0]):
            self._share(compute, _places(counts == count, self.device))
        return gradients

    def _streams(self, members: Tensor) -> Tensor:
        """Where each member's dropout draws from in its next step."""
        members = members.cpu()
        steps = self._stacked.state[self.weights]["step"]
        return streams([self.seeds[k] for k in members.tolist()], steps[members]).to(self.device)

    def _score(self, members: Tensor) -> None:
        """Fill in the scores of these members, on all their sides."""
        sides = [self.data.sides[k] for k in members.tolist()]
        answers = self._log_odds(members, [torch.cat(list(mine.values())) for mine in sides])
        for k, mine, all_of_one in zip(members.tolist(), sides, answers, strict=True):
            counts = [len(places) for places in mine.values()]
            parts = all_of_one[: sum(counts)].split(counts)
            labels = {side: self.data.labels[places] for side, places in mine.items()}
            self.scores[k] = member_scores(dict(zip(mine, parts, strict=True)), labels, self.data.members[k].choosing)

    def _log_odds(self, members: Tensor, wanted: Sequence[Tensor]) -> Tensor:
        """Log-odds (m, at least the most wanted) of the spectra wanted from each of m members."""
        lengths = np.array([len(places) for places in wanted])
        batches = -(-int(lengths.max()) // EVALUATION_BATCH)
        places = torch.zeros(len(members), batches * EVALUATION_BATCH, dtype=torch.int64)
        for row, mine in zip(places, wanted, strict=True):
            row[: len(mine)] = mine
        answers = torch.empty(places.shape, dtype=self.weights.dtype)
        weights = self.weights.detach()
        for start in range(0, places.shape[1], EVALUATION_BATCH):
            some = torch.from_numpy(np.flatnonzero(lengths > start))
            who = members[some].to(self.device)
            here = places[some, start : start + EVALUATION_BATCH].to(self.device)
            found = self.engine.log_odds(weights[who], self._buffers_of(who), self._held, here)
            answers[some, start : start + EVALUATION_BATCH] = found.cpu()
        return answers

    def _buffers_of(self, members: Tensor | slice) -> dict[str, Tensor]:
        return {name: getattr(self, buffer)[members] for name, buffer in self._buffer_names.items()}

    def _try(self, engine: Vectorised, points: int) -> None:
        """Raise CannotSwarm if torch.func cannot vectorise the network and its loss."""
        rows, one = self.weights.detach()[:1], torch.zeros(1, dtype=torch.int64)
        held, both = torch.rand(2, 1, points, dtype=rows.dtype), torch.tensor([[0, 1]])
        buffers = {name: values.clone() for name, values in self._buffers_of(slice(1)).items()}
        try:
            engine.gradients(one, rows, buffers, held, both, both, one)
        except Exception as error:  # whatever it is, the network can still be tried alone
            said = str(error).strip().splitlines()
            raise CannotSwarm(f"torch.func cannot vectorise {engine.name}: {said[0] if said else error!r}") from error


def _places(mask: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.flatnonzero(mask)).to(device)


def _check_alike(networks: Sequence[nn.Module]) -> None:
    """Raise CannotSwarm unless the networks print alike and have parameters of the same shapes."""
    first = networks[0]
    for other in networks[1:]:
        same = repr(other) == repr(first) and [(name, value.shape) for name, value in other.state_dict().items()] == [
            (name, value.shape) for name, value in first.state_dict().items()
        ]
        if not same:
            raise CannotSwarm(f"Members have networks that differ: {type(first).__name__}, {type(other).__name__}.")
