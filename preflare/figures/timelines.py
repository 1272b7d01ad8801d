"""Scores against time, a row per observation (paper Fig. 17)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import style


@dataclass(frozen=True, eq=False)
class Rows:
    """names: of the observations, from top to bottom. scores: (observation, minute). marks: (observation,) bool, whose
    names are printed bold. remarks: at the right end of each row, such as "12%"; none if empty."""

    names: Sequence[str]
    scores: np.ndarray
    marks: np.ndarray
    remarks: Sequence[str] = ()


def draw(classes: Mapping[str, Rows], minutes: np.ndarray, note: str) -> Figure:
    """For each class two panels: left every row divided by its own maximum, as the paper draws it, right one scale
    from 0 to 1 for all.

    classes: title -> Rows, whose scores are on the grid ``minutes`` (n,), counted from the onset. note: for the
    corner; "" for none.
    """
    heights = [len(rows.names) for rows in classes.values()]
    with style.applied():
        figure = Figure(figsize=(7.4, 1.6 + 0.155 * sum(heights)), layout="constrained")
        axes = figure.subplots(len(classes), 2, sharex=True, squeeze=False, height_ratios=heights)
        for pair, (title, rows) in zip(axes, classes.items(), strict=True):
            top = np.nanmax(rows.scores, axis=1, keepdims=True)
            for panel, scores, kind in (
                (pair[0], rows.scores / np.where(top > 0, top, 1), "each row by its own maximum"),
                (pair[1], rows.scores, "one scale"),
            ):
                image = panel.imshow(
                    scores,
                    aspect="auto",
                    interpolation="nearest",
                    vmin=0,
                    vmax=1,
                    cmap="viridis",
                    extent=(minutes[0], minutes[-1], len(rows.names) - 0.5, -0.5),
                )
                panel.set_title(f"{title}: {kind}", fontsize=9)
                panel.set_yticks([])
            pair[0].set_yticks(range(len(rows.names)), rows.names, fontsize=6)
            if rows.remarks:
                pair[1].yaxis.tick_right()
                pair[1].set_yticks(range(len(rows.names)), rows.remarks, fontsize=6)
            for label, mark in zip(pair[0].get_yticklabels(), rows.marks, strict=True):
                label.set_fontweight("bold" if mark else "normal")
        for panel in axes[-1]:
            panel.set_xlabel("minutes to the onset (AR: to the end)", fontsize=8)
        figure.colorbar(image, ax=axes, shrink=0.5, pad=0.01, label="mean score")
        if note:
            style.note(figure, note)
    return figure
