"""Plant artefacts in spectra, train networks to tell them from their twins, and see whether maps find them (Sect. 5).

python experiments/artifact.py                                 flare spectra of the simulated Sun (python ingest.py)
python experiments/artifact.py shards=DIR output=OTHER         real ones
python experiments/artifact.py '~artifacts.bump' members=20    without one of the artefacts, with fewer networks

Ends with tables and claims; in runs/artifact/ then are findings.md, artifact.csv, artifact.png (against the number of
members) and, for each artefact, figures of the training (Fig. 6) and the maps (Figs. 7 and 9), and its networks.

In the raster of 2014-03-29 the median of 50 networks tells the authors' artefact with 99.8%. The mean of their HiResCAM
maps hits it in all spectra, that of published Grad-CAM in none; weight averaging does not stand for the ensemble.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import MISSING, DictConfig, OmegaConf
from torch import nn

from preflare import run
from preflare.checks import check_integer, check_number, check_path
from preflare.command import CONF, Drawn, Job, verb
from preflare.data.datamodule import FlareDataModule
from preflare.data.shard import Shard, open_all
from preflare.errors import ConfigError
from preflare.explain import ensemble, twins
from preflare.explain.activation_maps import MAPS, explained_layer, receptive_field
from preflare.explain.engine import Engine
from preflare.explain.expected_gradients import ExpectedGradients, Paths
from preflare.explain.localisation import MEASURES, Target, against_members
from preflare.explain.target import LOG_ODDS, log_odds
from preflare.model import stages, training
from preflare.report import artifact as report
from preflare.report import artifact_claims as claims
from preflare.report import artifact_plots as plots
from preflare.report.artifact import EXPECTED_GRADIENTS, Study
from preflare.report.experiment import conclude
from preflare.report.section import Plot, Section
from preflare.run import Run
from preflare.sun.line import Line
from preflare.threads import cores, torch_threads

SIZES = (1, 2, 3, 5, 10, 20, 50, 100)
TRAINING = (
    "name",
    "seed",
    "threads",
    "line",
    "data",
    "partition",
    "model",
    "loss",
    "optimizer",
    "trainer",
    "early_stopping",
    "logger",
    "swarm",
)
REMARKS = {"simulation": "the simulated Sun", "level2": "IRIS"}


@dataclass
class Config(Drawn):
    """The keys of conf/artifact.yaml; any other is refused."""

    shards: str = MISSING
    output: str = MISSING
    members: int = MISSING
    annealed: int = MISSING
    spectra: int | None = None
    pieces: int = MISSING
    explained: int = MISSING
    batches: list[int] = MISSING
    within: float = MISSING
    core: float = MISSING
    draws: int = MISSING
    expected_gradients: Any = MISSING
    artifacts: Any = MISSING
    swa: Any = MISSING
    annealing: Any = MISSING
    name: str = MISSING
    seed: int = MISSING
    threads: int | None = None
    line: Any = MISSING
    data: Any = MISSING
    partition: Any = MISSING
    model: Any = MISSING
    loss: Any = MISSING
    optimizer: Any = MISSING
    trainer: Any = MISSING
    early_stopping: int | None = None
    logger: Any = None
    swarm: Any = None


@verb("artifact", Config)
def main(config: DictConfig) -> None:
    """Plant, train, explain, measure, draw and tell."""
    artifacts = check(config)
    line: Line = instantiate(config.line)
    method: ExpectedGradients = instantiate(config.expected_gradients)
    sources = open_all(check_path("shards", config.shards), line)
    output = check_path("output", config.output)
    digests = {source.name: source.digest for source in sources}
    conclude(config, digests, lambda: make(config, artifacts, sources, line, method, output))


def make(
    config: DictConfig,
    artifacts: Mapping[str, Any],
    sources: Sequence[Shard],
    line: Line,
    method: ExpectedGradients,
    output: Path,
) -> Section:
    """The section; leaves twins, networks, artifact.csv and findings.md beside it."""
    pieces = twins.pieces(sources, line, config.pieces, config.spectra, config.seed)
    for name, artifact in artifacts.items():
        twins.write(output / name / "shards", pieces, artifact, config.seed)
    remark = f"spectra of {REMARKS[sources[0].header.origin]}, artefacts planted"
    studies, drawn, learnt = [], [], {}
    for name in artifacts:
        study, figures, learnt[name] = _study(config, line, method, output / name, remark)
        studies.append(study)
        drawn += figures
    _write(output / "artifact.csv", _csv(report.rows(studies)))
    digests = {source.name: source.digest for source in sources}
    default = list(OmegaConf.load(CONF / "explain.yaml").maps)
    page = report.text(studies, REMARKS[sources[0].header.origin], default, _record(config, digests))
    _write(output / "findings.md", page.encode())
    first = studies[0]
    return Section(
        name="artifact",
        title="Planted artefacts",
        paper="Sects. 4 and 5, Figs. 6, 7 and 9",
        lead=claims.lead(studies),
        origin=sources[0].header.origin,
        plots=[*drawn, plots.against_members(studies, remark)],
        tables={f"Where maps of {one.artifact.replace('_', ' ')} point": report.table(one) for one in studies},
        claims=claims.claims(first, learnt[first.artifact], sources[0].header.origin),
        warnings=[
            "Counted is what speaks for the artefact in held-out changed spectra; intervals are over members and "
            "spectra. More in findings.md beside the section, every number in artifact.csv."
        ],
    )


def check(config: DictConfig) -> dict[str, Any]:
    """The artefacts, built. Raises ConfigError for values that cannot be meant."""
    check_integer("members", config.members, 2)
    check_integer("annealed", config.annealed, 2, config.members)
    check_integer("pieces", config.pieces, 2)
    check_integer("explained", config.explained, 1)
    check_integer("draws", config.draws, 2)
    check_number("within", config.within, 0)
    check_number("core", config.core, above=0, unit="Å")
    check_integer("seed", config.seed, 0)
    if config.spectra is not None:
        check_integer("spectra", config.spectra, config.pieces)
    for number in config.batches:
        check_integer("batches: each", number, 0)
    if not config.batches:
        raise ConfigError("batches is [], expected one number of batches or more, such as [0, 50].")
    if not config.artifacts:
        raise ConfigError("artifacts is empty, expected at least one, as in conf/artifact.yaml.")
    return {str(name): instantiate(artifact) for name, artifact in config.artifacts.items()}


# Much of it is many small products: shared out, each would only wait.
@torch_threads(1)
def _study(
    config: DictConfig, line: Line, method: ExpectedGradients, home: Path, remark: str
) -> tuple[Study, list[Plot], tuple[float, float]]:
    """Train and explain the networks of one artefact, and draw its figures; also the share of one spectrum's
    attributions inside the artefact at the first look and at the last."""
    data: FlareDataModule = instantiate(_job(config, home, "members", config.seed, config.swa).config.data)
    data.setup()
    twins.check_together(data.partition.sides)
    last = -(-len(data.datasets["train"]) // data.batch_size) * config.trainer.max_epochs
    if min(config.batches) > last:
        raise ConfigError(
            f"batches is {list(config.batches)}, but training ends after {last}: nothing of it would be seen. Give "
            "lower ones."
        )
    members = _train(config, home, "members", config.members, config.swa)
    annealed = _train(config, home, "annealed", config.annealed, config.annealing)
    training_side = data.datasets["train"]
    paths = method.paths(
        training_side.spectra,
        training_side.labels.numpy(),
        np.ones(len(training_side), dtype=bool),
    )
    held_out = data.datasets["test"][:]
    shown, inside = _changed(data, config.explained, config.seed)
    target = Target(inside, _cores(line, config.core), config.within)
    groups = {
        "members": [one.network("best") for one in members.runs],
        "swa": [one.network("averaged") for one in members.runs],
        "annealed": [one.network("averaged") for one in annealed.runs],
    }
    said = {name: _explain(networks, paths, shown) for name, networks in groups.items()}

    def right(mean: np.ndarray) -> np.ndarray:
        correct: np.ndarray = (mean[None, ..., 0] > 0) == (held_out[1].numpy() == 1)
        return correct.astype(np.float64)

    found, accuracy = {}, {}
    for name, networks in groups.items():
        count = len(networks)
        sizes = [1, count] if name != "members" else [*(size for size in SIZES if size < count), count]
        found[name] = {
            kind: against_members(maps, target.measure, sizes, config.draws, config.seed)
            for kind, maps in said[name].items()
        }
        with torch.no_grad():
            answers = np.stack([log_odds(network)(held_out[0]).numpy() for network in networks])
        accuracy[name] = against_members(answers[:, :, None], right, sizes, config.draws, config.seed)
    training_plot, learnt = _during(config, home.name, members.runs[0], data, paths, shown, target, remark)
    names = [members.name(number) for number in range(len(members.runs))]
    figures = [
        training_plot,
        plots.one_and_many(home.name, line, names, said, shown[:1].numpy(), target, remark),
    ]
    chance = {kind: target.chance(np.isfinite(maps).all(axis=(0, 1))) for kind, maps in said["members"].items()}
    study = Study(
        home.name,
        len(held_out[1]),
        len(shown),
        found,
        accuracy,
        chance,
        _seen(groups["members"][0], said["members"], target),
    )
    return study, figures, learnt


def _train(config: DictConfig, home: Path, folder: str, count: int, callbacks: DictConfig) -> ensemble.Ensemble:
    """So many networks on the artefact's twins, as train.py would; those that are there already are left alone."""
    jobs = [_job(config, home, folder, seed, callbacks) for seed in range(config.seed, config.seed + count)]
    for outcome in training.train(jobs):
        if isinstance(outcome, Exception):
            raise outcome
    return ensemble.read(home / folder)


def _job(config: DictConfig, home: Path, folder: str, seed: int, callbacks: DictConfig) -> Job:
    own = {"seed": seed, "data": {"root": str(home / "shards")}, "callbacks": callbacks}
    mine = OmegaConf.merge({key: config[key] for key in TRAINING}, own)
    job = DictConfig(OmegaConf.to_container(mine, resolve=True))
    return Job(job, home / folder / f"seed-{seed}", (f"seed={seed}",))


def _changed(data: FlareDataModule, count: int, seed: int) -> tuple[torch.Tensor, np.ndarray]:
    """Held-out changed spectra, so many drawn at random, and where the artefact is: (n, wavelength)."""
    found = [twins.changed(data.shards[name]) for name in data.partition.sides["test"] if name.startswith("PF")]
    shown, inside = (np.concatenate(parts) for parts in zip(*found, strict=True))
    rows = np.sort(np.random.default_rng(seed).permutation(len(shown))[:count])
    return torch.from_numpy(shown[rows]), inside[rows]


def _cores(line: Line, halfwidth: float) -> np.ndarray:
    return np.any([np.abs(line.wavelength - core) <= halfwidth for core in line.cores.values()], axis=0)


def _explain(networks: Sequence[nn.Module], paths: Paths, shown: torch.Tensor) -> dict[str, np.ndarray]:
    """Method -> (member, n, wavelength)."""
    said = {}
    if explained_layer(networks[0]) is not None:
        said = {
            name: np.stack([one(network, shown[:, None], LOG_ODDS) for network in networks])
            for name, one in MAPS.items()
        }
    engine = Engine(networks, paths.baselines, paths.positions, cores())
    return said | {EXPECTED_GRADIENTS: engine(shown).attributions.numpy()}


def _seen(network: nn.Module, said: Mapping[str, np.ndarray], target: Target) -> dict[str, float]:
    """Activation map -> share of single members' maxima at cells that see some of the artefact."""
    layer = explained_layer(network)
    if layer is None:
        return {}
    half = (receptive_field(network, layer).width + float(np.median(target.inside.sum(axis=1)))) / 2
    wide = Target(target.inside, target.cores, half)
    return {name: float(wide.measure(said[name])[0].mean()) for name in MAPS}


def _during(
    config: DictConfig,
    artifact: str,
    first: Run,
    data: FlareDataModule,
    paths: Paths,
    shown: torch.Tensor,
    target: Target,
    remark: str,
) -> tuple[Plot, tuple[float, float]]:
    """Fig. 6: what the first network says of one spectrum as it learns; trained once more, batch by batch."""
    kept = stages.train(config, first.record["attempts"][-1]["seed"], data, config.batches)
    one, steps = shown[:1], sorted(kept)
    odds = [float(log_odds(kept[step])(one[:, None]).detach()[0]) for step in steps]
    said = [{kind: maps[0] for kind, maps in _explain([kept[step]], paths, one).items()} for step in steps]
    here = Target(target.inside[:1], target.cores, target.within)
    share = [float(here.measure(found[EXPECTED_GRADIENTS])[MEASURES.index("share")][0]) for found in said]
    plot = plots.training(artifact, data.line, first.config.seed, steps, odds, said, share, one.numpy(), target, remark)
    return plot, (share[0], share[-1])


def _record(config: DictConfig, digests: Mapping[str, str]) -> list[str]:
    """What the numbers came from."""
    versions = ", ".join(f"{name} {version}" for name, version in run.versions().items())
    lines = [f"Made {run.now()} with {versions}. Seed {config.seed}. Spectra from, with their digests:", ""]
    lines += [f"- {name}: {digest}" for name, digest in sorted(digests.items())]
    return [*lines, "", "```yaml", OmegaConf.to_yaml(config, resolve=True).rstrip(), "```"]


def _csv(rows: Sequence[Mapping[str, object]]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


def _write(path: Path, content: bytes) -> None:
    scratch = path.with_name(f".{path.name}.part")
    scratch.write_bytes(content)
    scratch.replace(path)


if __name__ == "__main__":
    main()
