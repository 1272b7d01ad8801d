"""The LightningModule that trains many FlareClassifiers as one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from preflare.errors import ConfigError
from preflare.model.classifier import FlareClassifier
from preflare.model.swarm import CannotSwarm
from preflare.model.swarm.compiled import compile_
from preflare.model.swarm.data import Steps, SwarmData
from preflare.model.swarm.layout import Layout, stack
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
        self.engine = Vectorised(networks[0], losses, self.layout)
        # On a CPU, where the network allows it.
        self.compiled = compile_(networks[0], losses, self.layout, points)
        self._optimizers = [member.configure_optimizers() for member in members]
        self._stacked = stacked(self._optimizers, self.weights)
        self._workers: Workers | None = None
        self._resumed: dict[int, dict[str, Any]] = {}
        self.seeds = tuple(seeds)
        self.data = data
        self.active = np.ones(len(members), dtype=bool)
        self.scores: list[dict[str, float]] = [{} for _ in members]
        if self.compiled is None:
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
        if self.device.type != "cpu":
            self.compiled = None
        self._held = self.data.spectra.to(self.weights)
        self._labels = self.data.labels.to(self.device)
        self._workers = Workers() if self.device.type == "cpu" else None

    def teardown(self, stage: str) -> None:
        if self._workers:
            self._workers.close()
            self._workers = None

    def on_train_epoch_start(self) -> None:
        self.engine.epoch = self.data.first_epoch + self.current_epoch

    def training_step(self, batch: Steps, batch_idx: int) -> None:
        optimizer: Any = self.optimizers()
        left = self.trainer.max_steps - self.trainer.global_step if self.trainer.max_steps >= 0 else len(batch.counts)
        counts = batch.counts[:left].cpu().numpy() * self.active
        counts = counts[counts.any(axis=1)]  # members end their epochs one after the other, so that these are the first
        if self.compiled and self._workers:
            self.compiled.train(
                self._stacked,
                self._buffers_of(slice(None)),
                self._held[:, 0],
                self._labels,
                batch.spectra[: len(counts)],
                counts,
                self.seeds,
                self._workers.share,
            )
        for places, of_step in zip(batch.spectra, counts, strict=False):
            if not self.compiled:
                self.weights.grad = self._gradients(places, of_step)
                self._stacked.moving = None if of_step.all() else _places(of_step > 0, self.device)
            # Without gradients, because the step is done, it only lets the Trainer count.
            optimizer.step()

    def validation_step(self, batch: int, batch_idx: int) -> None:
        """Score every active member on all its sides."""
        self.scores = [{} for _ in self.scores]
        active = _places(self.active, torch.device("cpu"))
        if self.compiled and self._workers:
            self._workers.share(self._score, active)
        else:
            self._score(active)

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

    def _gradients(self, places: Tensor, counts: np.ndarray) -> Tensor:
        """Gradients (member, width) of the members that have a batch; batches of one size are done at once."""
        weights = self.weights.detach()
        gradients = torch.zeros_like(weights)

        for count in np.unique(counts[counts > 0]):
            members = _places(counts == count, self.device)
            mine = places[members, :count]
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
        return gradients

    def _streams(self, members: Tensor) -> Tensor:
        """Where each member's dropout draws from in its next step."""
        members = members.cpu()
        steps = self._stacked.state[self.weights]["step"]
        return streams([self.seeds[k] for k in members.tolist()], steps[members]).to(self.device)

    def _score(self, members: Tensor) -> None:
        """Fill in the scores of these members, on all their sides."""
        # Members of one partition share the very same sides, and what they are made of.
        together: dict[int, list[int]] = {}
        for k in members.tolist():
            together.setdefault(id(self.data.sides[k]), []).append(k)
        for group in together.values():
            sides = self.data.sides[group[0]]
            counts = [len(places) for places in sides.values()]
            labels = {side: self.data.labels[places] for side, places in sides.items()}
            of_all = self._log_odds(torch.tensor(group), torch.cat(list(sides.values())))
            for k, answers in zip(group, of_all, strict=True):
                parts = dict(zip(sides, answers.split(counts), strict=True))
                self.scores[k] = member_scores(parts, labels, self.data.members[k].choosing)

    def _log_odds(self, members: Tensor, places: Tensor) -> Tensor:
        """Log-odds (m, n) of members (m,), for the spectra at places (n,)."""
        if self.compiled:
            buffers = self._buffers_of(slice(None))
            return self.compiled.log_odds(members, self.weights, buffers, self._held[:, 0], places)
        weights, buffers = self.weights.detach()[members], self._buffers_of(members)
        found = [
            self.engine.log_odds(weights, buffers, self._held, some.to(self.device).expand(len(members), -1)).cpu()
            for some in places.split(EVALUATION_BATCH)
        ]
        return torch.cat(found, 1)

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
