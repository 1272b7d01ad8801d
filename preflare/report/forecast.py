"""An alarm from the rise of an observation's own score, and how well it did on observations whose end is known.

Scores are not comparable between observations (paper Sect. 9): a network may call a whole quiet region PF. A rise
within one observation is what may announce a flare; a threshold on the score itself stands beside it to be compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import fisher_exact, theilslopes

from preflare.errors import RunError
from preflare.report.explained import Explained
from preflare.report.timelines import Timeline
from preflare.sun.observation import Label

# Rasters that a slope needs.
FEWEST = 3
# Of a sweep's held-out spectra, those nearer than the farthest twentieth are what the networks know.
KNOWN = 0.95
# Distances taken of each observation, so that long ones do not decide.
DISTANCES = 1000


def rise(minutes: np.ndarray, score: np.ndarray, window: float) -> np.ndarray:
    """By how much the score rose over the last ``window`` minutes, seen at each raster: (n,).

    The Theil-Sen slope of the rasters in those minutes, that one included and none after it, times the window; NaN
    before the window is at least half full, or with fewer than FEWEST of them.
    """
    found = np.full(len(minutes), np.nan)
    there = np.isfinite(score)
    for place in range(len(minutes)):
        inside = there & (minutes > minutes[place] - window) & (minutes <= minutes[place])
        if inside.sum() >= FEWEST and np.ptp(minutes[inside]) >= window / 2:
            found[place] = theilslopes(score[inside], minutes[inside])[0] * window
    return found


def known(others: Sequence[Explained]) -> float:
    """The distance from training that KNOWN of held-out spectra keep, each observation with as many."""
    stream = np.random.default_rng(0)
    found = []
    for other in others:
        inside = _distances(other)
        found.append(stream.choice(inside, DISTANCES) if len(inside) else inside)
    return float(np.quantile(np.concatenate(found), KNOWN))


def outside(one: Explained, limit: float) -> float:
    """The share of the clean spectra of an observation's window farther from training than a limit; NaN where no
    distance is known."""
    inside = _distances(one)
    return float((inside > limit).mean()) if len(inside) else np.nan


def _distances(one: Explained) -> np.ndarray:
    inside: np.ndarray = one.cube.of_clean("distance")[one.window()]
    return inside[np.isfinite(inside)]


@dataclass(frozen=True, eq=False)
class Watched:
    """An observation under watch until its flare, or its end. minutes: (n,) before that, negative. values: (n,), what
    an alarm is raised from, NaN where it is not known."""

    name: str
    label: Label
    minutes: np.ndarray
    values: np.ndarray

    def alarm(self, threshold: float) -> float:
        """Minute of the first value at or above a threshold; NaN for none. The watch ends there."""
        over = np.flatnonzero(self.values >= threshold)
        return float(self.minutes[over[0]]) if len(over) else np.nan

    def hours(self, threshold: float) -> float:
        """How long it was watched with a value known, until the alarm if there is one."""
        known = self.minutes[np.isfinite(self.values)]
        if not len(known):
            return 0.0
        alarm = self.alarm(threshold)
        return float((known[-1] if np.isnan(alarm) else alarm) - known[0]) / 60


def watch(lines: Sequence[Timeline], window: float) -> tuple[list[Watched], list[Watched]]:
    """Each observation before its flare, or its end: by its rise, and by its score where its rise is known."""
    by_rise, by_score = [], []
    for line in lines:
        before = line.within(-np.inf)
        rises = rise(before.minutes, before.score, window)
        by_rise.append(Watched(line.name, line.label, before.minutes, rises))
        scores = np.where(np.isfinite(rises), before.score, np.nan)
        by_score.append(Watched(line.name, line.label, before.minutes, scores))
    return by_rise, by_score


def false_alarms(watched: Sequence[Watched], threshold: float) -> float:
    """Alarms per hour on the AR observations watched; NaN if none was watched."""
    quiet = [one for one in watched if one.label is Label.AR]
    hours = sum(one.hours(threshold) for one in quiet)
    alarms = sum(np.isfinite(one.alarm(threshold)) for one in quiet)
    return alarms / hours if hours > 0 else np.nan


def calibrate(watched: Sequence[Watched], rate: float) -> float:
    """The lowest threshold with at most so many false alarms per hour on AR observations.

    Just above one of their values, so that no alarm is raised by it. Raises RunError if none was watched.
    """
    quiet = [one.values[np.isfinite(one.values)] for one in watched if one.label is Label.AR]
    if not any(len(values) for values in quiet):
        raise RunError(
            "No AR observation of the sweep has enough rasters to say how often an alarm is false. Explain more of "
            "them, or look at rises over a time that fits theirs: minutes=N."
        )
    values = np.unique(np.concatenate(quiet))
    above = np.nextafter(values, np.inf)
    low, high = 0, len(above) - 1  # above the highest value there is no false alarm
    while low < high:
        middle = (low + high) // 2
        if _rate(watched, float(above[middle])) <= rate:
            high = middle
        else:
            low = middle + 1
    return float(above[high])


def _rate(watched: Sequence[Watched], threshold: float) -> float:
    found = false_alarms(watched, threshold)
    # Alarms at the first look leave no time to watch.
    return np.inf if np.isnan(found) else found


@dataclass(frozen=True)
class Outcome:
    """Of one observation, by a threshold that owes it nothing. lead: minutes from the alarm to the flare, or to the
    end of an AR; NaN for no alarm. hours: watched, until the alarm if there is one; there: had there been none. judged:
    whether it could be."""

    name: str
    label: Label
    threshold: float
    lead: float
    hours: float
    there: float

    @property
    def judged(self) -> bool:
        return self.hours > 0 or np.isfinite(self.lead)


def leave_one_out(watched: Sequence[Watched], rate: float) -> list[Outcome]:
    """Each observation by the threshold of the other AR observations."""
    found = []
    whole = calibrate(watched, rate)
    for one in watched:
        own = calibrate([other for other in watched if other is not one], rate) if one.label is Label.AR else whole
        found.append(Outcome(one.name, one.label, own, -one.alarm(own), one.hours(own), one.hours(np.inf)))
    return found


def more_alarms(outcomes: Sequence[Outcome]) -> float:
    """The one-sided p of Fisher's exact test that PF are alarmed more often than AR, of those that could be judged."""
    table = []
    for label in (Label.PF, Label.AR):
        raised = [bool(np.isfinite(one.lead)) for one in outcomes if one.label is label and one.judged]
        table.append([sum(raised), len(raised) - sum(raised)])
    return float(fisher_exact(table, alternative="greater").pvalue)
