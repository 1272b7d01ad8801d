"""The study's p-values of a Sun without precursors, where PF differ from AR in nothing but their name.

Chance alone is at work: of many such Suns, no more than the nominal share of p-values may be small.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from preflare.errors import RunError
from preflare.report import alignment, drift, features, forecast, measured, quiet_rises, slits, timelines
from preflare.report.explained import Explained
from preflare.report.features import Emission
from preflare.report.resampling import share
from preflare.sun.line import Line
from preflare.sun.observation import Label

SMALL = 0.05
# Of a Sun's p-values, by kind. The kind begins with the section that tells of it.
PValues = dict[str, list[float]]
# What kinds begin with that may be small by the simulation's construction, and why.
# Attribution is not exempt: networks that find nothing do not prefer what is bright (of 20 Suns 4 of 115 are small).
BRIGHT = "no flare starts on quiet ground: where it is bright leads to the flare"
BY_CONSTRUCTION = {
    f"slits: {alignment.INTENSITY} ": BRIGHT,
    f"slits: {alignment.INTENSITY}'s": BRIGHT,
}


@dataclass(frozen=True)
class Choices:
    """What the sections are told. window: minutes of the timelines. rise: minutes that an alarm's rise is measured
    over. rate: of false alarms per hour. tolerances: of alignment, arcsec."""

    emission: Emission
    window: float
    rise: float
    rate: float
    tolerances: tuple[float, ...]


def why(kind: str) -> str:
    """Why p-values of a kind may be small where there are no precursors; "" where they may not."""
    return next((reason for begins, reason in BY_CONSTRUCTION.items() if kind.startswith(begins)), "")


def of_chance(sun: Mapping[str, Sequence[float]]) -> dict[str, Sequence[float]]:
    """The p-values of a Sun that nothing but chance decides."""
    return {kind: mine for kind, mine in sun.items() if not why(kind)}


def p_values(them: Sequence[Explained], line: Line, choices: Choices) -> PValues:
    """Every p-value of the sections timelines, features, slits and forecast, by kind.

    The other sections have none that chance decides here. That maxima lie on what precursors changed
    (``global_explanation.planted``) is asked of spectra with precursors, and there are none. That two lines follow
    attribution against intensity better than one (``intensity.broken``) is true or not of the networks, which are free
    to bend, precursors or none. Both are tested on made-up data instead, where the answer is known. Raises RunError for
    cubes by members that trained on what they explain.
    """
    seen = [one.name for one in them if one.cube.attributes["seen"]]
    if seen:
        raise RunError(
            f"{', '.join(seen)} {'was' if len(seen) == 1 else 'were'} explained by networks that trained on it: its "
            "scores are no test. Train more networks."
        )
    return {
        **of_timelines(them, choices.window),
        **of_features(them, line, choices.emission),
        **of_slits(them, line, choices.tolerances),
        **of_forecast(them, choices.rise, choices.rate),
    }


def of_timelines(them: Sequence[Explained], window: float) -> PValues:
    """Of every observation's rise, of PF against AR, of two regimes, and of strong against planted observations."""
    labels = [one.label for one in them]
    pf = np.array([label is Label.PF for label in labels])
    found: PValues = {}
    for average in timelines.AVERAGES:
        whole = [timelines.timeline(one, average) for one in them]
        for title, first in ((f"{window:g} min", -window), ("all before", -np.inf)):
            ways = [one.within(first) for one in whole]
            trends = [one.trend() for one in ways]
            found[f"timelines: PF rise more than AR, {average}, {title}"] = [timelines.difference(trends, labels)[1]]
            if average == timelines.AVERAGES[0] and np.isfinite(first):
                slopes = drift.rises(ways)
                for label in (Label.PF, Label.AR):
                    mine = [one.p for one, other in zip(slopes, labels, strict=True) if other is label]
                    found[f"timelines: {label.name} observations rise"] = mine
                levels = np.array([np.nanmean(one.score) for one in ways])[pf]
                strong, between = timelines.regimes(levels)
                found["timelines: PF are of two regimes"] = [timelines.one_group(len(levels), between)[2]]
                found["timelines: strong are those that would rise"] = [
                    timelines.agreement(strong, would_rise(them)[pf])[2]
                ]
    return found


def of_features(them: Sequence[Explained], line: Line, emission: Emission) -> PValues:
    """Of every feature and the score, whether they say if and when; of scores that rise where all else is flat."""
    looks = [measured.measure(one, line, emission) for one in them]
    rises = [quiet_rises.count(one) for one in them]
    found: PValues = {}
    for name in (*features.UNITS, "score"):
        found[f"features: {name} says if"] = [measured.p_if(looks, name)]
        found[f"features: {name} says when"] = [measured.p_when(looks, name)]
    for pf in (True, False):
        title = "PF" if pf else "AR"
        found[f"features: {title} scores rise where all else is flat"] = [quiet_rises.together(rises, pf)[2]]
    return found


def of_slits(them: Sequence[Explained], line: Line, tolerances: Sequence[float]) -> PValues:
    """Of every predictor's alignment with the flare, for each tolerance, and of its rank there."""
    pairs = [alignment.pairs(slits.slits(one, line)) for one in them if one.label is Label.PF]
    found: PValues = {}
    for name in (alignment.ATTRIBUTION, alignment.INTENSITY, alignment.BEYOND):
        for reach in tolerances:
            one = alignment.measure([each[name] for each in pairs], reach)
            found[f"slits: {name} leads within {reach:g} arcsec, by shifts"] = [one.p_shifted]
            found[f"slits: {name} leads within {reach:g} arcsec, by other observations"] = [one.p_paired]
            # Of slits that are long enough: fewer for a larger tolerance.
            found[f"slits: {name}'s rank at the flare, slits of {alignment.LONG * reach:g} arcsec"] = [one.p_rank]
    return found


def of_forecast(them: Sequence[Explained], rise: float, rate: float) -> PValues:
    """Of alarms from the rise: of PF against AR, and of those that would rise against the others."""
    by_rise, _ = forecast.watch([timelines.timeline(one) for one in them], rise)
    outcomes = forecast.leave_one_out(by_rise, rate)
    judged = np.array([one.judged for one in outcomes])
    raised = np.array([bool(np.isfinite(one.lead)) for one in outcomes])
    chance = timelines.agreement(raised[judged], would_rise(them)[judged])[2]
    return {
        "forecast: PF are alarmed more than AR": [forecast.more_alarms(outcomes)],
        "forecast: alarmed are those that would rise": [chance],
    }


def would_rise(them: Sequence[Explained]) -> np.ndarray:
    """Which PF observations the simulation would make rise, had it precursors, (n,) bool."""
    return np.array([one.label is Label.PF and one.shard.header.settings.get("rising") == 1 for one in them])


@dataclass(frozen=True)
class Share:
    """Of a kind of p-values over Suns: how many there are and how many are small. low, high: the 95% interval of the
    share. excess: the one-sided p that the share is no more than nominal."""

    kind: str
    count: int
    small: int
    low: float
    high: float
    excess: float

    @property
    def share(self) -> float:
        return self.small / self.count if self.count else np.nan


def measure(kind: str, suns: Sequence[Sequence[float]]) -> Share:
    """Of p-values of each Sun, those that are NaN left out.

    With one of each Sun the share is binomial. More of a Sun have to do with each other: then the shares of Suns are
    compared with the nominal one (Student), with an interval over Suns.
    """
    known = [np.array([p for p in mine if np.isfinite(p)]) for mine in suns]
    count = np.array([len(mine) for mine in known], dtype=float)
    small = np.array([(mine < SMALL).sum() for mine in known], dtype=float)
    whole, some = int(count.sum()), int(small.sum())
    if not whole:
        return Share(kind, 0, 0, np.nan, np.nan, np.nan)
    if count.max() == 1:
        test = stats.binomtest(some, whole, SMALL, alternative="greater")
        low, high = stats.binomtest(some, whole).proportion_ci(0.95)
        return Share(kind, whole, some, float(low), float(high), float(test.pvalue))
    _, low, high = share(small, count)
    more = small - SMALL * count
    if len(more) < 2 or not np.ptp(more):
        return Share(kind, whole, some, low, high, float(stats.binom.sf(some - 1, whole, SMALL)))
    return Share(kind, whole, some, low, high, float(stats.ttest_1samp(more, 0, alternative="greater").pvalue))


def by_kind(suns: Sequence[Mapping[str, Sequence[float]]]) -> list[Share]:
    """The share of every kind, in the order of the first Sun."""
    kinds = dict.fromkeys(kind for sun in suns for kind in sun)
    return [measure(kind, [sun.get(kind, ()) for sun in suns]) for kind in kinds]


def together(kind: str, suns: Sequence[Mapping[str, Sequence[float]]], begins: str = "") -> Share:
    """The share of all kinds whose name begins so."""
    return measure(kind, [[p for name, mine in sun.items() if name.startswith(begins) for p in mine] for sun in suns])


def too_many(shares: Sequence[Share], level: float = SMALL) -> list[Share]:
    """Those that have more small p-values than nominal, with a chance ``level`` that any is called so if none has (Holm
    1979); of kinds that nothing but chance decides."""
    order = sorted((one for one in shares if not why(one.kind) and one.count), key=lambda one: one.excess)
    found = []
    for place, one in enumerate(order):
        if one.excess >= level / (len(order) - place):
            break
        found.append(one)
    return found
