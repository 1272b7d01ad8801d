"""The null test: where nothing but chance is at work, are the study's p-values small as rarely as they promise?

python experiments/null.py                     20 Suns without precursors, into runs/null/
python experiments/null.py suns=100 first=20   others, and more of them

Each Sun is simulated, networks of five folds look for what tells PF from AR, every observation is explained by those
that did not see it, and the sections' p-values are collected: all of them in p_values.csv, their shares in a table.
"""

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hydra.utils import instantiate
from omegaconf import MISSING, DictConfig, OmegaConf
from rich.console import Console
from rich.progress import track

from preflare.checks import check_integer, check_number, check_path
from preflare.command import Job, verb
from preflare.data.parallel import write_all
from preflare.data.shard import Shard
from preflare.errors import RunError
from preflare.explain import ensemble
from preflare.explain.explanation import Explanation
from preflare.figures import p_values as figure
from preflare.model import training
from preflare.model.quiet_mask import SHIPPED, QuietMask
from preflare.report import explained, null
from preflare.report.experiment import conclude
from preflare.report.features import Emission
from preflare.report.null import Choices, PValues, Share
from preflare.report.section import Plot, Section, remark
from preflare.report.tables import Table
from preflare.sun.line import Line

CSV = "p_values.csv"
GROUPS = {
    "timelines": "timelines:",
    "features": "features:",
    "slits": "slits:",
    "forecast": "forecast:",
}
TRAINING = (
    "name",
    "threads",
    "line",
    "data",
    "model",
    "loss",
    "optimizer",
    "callbacks",
    "trainer",
    "early_stopping",
    "logger",
    "swarm",
)


@dataclass
class Config:
    """The keys of conf/null.yaml; any other is refused."""

    suns: Any = MISSING
    first: Any = MISSING
    output: str = MISSING
    networks: Any = MISSING
    minutes: Any = MISSING
    rise: Any = MISSING
    rate: Any = MISSING
    emission: Any = MISSING
    tolerances: Any = MISSING
    expected_gradients: Any = MISSING
    source: Any = MISSING
    simulation: Any = MISSING
    window: Any = MISSING
    observations: Any = None
    name: str = MISSING
    seed: int = MISSING
    threads: int | None = None
    line: Any = MISSING
    data: Any = MISSING
    partition: Any = MISSING
    model: Any = MISSING
    loss: Any = MISSING
    optimizer: Any = MISSING
    callbacks: Any = None
    trainer: Any = MISSING
    early_stopping: int | None = None
    logger: Any = None
    swarm: Any = None


@verb("null", Config)
def main(config: DictConfig) -> None:
    """Make Suns, train, explain, collect, draw and tell."""
    suns = check_integer("suns", config.suns, 1)
    first = check_integer("first", config.first, 0)
    check_integer("networks", config.networks, 1)
    line: Line = instantiate(config.line)
    emission = Emission(**config.emission)
    emission.check(line)
    choices = Choices(
        emission,
        check_number("minutes", config.minutes, above=0),
        check_number("rise", config.rise, above=0),
        check_number("rate", config.rate, above=0),
        tuple(check_number("tolerances: each", one, above=0, unit="arcsec") for one in config.tolerances),
    )
    output = check_path("output", config.output)
    conclude(config, {}, lambda: make(config, range(first, first + suns), line, choices, output))


def make(config: DictConfig, seeds: Sequence[int], line: Line, choices: Choices, output: Path) -> Section:
    """The section; writes the p-values beside it."""
    console = Console(stderr=True)
    found = {}
    for seed in track(seeds, "Suns", console=console, transient=True, disable=not console.is_terminal):
        found[seed] = sun(config, seed, line, choices, output / "suns" / str(seed))
    write(output / CSV, found)
    suns = list(found.values())
    shares = null.by_kind(suns)
    chosen = [null.of_chance(sun) for sun in suns]
    groups = [null.together(title, chosen, begins) for title, begins in GROUPS.items()]
    whole = null.together("all that chance decides", chosen)
    others = [{kind: mine for kind, mine in sun.items() if null.why(kind)} for sun in suns]
    beyond = null.too_many(shares)
    return Section(
        name="null",
        title="The null test",
        paper="",
        lead=f"Of {whole.count:,} p-values from {len(suns)} simulated Suns without precursors {whole.share:.1%} are "
        f"below {null.SMALL:g} [{whole.low:.1%}, {whole.high:.1%}], where chance gives {null.SMALL:.0%}. Kinds of "
        f"which more are small than by chance: {', '.join(one.kind for one in beyond) or 'none'} (of "
        f"{sum(not null.why(one.kind) for one in shares)}; {sum(bool(null.why(one.kind)) for one in shares)} more may "
        "be small by construction).",
        origin="simulation",
        plots=[_plot(suns, whole)],
        tables={
            "By section": _table([*groups, whole, null.together("may be small by construction", others)]),
            "By kind": _table(shares),
        },
        claims=[],
        warnings=[
            "A kind is called beyond chance so that, were all nominal, one in twenty tables would name any (Holm).",
            "P-values of one Sun have to do with each other: intervals of more than one of each Sun are over Suns.",
        ],
    )


def sun(config: DictConfig, seed: int, line: Line, choices: Choices, home: Path) -> PValues:
    """The p-values of one Sun. Raises RunError if a network of its cannot be trained."""
    own = OmegaConf.merge(config, {"simulation": {"seed": seed}})
    assert isinstance(own, DictConfig)
    shards, runs = home / "shards", home / "runs"
    mask = QuietMask.read(SHIPPED)
    for _, path, _ in write_all(shards, instantiate(own.source).observations(line), 1, lambda *_: None):
        shard = Shard.open(path)
        if not shard.quiet_sun and mask.fits(shard):
            mask.apply(shard)
    outcomes = training.train(jobs(own, shards, runs))
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise RunError(f"A network of the Sun with simulation.seed={seed} failed: {outcome}") from outcome
    method = instantiate(config.expected_gradients)
    explanation = Explanation("log_odds", "last", "clean", 2, 0, "unseen", 9, [], "float32", None, 0, method)
    by = ensemble.read(runs)
    explanation(by, shards, None, None)
    return null.p_values(explained.open_all(by.folder.cubes, shards), line, choices)


def jobs(config: DictConfig, shards: Path, runs: Path) -> list[Job]:
    """As train.py -m 'partition.seed=range(5)' 'seed=range(2)' would have them."""
    found = []
    for fold in range(int(config.partition.count)):
        for seed in range(config.seed, config.seed + int(config.networks)):
            own = {"seed": seed, "partition": {"seed": fold}, "data": {"root": str(shards)}}
            mine = OmegaConf.merge({key: config[key] for key in (*TRAINING, "partition")}, own)
            job = DictConfig(OmegaConf.to_container(mine, resolve=True))
            overrides = (f"partition.seed={fold}", f"seed={seed}")
            found.append(Job(job, runs / f"partition.seed-{fold}" / f"seed-{seed}", overrides))
    return found


def write(path: Path, found: Mapping[int, PValues]) -> None:
    """All p-values: sun, kind, p."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.part")
    with scratch.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("sun", "kind", "p"))
        rows.writerows(
            (seed, kind, f"{p:.6g}") for seed, sun in found.items() for kind, mine in sun.items() for p in mine
        )
    os.replace(scratch, path)


def read(path: Path) -> dict[int, PValues]:
    """What ``write`` wrote."""
    found: dict[int, PValues] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(int(row["sun"]), {}).setdefault(row["kind"], []).append(float(row["p"]))
    return found


def _plot(suns: Sequence[PValues], whole: Share) -> Plot:
    groups = {}
    for title, begins in GROUPS.items():
        chosen = [null.of_chance(sun) for sun in suns]
        values = np.array([p for sun in chosen for kind, mine in sun.items() if kind.startswith(begins) for p in mine])
        groups[title] = values[np.isfinite(values)]
    drawn = [p for sun in suns for kind, mine in sun.items() if null.why(kind) for p in mine if np.isfinite(p)]
    groups["by construction"] = np.array(drawn)
    return Plot(
        "p_values",
        "P-values where there is nothing to find",
        f"The share of p-values at or below p, of {len(suns)} Suns without precursors. On the line there are as many "
        f"as chance gives, below it fewer. At {null.SMALL:g} (dotted) {whole.share:.1%} of what chance "
        "decides.",
        figure.draw(groups, null.SMALL, remark("simulation")),
    )


def _table(shares: Sequence[Share]) -> Table:
    rows = []
    for one in shares:
        known = one.count > 0
        rows.append(
            (
                one.kind,
                f"{one.count:,}",
                f"{one.small:,}",
                f"{one.share:.1%}" if known else "",
                f"{one.low:.1%} to {one.high:.1%}" if known else "",
                f"{one.excess:.3f}" if known else "",
                null.why(one.kind),
            )
        )
    head = ("p-values", "count", f"below {null.SMALL:g}", "share", "95% interval", "p of no more than nominal", "why")
    return Table(head, tuple(rows))


if __name__ == "__main__":
    main()
