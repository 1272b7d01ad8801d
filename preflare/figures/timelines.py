"""Scores against time, a row per observation (paper Fig. 17)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import style


@dataclass(frozen=True, eq=False)
class Rows:
    """names: of the observations, from top to bottom. scores: (observation, minute); own: each row of them by its own
    maximum. marks: (observation,) bool, whose names are printed bold. beside: what is told of each on the right."""

    names: Sequence[str]
    scores: np.ndarray
    own: np.ndarray
    marks: np.ndarray
    beside: Sequence[str]


def draw(classes: Mapping[str, Rows], minutes: np.ndarray, ends: Mapping[str, str], note: str) -> Figure:
    """For each class two panels: left every row divided by its own maximum, as the paper draws it, right one scale
    from 0 to 1 for all.

    classes: title -> Rows, whose scores are on the grid ``minutes`` (n,). ends: title -> what these count to. note: for
    the corner; "" for none.
    """
    heights = [len(rows.names) for rows in classes.values()]
    with style.applied():
        figure = Figure(figsize=(style.PAGE, 1.5 + 0.135 * sum(heights)), layout="constrained")
        axes = figure.subplots(len(classes), 2, squeeze=False, height_ratios=heights)
        images = []
        for pair, (title, rows) in zip(axes, classes.items(), strict=True):
            for panel, scores, kind in (
                (pair[0], rows.own, "each row by its own maximum"),
                (pair[1], rows.scores, "one scale"),
            ):
                style.missing(panel)
                image = panel.imshow(
                    scores,
                    aspect="auto",
                    interpolation="nearest",
                    vmin=0,
                    vmax=1,
                    cmap="viridis",
                    extent=(minutes[0], minutes[-1], len(rows.names) - 0.5, -0.5),
                )
                images.append(image)
                panel.set_title(f"{title}: {kind}")
                panel.set_xlabel(f"minutes from {ends[title]}")
                panel.tick_params(axis="y", length=0)
            pair[0].set_yticks(range(len(rows.names)), rows.names, fontsize=style.SMALL)
            pair[1].yaxis.tick_right()
            pair[1].set_yticks(range(len(rows.names)), rows.beside, fontsize=style.SMALL)
            for label, mark in zip(pair[0].get_yticklabels(), rows.marks, strict=True):
                label.set_fontweight("bold" if mark else "normal")
        for column, label in enumerate(("mean score / its row's maximum", "mean score")):
            figure.colorbar(
                images[column], ax=axes[:, column], location="bottom", label=label, aspect=35, fraction=0.03, pad=0.01
            )
        if note:
            style.note(figure, note)
    return figure
