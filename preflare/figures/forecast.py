"""An observation under watch: its score with the swarm's spread, its rise, and where along the slit they come from."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from preflare.figures import style
from preflare.figures.spectrogram import edges


@dataclass(frozen=True, eq=False)
class Watch:
    """minutes: (repeat,) from the observation's start. score: (repeat,) mean over rasters, low, high: (repeat,) of
    most members. rise: (repeat,). level, limit: thresholds of score and rise. alarms: minutes at which the rise, and
    the score, passed theirs; NaN for none. onset: minute of the flare; NaN where unknown.
    along: (pixel,) arcsec along the slit. slit: (pixel, repeat) arrays, title and unit -> values, NaN where there are
    none."""

    minutes: np.ndarray
    score: np.ndarray
    low: np.ndarray
    high: np.ndarray
    rise: np.ndarray
    level: float
    limit: float
    alarms: tuple[float, float]
    onset: float
    along: np.ndarray
    slit: dict[tuple[str, str], np.ndarray]


def draw(watch: Watch, remark: str) -> Figure:
    """Panels one above the other on one axis of time."""
    rows = 2 + len(watch.slit)
    with style.applied():
        figure = Figure(figsize=(style.PAGE, 0.6 + 1.35 * rows), layout="constrained")
        panels = figure.subplots(rows, 1, sharex=True)
        top, second = panels[:2]
        if (watch.high > watch.low).any():  # one member has no spread
            top.fill_between(
                watch.minutes, watch.low, watch.high, color=style.GREY, alpha=0.35, linewidth=0, label="90% of members"
            )
        top.plot(watch.minutes, watch.score, color=style.INK, marker=".", label="mean score")
        top.axhline(watch.level, color=style.BLUE, linestyle=":", label="threshold of the score")
        top.set_ylim(0, 1)
        top.set_ylabel("mean score")
        second.plot(watch.minutes, watch.rise, color=style.INK, marker=".", label="rise of the score")
        second.axhline(0, color=style.GREY, linewidth=0.6)
        second.axhline(watch.limit, color=style.RED, linestyle="--", label="threshold of the rise")
        second.set_ylabel("rise of score")
        for axes, alarm, colour, title in (
            (second, watch.alarms[0], style.RED, "alarm by the rise"),
            (top, watch.alarms[1], style.BLUE, "alarm by the score"),
        ):
            if np.isfinite(alarm):
                axes.axvline(alarm, color=colour, linewidth=style.LINE)
                axes.plot(
                    alarm, 0.93, "v", color=colour, markersize=6, transform=axes.get_xaxis_transform(), label=title
                )
        borders = edges(watch.minutes)
        if np.isfinite(watch.onset):
            for axes in panels:
                axes.axvline(watch.onset, color=style.INK, linewidth=1.6)
            top.annotate("flare", (watch.onset, 0), (4, 4), textcoords="offset points")
        for axes in (top, second):
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderpad=0.2)
        along = edges(watch.along)
        for axes, ((title, unit), values) in zip(panels[2:], watch.slit.items(), strict=True):
            signed = np.nanmin(values, initial=0.0) < 0
            most = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
            style.missing(axes)
            shown = axes.pcolormesh(
                borders,
                along,
                values,
                cmap=style.look().signed if signed else "cividis",
                vmin=-most if signed else 0,
                vmax=most,
                rasterized=True,
            )
            axes.set_ylabel("arcsec along the slit")
            axes.set_title(f"{title} (hatched: none)", loc="left")
            figure.colorbar(shown, ax=axes, pad=0.01, label=unit)
        panels[-1].set_xlabel("minutes from the observation's start")
        panels[-1].set_xlim(borders[0], borders[-1])
        if remark:
            style.note(figure, remark)
    return figure
