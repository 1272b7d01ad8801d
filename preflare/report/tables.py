"""The tables of the page, as rows of text."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from preflare.explain.ensemble import Ensemble
from preflare.explain.summary import Summary
from preflare.model.tables import SCORES, number
from preflare.run import Run


@dataclass(frozen=True)
class Table:
    """head: titles of the columns; rows: as many texts each."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def shown(cell: str) -> str:
    """A cell as it is shown: numbers that are not defined are left out, with the interval around them."""
    kept = re.sub(r"\s*[\[(]nan\b[^\])]*[\])]", "", cell)
    kept = re.sub(r"nan%? (to|and) nan%?", "", kept)
    return re.sub(r"[-+]?\bnan\b ?%?", "", kept).strip()


def skill(record: Mapping[str, Any]) -> Table:
    """A row per score, a column per side, at the best epoch; empty where a score is not defined."""
    sides = record["metrics"]
    counts = record["partition"]["sides"]
    rows = [(title, *(number(sides[side][name]) for side in sides)) for name, title in SCORES.items()]
    rows.append(("spectra", *(f"{sum(counts[side].values()):,}" for side in sides)))
    rows.append(("observations", *(str(len(counts[side])) for side in sides)))
    return Table(("", *sides), tuple(rows))


def scores(runs: Sequence[Run], name: str) -> np.ndarray:
    """A score of each run on its test side, (run,); NaN where it is not defined."""
    return np.array([run.record["metrics"]["test"][name] for run in runs], dtype=float)


def distribution(runs: Sequence[Run]) -> Table:
    """A row per score: how it is spread over the test sides of the runs."""
    rows = []
    for name, title in SCORES.items():
        values = scores(runs, name)
        values = values[np.isfinite(values)]
        if len(values):
            spread = float(values.std(ddof=1)) if len(values) > 1 else None
            quantiles = (number(float(value)) for value in np.quantile(values, (0, 0.25, 0.5, 0.75, 1)))
            rows.append((title, number(float(values.mean())), number(spread), *quantiles))
    return Table(("", "mean", "sd", "min", "25%", "median", "75%", "max"), tuple(rows))


def members(by: Ensemble) -> Table:
    """A row per member: its folder, what it is good for on its test side, and when."""
    rows = []
    for place, run in enumerate(by.runs):
        record, test = run.record, run.record["metrics"]["test"]
        rows.append(
            (
                by.name(place),
                str(run.config.seed),
                str(record["partition"]["seed"]),
                *(number(test[name]) for name in ("tss", "accuracy", "auc", "loss")),
                str(record["best_epoch"]),
                str(len(record["attempts"]) - 1),
            )
        )
    titles = [SCORES[name] for name in ("tss", "accuracy", "auc", "loss")]
    return Table(("member", "seed", "partition.seed", *titles, "best epoch", "restarts"), tuple(rows))


def observations(records: Sequence[Mapping[str, Any]], summaries: Sequence[Summary]) -> Table:
    """A row per observation, held out first: spectra that trained or tested, what its cube says.

    records: of the runs. Where these differ, an observation's side is "mixed" and its spectra are from least to most.
    """
    found = {one.observation: one for one in summaries}
    used: dict[str, list[tuple[str, int]]] = {}
    for record in records:
        for side, counts in reversed(record["partition"]["sides"].items()):
            for name, count in counts.items():
                used.setdefault(name, []).append((side, count))
    rows = []
    for name, uses in used.items():
        sides, counts = {side for side, _ in uses}, sorted({count for _, count in uses})
        side = sides.pop() if len(sides) == 1 else "mixed"
        count = " to ".join(f"{number:,}" for number in (counts if len(counts) == 1 else (counts[0], counts[-1])))
        rows.append((name, name[:2], side, count, *_scores(found.get(name))))
    return Table(("observation", "label", "side", "spectra used", *_SCORES), tuple(rows))


def foreign(summaries: Mapping[str, Summary]) -> Table:
    """A row per cube of an observation that is not the run's own. summaries: name of the cube -> its summary."""
    rows = tuple((name, one.label.prefix, *_scores(one)) for name, one in summaries.items())
    return Table(("cube", "label", *_SCORES), rows)


_SCORES = ("scored", "mean score", "share > 0.5", "explained", "residual")


def _scores(one: Summary | None) -> tuple[str, ...]:
    if one is None:
        return ("",) * len(_SCORES)
    return (
        f"{one.spectra:,}",
        f"{one.score:.3f}",
        f"{one.above_half:.1%}",
        f"{one.explained:,}",
        f"{one.residual:.1%}",
    )


def facts(by: Ensemble) -> Table:
    """What identifies the run, or the sweep."""
    run = by.runs[0]
    record, config = run.record, run.config
    if not by.single:
        finished = sorted(str(one.record["finished"]) for one in by.runs)
        return Table(
            ("sweep", ""),
            (
                ("folder", str(by.folder.path)),
                ("members", str(len(by.runs))),
                ("partitions", str(len({str(one.record["partition"]) for one in by.runs}))),
                ("finished", f"{finished[0]} to {finished[-1]}"),
                ("seconds", f"{sum(one.record['seconds'] for one in by.runs):,.0f}"),
            ),
        )
    rows = {
        "run folder": str(run.folder.path),
        "seed": str(config.seed),
        "partition.seed": str(record["partition"]["seed"]),
        "epoch chosen by": f"{record['partition']['chosen_by']} side",
        "best epoch, best epoch by the mean loss": f"{record['best_epoch']}, {record['best_mean_epoch']} (from 0)",
        "attempts (a dead network is restarted)": str(len(record["attempts"])),
        "finished": record["finished"],
        "seconds": str(record["seconds"]),
        "threads": str(record["threads"]),
    }
    return Table(("run", ""), tuple(rows.items()))
