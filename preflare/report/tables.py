"""The tables of the page, as rows of text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from preflare.explain.summary import Summary
from preflare.model.tables import SCORES, number
from preflare.run import Run


@dataclass(frozen=True)
class Table:
    """head: titles of the columns; rows: as many texts each."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def skill(record: Mapping[str, Any]) -> Table:
    """A row per score, a column per side, at the best epoch; empty where a score is not defined."""
    sides = record["metrics"]
    counts = record["partition"]["sides"]
    rows = [(title, *(number(sides[side][name]) for side in sides)) for name, title in SCORES.items()]
    rows.append(("spectra", *(f"{sum(counts[side].values()):,}" for side in sides)))
    rows.append(("observations", *(str(len(counts[side])) for side in sides)))
    return Table(("", *sides), tuple(rows))


def observations(record: Mapping[str, Any], summaries: Sequence[Summary]) -> Table:
    """A row per observation of the partition, held out first: spectra that trained or tested, what its cube says."""
    found = {one.observation: one for one in summaries}
    rows = []
    for side, counts in reversed(record["partition"]["sides"].items()):
        for name, count in counts.items():
            rows.append((name, name[:2], side, f"{count:,}", *_scores(found.get(name))))
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


def facts(run: Run) -> Table:
    """What identifies the run."""
    record, config = run.record, run.config
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
