"""What train prints: the skill of one run, and the distribution over a sweep."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.table import Table

# Score -> how a table names it, in the order tables show them.
SCORES = {
    "tss": "TSS",
    "hss": "HSS",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "auc": "ROC AUC",
    "brier": "Brier score",
    "ppv_npv": "PPV + NPV - 1",
    "loss": "cross-entropy",
}
# The same of an autoencoder, which has no skill.
AUTOENCODER = {"loss": "loss", "error": "error"}
CHOSEN_BY_TEST = (
    "The test side chose the epoch (partition.validation=0, the paper's way): its skill is optimistic. "
    "partition.validation=2 lets two other observations of each class choose."
)


def skill(record: Mapping[str, Any]) -> Table:
    """The closing table of a run: a column per side, skill at the best epoch, spectra and observations.

    With callbacks=swa or annealing, a second column per side, of the averaged weights.
    """
    chosen_by = record["partition"]["chosen_by"]
    table = Table(
        title=f"Skill at epoch {record['best_epoch']} (from 0), the lowest loss on the {chosen_by} side",
        caption=CHOSEN_BY_TEST if chosen_by == "test" else None,
        title_justify="left",
        caption_justify="left",
        min_width=60,
    )
    sides = record["metrics"]
    columns = {**sides, **{f"{side}, averaged": scores for side, scores in averaged(record).items()}}
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    for name, title in SCORES.items():
        table.add_row(title, *(number(scores[name]) for scores in columns.values()))
    counts = record["partition"]["sides"]
    table.add_section()
    table.add_row("spectra", *(f"{sum(counts[side].values()):,}" for side in sides))
    table.add_row("observations", *(str(len(counts[side])) for side in sides))
    return table


def line(record: Mapping[str, Any]) -> str:
    """A run in one line."""
    tss = number(record["metrics"]["test"]["tss"])
    others = "".join(
        f", averaged {number(scores['tss'])}" for side, scores in averaged(record).items() if side == "test"
    )
    return f"TSS {tss} at epoch {record['best_epoch']}{others}, {record['seconds']:.0f} s"


def averaged(record: Mapping[str, Any]) -> Mapping[str, Mapping[str, float | None]]:
    """Skill of the averaged weights, side -> scores; empty where there are none."""
    found: Mapping[str, Any] = record.get("averaged") or {"metrics": {}}
    return found["metrics"]


def sweep(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The distribution of the test side's skill over the finished runs of a sweep, then that of averaged weights."""
    table = Table(
        title=f"{len(rows)} run{'s' * (len(rows) > 1)}, test side at each run's best epoch (from 0)",
        caption=CHOSEN_BY_TEST if any(row["chosen_by"] == "test" for row in rows) else None,
        title_justify="left",
        caption_justify="left",
    )
    for column in ("", "mean", "sd", "min", "25%", "median", "75%", "max"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    scores = SCORES if "test/tss" in rows[0] else AUTOENCODER
    titles = {f"test/{name}": title for name, title in scores.items()} | {"best_epoch": "best epoch"}
    _add_distributions(table, rows, titles)
    if any("averaged/test/tss" in row for row in rows):
        table.add_section()
        table.add_row("averaged weights")
        _add_distributions(table, rows, {f"averaged/test/{name}": title for name, title in scores.items()})
    return table


def _add_distributions(table: Table, rows: Sequence[Mapping[str, Any]], titles: Mapping[str, str]) -> None:
    """A line for each key of titles that some row has a value of."""
    for key, title in titles.items():
        values = np.array([row[key] for row in rows if row.get(key) is not None], dtype=float)
        if not len(values):
            continue
        spread = values.std(ddof=1) if len(values) > 1 else None
        quantiles = np.quantile(values, (0, 0.25, 0.5, 0.75, 1))
        table.add_row(title, number(values.mean()), number(spread), *map(number, quantiles))


def number(value: float | None) -> str:
    """Three decimals; empty where a score is not defined."""
    return "" if value is None else f"{round(value, 3) + 0.0:.3f}"  # + 0.0: no "-0.000"
