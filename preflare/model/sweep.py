"""What comes after a sweep's jobs: summary.csv, a table, and which jobs failed and why."""

import csv
import json
import os
import sys
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from matplotlib.figure import Figure
from omegaconf import DictConfig
from rich.console import Console

from preflare.figures import distribution
from preflare.model import tables
from preflare.run import RunFolder, flatten, has_effect

ALWAYS = ("seed", "partition.seed")


class Summary(Callback):
    """Hydra callback: summarises the sweep folder when all jobs have ended, and exits with 1 if any failed."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        for override in OverridesParser.create().parse_overrides(list(config.hydra.overrides.task)):
            if override.is_sweep_override() and override.key_or_group in ("name", "experiment"):
                print(
                    f"{override.key_or_group} cannot be swept: it names the sweep's folder. Give one command for each.",
                    file=sys.stderr,
                )
                sys.exit(1)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        root = Path(config.hydra.sweep.dir)
        runs = collect(root)
        path = write(root, runs)
        mine = {frozenset(job) for job in jobs(config.hydra.overrides.task)}
        asked = [row for row in runs if frozenset(row["overrides"]) in mine]
        console = Console()
        finished = [row for row in asked if row["status"] == "finished" and not row["error"]]
        if finished:
            console.print(tables.sweep(finished))
            if "test/tss" in finished[0]:
                _draw(finished).savefig(root / "distribution.png")
        restarted = sum(row["restarts"] > 0 for row in finished)
        dead = sum(row["dead"] for row in finished)
        if restarted:
            console.print(f"Dead networks: {restarted} of {len(finished)} runs were restarted, {dead} stayed dead.")
        failed = [row for row in asked if row["error"]]
        for row in failed:
            console.print(f"FAILED {row['run']}: {row['error']}", markup=False, soft_wrap=True)
        missing = len(mine) - len(asked)
        if failed or missing:
            console.print(f"{len(finished)} of {len(mine)} jobs finished. The same command runs only what is missing.")
        if finished and "test/tss" in finished[0]:
            console.print(f"Their distribution: {root / 'distribution.png'}", soft_wrap=True)
        console.print(f"All runs of this folder: {path}", soft_wrap=True)
        if failed or missing:
            sys.exit(1)


def _draw(rows: Sequence[Mapping[str, Any]]) -> Figure:
    scores = {
        title: np.array([row[f"test/{name}"] for row in rows], dtype=float)
        for name, title in tables.SCORES.items()
        if name in ("tss", "ppv_npv", "accuracy")
    }
    lowest = min(float(np.nanmin(values, initial=0.0)) for values in scores.values())
    simulated = any(row["origin"] == "simulation" for row in rows)
    return distribution.draw(scores, (min(-0.1, lowest - 0.05), 1.05), "the simulated Sun" if simulated else "")


def jobs(overrides: Sequence[str]) -> list[tuple[str, ...]]:
    """The overrides of each job of a sweep, as Hydra's basic sweeper expands them, those without effect left out."""
    choices = []
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        if not has_effect(override.key_or_group):
            continue
        key = override.get_key_element()
        if override.is_sweep_override():
            choices.append([f"{key}={value}" for value in override.sweep_string_iterator()])
        else:
            choices.append([f"{key}={override.get_value_element_as_str()}"])
    return list(product(*choices))


def collect(root: Path) -> list[dict[str, Any]]:
    """A row for every run that was begun below root, sorted by folder: status finished, failed or unfinished.

    error: why the last command failed there; a finished run stays finished if one was refused.
    """
    rows = []
    for path in sorted(root.rglob("*")):
        folder = RunFolder(path)
        if path.is_dir() and (folder.config_file.is_file() or folder.failure_file.is_file()):
            rows.append(_row(root, folder))
    folder = RunFolder(root)
    if folder.config_file.is_file():
        rows.insert(0, _row(root, folder))
    return rows


def _row(root: Path, folder: RunFolder) -> dict[str, Any]:
    row: dict[str, Any] = {"run": folder.path.relative_to(root).as_posix(), "status": "unfinished", "overrides": ()}
    row |= {"error": "", "config": {}, "restarts": 0, "dead": False}
    if folder.finished:
        record = json.loads(folder.record_file.read_text())
        row |= {
            "status": "finished",
            "overrides": _effective(record["overrides"]),
            "config": flatten(record["config"]),
            "origin": record["trained_on"]["origin"],
            "chosen_by": record["partition"]["chosen_by"],
            "best_epoch": record["best_epoch"],
            "restarts": len(record["attempts"]) - 1,
            "dead": record["dead"],
            "seconds": record["seconds"],
            **_by_side(record["metrics"]),
            **_by_side(tables.averaged(record), "averaged/"),
        }
    if folder.failure_file.is_file():
        failure = json.loads(folder.failure_file.read_text())
        row |= {"overrides": _effective(failure["overrides"]), "error": failure["error"]}
        if not folder.finished:
            row |= {"status": "failed", "config": flatten(failure["config"])}
    return row


def _by_side(metrics: Mapping[str, Mapping[str, float | None]], prefix: str = "") -> dict[str, float | None]:
    return {f"{prefix}{side}/{name}": value for side, scores in metrics.items() for name, value in scores.items()}


def _effective(overrides: Sequence[str]) -> tuple[str, ...]:
    return jobs(overrides)[0]


def write(root: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """summary.csv: seed, partition.seed, every other key that differs between the runs, then the metrics.

    Those of averaged weights, if any run has them, are in columns that begin with averaged/. seconds is of training: of
    a swarm's time each member has an equal share, so that all launchers compare.
    """
    path = root / "summary.csv"
    configs = [row["config"] for row in rows if row["config"]]
    keys = sorted({key for config in configs for key in config if has_effect(key)} - set(ALWAYS))
    # A value that others interpolate shows once, under the key that is seen first.
    values: dict[str, tuple[str, ...]] = {}
    for key in (*ALWAYS, *keys):
        column = tuple(repr(config.get(key)) for config in configs)
        if key in ALWAYS or (len(set(column)) > 1 and column not in values.values()):
            values[key] = column
    swept = [key for key in values if key not in ALWAYS]
    metrics = list(dict.fromkeys(key for row in rows for key in row if "/" in key))
    columns = [*ALWAYS, *swept, "run", "status", "best_epoch", "restarts", "dead", "seconds", *metrics, "error"]
    root.mkdir(parents=True, exist_ok=True)
    scratch = root / ".summary.csv.part"
    with scratch.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for row in rows:
            cells = {**{key: row["config"].get(key) for key in values}, **row}
            writer.writerow({key: cells.get(key) for key in columns})
    os.replace(scratch, path)
    return path
