"""What the verb explain does: trained networks and shards in, one saliency cube per observation out."""

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

from preflare.checks import check_integer
from preflare.data.partition import CLASSES
from preflare.data.shard import Shard, find, open_all
from preflare.digest import Digest
from preflare.errors import ConfigError, ShardError
from preflare.explain import activation_maps, cube, ensemble, target, trial
from preflare.explain.committee import Committee
from preflare.explain.cube import Attribute, Cube
from preflare.explain.ensemble import Ensemble
from preflare.explain.expected_gradients import ExpectedGradients
from preflare.explain.parts import Arrays, Parts
from preflare.explain.work import Work
from preflare.model.trained_on import check_kind, check_line
from preflare.run import Run
from preflare.sun.observation import Phase, check_identities
from preflare.sun.quality import is_clean
from preflare.threads import cores, torch_threads

# Spectra read at a time, which is also what is done between two savings of the work.
READ = 16384

ORIGINS = {"level2": "real IRIS data", "simulation": "the simulated Sun"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Explanation:
    """How observations are explained.

    explained: what is explained, of target.QUANTITIES.
    checkpoint: best, best_mean, last or averaged.
    spectra: which get attributions: "clean", or "all" that are valid, which is to miss no wavelength. A score has
        every valid spectrum, whatever is said here and by ``sample``.
    sample: attributions are computed for that many of these spectra of an observation, drawn at random by ``seed``
        from its analysis window; None for all of them.
    members: which members of a sweep explain an observation: "unseen" (those that did not train on it; all if all
        did), "all", or "representative" (``representatives`` of the unseen whose mean attribution is closest to that
        of all of them).
    maps: the activation maps that are computed beside expected gradients, of activation_maps.MAPS.
    precision: of stored attributions, float32 or float16. workers: threads, which change nothing but the time; None
        for one on each core.
    faithfulness: spectra of the runs' own observations that the explanations are put to the test on; 0 for none.
    allow_simulated: whether networks trained on the simulation may judge real spectra, or the reverse.
    """

    explained: str
    checkpoint: str
    spectra: str
    sample: int | None
    seed: int
    members: str
    representatives: int
    maps: Sequence[str]
    precision: str
    workers: int | None
    faithfulness: int
    expected_gradients: ExpectedGradients
    allow_simulated: bool = False

    def __post_init__(self) -> None:
        target.check_quantity(self.explained)
        if self.spectra not in ("clean", "all"):
            raise ConfigError(f"spectra is {self.spectra!r}, expected clean or all.")
        check_integer("seed", self.seed, 0)
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
        if self.faithfulness < 0:
            raise ConfigError(f"faithfulness is {self.faithfulness}, expected a number of spectra, or 0 for none.")
        if self.sample is not None and self.sample < 1:
            raise ConfigError(f"sample is {self.sample}, expected 1 or more, or null for every spectrum.")

    @torch_threads(1)
    def __call__(
        self, by: Ensemble, root: Path | None, where: Path | None, observations: Sequence[object] | None
    ) -> list[Cube]:
        """Write a cube for each observation into the folder of the run or sweep; return them all, new and old.

        root: the folder of the runs' own shards, if they were moved; where: other shards to explain.
        observations: names; None is what was held out by any member, or with ``where`` everything there.
        What was done of a cube before a process died is not done again.
        Raises ShardError for shards that are missing, changed since training, or of another line, instrument or kind
        of Sun than the networks were trained on.
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
        self._check_trained_on(by, where or home, only)
        shards = open_all(where or home, line, only)
        own = open_all(home, line)
        check_unchanged(by.runs[0], home, own)
        work = Work(
            by,
            home,
            self.checkpoint,
            self.members,
            self.representatives,
            self.maps,
            self.expected_gradients,
            self.seed,
            self.workers or cores(),
            self.explained,
        )
        trained_on = by.runs[0].record["trained_on"]["origin"]
        foreign = sorted({shard.header.origin for shard in shards} - {trained_on})
        if foreign:
            log.warning(
                "These shards are %s; the model was trained on %s: what follows shows how it reacts to them and "
                "says nothing about the Sun.",
                ORIGINS[foreign[0]],
                ORIGINS[trained_on],
            )
        paths = [by.folder.cube(cube_name(by, shard)) for shard in shards]
        about = [work.about(shard) | self._about() for shard in shards]
        done = [cube.is_same(path, attributes) for path, attributes in zip(paths, about, strict=True)]
        # Before any cube is replaced.
        check_baselines(work, [shard for shard, there in zip(shards, done, strict=True) if not there], own)
        cubes, already = [], sum(done)
        with _progress() as progress:
            for shard, path, attributes, there in zip(shards, paths, about, done, strict=True):
                if not there:
                    if path.exists():
                        log.info("%s was made in another way; it is replaced.", path)
                    self._explain(work, shard, path, attributes, progress)
                cubes.append(Cube.open(path))
        if where is None and self.faithfulness and not (already == len(shards) and trial.is_held(by.folder.cubes)):
            trial.forget(by.folder.cubes)
            trial.hold(work, shards, cubes, self.faithfulness)
        if already:
            log.info("%d of %d observations were already explained in this way.", already, len(shards))
        return cubes

    def _check_trained_on(self, by: Ensemble, where: Path, only: Sequence[str] | None) -> None:
        """Raise ShardError unless the networks may judge every shard wanted there."""
        found = [Shard.open(path) for path in find(where)]
        for shard in (one for one in found if only is None or one.name in only):
            for run in by.runs:
                known, who = run.record["trained_on"], f"the network in {run.folder.path}"
                check_line(shard, known, who, "Train one on that line: python train.py data.root=DIR")
                check_kind(shard, known, who, "Train one on spectra", self.allow_simulated)

    def _explain(
        self, work: Work, shard: Shard, path: Path, attributes: Mapping[str, Attribute], progress: Progress
    ) -> None:
        phase = shard.read("phase")
        committee, source = work.committee(shard)
        task = progress.add_task(f"{shard.name} scores", total=int(np.prod(shard.shape[:3])))
        clean = is_clean(shard.read("quality"), instantiate(work.by.runs[0].config.line))
        parts = Parts(path.with_name(f".{path.stem}.parts"), {**attributes, "schema": cube.SCHEMA})
        scores = parts.get("scores", lambda: _score(committee, shard, clean, lambda n: progress.advance(task, n)))
        progress.remove_task(task)
        index = self._choose(scores["score"], clean, phase)
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
            clean,
            scores,
            attributions(),
            source,
            self.precision,
            {**attributes, "explained": len(index)},
        )
        parts.remove()
        progress.remove_task(task)

    def _about(self) -> dict[str, Attribute]:
        return {
            "spectra": self.spectra,
            "sample": "all" if self.sample is None else self.sample,
            "sample_seed": self.seed,
            "precision": self.precision,
        }

    def _choose(self, scores: np.ndarray, clean: np.ndarray, phase: np.ndarray) -> np.ndarray:
        """Which spectra get attributions: increasing positions in the flattened (repeat, step, slit)."""
        wanted = np.isfinite(scores)
        if self.spectra == "clean":
            wanted &= clean
        if self.sample is None:
            return np.flatnonzero(wanted)
        there = np.flatnonzero(wanted & (phase == Phase.PREFLARE)[:, :, None])
        random = np.random.default_rng(self.seed)
        return np.sort(random.choice(there, min(self.sample, len(there)), replace=False))


def _score(committee: Committee, shard: Shard, clean: np.ndarray, advance: Callable[[int], None]) -> Arrays:
    """What is said of every valid spectrum, (repeat, step, slit) float32; NaN elsewhere.

    Raises ShardError if the spectra are not those that were written.
    """
    digest = Digest()
    found: Arrays = {"score": np.full(shard.shape[:3], np.nan, dtype=np.float32)}
    for repeats in _spans(shard):
        spectra = _read(shard, repeats)
        digest.update(spectra)
        valid = np.isfinite(spectra).all(axis=3)
        # Apart, so that not even the last digit of a clean one hangs on the others: sums in a batch are in an order.
        for wanted in (valid & clean[repeats], valid & ~clean[repeats]):
            said = committee.score(torch.from_numpy(spectra[wanted])) if wanted.any() else {}
            for name, values in said.items():
                array = found.setdefault(name, np.full(shard.shape[:3], np.nan, dtype=np.float32))
                array[repeats][wanted] = values
        advance(valid.size)
    shard.check("spectra", digest)
    return found


def _attribute(committee: Committee, shard: Shard, repeats: slice, index: np.ndarray) -> Arrays:
    """index: positions in the flattened block of these repeats."""
    spectra = _read(shard, repeats)
    return committee.attribute(torch.from_numpy(spectra.reshape(-1, shard.shape[3])[index]))


def _read(shard: Shard, repeats: slice) -> np.ndarray:
    """Spectra of some repeats, without the rest of the shard."""
    with h5py.File(shard.path, "r", locking="best-effort") as file:
        spectra: np.ndarray = file["spectra"][repeats]
        return spectra


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


def check_baselines(work: Work, shards: Sequence[Shard], own: Sequence[Shard]) -> None:
    """Raise ConfigError unless each who explains has baselines enough for each of the shards.

    own: the runs' shards. An observation that was trained with gives no baselines to itself.
    """
    labels = {shard.name: shard.header.label for shard in own}
    for shard in shards:
        for member in work.members(shard):
            train = work.by.runs[member].record["partition"]["sides"]["train"]
            for label in CLASSES:
                others = (n for name, n in train.items() if name != shard.name and labels[name] == label)
                work.method.check_enough(label.name, sum(others))


def cube_name(by: Ensemble, shard: Shard) -> str:
    """The observation's name; if the shard is not the runs' own, also its folder's.

    Shards of one observation may differ: real and simulated, binned and not.
    """
    if set(by.sides(shard.name, shard.digest)) != {"none"}:
        return shard.name
    return f"{shard.name}-{re.sub(r'[^A-Za-z0-9_.+-]+', '_', shard.path.resolve().parent.name)}"


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
