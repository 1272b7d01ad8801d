"""An ensemble at work: its networks and training sides, each made once, and who explains what along which paths."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from hydra.utils import instantiate
from torch import nn

from preflare.data.batches import SpectraDataset
from preflare.data.datamodule import FlareDataModule
from preflare.data.shard import Shard
from preflare.data.stream import StreamedSpectra
from preflare.explain import activation_maps
from preflare.explain.committee import Committee
from preflare.explain.cube import Attribute
from preflare.explain.engine import Engine
from preflare.explain.ensemble import Ensemble
from preflare.explain.expected_gradients import ExpectedGradients, Paths
from preflare.explain.parts import Arrays
from preflare.explain.representatives import by_chance, forward
from preflare.explain.target import QUANTITY
from preflare.figures import representatives, style

# Training spectra that distances are measured from, and that representatives are chosen by.
TRAINING, SAMPLE = 4096, 200
# Random choices of members that the chosen ones are compared with.
DRAWS = 200

log = logging.getLogger(__name__)


class Work:
    """As ``Explanation`` describes its settings; home: the folder of the runs' own shards."""

    def __init__(
        self,
        by: Ensemble,
        home: Path,
        checkpoint: str,
        members: str,
        count: int,
        maps: Sequence[str],
        method: ExpectedGradients,
        seed: int,
        workers: int,
    ) -> None:
        self.by = by
        self.home = home
        self.checkpoint = checkpoint
        self.choice = members
        self.count = count
        self.method = method
        self.seed = seed
        self.workers = workers
        self.networks = [one.network(checkpoint) for one in by.runs]
        self.digests = [_digest(network) for network in self.networks]
        self.maps = tuple(maps)
        if maps and activation_maps.explained_layer(self.networks[0]) is None:
            log.info("%s has no convolution: the cubes have no activation maps.", type(self.networks[0]).__name__)
            self.maps = ()
        self._data: dict[str, FlareDataModule] = {}
        self._chosen: dict[tuple[int, ...], list[int]] = {}
        self._committees: dict[object, tuple[Committee, Paths, Arrays]] = {}

    def members(self, shard: Shard) -> list[int]:
        """Who explains an observation."""
        candidates = self.by.candidates(self.choice, self.by.sides(shard.name, shard.digest))
        if self.choice != "representative" or len(candidates) <= self.count:
            return candidates
        if tuple(candidates) not in self._chosen:
            data = self._train(candidates[0])
            train = data.datasets["train"]
            paths = self._paths(train, None)
            stream = np.random.default_rng(self.seed)
            rows = np.sort(stream.choice(len(train), min(SAMPLE, len(train)), replace=False))
            engine = Engine([self.networks[one] for one in candidates], paths.baselines, paths.positions, self.workers)
            said = engine(train.spectra[torch.from_numpy(rows)][:, 0]).attributions.numpy()
            taken, errors = forward(said, self.count)
            log.info(
                "%d of %d members stand for all: their mean attribution misses that of all by %.1f%%.",
                len(taken),
                len(candidates),
                100 * errors[-1],
            )
            chance = by_chance(said, self.count, DRAWS, self.seed)
            figure = representatives.draw(errors, chance, f"of {len(candidates)} members, on {len(rows)} spectra")
            self.by.folder.cubes.mkdir(exist_ok=True)
            (self.by.folder.cubes / "representatives.png").write_bytes(style.png(figure))
            self._chosen[tuple(candidates)] = sorted(candidates[one] for one in taken)
        return self._chosen[tuple(candidates)]

    def committee(self, shard: Shard) -> tuple[Committee, Paths, Arrays]:
        """Those who explain an observation, their paths, and where the baselines are from."""
        members = self.members(shard)
        data = self._train(members[0])
        train = data.datasets["train"]
        inside = shard.name if shard.name in train.names else None
        key = (tuple(members), inside)
        if key not in self._committees:
            paths = self._paths(train, inside)
            stream = np.random.default_rng(self.seed)
            some = np.sort(stream.choice(len(train), min(TRAINING, len(train)), replace=False))
            owner = train.observation.numpy()
            rows = np.concatenate([data.partition.rows["train"][name] for name in train.names])
            made = Committee(
                [self.networks[one] for one in members],
                paths,
                train.spectra[torch.from_numpy(some)],
                train.labels[torch.from_numpy(some)],
                self.maps,
                self.workers,
            )
            source = {"observation": np.array([train.names[owner[row]] for row in paths.rows], dtype="S")}
            self._committees = {key: (made, paths, source | {"row": rows[paths.rows].astype(np.int64)})}
        return self._committees[key]

    def about(self, shard: Shard) -> dict[str, Attribute]:
        """What a cube says of who explained the observation, and how."""
        members = self.members(shard)
        sides = self.by.sides(shard.name, shard.digest)
        shown = sides[members[0]] if len({sides[one] for one in members}) == 1 else "mixed"
        first = self.by.runs[members[0]].record
        return {
            "quantity": QUANTITY,
            "run": str(self.by.folder.path.resolve()),
            "members": " ".join(self.by.name(one) for one in members),
            "member_count": len(members),
            "members_choice": self.choice,
            "finished": max(str(self.by.runs[one].record["finished"]) for one in members),
            "checkpoint": self.checkpoint,
            "weights": hashlib.sha256("".join(self.digests[one] for one in members).encode()).hexdigest(),
            **{f"trained_on_{key}": str(value) for key, value in first["trained_on"].items()},
            "observation": shard.name,
            "label": int(shard.header.label),
            "origin": shard.header.origin,
            "line": shard.header.line,
            "shard": str(shard.path.resolve()),
            "shard_digest": shard.digest,
            "side": shown,
            "seen": any(sides[one] == "train" for one in members),
            "maps": " ".join(self.maps),
            "map_cells": self._cells(),
            "samples": self.method.samples,
            "baselines": self.method.baselines,
            "positions": self.method.positions,
            "baselines_choice": self.method.choice,
            "baselines_seed": self.method.seed,
        }

    def _cells(self) -> str:
        network = self.networks[0]
        layer = activation_maps.explained_layer(network)
        if layer is None or not self.maps:
            return ""
        name = next(name for name, module in network.named_modules() if module is layer)
        field = activation_maps.receptive_field(network, layer)
        return f"layer {name}, cell j at point {field.first:g} + {field.step} j, linear between centres, no ReLU"

    def _paths(self, train: SpectraDataset | StreamedSpectra, without: str | None) -> Paths:
        allowed = np.ones(len(train), dtype=bool)
        if without is not None:
            allowed = train.observation.numpy() != train.names.index(without)
        return self.method.paths(train.spectra, train.labels.numpy(), allowed)

    def _train(self, member: int) -> FlareDataModule:
        """The data of a member; those who share a partition share them."""
        run = self.by.runs[member]
        key = str(run.record["partition"])
        if key not in self._data:
            config = run.config.data.copy()
            config.root = str(self.home)
            data: FlareDataModule = instantiate(config)
            data.setup()
            self._data = {key: data}
        return self._data[key]


def _digest(network: nn.Module) -> str:
    """SHA-256 over names and values of all weights: which network it was, wherever its file lies."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.cpu().numpy().tobytes())
    return digest.hexdigest()
