"""A run has its skill and its curve, a sweep its distribution and its members."""

from pathlib import Path

from preflare import run
from preflare.explain.ensemble import Ensemble
from preflare.report import learning
from preflare.run import RunFolder


def test_a_run_and_a_sweep(toy_run: Path) -> None:
    one = run.read(toy_run)
    skill, curve = learning.blocks(Ensemble(one.folder, (one,)))
    assert skill.table is not None and dict((row[0], row) for row in skill.table.rows)["observations"][1:] == ("4", "2")
    assert curve.picture is not None and "Cross-entropy after each epoch" in curve.picture.caption
    spread, scores, members = learning.blocks(Ensemble(RunFolder(toy_run.parent), (one, one, one)))
    assert spread.picture is not None and "one of 3 networks" in spread.picture.caption
    assert scores.table is not None and scores.table.rows[0][0] == "TSS"
    assert members.table is not None and len(members.table.rows) == 3
