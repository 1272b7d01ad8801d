"""What the verb explain does: a trained network and shards in, one saliency cube per observation out."""

import hashlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from hydra.utils import instantiate
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn
from rich.text import Text
from torch import Tensor, nn

from preflare.data.partition import CLASSES
from preflare.data.shard import Shard, open_all
from preflare.errors import ConfigError, ShardError
from preflare.explain import activation_maps, cube
from preflare.explain.cube import Attribute, Cube
from preflare.explain.expected_gradients import BATCH, ExpectedGradients
from preflare.explain.target import QUANTITY, log_odds
from preflare.run import Run
from preflare.sun.observation import Phase, check_identities

# Spectra in memory at a time while scoring, and in one call of the network.
READ, SCORE = 32768, 4096

ORIGINS = {"level2": "real IRIS data", "simulation": "the simulated Sun"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Explanation:
    """How observations are explained.

    checkpoint: best, best_mean or last. spectra: "clean", or "all" that miss no wavelength.
    sample: attributions are computed for that many spectra of an observation, drawn at random by ``seed`` from
        those scored in the analysis window; None for every spectrum scored.
    maps: the activation maps that are computed beside expected gradients, of activation_maps.MAPS.
    """

    checkpoint: str
    spectra: str
    sample: int | None
    seed: int
    maps: Sequence[str]
    expected_gradients: ExpectedGradients

    def __post_init__(self) -> None:
        if self.spectra not in ("clean", "all"):
            raise ConfigError(f"spectra is {self.spectra!r}, expected clean or all.")
        unknown = [name for name in self.maps if name not in activation_maps.MAPS]
        if unknown:
            raise ConfigError(f"maps names {unknown[0]!r}, expected some of {', '.join(activation_maps.MAPS)}.")
        if self.sample is not None and self.sample < 1:
            raise ConfigError(f"sample is {self.sample}, expected 1 or more, or null for every spectrum.")

    def __call__(
        self, run: Run, root: Path | None, where: Path | None, observations: Sequence[object] | None
    ) -> list[Cube]:
        """Write a cube for each observation into the run folder, and return them all, new and old.

        root: the folder of the run's own shards, if they were moved; where: other shards to explain.
        observations: names; None is the test side of the run, or with ``where`` everything there.
        Raises ShardError for shards that are missing, of another line, or changed since training.
        """
        network = run.network(self.checkpoint)
        line = instantiate(run.config.line)
        config = run.config.data.copy()
        if root is not None:
            config.root = str(root)
        home = Path(config.root)
        if not home.is_dir():
            raise ShardError(
                f"There is no folder {home}, where the run had its training shards; the baselines come from them. "
                "Say where they are with data.root=DIR."
            )
        only = None if observations is None else list(check_identities(observations))
        if where is None and only is None:
            only = list(run.record["partition"]["sides"]["test"])
        shards = open_all(where or home, line, only)
        check_unchanged(run, home, open_all(home, line))
        data = instantiate(config)
        data.setup()
        train = data.datasets["train"]
        baselines = self.expected_gradients.choose_baselines(train.spectra, train.labels)
        about = self._about(run, network)
        foreign = sorted({shard.header.origin for shard in shards} - {run.record["trained_on"]["origin"]})
        if foreign:
            log.warning(
                "These shards are %s; the model was trained on %s: what follows shows how it reacts to them and "
                "says nothing about the Sun.",
                ORIGINS[foreign[0]],
                ORIGINS[run.record["trained_on"]["origin"]],
            )
        cubes, already = [], 0
        with _progress() as progress:
            for shard in shards:
                path = run.folder.cube(cube_name(run, shard))
                attributes = about | _about_shard(run, shard)
                if cube.is_same(path, attributes):
                    already += 1
                else:
                    if path.exists():
                        log.info("%s was made in another way; it is replaced.", path)
                    self._explain(network, shard, baselines, path, attributes, progress)
                cubes.append(Cube.open(path))
        if already:
            log.info("%d of %d observations were already explained in this way.", already, len(shards))
        return cubes

    def _explain(
        self,
        network: nn.Module,
        shard: Shard,
        baselines: Tensor,
        path: Path,
        attributes: Mapping[str, Attribute],
        progress: Progress,
    ) -> None:
        phase = shard.read("phase")
        task = progress.add_task(f"{shard.name} scores", total=int(np.prod(shard.shape[:3])))
        odds = self._score(network, shard, lambda count: progress.advance(task, count))
        index = self._choose(odds, phase)
        if len(index) == 0:
            raise ShardError(
                f"{shard.path} has no clean spectrum in its analysis window, so there is nothing to explain. "
                "Leave it out with observations=[...], or give spectra=all."
            )
        chosen = torch.from_numpy(_gather(shard, index))[:, None]
        progress.remove_task(task)
        task = progress.add_task(f"{shard.name} attributions", total=len(index))
        sparse = {
            "expected_gradients": np.empty((len(index), shard.shape[3]), dtype=np.float32),
            "completeness": np.empty(len(index), dtype=np.float32),
        }
        row = 0
        for attributions, residual in self.expected_gradients(network, chosen, baselines):
            rows = slice(row, row + len(residual))
            sparse["expected_gradients"][rows], sparse["completeness"][rows] = attributions, residual
            row += len(residual)
            progress.advance(task, len(residual))
        for name in str(attributes["maps"]).split():
            parts = [activation_maps.MAPS[name](network, part) for part in chosen.split(SCORE)]
            sparse[name] = np.concatenate(parts)
        dense = {"log_odds": odds, "score": torch.sigmoid(torch.from_numpy(odds)).numpy()}
        cube.write(
            path,
            shard.shape,
            shard.header.wavelength,
            phase,
            dense,
            index,
            sparse,
            {**attributes, "explained": len(index)},
        )
        progress.remove_task(task)

    def _score(self, network: nn.Module, shard: Shard, advance: Callable[[int], None]) -> np.ndarray:
        """Log-odds of every spectrum wanted, (repeat, step, slit) float32; NaN elsewhere."""
        odds = np.full(shard.shape[:3], np.nan, dtype=np.float32)
        explained = log_odds(network)
        for repeats, block in shard.blocks(_repeats(shard)):
            wanted = np.isfinite(block.spectra).all(axis=3)
            if self.spectra == "clean":
                wanted &= block.quality == 0
            spectra = torch.from_numpy(block.spectra[wanted])[:, None]
            with torch.no_grad():
                parts = [explained(part).numpy() for part in spectra.split(SCORE)]
            if parts:
                odds[repeats][wanted] = np.concatenate(parts)
            advance(wanted.size)
        return odds

    def _choose(self, odds: np.ndarray, phase: np.ndarray) -> np.ndarray:
        scored = np.isfinite(odds)
        if self.sample is None:
            return np.flatnonzero(scored)
        there = np.flatnonzero(scored & (phase == Phase.PREFLARE)[:, :, None])
        random = np.random.default_rng(self.seed)
        return np.sort(random.choice(there, min(self.sample, len(there)), replace=False))

    def _about(self, run: Run, network: nn.Module) -> dict[str, Attribute]:
        layer = activation_maps.explained_layer(network)
        cells = ""
        if layer is not None:
            name = next(name for name, module in network.named_modules() if module is layer)
            field = activation_maps.receptive_field(network, layer)
            cells = f"layer {name}, cell j at point {field.first:g} + {field.step} j, linear between centres, no ReLU"
        elif self.maps:
            log.info("%s has no convolution: the cubes have no activation maps.", type(network).__name__)
        method = self.expected_gradients
        return {
            "quantity": QUANTITY,
            "run": str(run.folder.path.resolve()),
            "finished": str(run.record["finished"]),
            "checkpoint": self.checkpoint,
            "weights": _digest(network),
            **{f"trained_on_{key}": str(value) for key, value in run.record["trained_on"].items()},
            "spectra": self.spectra,
            "sample": "all" if self.sample is None else self.sample,
            "sample_seed": self.seed,
            "maps": " ".join(self.maps) if layer is not None else "",
            "map_cells": cells if self.maps else "",
            "expected_gradients": f"GradientShap, batches of {BATCH}, random baselines from the training side",
            "samples": method.samples,
            "baselines": method.baselines,
            "baselines_seed": method.seed,
        }


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


def side_of(run: Run, observation: str, digest: str) -> str:
    """The side of the run's partition on which an observation's shard was, or "none"."""
    if run.record["data"].get(observation) != digest:
        return "none"
    sides = run.record["partition"]["sides"]
    return next((side for side, names in sides.items() if observation in names), "none")


def cube_name(run: Run, shard: Shard) -> str:
    """The observation's name; if the shard is not the run's own, also its folder's.

    Shards of one observation may differ: real and simulated, binned and not.
    """
    if side_of(run, shard.name, shard.digest) != "none":
        return shard.name
    return f"{shard.name}-{re.sub(r'[^A-Za-z0-9_.+-]+', '_', shard.path.resolve().parent.name)}"


def _about_shard(run: Run, shard: Shard) -> dict[str, Attribute]:
    side = side_of(run, shard.name, shard.digest)
    return {
        "observation": shard.name,
        "label": int(shard.header.label),
        "origin": shard.header.origin,
        "line": shard.header.line,
        "shard": str(shard.path.resolve()),
        "shard_digest": shard.digest,
        "side": side,
        "seen": side == "train",
    }


def _digest(network: nn.Module) -> str:
    """SHA-256 over names and values of all weights: which network it was, wherever its file lies."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.cpu().numpy().tobytes())
    return digest.hexdigest()


def _repeats(shard: Shard) -> int:
    return max(1, READ // (shard.shape[1] * shard.shape[2]))


def _gather(shard: Shard, index: np.ndarray) -> np.ndarray:
    """The spectra at positions of the flattened (repeat, step, slit): (n, wavelength)."""
    per_repeat = shard.shape[1] * shard.shape[2]
    found = np.empty((len(index), shard.shape[3]), dtype=np.float32)
    for repeats, block in shard.blocks(_repeats(shard)):
        first = repeats.start * per_repeat
        flat = block.spectra.reshape(-1, shard.shape[3])
        here = (index >= first) & (index < first + len(flat))
        found[here] = flat[index[here] - first]
    return found


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
