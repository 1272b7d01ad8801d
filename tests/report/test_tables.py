"""Tables of the page from a record written by hand."""

from preflare.explain.summary import Summary
from preflare.report import tables
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
    table = tables.observations(RECORD, [SUMMARY])
    assert len(set(map(len, (table.head, *table.rows)))) == 1
    assert table.rows == (
        ("PF_2", "PF", "test", "30", "4,000", "0.800", "90.0%", "200", "4.0%"),
        ("AR_1", "AR", "train", "1,000", "", "", "", "", ""),
        ("PF_1", "PF", "train", "1,200", "", "", "", "", ""),
    )


def test_a_foreign_observation_has_its_label_and_scores() -> None:
    one = Summary("NA_3", Label.UNKNOWN, "none", spectra=10, score=0.1, above_half=0.0, explained=5, residual=0.5)
    assert tables.foreign({"NA_3-coarse": one}).rows == (("NA_3-coarse", "NA", "10", "0.100", "0.0%", "5", "50.0%"),)
