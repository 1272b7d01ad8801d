"""An observation under watch: its score with the swarm's spread, its rise, and where along the slit they come from."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import style
from preflare.figures.spectra import AGAINST_TO_FOR


@dataclass(frozen=True, eq=False)
class Watch:
    """minutes: (repeat,) from the observation's start. score: (repeat,) mean over rasters, low, high: (repeat,) of
    most members. rise: (repeat,). level, limit: thresholds of score and rise. alarms: minutes at which the rise, and
    the score, passed theirs; NaN for none. onset: minute of the flare; NaN where unknown.
    slit: (n, 2) arrays (pixel, repeat), title -> values, NaN where there are none."""

    minutes: np.ndarray
    score: np.ndarray
    low: np.ndarray
    high: np.ndarray
    rise: np.ndarray
    level: float
    limit: float
    alarms: tuple[float, float]
    onset: float
    slit: dict[str, np.ndarray]


def draw(watch: Watch, remark: str) -> Figure:
    """Panels one above the other on one axis of time."""
    rows = 2 + len(watch.slit)
    with style.applied():
        figure = Figure(figsize=(7.0, 1.0 + 1.7 * rows), layout="constrained")
        panels = figure.subplots(rows, 1, sharex=True)
        top, second = panels[:2]
        top.fill_between(
            watch.minutes, watch.low, watch.high, color=style.GREY, alpha=0.35, linewidth=0, label="members"
        )
        top.plot(watch.minutes, watch.score, color=style.INK, marker=".", markersize=4, label="mean")
        top.axhline(watch.level, color=style.BLUE, linestyle=":", label="its threshold")
        top.set_ylim(0, 1)
        top.set_ylabel("mean score")
        second.plot(watch.minutes, watch.rise, color=style.INK, marker=".", markersize=4)
        second.axhline(0, color=style.GREY, linewidth=0.6)
        second.axhline(watch.limit, color=style.RED, linestyle="--", label="its threshold")
        second.set_ylabel("rise of score")
        for axes, alarm, colour, sign in (
            (second, watch.alarms[0], style.RED, "--"),
            (top, watch.alarms[1], style.BLUE, ":"),
        ):
            if np.isfinite(alarm):
                axes.axvline(alarm, color=colour, linestyle=sign, label="alarm")
                axes.plot(alarm, 0.94, "v", color=colour, markersize=7, transform=axes.get_xaxis_transform())
        if np.isfinite(watch.onset):
            for axes in panels:
                axes.axvline(watch.onset, color=style.INK, linewidth=1.6)
            top.annotate(
                "flare", (watch.onset, 1), (0, 2), textcoords="offset points", fontsize=8, ha="center", va="bottom"
            )
        for axes in (top, second):
            axes.legend(loc="best", ncols=2, fontsize=8)
        edges = _edges(watch.minutes)
        for axes, (title, values) in zip(panels[2:], watch.slit.items(), strict=True):
            signed = np.nanmin(values, initial=0.0) < 0
            most = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
            shown = axes.pcolormesh(
                edges,
                np.arange(values.shape[0] + 1) - 0.5,
                values,
                cmap=AGAINST_TO_FOR if signed else "cividis",
                vmin=-most if signed else 0,
                vmax=most,
                rasterized=True,
            )
            axes.set_facecolor("white" if signed else "#dddddd")
            axes.set_ylabel("pixel along slit")
            axes.set_title(title, fontsize=9, loc="left")
            figure.colorbar(shown, ax=axes, pad=0.01)
        panels[-1].set_xlabel("minutes from the observation's start")
        panels[-1].set_xlim(edges[0], edges[-1])
        if remark:
            style.note(figure, remark)
    return figure


def _edges(minutes: np.ndarray) -> np.ndarray:
    """Of rasters, (repeat + 1,), half-way between them."""
    if len(minutes) < 2:
        return np.array([minutes[0] - 0.5, minutes[0] + 0.5])
    middle = (minutes[1:] + minutes[:-1]) / 2
    return np.concatenate([[2 * minutes[0] - middle[0]], middle, [2 * minutes[-1] - middle[-1]]])
