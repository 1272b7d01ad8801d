"""Sections 8.4 and 8.5 of the paper: scores on the way to the flare (Fig. 17), and which observations rise.

python experiments/timelines.py sweep=runs/paper_splits                 the 25 minutes of the paper
python experiments/timelines.py sweep=runs/paper_splits minutes=60      a longer way, where the shards have it

The pictures are on a grid of seconds, as in the paper; the statistics are of rasters as measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import MISSING, DictConfig

from preflare.checks import check_choice, check_number
from preflare.command import Drawn, verb
from preflare.figures import timelines as timelines_figure
from preflare.figures import trends as trends_figure
from preflare.figures.timelines import Rows
from preflare.names import short
from preflare.report import explained, published, timelines
from preflare.report.experiment import conclude
from preflare.report.explained import Explained
from preflare.report.section import Claim, Plot, Section, judge, remark
from preflare.report.tables import Table
from preflare.report.timelines import AVERAGES, Timeline
from preflare.report.trends import Trend
from preflare.sun.line import Line
from preflare.sun.observation import Label

WINDOWS = (25, 60)
# Class -> what its minutes count to.
ENDS = {"PF": "the onset", "AR": "the end of the window"}


@dataclass
class Data:
    """Where the shards are."""

    root: str | None = None


@dataclass
class Config(Drawn):
    """The keys of conf/timelines.yaml; any other is refused."""

    sweep: str = MISSING
    average: str = MISSING
    minutes: Any = MISSING
    data: Data = field(default_factory=Data)
    output: str = MISSING


@verb("timelines", Config)
def main(config: DictConfig) -> None:
    """Average the rasters, find trends, draw and tell."""
    average = str(check_choice("average", config.average, AVERAGES))
    window = check_number("minutes", config.minutes, above=0)
    line, them = explained.of_sweep(Path(config.sweep), config.data.root)
    inputs = {one.name: str(one.cube.attributes["finished"]) for one in them}
    conclude(config, inputs, lambda: make(them, line, average, window))


def make(them: Sequence[Explained], line: Line, average: str, window: float) -> Section:
    """The section."""
    origin = them[0].shard.header.origin
    note = remark(origin)
    whole = [timelines.timeline(one, line, average) for one in them]
    ways = [one.within(-window) for one in whole]
    trends = [one.trend() for one in ways]
    far = [float(np.nanmean(one.cube.read("distance"))) for one in them]
    pf = np.array([one.label is Label.PF for one in ways])
    rise = np.zeros(len(ways), dtype=bool)
    rise[pf] = timelines.rising([one for one, flares in zip(trends, pf, strict=True) if flares])
    rise[~pf] = timelines.rising([one for one, flares in zip(trends, pf, strict=True) if not flares])
    gap, p = timelines.difference(trends, [one.label for one in ways])
    strong = np.zeros(len(ways), dtype=bool)
    strong[pf], between = timelines.regimes(np.array([np.nanmean(one.score) for one in ways])[pf])
    truth = planted(them)
    seen = (
        "members that did not train on them"
        if not any(one.cube.attributes["seen"] for one in them)
        else ("members of which some trained on them")
    )
    return Section(
        name="timelines",
        title="Timelines",
        paper="Sects. 8.4 and 8.5, Fig. 17",
        lead=f"The mean score of {average} spectra of every raster over the last {window:g} minutes, judged by {seen}. "
        f"Of {int(pf.sum())} PF observations {int(strong.sum())} are strong and {int(rise[pf].sum())} rise (of those "
        f"called rising at most {timelines.CHANCE:.0%} by chance), of {int((~pf).sum())} AR {int(rise[~pf].sum())}. "
        f"PF rise more than AR: mean tau higher by {gap:.2f}, p = {p:.3f} by permutation.",
        origin=origin,
        plots=[_heat(ways, trends, rise, strong, window, note), _slopes(ways, trends, rise, note)],
        tables={
            "Observations": _observations(ways, trends, rise, strong, far, truth),
            "Averages and windows": _variants(them, line),
            "Strong and rising PF observations by mode and class": _groups(ways, strong, rise),
        },
        claims=_claims(ways, strong, gap, p, truth, origin),
        warnings=[
            "Absolute scores mean nothing between observations (paper Sect. 9); rises within one do.",
            "Statistics are of rasters as measured: on the interpolated grid of the picture, noise would rise or fall "
            "in most observations.",
            "Strong are the PF observations of the higher of two groups of mean scores, which hold "
            f"{between:.0%} of the variance between them; a trend needs rasters: with fewer than about ten only the "
            "steepest is certain.",
        ],
    )


def planted(them: Sequence[Explained]) -> np.ndarray | None:
    """Which observations the simulation made rise, (n,) bool; None on real shards."""
    if any("rising" not in one.shard.header.settings for one in them):
        return None
    return np.array([one.label is Label.PF and one.shard.header.settings["rising"] == 1 for one in them])


def _beside(one: Timeline, strong: bool) -> list[str]:
    """What is told of an observation beside its row."""
    return [one.flare_class or "flare", "strong" if strong else "weak"] if one.label is Label.PF else []


def _heat(
    ways: Sequence[Timeline],
    trends: Sequence[Trend],
    rise: np.ndarray,
    strong: np.ndarray,
    window: float,
    note: str,
) -> Plot:
    minutes = np.arange(-60 * window, 0) / 60
    classes = {}
    for label in (Label.PF, Label.AR):
        places = [place for place, one in enumerate(ways) if one.label is label]
        places.sort(key=lambda place: -np.nan_to_num(trends[place].tau, nan=-2.0))
        scores = np.array([timelines.on_grid(ways[place], minutes) for place in places])
        classes[label.name] = Rows(
            short([ways[place].name for place in places]),
            scores,
            timelines.over_own_maximum(scores),
            rise[places],
            [", ".join(_beside(ways[place], bool(strong[place]))) for place in places],
        )
    return Plot(
        "scores",
        "Scores on the way to the flare",
        "Mean score of whole rasters on a grid of one second, linear between rasters; rows ordered by Kendall's tau "
        "of the rasters, those that rise in bold. Left as in the paper: a row's own maximum makes quiet rows look as "
        "bright as strong ones; right on one scale, with the flare's class and the regime. Hatched: no "
        "raster has a score.",
        timelines_figure.draw(classes, minutes, ENDS, note),
    )


def _slopes(ways: Sequence[Timeline], trends: Sequence[Trend], rise: np.ndarray, note: str) -> Plot:
    order = sorted(
        range(len(ways)), key=lambda place: (-ways[place].label, -np.nan_to_num(trends[place].tau, nan=-2.0))
    )

    def of(name: str) -> np.ndarray:
        return np.array([getattr(trends[place], name) for place in order])

    steep = max((place for place in order), key=lambda place: np.nan_to_num(trends[place].slope))
    return Plot(
        "trends",
        "Slopes and their certainty",
        f"Theil-Sen slopes with 95% intervals (as if rasters were independent) and Kendall's tau; filled: rises, "
        f"autocorrelation allowed for. A row without a point has too few rasters with a score. "
        f"The steepest is {ways[steep].name}: {trends[steep].slope:.4f} per minute.",
        trends_figure.draw(
            short([ways[place].name for place in order]),
            [ways[place].label.name for place in order],
            of("slope"),
            of("low"),
            of("high"),
            of("tau"),
            rise[order],
            note,
        ),
    )


def _observations(
    ways: Sequence[Timeline],
    trends: Sequence[Trend],
    rise: np.ndarray,
    strong: np.ndarray,
    far: Sequence[float],
    truth: np.ndarray | None,
) -> Table:
    rows = []
    for place, (one, found) in enumerate(zip(ways, trends, strict=True)):
        rows.append(
            (
                one.name,
                one.mode,
                one.flare_class,
                str(found.count),
                f"{np.nanmean(one.score):.3f}" if len(one.score) else "",
                *(f"{value:.{digits}f}" for value, digits in ((found.tau, 2), (found.p, 3), (found.slope, 4))),
                f"{found.low:.4f} to {found.high:.4f}",
                f"{found.memory:.2f}",
                "yes" if rise[place] else "no",
                "yes" if strong[place] else "no",
                f"{far[place]:.1f}",
                "" if truth is None else "yes" if truth[place] else "no",
            )
        )
    head = ("observation", "mode", "flare", "rasters", "mean score", "tau", "p", "slope/min", "its interval", "memory")
    return Table((*head, "rises", "strong", "distance from training", "planted"), tuple(rows))


def _variants(them: Sequence[Explained], line: Line) -> Table:
    """The comparison of classes for every average and window."""
    rows = []
    for average in AVERAGES:
        whole = [timelines.timeline(one, line, average) for one in them]
        labels = [one.label for one in whole]
        for title, first in [*((f"{minutes} min", -float(minutes)) for minutes in WINDOWS), ("all before", -np.inf)]:
            found = [one.within(first).trend() for one in whole]
            gap, p = timelines.difference(found, labels)
            counts = [
                int(timelines.rising([one for one, mine in zip(found, labels, strict=True) if mine is label]).sum())
                for label in (Label.PF, Label.AR)
            ]
            rows.append((average, title, *map(str, counts), f"{gap:.2f}", f"{p:.3f}"))
    return Table(("average", "window", "PF rising", "AR rising", "tau PF - AR", "p"), tuple(rows))


def _groups(ways: Sequence[Timeline], strong: np.ndarray, rise: np.ndarray) -> Table:
    pf = [place for place, one in enumerate(ways) if one.label is Label.PF]
    rows = []
    for title, belongs in (
        ("rasters", lambda one: one.mode == "raster"),
        ("sit-and-stares", lambda one: one.mode == "sit-and-stare"),
        ("X flares", lambda one: one.flare_class.startswith("X")),
        ("M flares", lambda one: one.flare_class.startswith("M")),
    ):
        mine = [place for place in pf if belongs(ways[place])]
        rows.append((title, str(len(mine)), str(int(strong[mine].sum())), str(int(rise[mine].sum()))))
    return Table(("PF observations", "all", "strong", "rising"), tuple(rows))


def _claims(
    ways: Sequence[Timeline], strong: np.ndarray, gap: float, p: float, truth: np.ndarray | None, origin: str
) -> list[Claim]:
    pf = np.array([one.label is Label.PF for one in ways])
    found = f"{int(strong.sum())} of {int(pf.sum())} are strong."
    if truth is None:
        put_in, good = "", abs(int(strong.sum()) / pf.sum() - published.STRONG / published.PF_OBSERVATIONS) < 0.1
    else:
        hits, others, chance = timelines.agreement(strong[pf], truth[pf])
        found += f" Of those planted {hits} are found, and {others} others (Fisher p = {chance:.3f})."
        put_in, good = f"{int(truth[pf].sum())} of {int(pf.sum())}", chance < timelines.CHANCE
    return [
        Claim(
            "Sect. 8.4, Fig. 17",
            f"{published.STRONG} of {published.PF_OBSERVATIONS} PF observations are strong, the others weak.",
            found,
            put_in,
            judge(origin, good),
        ),
        Claim(
            "Sect. 8.5",
            "Scores of PF rise on the way to the flare, those of AR do not.",
            f"Mean tau of PF higher by {gap:.2f}, p = {p:.3f} by permutation of labels.",
            "" if truth is None else "precursors grow more frequent in PF alone",
            judge(origin, p < timelines.CHANCE),
        ),
    ]


if __name__ == "__main__":
    main()
