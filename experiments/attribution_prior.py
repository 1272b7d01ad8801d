"""With an attribution prior: what smoother attributions cost in skill, and whether they are truer (App. C).

python experiments/attribution_prior.py                            on the simulated Sun (python ingest.py makes it)
python experiments/attribution_prior.py members=5 output=OTHER     more networks of each setting, elsewhere

Ends with tables and a claim; trade_off.csv and trade_off.png are in runs/attribution_prior/, beside the networks.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import MISSING, DictConfig, OmegaConf
from scipy.signal import savgol_filter
from torch import Tensor

from preflare import run
from preflare.checks import check_integer, check_number
from preflare.command import Drawn, Job, verb
from preflare.data.datamodule import FlareDataModule
from preflare.errors import ConfigError, ShardError
from preflare.explain.display import ORDER
from preflare.explain.engine import Engine
from preflare.explain.expected_gradients import Paths
from preflare.explain.faithfulness import area, deletion_and_insertion, share_inside
from preflare.figures import trade_off
from preflare.model import training
from preflare.report.experiment import conclude
from preflare.report.section import Claim, Plot, Section, judge_real
from preflare.report.tables import Table
from preflare.sun.observation import Label
from preflare.threads import cores

TRAINING = ("name", "seed", "threads", "line", "data", "partition", "model", "loss", "optimizer", "trainer")
TRAINING += ("callbacks", "early_stopping", "logger", "swarm")
# Steps of a deletion, and spectra that fill in.
STEPS, FILL = 20, 20
# A prior works if attributions vary by less than this share of what they do without, and TSS is lower by no more.
SMOOTHER, KEPT = 2 / 3, 0.05
WITHOUT, SMOOTHED = "without", "smoothed afterwards"
CHECKPOINTS = ("last", "averaged")


@dataclass
class Config(Drawn):
    """The keys of conf/attribution_prior.yaml; any other is refused."""

    shards: str = MISSING
    output: str = MISSING
    members: int = MISSING
    explained: int = MISSING
    settings: Any = MISSING
    sigmas: Any = MISSING
    windows: list[int] = MISSING
    expected_gradients: Any = MISSING
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
    callbacks: Any = None
    early_stopping: int | None = None
    logger: Any = None
    swarm: Any = MISSING


@dataclass(frozen=True)
class Trial:
    """A network to train. strength: sigma; 0 without a prior."""

    setting: str
    strength: float
    seed: int
    job: Job


@dataclass(frozen=True)
class Row:
    """A network's skill and attributions. strength: sigma, or the points of the filter that smoothed afterwards.

    tss: of the test side, which chose neither checkpoint. variation: sum of absolute differences between neighbours
    over sum of absolute attributions. lift: share of |attribution| on the wavelengths that a precursor changed, over
    its chance level. area: ROC AUC of |attribution| for them. gap: mean log-odds while the worthiest wavelengths come
    first less while they go first, in standard deviations of the log-odds. Means over spectra.
    """

    setting: str
    strength: float
    seed: int
    checkpoint: str
    tss: float
    variation: float
    lift: float
    area: float
    gap: float


@dataclass(frozen=True, eq=False)
class Held:
    """Held-out spectra (n, wavelength), where a precursor changed them, bool, and the paths to them. origin, digests:
    of the shards."""

    spectra: Tensor
    changed: np.ndarray
    paths: Paths
    origin: str = "simulation"
    digests: Mapping[str, str] = field(default_factory=dict)


@verb("attribution_prior", Config)
def main(config: DictConfig) -> None:
    """Train, measure, draw and tell."""
    check_integer("members", config.members, 1)
    check_integer("explained", config.explained, 2)
    output = Path(config.output)
    plan = trials(config, output)
    held = hold(config)
    digests = {f"shard {name}": digest for name, digest in held.digests.items()}
    conclude(config, digests, lambda: make(config, plan, held, output))


def make(config: DictConfig, plan: Sequence[Trial], held: Held, output: Path) -> Section:
    """The section; leaves networks and trade_off.csv beside it."""
    died = []
    for trial, outcome in zip(plan, training.train([trial.job for trial in plan]), strict=True):
        if isinstance(outcome, Exception):
            raise outcome
        if outcome["dead"]:
            died.append(f"{trial.job.folder}: the network died; it is left out.")
    rows = [row for trial in plan for row in measure(trial, held, config.windows)]
    with (output / "trade_off.csv").open("w", newline="") as file:
        written = csv.DictWriter(file, [one.name for one in fields(Row)])
        written.writeheader()
        written.writerows(asdict(row) for row in rows)
    found = means(rows, "averaged")
    plain = found[WITHOUT, 0]
    told = "; ".join(
        f"{setting.replace('_', ' ')} (sigma {strength:g}) {values[1]:.2f} at TSS {values[0]:.2f}"
        for (setting, strength), values in found.items()
        if setting not in (WITHOUT, SMOOTHED)
    )
    return Section(
        name="attribution_prior",
        title="The attribution prior",
        paper="App. C",
        lead=f"Trained without a prior, attributions vary by {plain[1]:.2f} between neighbouring wavelengths (of their "
        f"size) at TSS {plain[0]:.2f}; with one, {told or 'no network lives'}.",
        origin=held.origin,
        plots=[
            Plot(
                "trade_off",
                "What smoother attributions cost",
                f"TSS, share on what precursors changed and faithfulness against variation, weights averaged over the "
                f"last epochs, {len(held.spectra)} held-out spectra with a precursor. Without a prior (star) variation "
                f"is {plain[1]:.2f} and the share {plain[2]:.1f} times chance; with one, variation: {told or 'none'}.",
                draw(rows, config.members),
            )
        ],
        tables={f"Checkpoint {checkpoint}: means over seeds": table(rows, checkpoint) for checkpoint in CHECKPOINTS},
        claims=[_fails(found, held.origin)],
        warnings=[
            *died,
            f"{_who(config.members).capitalize()} of each setting: differences of a few hundredths are none.",
        ],
    )


def _who(members: int) -> str:
    return "one network" if members == 1 else f"means of {members} networks"


def _fails(found: Mapping[tuple[str, float], np.ndarray], origin: str) -> Claim:
    """Whether no prior makes attributions smoother and leaves the skill."""
    skill, rough = found[WITHOUT, 0][:2]
    kept = [
        f"{setting.replace('_', ' ')}, sigma {strength:g} (variation {values[1]:.2f}, TSS {values[0]:.2f})"
        for (setting, strength), values in found.items()
        if setting not in (WITHOUT, SMOOTHED) and values[1] < SMOOTHER * rough and values[0] > skill - KEPT
    ]
    return Claim(
        "App. C",
        "An attribution prior fails: it smooths late, or classification diverges.",
        f"Without one variation is {rough:.2f} and TSS {skill:.2f}. A third smoother with TSS not {KEPT} lower: "
        f"{'; '.join(kept) or 'none'}.",
        "",
        judge_real(origin, not kept),
        "prior",
    )


def trials(config: DictConfig, output: Path) -> list[Trial]:
    """Every setting with every sigma and seed, and as many networks without a prior."""
    base = {key: value for key, value in OmegaConf.to_container(config, resolve=True).items() if key in TRAINING}
    plan = []

    def add(setting: str, strength: float, loss: Mapping[str, Any]) -> None:
        for seed in range(config.members):
            own = OmegaConf.create({**base, "seed": seed, "data": {**base["data"], "seed": seed}, "loss": dict(loss)})
            where = setting + (f"/sigma-{strength:g}" if strength else "")
            plan.append(Trial(setting, strength, seed, Job(own, output / where / f"seed-{seed}", ())))

    add(WITHOUT, 0, {"_target_": "preflare.model.loss.CrossEntropy", "l2": base["loss"]["l2"]})
    for setting, rules in config.settings.items():
        if not config.sigmas.get(setting):
            raise ConfigError(f"There are no sigmas for the setting {setting!r}; add them to sigmas.")
        for sigma in config.sigmas[setting]:
            sigma = check_number(f"sigmas.{setting}", sigma, above=0)
            add(setting, sigma, {**base["loss"], **OmegaConf.to_container(rules), "sigma": sigma})
    return plan


def hold(config: DictConfig) -> Held:
    """Spectra of the test side that a precursor changed, drawn at random. Raises ShardError if there are none."""
    data: FlareDataModule = instantiate(config.data)
    data.setup()
    spectra, changed = [], []
    for name in data.partition.sides["test"]:
        shard = data.shards[name]
        if shard.header.label is Label.PF and "changed_normalised" in shard.truth:
            rows = data.partition.rows["test"][name]
            with h5py.File(shard.path, "r", locking="best-effort") as file:
                mask = file["truth/changed_normalised"][()].reshape(-1, data.line.points)[rows] > 0
                there = mask.any(axis=1)
                spectra.append(file["spectra"][()].reshape(-1, data.line.points)[rows][there])
                changed.append(mask[there])
    if not sum(len(part) for part in spectra):
        raise ShardError(
            f"No spectrum held out of {config.shards} is known to show a precursor, so attributions cannot be held "
            "against the truth. Give shards of the simulated Sun."
        )
    every, masks = np.concatenate(spectra), np.concatenate(changed)
    chosen = np.sort(np.random.default_rng(0).permutation(len(every))[: config.explained])
    train = data.datasets["train"]
    paths = instantiate(config.expected_gradients).paths(
        train.spectra, train.labels.numpy(), np.ones(len(train), dtype=bool)
    )
    digests = {name: shard.digest for name, shard in data.shards.items()}
    return Held(torch.from_numpy(every[chosen]), masks[chosen], paths, data.origin, digests)


def measure(trial: Trial, held: Held, windows: Sequence[int]) -> list[Row]:
    """Of the last epoch's weights and of their average; of those without a prior also smoothed by each window."""
    done = run.read(trial.job.folder)
    if done.record["dead"]:
        return []
    skill = {
        "last": done.history[-1]["test/tss"],
        "averaged": done.record["averaged"]["metrics"]["test"]["tss"],
    }
    found = []
    for checkpoint in CHECKPOINTS:
        engine = Engine([done.network(checkpoint)], held.paths.baselines, held.paths.positions, cores())
        maps = engine(held.spectra).attributions[0].double().numpy()

        def row(
            setting: str, strength: float, maps: np.ndarray, engine: Engine = engine, which: str = checkpoint
        ) -> Row:
            return Row(setting, strength, trial.seed, which, skill[which], *judge(maps, engine, held))

        found.append(row(trial.setting, trial.strength, maps))
        if trial.setting == WITHOUT:
            found += [row(SMOOTHED, window, savgol_filter(maps, window, ORDER, axis=1)) for window in windows]
    return found


def judge(maps: np.ndarray, engine: Engine, held: Held) -> tuple[float, float, float, float]:
    """variation, lift, area and gap of maps (n, wavelength)."""
    variation = np.abs(np.diff(maps, axis=1)).sum(axis=1) / np.abs(maps).sum(axis=1)
    share, chance = share_inside(maps, held.changed)
    answer = engine.members[0].log_odds
    fill = held.paths.baselines[torch.linspace(0, len(held.paths.baselines) - 1, FILL).long()]
    away, put_in = deletion_and_insertion(answer, held.spectra, maps, fill, STEPS)
    gap = (put_in - away).mean() / float(answer(held.spectra).std())
    return tuple(float(np.nanmean(value)) for value in (variation, share / chance, area(maps, held.changed), gap))


def means(rows: Sequence[Row], checkpoint: str) -> dict[tuple[str, float], np.ndarray]:
    """(setting, strength) -> means over seeds of tss, variation, lift, area, gap."""
    groups: dict[tuple[str, float], list[Row]] = {}
    for row in rows:
        if row.checkpoint == checkpoint:
            groups.setdefault((row.setting, row.strength), []).append(row)
    return {
        key: np.mean([[one.tss, one.variation, one.lift, one.area, one.gap] for one in some], axis=0)
        for key, some in groups.items()
    }


def draw(rows: Sequence[Row], members: int):
    """The averaged networks: TSS, lift and gap against variation."""
    found = means(rows, "averaged")
    order = [1, 0, 2, 4]
    names = list(dict.fromkeys(setting for setting, _ in found if setting not in (WITHOUT, SMOOTHED)))
    curves = {
        name.replace("_", " "): np.array([values[order] for (s, _), values in found.items() if s == name])
        for name in names
    }
    smoothed = np.array([values[order] for (s, _), values in found.items() if s == SMOOTHED]).reshape(-1, len(order))
    return trade_off.draw(
        curves,
        found[WITHOUT, 0][order],
        smoothed,
        {name.replace("_", " "): [f"{strength:g}" for s, strength in found if s == name] for name in names},
        (
            "TSS of the test side",
            "share on what precursors changed / chance",
            "insertion less deletion (sd of log-odds)",
        ),
        {1: (1.0, "chance")},
        f"the simulated Sun; weights averaged over the last epochs; {_who(members)}",
    )


def table(rows: Sequence[Row], checkpoint: str) -> Table:
    """Means over seeds."""
    body = [
        (setting.replace("_", " "), f"{strength:g}", *(f"{value:.3f}" for value in values))
        for (setting, strength), values in means(rows, checkpoint).items()
    ]
    return Table(("setting", "sigma", "TSS", "variation", "lift", "AUC", "gap"), tuple(body))


if __name__ == "__main__":
    main()
