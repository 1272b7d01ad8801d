"""Slit places where the score rises while intensity and X-rays stay as they are (paper Sect. 8.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import theilslopes

from preflare.report.explained import Explained
from preflare.report.resampling import above_zero, share
from preflare.report.trends import trend
from preflare.sun.observation import Label

# Flat is what changes by less than these shares of its median over the window: an intensity, and X-rays, whose curve
# is drawn over decades and always wanders a little.
FLAT, STEADY = 0.2, 0.5
# Rasters from which a place counts, and the chance of a rise at it.
LEAST, CHANCE = 6, 0.05


# The shares that rise and that fall, each with its interval, and a p.
Compared = tuple[tuple[float, float, float], tuple[float, float, float], float]


@dataclass(frozen=True)
class Rises:
    """Of one observation: places (step, slit) long enough; those of flat intensity under flat X-rays; of these, where
    the score rises, and where it falls. change: of the X-rays over the window, a share of their median; NaN unknown.

    more, fewer: of the flat places, where a simulation put more precursors into the later half of the rasters than into
    the earlier, and where fewer; hits: where there are more and the score rises. 0 on real shards."""

    name: str
    pf: bool
    places: int
    flat: int
    up: int
    down: int
    change: float
    more: int = 0
    fewer: int = 0
    hits: int = 0


def count(one: Explained) -> Rises:
    """Look at every place of an observation's window; without an X-ray curve none is flat."""
    inside = one.window()
    score = one.scores().astype(np.float64)
    used = np.isfinite(score) & inside[:, :, None]
    intensity, minutes = one.shard.read("intensity"), one.minutes()
    goes = one.shard.goes()
    times = one.shard.read("time")[inside]
    steady = np.nan if goes is None else change(times, np.interp(times, goes.time, goes.flux))
    kind = one.shard.read("truth/kind") if "kind" in one.shard.truth else np.zeros(used.shape, dtype=np.uint8)
    places = flat = up = down = more = fewer = hits = 0
    for step, slit in np.ndindex(used.shape[1:]):
        there = used[:, step, slit]
        if there.sum() < LEAST:
            continue
        places += 1
        time = minutes[there, step]
        if abs(steady) < STEADY and abs(change(time, intensity[there, step, slit])) < FLAT:
            flat += 1
            early, late = np.array_split(kind[there, step, slit] > 0, 2)
            more, fewer = more + (late.mean() > early.mean()), fewer + (late.mean() < early.mean())
            values = score[there, step, slit]
            # A rise has a positive slope, a fall a negative one: one trend tells of either.
            sign = 1.0 if theilslopes(values, time).slope >= 0 else -1.0
            if trend(time, sign * values).p <= CHANCE:
                up, down = up + (sign > 0), down + (sign < 0)
                hits += sign > 0 and late.mean() > early.mean()
    return Rises(
        one.name, one.label is Label.PF, places, flat, int(up), int(down), steady, int(more), int(fewer), int(hits)
    )


def change(time: np.ndarray, values: np.ndarray) -> float:
    """The robust slope (Theil-Sen) times the time spanned, as a share of the median; NaN if that is zero."""
    middle = float(np.median(values))
    return float(theilslopes(values, time).slope * np.ptp(time) / middle) if middle else np.nan


def together(them: Sequence[Rises], pf: bool, planted: bool = False) -> Compared:
    """Of the flat places of a class, the shares that rise and that fall, with their intervals over observations, and
    the one-sided p that more rise than fall, which is what chance gives in both directions alike.

    planted: of the precursors that a simulation put in, instead of the score.
    """
    mine = [one for one in them if one.pf is pf]
    names = ("flat", "more", "fewer") if planted else ("flat", "up", "down")
    flat, up, down = (np.array([getattr(one, name) for one in mine], dtype=float) for name in names)
    gain = np.divide(up - down, flat, out=np.full(len(flat), np.nan), where=flat > 0)
    return share(up, flat), share(down, flat), above_zero(gain)
