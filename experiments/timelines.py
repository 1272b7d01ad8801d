"""Sections 8.4 and 8.5 of the paper: scores on the way to the flare (Fig. 17), and which observations rise.

python experiments/timelines.py sweep=runs/paper_splits                 the 25 minutes of the paper
python experiments/timelines.py sweep=runs/paper_splits minutes=60      a longer way, where the shards have it
python experiments/timelines.py sweep=runs/paper_splits images=DIR      what of the slit-jaw films the raster saw

The pictures are on a grid of seconds, as in the paper; the statistics are of rasters as measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import MISSING, DictConfig

from preflare.checks import check_choice, check_number
from preflare.command import Drawn, verb
from preflare.errors import RunError
from preflare.figures import timelines as timelines_figure
from preflare.figures import trends as trends_figure
from preflare.figures.timelines import Rows
from preflare.names import short
from preflare.report import brightenings, drift, explained, forecast, published, timelines
from preflare.report.brightenings import Brightenings
from preflare.report.drift import Rise
from preflare.report.experiment import conclude
from preflare.report.explained import Explained
from preflare.report.section import Claim, Plot, Section, judge, judge_real, remark
from preflare.report.tables import Table
from preflare.report.timelines import AVERAGES, Timeline
from preflare.report.trends import Trend
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
    images: str | None = None
    data: Data = field(default_factory=Data)
    output: str = MISSING


@verb("timelines", Config)
def main(config: DictConfig) -> None:
    """Average the rasters, find trends, draw and tell."""
    average = str(check_choice("average", config.average, AVERAGES))
    window = check_number("minutes", config.minutes, above=0)
    films = Path(config.images) if config.images else None
    if films is not None and not films.is_dir():
        raise RunError(f"There is no folder {films} of images. Leave images= out, or correct it.")
    _, them = explained.of_sweep(Path(config.sweep), config.data.root)
    inputs = {one.name: one.digest for one in them}
    conclude(config, inputs, lambda: make(them, average, window, films))


def make(them: Sequence[Explained], average: str, window: float, films: Path | None) -> Section:
    """The section."""
    origin = them[0].shard.header.origin
    note = remark(origin)
    by_average = {name: [timelines.timeline(one, name) for one in them] for name in AVERAGES}
    ways = [one.within(-window) for one in by_average[average]]
    trends = [one.trend() for one in ways]
    limit = forecast.known(them)
    unlike = [forecast.outside(one, limit) for one in them]
    pf = np.array([one.label is Label.PF for one in ways])
    slopes = drift.rises(ways)
    rise = rising(slopes, pf)
    gap, p = timelines.difference(trends, [one.label for one in ways])
    strong = np.zeros(len(ways), dtype=bool)
    strong[pf], between = timelines.regimes(levels(ways)[pf])
    chance = timelines.one_group(int(np.isfinite(levels(ways)[pf]).sum()), between)
    truth = planted(them)
    seen_by_films = (
        []
        if films is None
        else [(place, found) for place, one in enumerate(them) if pf[place] and (found := brightenings.of(one, films))]
    )
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
        f"Of {int(pf.sum())} PF observations {int(rise[pf].sum())} rise by more than scores of AR drift (of those "
        f"called rising at most {timelines.CHANCE:.0%} by chance), of {int((~pf).sum())} AR {int(rise[~pf].sum())}. "
        f"{int(strong.sum())} PF are in the higher of two groups of mean scores, "
        f"{'two regimes' if chance[2] < timelines.CHANCE else 'which one group would part into as well'} "
        f"(p = {chance[2]:.2g}). "
        f"PF rise more than AR: mean tau higher by {gap:.2f}, p = {p:.2g} by permutation.",
        origin=origin,
        plots=[_heat(ways, trends, rise, strong, unlike, window, note), _slopes(ways, trends, slopes, rise, note)],
        tables={
            "Observations": _observations(ways, trends, slopes, rise, strong, unlike, truth),
            "Averages and windows": _variants(by_average),
            "Strong and rising PF observations by mode and class": _groups(ways, strong, rise),
            **({"Brightenings in slit-jaw films": _brightenings(seen_by_films, trends)} if seen_by_films else {}),
        },
        claims=[
            *_claims(ways, strong, between, chance, gap, p, truth, origin),
            *([_missed(seen_by_films, trends, origin)] if seen_by_films else []),
        ],
        warnings=[
            "Absolute scores mean nothing between observations (paper Sect. 9); rises within one do.",
            "Statistics are of rasters as measured: on the interpolated grid of the picture, noise would rise or fall "
            "in most observations.",
            "Strong are the PF observations of the higher of two groups of mean scores. Memory is of one raster to the "
            "next.",
            "A drift slower than the window looks like a rise, and nothing in one series tells them apart. An "
            "observation rises if its slope is steep beside those of AR observations of other regions over as long a "
            "time: one observation tells only rises of several times the drift, and one that is not called rising "
            "may rise. The comparison of classes tells smaller ones.",
            "Enhanced are the brighter half of a raster's clean spectra. All are those that miss no wavelength, clean "
            "or not: networks that were trained on clean ones answer to the others as well.",
            f"Outside is what lies farther from the training spectra than {forecast.KNOWN:.0%} of held-out spectra.",
            *(
                ["Every valid spectrum of these observations is clean: all are the clean ones."]
                * timelines.alike(by_average["all"], by_average["clean"])
            ),
            _looked(films, seen_by_films, int(pf.sum())),
        ],
    )


def levels(ways: Sequence[Timeline]) -> np.ndarray:
    """The mean score of each observation, (n,); NaN without a raster."""
    return np.array([np.nanmean(one.score) if np.isfinite(one.score).any() else np.nan for one in ways])


def rising(slopes: Sequence[Rise], pf: np.ndarray) -> np.ndarray:
    """Which observations rise, (n,) bool: of each class, so that few of those called so are by chance."""
    p = np.array([one.p for one in slopes])
    found = np.zeros(len(p), dtype=bool)
    for side in (pf, ~pf):
        found[side] = timelines.rising(p[side])
    return found


def planted(them: Sequence[Explained]) -> np.ndarray | None:
    """Which observations the simulation made rise, (n,) bool; None on real shards."""
    told = [one.rises for one in them]
    return None if None in told else np.array(told, dtype=bool)


def _beside(one: Timeline, strong: bool, unlike: float) -> str:
    """What is told of an observation beside its row."""
    told = [one.flare_class or "flare", "strong" if strong else "weak"] if one.label is Label.PF else []
    return ", ".join([*told, *([f"{unlike:.0%}"] if np.isfinite(unlike) else [])])


def _heat(
    ways: Sequence[Timeline],
    trends: Sequence[Trend],
    rise: np.ndarray,
    strong: np.ndarray,
    unlike: Sequence[float],
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
            [_beside(ways[place], bool(strong[place]), unlike[place]) for place in places],
        )
    return Plot(
        "scores",
        "Scores on the way to the flare",
        "Mean score of whole rasters on a grid of one second, linear between rasters; rows ordered by Kendall's tau "
        "of the rasters, those that rise in bold. Left as in the paper: a row's own maximum makes quiet rows look as "
        "bright as strong ones; right on one scale, with the flare's class, the regime and the share of the window's "
        "spectra outside what the networks know. Hatched: no raster has a score.",
        timelines_figure.draw(classes, minutes, ENDS, note),
        ("17",),
    )


def _slopes(
    ways: Sequence[Timeline], trends: Sequence[Trend], slopes: Sequence[Rise], rise: np.ndarray, note: str
) -> Plot:
    order = sorted(
        range(len(ways)), key=lambda place: (-ways[place].label, -np.nan_to_num(trends[place].tau, nan=-2.0))
    )

    def of(them: Sequence[Rise | Trend], name: str) -> np.ndarray:
        return np.array([getattr(them[place], name) for place in order])

    steep = max((place for place in order), key=lambda place: np.nan_to_num(slopes[place].slope))
    return Plot(
        "trends",
        "Slopes and their certainty",
        "Theil-Sen slopes with 90% intervals, which hold the noise and the drift that AR observations show, and lie "
        "above zero where p < 0.05; and Kendall's tau. Filled: rises, p allowing for as many as there are. A row "
        f"without a point has too few rasters with a score. The steepest is {ways[steep].name}: "
        f"{slopes[steep].slope:.4f} per minute.",
        trends_figure.draw(
            short([ways[place].name for place in order]),
            [ways[place].label.name for place in order],
            of(slopes, "slope"),
            of(slopes, "low"),
            of(slopes, "high"),
            of(trends, "tau"),
            rise[order],
            note,
        ),
    )


def _observations(
    ways: Sequence[Timeline],
    trends: Sequence[Trend],
    slopes: Sequence[Rise],
    rise: np.ndarray,
    strong: np.ndarray,
    unlike: Sequence[float],
    truth: np.ndarray | None,
) -> Table:
    rows = []
    for place, (one, found, judged) in enumerate(zip(ways, trends, slopes, strict=True)):
        rows.append(
            (
                one.name,
                one.mode,
                one.flare_class,
                str(found.count),
                f"{np.nanmean(one.score):.3f}" if len(one.score) else "",
                f"{found.tau:.2f}",
                f"{found.memory:.2f}",
                f"{judged.slope:.4f}",
                f"{judged.low:.4f} to {judged.high:.4f}" if np.isfinite(judged.low) else "",
                f"{judged.expected:.4f}",
                f"{judged.p:.3f}",
                "yes" if rise[place] else "no",
                "yes" if strong[place] else "no",
                f"{unlike[place]:.0%}" if np.isfinite(unlike[place]) else "",
                "" if truth is None else "yes" if truth[place] else "no",
            )
        )
    head = ("observation", "mode", "flare", "rasters", "mean score", "tau", "memory", "slope/min", "its interval")
    return Table((*head, "by drift", "p", "rises", "strong", "outside", "planted"), tuple(rows))


def _variants(by_average: Mapping[str, Sequence[Timeline]]) -> Table:
    """The comparison of classes for every average and window that differs from those above it."""
    rows = []
    names = list(by_average)
    for place, name in enumerate(names):
        whole = by_average[name]
        alike = [timelines.alike(whole, by_average[other]) for other in names]
        if any(alike[:place]):
            continue
        title = " and ".join(other for other, same in zip(names, alike, strict=True) if same)
        labels = [one.label for one in whole]
        for window, first in timelines.windows(whole, WINDOWS):
            found = [one.within(first).trend() for one in whole]
            gap, p = timelines.difference(found, labels)
            pf = np.array([label is Label.PF for label in labels])
            rise = rising(drift.rises([one.within(first) for one in whole]), pf)
            counts = [int(rise[side].sum()) for side in (pf, ~pf)]
            rows.append((title, window, *map(str, counts), f"{gap:.2f}", f"{p:.3f}"))
    return Table(("average", "window", "PF rising", "AR rising", "tau PF - AR", "p"), tuple(rows))


def _groups(ways: Sequence[Timeline], strong: np.ndarray, rise: np.ndarray) -> Table:
    """Counts of one group and the other, with p of Fisher's exact test; means of scores, with p by permutation."""
    pf = np.array([one.label is Label.PF for one in ways])
    mine = [one for one in ways if one.label is Label.PF]
    score = levels(mine)
    (hits, rasters), (others, stares) = published.STRONG_RASTERS, published.STRONG_STARES
    counts = (hits, rasters - hits, others, stares - others)
    paper = timelines.apart(np.repeat([True, False, True, False], counts), np.arange(sum(counts)) < rasters)
    rows = []
    for title, group, theirs in (
        (
            "rasters, sit-and-stares",
            np.array([one.mode == "raster" for one in mine]),
            (f"{hits} of {rasters}, {others} of {stares}", f"{paper:.3f}"),
        ),
        ("X flares, M flares", np.array([one.flare_class.startswith("X") for one in mine]), ("", "")),
    ):
        cells = []
        for holds in (strong[pf], rise[pf]):
            sides = [f"{int(holds[side].sum())} of {int(side.sum())}" for side in (group, ~group)]
            cells += [", ".join(sides), f"{timelines.apart(holds, group):.3f}"]
        gap, p = timelines.shifted(score, group)
        rows.append((title, *cells, f"{gap:+.2f}" if np.isfinite(gap) else "", f"{p:.3f}", *theirs))
    head = ("PF observations", "strong", "p", "rising", "p", "mean score differs by", "p", "strong in the paper", "p")
    return Table(head, tuple(rows))


def _brightenings(found: Sequence[tuple[int, Brightenings]], trends: Sequence[Trend]) -> Table:
    rows = [
        (
            one.name,
            str(one.images),
            str(one.count),
            f"{one.inside:.0%}" if one.count else "",
            f"{one.field:.0%}",
            f"{trends[place].slope:.4f}",
        )
        for place, one in found
    ]
    head = ("PF observation", "images", "brightenings", "of their light inside the raster", "of the images inside it")
    return Table((*head, "slope/min"), tuple(rows))


def _looked(films: Path | None, found: Sequence[tuple[int, Brightenings]], pf: int) -> str:
    """One sentence on the slit-jaw films."""
    if films is None:
        return (
            "How much of the brightenings around it the raster saw is not told: no slit-jaw films were given "
            "(images=DIR)."
        )
    return (
        f"Slit-jaw films show {len(found)} of {pf} PF observations. A brightening is a patch of {brightenings.LEAST} "
        f"or more pixels, in place and time, {brightenings.THRESHOLD:g} standard deviations above their medians."
    )


def _missed(found: Sequence[tuple[int, Brightenings]], trends: Sequence[Trend], origin: str) -> Claim:
    inside = np.array([one.inside for _, one in found])
    value, low, high, p, count = brightenings.correlation(inside, np.array([trends[place].slope for place, _ in found]))
    said = (
        f"Rank correlation of that share with the slope of the score {value:.2f} [{low:.2f}, {high:.2f}], p = {p:.2g}, "
        f"over {count} PF observations."
        if np.isfinite(value)
        else f"Only {count} PF observations have brightenings in slit-jaw films and a slope."
    )
    return Claim(
        "Sect. 8.5",
        "Scores rise where the raster sees what brightens before the flare; where it misses it they do not.",
        said,
        "" if origin == "level2" else "precursors near the footpoint, which the raster sees in all",
        judge_real(origin, low > 0),
    )


def _claims(
    ways: Sequence[Timeline],
    strong: np.ndarray,
    between: float,
    chance: tuple[float, float, float],
    gap: float,
    p: float,
    truth: np.ndarray | None,
    origin: str,
) -> list[Claim]:
    pf = np.array([one.label is Label.PF for one in ways])
    found = f"{int(strong.sum())} of {int(pf.sum())} are in the higher of two groups."
    if truth is None:
        put_in, good = "", abs(int(strong.sum()) / pf.sum() - published.STRONG / published.PF_OBSERVATIONS) < 0.1
    else:
        hits, others, by_chance = timelines.agreement(strong[pf], truth[pf])
        found += f" Of those planted {hits} are found, and {others} others (Fisher p = {by_chance:.2g})."
        put_in, good = f"{int(truth[pf].sum())} of {int(pf.sum())}", by_chance < timelines.CHANCE
    normal, uniform, by_one = chance
    # A simulation that does not say what it put in leaves nothing to recover.
    verdict = judge_real if truth is None else judge
    return [
        Claim(
            "Sect. 8.4, Fig. 17",
            "PF observations are of two regimes, strong and weak.",
            f"{between:.0%} of the variance of mean scores lies between the two groups that differ most; of one group, "
            f"normal or uniform, {normal:.0%} or {uniform:.0%} would (p = {by_one:.2g}).",
            "" if truth is None else "two regimes: precursors that grow more frequent, or stay rare",
            verdict(origin, by_one < timelines.CHANCE),
        ),
        Claim(
            "Sect. 8.4, Fig. 17",
            f"{published.STRONG} of {published.PF_OBSERVATIONS} PF observations are strong, the others weak.",
            found,
            put_in,
            verdict(origin, good),
            "strong",
        ),
        Claim(
            "Sect. 8.5",
            "Scores of PF rise on the way to the flare, those of AR do not.",
            f"Mean tau of PF higher by {gap:.2f}, p = {p:.2g} by permutation of labels.",
            "" if truth is None else "precursors grow more frequent in PF alone",
            verdict(origin, p < timelines.CHANCE),
            "rises",
        ),
    ]


if __name__ == "__main__":
    main()
