"""An ensemble at work: its networks and training sides, each made once, and who explains what along which paths."""

import hashlib
import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from hydra.utils import instantiate
from torch import Tensor, nn

from preflare.data.datamodule import Pool
from preflare.data.shard import Shard
from preflare.explain import activation_maps
from preflare.explain.committee import Committee
from preflare.explain.cube import Attribute
from preflare.explain.distance import HiddenDistance
from preflare.explain.ensemble import Ensemble
from preflare.explain.expected_gradients import ExpectedGradients, Paths
from preflare.explain.parts import Arrays
from preflare.explain.representatives import forward
from preflare.explain.side import Side

# Training spectra that representatives are chosen by.
SAMPLE = 200
# Checkpoints of an epoch that one side of the partition chose.
CHOSEN = ("best", "best_mean")

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
        quantity: str,
    ) -> None:
        self.by = by
        self.home = home
        self.checkpoint = checkpoint
        self.choice = members
        self.count = count
        self.method = method
        self.seed = seed
        self.workers = workers
        self.quantity = quantity
        self.networks = [one.network(checkpoint) for one in by.runs]
        self.digests = [_digest(network) for network in self.networks]
        self.maps = tuple(maps)
        if maps and activation_maps.explained_layer(self.networks[0]) is None:
            log.info("%s has no convolution: the cubes have no activation maps.", type(self.networks[0]).__name__)
            self.maps = ()
        self._sides: dict[str, Side] = {}
        self._samples: dict[str, Tensor] = {}
        self._paths: dict[tuple[str, str | None], tuple[Paths, Arrays]] = {}
        self._distances: dict[int, HiddenDistance] = {}
        self._chosen: dict[tuple[int, ...], list[int]] = {}
        self._committee: tuple[object, Committee, Arrays] | None = None

    def candidates(self, shard: Shard) -> list[int]:
        """Who may explain an observation."""
        return self.by.candidates(self.choice, self.by.sides(shard.name, shard.digest))

    def members(self, shard: Shard) -> list[int]:
        """Who explains an observation."""
        candidates = self.candidates(shard)
        if self.choice != "representative" or len(candidates) <= self.count:
            return candidates
        key = tuple(candidates)
        if key not in self._chosen:
            spectra = self._sample(candidates[0])
            taken, errors = forward(self.seated(candidates).engine(spectra).attributions.numpy(), self.count)
            log.info(
                "%d of %d members stand for all: their mean attribution misses that of all by %.1f%%.",
                len(taken),
                len(candidates),
                100 * errors[-1],
            )
            self._chosen[key] = sorted(candidates[one] for one in taken)
        return self._chosen[key]

    def committee(self, shard: Shard) -> tuple[Committee, Arrays]:
        """Those who explain an observation, and where their baselines are from and how far along the paths.

        observation, row: (partition, sample); position: (sample,); partition: (member,), the place of its own.
        """
        members = self.members(shard)
        key = (tuple(members), tuple(self._without(one, shard) for one in members))
        if self._committee is None or self._committee[0] != key:
            paths = [self._paths_of(one, self._without(one, shard)) for one in members]
            committee = Committee(
                [self.networks[one] for one in members],
                [one for one, _ in paths],
                [self._distance(one) for one in members],
                self.maps,
                self.workers,
                self.quantity,
            )
            sources = {self.partition(one): source for one, (_, source) in zip(members, paths, strict=True)}
            places = list(sources)
            source = {name: np.stack([one[name] for one in sources.values()]) for name in ("observation", "row")}
            source["position"] = committee.paths[0].positions.numpy()
            source["partition"] = np.array([places.index(self.partition(one)) for one in members])
            self._committee = (key, committee, source)
            # The paths without an observation serve it alone.
            self._paths = {key: found for key, found in self._paths.items() if key[1] is None}
        return self._committee[1:]

    def seated(self, members: Sequence[int]) -> Committee:
        """These members, to explain what none of them was trained with by expected gradients alone."""
        networks = [self.networks[one] for one in members]
        return Committee(networks, self.paths(members, self.method), [], [], self.workers, self.quantity)

    def paths(self, members: Sequence[int], method: ExpectedGradients) -> list[Paths]:
        """For each member, of its own side; those who share a side share them."""
        if method == self.method:
            return [self._paths_of(one, None)[0] for one in members]
        made = {self.partition(one): one for one in members}
        found = {key: self.side(one).paths(method)[0] for key, one in made.items()}
        return [found[self.partition(one)] for one in members]

    def partition(self, member: int) -> str:
        """What tells the partition of a member from others."""
        return str(self.by.runs[member].record["partition"])

    def side(self, member: int) -> Side:
        """The training side of a member; those who share a partition share it, and one is in memory at a time."""
        key = self.partition(member)
        if key not in self._sides:
            self._sides = {key: Side.of(self.by.runs[member], self._pool, self.seed)}
            self._keep(key, self._sides[key])
        return self._sides[key]

    def _keep(self, key: str, side: Side) -> None:
        """What is small and needed again: to read a side takes long."""
        if key not in self._samples:
            self._samples[key] = side.some(SAMPLE)[0][:, 0]
            mine = [one for one in range(len(self.by.runs)) if self.partition(one) == key]
            made = side.distances(self.networks[one] for one in mine)
            self._distances |= dict(zip(mine, made, strict=True))

    @cached_property
    def _pool(self) -> Pool:
        return Pool(self.home, instantiate(self.by.runs[0].config.line))

    def _sample(self, member: int) -> Tensor:
        """Up to SAMPLE spectra that a member was trained with, (n, wavelength)."""
        key = self.partition(member)
        if key not in self._samples:
            self.side(member)
        return self._samples[key]

    def _without(self, member: int, shard: Shard) -> str | None:
        """The observation, if the member was trained with it, also from another shard."""
        return shard.name if shard.name in self.by.runs[member].record["partition"]["sides"]["train"] else None

    def _paths_of(self, member: int, without: str | None) -> tuple[Paths, Arrays]:
        key = (self.partition(member), without)
        if key not in self._paths:
            self._paths[key] = self.side(member).paths(self.method, without)
        return self._paths[key]

    def _distance(self, member: int) -> HiddenDistance:
        if member not in self._distances:
            self.side(member)
        return self._distances[member]

    def about(self, shard: Shard) -> dict[str, Attribute]:
        """What a cube says of who explained the observation, and how."""
        members = self.members(shard)
        sides = self.by.sides(shard.name, shard.digest)
        shown = sides[members[0]] if len({sides[one] for one in members}) == 1 else "mixed"
        first = self.by.runs[members[0]].record
        return {
            "quantity": self.quantity,
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
            # On what the autoencoder was trained that masked its quiet Sun, if one did.
            "masked_by": str(shard.quiet_sun.get("trained_on", "")),
            "side": shown,
            "seen": any(sides[one] == "train" for one in members),
            "chose": any(sides[one] == self._choosing(one) for one in members),
            "maps": " ".join(self.maps),
            "map_cells": self._cells(),
            "samples": self.method.samples,
            "baselines": self.method.baselines,
            "positions": self.method.positions,
            "baselines_choice": self.method.choice,
            "baselines_seed": self.method.seed,
        }

    def _choosing(self, member: int) -> str | None:
        """The side of its partition that chose the epoch of a member's checkpoint; None if none did."""
        one = self.by.runs[member]
        if self.checkpoint in CHOSEN or one.config.get("early_stopping") is not None:
            return str(one.record["partition"]["chosen_by"])
        return None

    def _cells(self) -> str:
        network = self.networks[0]
        layer = activation_maps.explained_layer(network)
        if layer is None or not self.maps:
            return ""
        name = next(name for name, module in network.named_modules() if module is layer)
        field = activation_maps.receptive_field(network, layer)
        return f"layer {name}, cell j at point {field.first:g} + {field.step} j, linear between centres, no ReLU"


def _digest(network: nn.Module) -> str:
    """SHA-256 over names and values of all weights: which network it was, wherever its file lies."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.cpu().numpy().tobytes())
    return digest.hexdigest()
