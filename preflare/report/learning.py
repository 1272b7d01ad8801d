"""What a page says of how the networks were trained, and how good they are."""

import numpy as np
from matplotlib.figure import Figure

from preflare.explain.ensemble import Ensemble
from preflare.figures import distribution, learning_curve
from preflare.model.tables import SCORES
from preflare.report import tables, text
from preflare.report.blocks import Block, drawn
from preflare.run import Run

# Scores in the figure of a sweep, as in that which train.py draws.
DRAWN = ("tss", "ppv_npv", "accuracy")


def blocks(by: Ensemble) -> list[Block]:
    """Of a run, its skill and its learning curve; of a sweep, the distribution of skill and the members."""
    if by.single:
        (one,) = by.runs
        return [
            Block("Skill", text.skill(one.record), table=tables.skill(one.record)),
            drawn("Learning curve", text.curve(one), _curve(one)),
        ]
    return [
        drawn("The distribution of skill", text.distribution(by.runs), _distribution(by)),
        Block("Skill over members", text.skill_over_members(by.runs), table=tables.distribution(by.runs)),
        Block("Members", text.members(by.runs), table=tables.members(by)),
    ]


def _curve(run: Run) -> Figure:
    record = run.record
    side = record["partition"]["chosen_by"]
    return learning_curve.draw(
        np.array([row["train/loss"] for row in run.history]),
        np.array([row[f"{side}/loss"] for row in run.history]),
        record["best_epoch"],
        record["best_mean_epoch"],
        side,
    )


def _distribution(by: Ensemble) -> Figure:
    scores = {SCORES[name]: tables.scores(by.runs, name) for name in DRAWN}
    lowest = min(float(np.nanmin(values, initial=0.0)) for values in scores.values())
    origin = str(by.runs[0].record["trained_on"]["origin"])
    return distribution.draw(scores, (min(-0.1, lowest - 0.05), 1.05), text.remark(origin, origin))
