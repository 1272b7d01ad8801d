"""What the verb explain does: trained networks and shards in, one saliency cube per observation out."""

import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import torch
from hydra.utils import instantiate
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn
from rich.text import Text
from torch import nn

from preflare.data.batches import SpectraDataset
from preflare.data.datamodule import FlareDataModule
from preflare.data.partition import CLASSES
from preflare.data.shard import Shard, open_all
from preflare.data.stream import StreamedSpectra
from preflare.errors import ConfigError, ShardError
from preflare.explain import activation_maps, cube, ensemble
from preflare.explain.committee import Committee
from preflare.explain.cube import Attribute, Cube
from preflare.explain.engine import Engine, cores
from preflare.explain.ensemble import Ensemble
from preflare.explain.expected_gradients import ExpectedGradients, Paths
from preflare.explain.parts import Arrays, Parts
from preflare.explain.representatives import forward
from preflare.explain.target import QUANTITY
from preflare.run import Run
from preflare.sun.observation import Phase, check_identities

# Spectra read at a time, which is also what is done between two savings of the work; and training spectra that
# distances are measured from, and that representatives are chosen by.
READ, TRAINING, SAMPLE = 16384, 4096, 200

ORIGINS = {"level2": "real IRIS data", "simulation": "the simulated Sun"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Explanation:
    """How observations are explained.

    checkpoint: best, best_mean or last. spectra: "clean", or "all" that miss no wavelength.
    sample: attributions are computed for that many spectra of an observation, drawn at random by ``seed`` from
        those scored in the analysis window; None for every spectrum scored.
    members: which members of a sweep explain an observation: "unseen" (those that did not train on it; all if all
        did), "all", or "representative" (``representatives`` of the unseen whose mean attribution is closest to that
        of all of them).
    maps: the activation maps that are computed beside expected gradients, of activation_maps.MAPS.
    precision: of stored attributions, float32 or float16. workers: threads, which change nothing but the time; None
        for one on each core.
    """

    checkpoint: str
    spectra: str
    sample: int | None
    seed: int
    members: str
    representatives: int
    maps: Sequence[str]
    precision: str
    workers: int | None
    expected_gradients: ExpectedGradients

    def __post_init__(self) -> None:
        if self.spectra not in ("clean", "all"):
            raise ConfigError(f"spectra is {self.spectra!r}, expected clean or all.")
        ensemble.check_choice(self.members)
        if self.representatives < 1:
            raise ConfigError(f"representatives is {self.representatives}, expected 1 or more.")
        unknown = [name for name in self.maps if name not in activation_maps.MAPS]
        if unknown:
            raise ConfigError(f"maps names {unknown[0]!r}, expected some of {', '.join(activation_maps.MAPS)}.")
        if self.precision not in ("float32", "float16"):
            raise ConfigError(f"precision is {self.precision!r}, expected float32 or float16.")
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"workers is {self.workers}, expected 1 or more, or null for one on each core.")
        if self.sample is not None and self.sample < 1:
            raise ConfigError(f"sample is {self.sample}, expected 1 or more, or null for every spectrum.")

    def __call__(
        self, by: Ensemble, root: Path | None, where: Path | None, observations: Sequence[object] | None
    ) -> list[Cube]:
        """Write a cube for each observation into the folder of the run or sweep; return them all, new and old.

        root: the folder of the runs' own shards, if they were moved; where: other shards to explain.
        observations: names; None is what was held out by any member, or with ``where`` everything there.
        What was done of a cube before a process died is not done again.
        Raises ShardError for shards that are missing, of another line, or changed since training.
        """
        home = root or Path(by.runs[0].config.data.root)
        if not home.is_dir():
            raise ShardError(
                f"There is no folder {home}, where the run had its training shards; the baselines come from them. "
                "Say where they are with data.root=DIR."
            )
        line = instantiate(by.runs[0].config.line)
        only = None if observations is None else list(check_identities(observations))
        if where is None and only is None:
            only = by.held_out()
        shards = open_all(where or home, line, only)
        check_unchanged(by.runs[0], home, open_all(home, line))
        work = _Work(self, by, home)
        trained_on = by.runs[0].record["trained_on"]["origin"]
        foreign = sorted({shard.header.origin for shard in shards} - {trained_on})
        if foreign:
            log.warning(
                "These shards are %s; the model was trained on %s: what follows shows how it reacts to them and "
                "says nothing about the Sun.",
                ORIGINS[foreign[0]],
                ORIGINS[trained_on],
            )
        cubes, already = [], 0
        with _progress() as progress:
            for shard in shards:
                path = by.folder.cube(cube_name(by, shard))
                attributes = work.about(shard)
                if cube.is_same(path, attributes):
                    already += 1
                else:
                    if path.exists():
                        log.info("%s was made in another way; it is replaced.", path)
                    self._explain(work, shard, path, attributes, progress)
                cubes.append(Cube.open(path))
        if already:
            log.info("%d of %d observations were already explained in this way.", already, len(shards))
        return cubes

    def _explain(
        self, work: "_Work", shard: Shard, path: Path, attributes: Mapping[str, Attribute], progress: Progress
    ) -> None:
        phase = shard.read("phase")
        committee, paths, source = work.committee(shard)
        task = progress.add_task(f"{shard.name} scores", total=int(np.prod(shard.shape[:3])))
        parts = Parts(path.with_name(f".{path.stem}.parts"), attributes)
        scores = parts.get("scores", lambda: self._score(committee, shard, lambda n: progress.advance(task, n)))
        progress.remove_task(task)
        index = self._choose(scores["score"], phase)
        if len(index) == 0:
            parts.remove()
            raise ShardError(
                f"{shard.path} has no clean spectrum in its analysis window, so there is nothing to explain. "
                "Leave it out with observations=[...], or give spectra=all."
            )
        task = progress.add_task(f"{shard.name} attributions", total=len(index))

        def attributions() -> Iterator[tuple[np.ndarray, Arrays]]:
            for number, repeats in enumerate(_spans(shard)):
                first, stop = (repeat * shard.shape[1] * shard.shape[2] for repeat in (repeats.start, repeats.stop))
                here = index[(index >= first) & (index < stop)]
                if len(here):
                    yield here, parts.get(f"{number:06d}", partial(_attribute, committee, shard, repeats, here - first))
                    progress.advance(task, len(here))

        cube.write(
            path,
            shard.shape,
            shard.header.wavelength,
            phase,
            scores,
            attributions(),
            source | {"position": paths.positions.numpy()},
            self.precision,
            {**attributes, "explained": len(index)},
        )
        parts.remove()
        progress.remove_task(task)

    def _score(self, committee: Committee, shard: Shard, advance: Callable[[int], None]) -> Arrays:
        """What is said of every spectrum wanted, (repeat, step, slit) float32; NaN elsewhere."""
        found: Arrays = {"score": np.full(shard.shape[:3], np.nan, dtype=np.float32)}
        for repeats in _spans(shard):
            spectra, quality = _read(shard, repeats)
            wanted = np.isfinite(spectra).all(axis=3)
            if self.spectra == "clean":
                wanted &= quality == 0
            said = committee.score(torch.from_numpy(spectra[wanted])) if wanted.any() else {}
            for name, values in said.items():
                array = found.setdefault(name, np.full(shard.shape[:3], np.nan, dtype=np.float32))
                array[repeats][wanted] = values
            advance(wanted.size)
        return found

    def _choose(self, scores: np.ndarray, phase: np.ndarray) -> np.ndarray:
        scored = np.isfinite(scores)
        if self.sample is None:
            return np.flatnonzero(scored)
        there = np.flatnonzero(scored & (phase == Phase.PREFLARE)[:, :, None])
        random = np.random.default_rng(self.seed)
        return np.sort(random.choice(there, min(self.sample, len(there)), replace=False))


class _Work:
    """An ensemble at work: its networks and training sides, each made once."""

    def __init__(self, settings: Explanation, by: Ensemble, home: Path) -> None:
        self.settings = settings
        self.by = by
        self.home = home
        self.networks = [one.network(settings.checkpoint) for one in by.runs]
        self.digests = [_digest(network) for network in self.networks]
        self._data: dict[str, FlareDataModule] = {}
        self._chosen: dict[tuple[int, ...], list[int]] = {}
        self._committees: dict[object, tuple[Committee, Paths, Arrays]] = {}
        if settings.maps and activation_maps.explained_layer(self.networks[0]) is None:
            log.info("%s has no convolution: the cubes have no activation maps.", type(self.networks[0]).__name__)

    def members(self, shard: Shard) -> list[int]:
        """Who explains an observation."""
        candidates = self.by.candidates(self.settings.members, self.by.sides(shard.name, shard.digest))
        if self.settings.members != "representative" or len(candidates) <= self.settings.representatives:
            return candidates
        if tuple(candidates) not in self._chosen:
            data = self._train(candidates[0])
            train = data.datasets["train"]
            paths = self._paths(train, None)
            stream = np.random.default_rng(self.settings.seed)
            rows = np.sort(stream.choice(len(train), min(SAMPLE, len(train)), replace=False))
            engine = Engine(
                [self.networks[one] for one in candidates], paths.baselines, paths.positions, self._workers()
            )
            said = engine(train.spectra[torch.from_numpy(rows)][:, 0]).attributions.numpy()
            taken, errors = forward(said, self.settings.representatives)
            log.info(
                "%d of %d members stand for all: their mean attribution misses that of all by %.1f%%.",
                len(taken),
                len(candidates),
                100 * errors[-1],
            )
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
            stream = np.random.default_rng(self.settings.seed)
            some = np.sort(stream.choice(len(train), min(TRAINING, len(train)), replace=False))
            owner = train.observation.numpy()
            rows = np.concatenate([data.partition.rows["train"][name] for name in train.names])
            made = Committee(
                [self.networks[one] for one in members],
                paths,
                train.spectra[torch.from_numpy(some)],
                train.labels[torch.from_numpy(some)],
                self._maps(),
                self._workers(),
            )
            source = {"observation": np.array([train.names[owner[row]] for row in paths.rows], dtype="S")}
            self._committees = {key: (made, paths, source | {"row": rows[paths.rows].astype(np.int64)})}
        return self._committees[key]

    def about(self, shard: Shard) -> dict[str, Attribute]:
        """The attributes of an observation's cube."""
        settings, members = self.settings, self.members(shard)
        sides = self.by.sides(shard.name, shard.digest)
        shown = sides[members[0]] if len({sides[one] for one in members}) == 1 else "mixed"
        first = self.by.runs[members[0]].record
        method = settings.expected_gradients
        return {
            "quantity": QUANTITY,
            "run": str(self.by.folder.path.resolve()),
            "members": " ".join(self.by.name(one) for one in members),
            "member_count": len(members),
            "members_choice": settings.members,
            "finished": max(str(self.by.runs[one].record["finished"]) for one in members),
            "checkpoint": settings.checkpoint,
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
            "spectra": settings.spectra,
            "sample": "all" if settings.sample is None else settings.sample,
            "sample_seed": settings.seed,
            "maps": " ".join(self._maps()),
            "map_cells": self._cells(),
            "precision": settings.precision,
            "samples": method.samples,
            "baselines": method.baselines,
            "positions": method.positions,
            "baselines_choice": method.choice,
            "baselines_seed": method.seed,
        }

    def _maps(self) -> Sequence[str]:
        return self.settings.maps if activation_maps.explained_layer(self.networks[0]) is not None else ()

    def _cells(self) -> str:
        network = self.networks[0]
        layer = activation_maps.explained_layer(network)
        if layer is None or not self.settings.maps:
            return ""
        name = next(name for name, module in network.named_modules() if module is layer)
        field = activation_maps.receptive_field(network, layer)
        return f"layer {name}, cell j at point {field.first:g} + {field.step} j, linear between centres, no ReLU"

    def _paths(self, train: SpectraDataset | StreamedSpectra, without: str | None) -> Paths:
        allowed = np.ones(len(train), dtype=bool)
        if without is not None:
            allowed = train.observation.numpy() != train.names.index(without)
        return self.settings.expected_gradients.paths(train.spectra, train.labels.numpy(), allowed)

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

    def _workers(self) -> int:
        return self.settings.workers or cores()


def _attribute(committee: Committee, shard: Shard, repeats: slice, index: np.ndarray) -> Arrays:
    """index: positions in the flattened block of these repeats."""
    spectra, _ = _read(shard, repeats)
    return committee.attribute(torch.from_numpy(spectra.reshape(-1, shard.shape[3])[index]))


def _read(shard: Shard, repeats: slice) -> tuple[np.ndarray, np.ndarray]:
    """Spectra and quality of some repeats, without the rest of the shard."""
    with h5py.File(shard.path, "r", locking="best-effort") as file:
        return file["spectra"][repeats], file["quality"][repeats]


def _spans(shard: Shard) -> Iterator[slice]:
    """The repeats in runs of about READ spectra."""
    count = max(1, READ // (shard.shape[1] * shard.shape[2]))
    for first in range(0, shard.shape[0], count):
        yield slice(first, min(first + count, shard.shape[0]))


def check_unchanged(run: Run, home: Path, shards: Sequence[Shard]) -> None:
    """Raise ShardError unless the AR and PF shards in a folder are those that the run was trained with."""
    found = {shard.name: shard.digest for shard in shards if shard.header.label in CLASSES}
    expected = run.record["data"]
    differing = sorted(name for name in {**expected, **found} if expected.get(name) != found.get(name))
    if differing:
        name = differing[0]
        what = "is missing" if name not in found else "is new" if name not in expected else "has changed"
        more = f" (and {len(differing) - 1} more differ)" if len(differing) > 1 else ""
        raise ShardError(
            f"The shards in {home} are not those that {run.folder.path} was trained with: {name} {what}{more}. "
            "Say where the old ones are with data.root=DIR, or train again."
        )


def cube_name(by: Ensemble, shard: Shard) -> str:
    """The observation's name; if the shard is not the runs' own, also its folder's.

    Shards of one observation may differ: real and simulated, binned and not.
    """
    if set(by.sides(shard.name, shard.digest)) != {"none"}:
        return shard.name
    return f"{shard.name}-{re.sub(r'[^A-Za-z0-9_.+-]+', '_', shard.path.resolve().parent.name)}"


def _digest(network: nn.Module) -> str:
    """SHA-256 over names and values of all weights: which network it was, wherever its file lies."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.cpu().numpy().tobytes())
    return digest.hexdigest()


class _Rate(TextColumn):
    """Spectra per second."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} spectra/s" if task.speed else "")


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
