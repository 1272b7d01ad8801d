"""Tables of the page from a record written by hand."""

from pathlib import Path

import pytest

from preflare import run
from preflare.explain.ensemble import Ensemble
from preflare.explain.summary import Summary
from preflare.report import tables
from preflare.run import RunFolder
from preflare.sun.observation import Label

SCORES = ("tss", "hss", "accuracy", "precision", "recall", "auc", "brier", "ppv_npv", "loss")
RECORD = {
    "metrics": {
        "train": {name: 0.5 for name in SCORES},
        "test": {**{name: 0.25 for name in SCORES}, "auc": None},
    },
    "partition": {
        "chosen_by": "test",
        "sides": {"train": {"AR_1": 1000, "PF_1": 1200}, "test": {"PF_2": 30}},
    },
}
SUMMARY = Summary("PF_2", Label.PF, "test", spectra=4000, score=0.8, above_half=0.9, explained=200, residual=0.04)


def test_skill_has_a_column_per_side_and_leaves_the_undefined_empty() -> None:
    table = tables.skill(RECORD)
    assert table.head == ("", "train", "test")
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["TSS"] == ("0.500", "0.250")
    assert rows["ROC AUC"] == ("0.500", "")
    assert rows["spectra"] == ("2,200", "30")
    assert rows["observations"] == ("2", "1")


def test_every_observation_of_the_partition_has_a_row() -> None:
    table = tables.observations([RECORD], [SUMMARY])
    assert len(set(map(len, (table.head, *table.rows)))) == 1
    assert table.rows == (
        ("PF_2", "PF", "test", "30", "4,000", "0.800", "90.0%", "200", "4.0%"),
        ("AR_1", "AR", "train", "1,000", "", "", "", "", ""),
        ("PF_1", "PF", "train", "1,200", "", "", "", "", ""),
    )


def test_a_foreign_observation_has_its_label_and_scores() -> None:
    one = Summary("NA_3", Label.UNKNOWN, "none", spectra=10, score=0.1, above_half=0.0, explained=5, residual=0.5)
    assert tables.foreign({"NA_3-coarse": one}).rows == (("NA_3-coarse", "NA", "10", "0.100", "0.0%", "5", "50.0%"),)


def test_an_observation_of_many_partitions_is_on_mixed_sides() -> None:
    other = {"partition": {"sides": {"train": {"AR_1": 900, "PF_2": 700}, "test": {"PF_1": 20}}}}
    rows = {row[0]: row for row in tables.observations([RECORD, other], [SUMMARY]).rows}
    assert rows["AR_1"][2:4] == ("train", "900 to 1,000")
    assert rows["PF_2"][2:4] == ("mixed", "30 to 700") and rows["PF_2"][-1] == "4.0%"


def test_the_spread_of_a_sweep_and_its_members(toy_run: Path) -> None:
    one, other = run.read(toy_run), run.read(toy_run)
    for each, tss in ((one, 0.2), (other, 0.5)):
        each.record["metrics"]["test"] |= {"tss": tss, "auc": None}
    assert tables.scores([one, other], "tss").tolist() == [0.2, 0.5]
    rows = {row[0]: row[1:] for row in tables.distribution([one, other]).rows}
    assert rows["TSS"] == ("0.350", "0.212", "0.200", "0.275", "0.350", "0.425", "0.500") and "ROC AUC" not in rows
    by = Ensemble(RunFolder(toy_run.parent), (one, other))
    table = tables.members(by)
    assert len(table.rows) == 2 and set(map(len, table.rows)) == {len(table.head)}
    assert table.rows[1][0] == toy_run.name and table.rows[1][3] == "0.500"
    assert dict(tables.facts(by).rows)["members"] == "2"


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("nan", ""),
        ("nan%", ""),
        ("-nan", ""),
        ("nan [nan, nan]", ""),
        ("0.29 [nan, 0.4]", "0.29"),
        ("3 (nan to nan)", "3"),
        ("nan to nan", ""),
        ("0.5 [0.1, 0.9]", "0.5 [0.1, 0.9]"),
        ("Nanjing, nano", "Nanjing, nano"),
    ],
)
def test_a_number_that_is_not_defined_is_left_out(cell: str, text: str) -> None:
    assert tables.shown(cell) == text
