"""What saliency cubes say in a line each, and the table that explain ends with."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from preflare.explain.cube import Cube
from preflare.sun.observation import Label, Phase


@dataclass(frozen=True)
class Summary:
    """What a cube says in a line.

    spectra: number of clean ones scored in the analysis window; score: their mean; above_half: share with a score
    above 0.5.
    residual: median over the explained spectra of |completeness residual| / |F(x) - mean F(baselines)|.
    """

    observation: str
    label: Label
    side: str
    spectra: int
    score: float
    above_half: float
    explained: int
    residual: float


def summarise(one: Cube) -> Summary:
    """The line of a cube in tables."""
    window = one.read("phase") == Phase.PREFLARE
    scores = one.of_clean("score")[window]
    scores = scores[np.isfinite(scores)].astype(np.float64)
    index = one.explained()
    residual = one.rows("completeness", index).astype(np.float64)
    expected = one.rows("expected_gradients", index).sum(axis=1, dtype=np.float64) - residual
    # A dead network answers the same everywhere: there is nothing to attribute and no relative residual.
    relative = np.abs(residual[expected != 0] / expected[expected != 0])
    return Summary(
        observation=str(one.attributes["observation"]),
        label=Label(int(one.attributes["label"])),
        side=str(one.attributes["side"]),
        spectra=len(scores),
        score=float(scores.mean()) if len(scores) else float("nan"),
        above_half=float((scores > 0.5).mean()) if len(scores) else float("nan"),
        explained=len(index),
        residual=float(np.median(relative)) if len(relative) else float("nan"),
    )


def table(summaries: Sequence[Summary]) -> Table:
    """The closing table of explain."""
    made = Table(
        title="Scores of clean spectra in the analysis window, attributions of the log-odds of PF",
        caption="> 0.5: share of these spectra. residual: by how much expected gradients miss their sum (median).",
        title_justify="left",
        caption_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
    )
    for column in ("observation", "side"):
        made.add_column(column, no_wrap=True)
    for column in ("spectra", "score", "> 0.5", "explained", "residual"):
        made.add_column(column, justify="right", no_wrap=True)
    for one in summaries:
        made.add_row(
            one.observation,
            one.side,
            f"{one.spectra:,}",
            f"{one.score:.3f}",
            f"{one.above_half:.0%}",
            f"{one.explained:,}",
            f"{one.residual:.1%}",
        )
    return made
