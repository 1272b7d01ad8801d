"""Whether what leads along a slit before the flare lies where the flare will be (paper Sect. 8.2: 105 of 135 slits).

A slit is aligned if its highest pixel before the flare lies within a tolerance, in arcsec, of the pixel that is the
brightest in the flare. Bright pixels may lead by themselves, and so may the middle of a slit; hence two levels of
chance: profiles shifted along their slit, round its end (all steps of a raster alike, as they resemble each other),
and profiles of another observation, at the same share of the slit. An observation is one case, however many slits it
has.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from preflare.report.resampling import interval, p_value
from preflare.report.slits import Slit

# Predictors. Beyond intensity: what is left of the attribution once its straight line in the log of the intensity is
# taken away. Planted: the share of time with a precursor, where the simulation says.
ATTRIBUTION, INTENSITY, BEYOND, PLANTED = (
    "attribution",
    "intensity",
    "attribution beyond intensity",
    "precursors put in",
)

DRAWS = 9999
# Share of a window's exposures that a pixel must have to have a profile.
ENOUGH = 0.5
# Sums in another order differ in their last digits.
TINY = 1e-12
# Tolerances that a slit must be long to count: on a shorter one, chance alone may align more than half of its pixels.
LONG = 4.0


@dataclass(frozen=True, eq=False)
class Pair:
    """A slit's profile before the flare and how far each pixel is from the flare.

    profile: (slit,) NaN where unknown, not the same everywhere. away: (slit,) arcsec.
    """

    profile: np.ndarray
    away: np.ndarray

    @property
    def leads(self) -> np.ndarray:
        """The highest pixels of the profile, (n,): several if they are equal, and then each counts in part."""
        return np.flatnonzero(self.profile == np.nanmax(self.profile))

    @property
    def target(self) -> int:
        """The pixel of the flare."""
        return int(np.nanargmin(self.away))

    def is_long(self, tolerance: float) -> bool:
        """Whether its slit is ``LONG`` tolerances long: its ends are that far from the flare, together."""
        return bool(self.away[0] + self.away[-1] >= LONG * tolerance)


@dataclass(frozen=True)
class Alignment:
    """Of a predictor. slits, aligned: how many; short: slits left out, not ``LONG`` tolerances long. share: of aligned
    slits, mean over observations, with its 95% interval over them. shifted, paired: the share by chance; p_shifted,
    p_paired: how often chance does as well. rank: of the flare's pixel among those of its profile (0 the lowest, 1 the
    highest, 0.5 by chance), mean over observations; p_rank: by shifts.
    """

    slits: int
    aligned: int
    share: float
    interval: tuple[float, float]
    shifted: float
    p_shifted: float
    paired: float
    p_paired: float
    rank: float
    p_rank: float
    short: int = 0


def mean_before(values: np.ndarray, slit: Slit) -> np.ndarray:
    """The mean (slit,) of values (repeat, slit) over the analysis window; NaN for pixels with too few."""
    inside, enough = _before(values, slit)
    return np.where(enough, _mean(list(inside)) if len(inside) else np.nan, np.nan)


def median_before(values: np.ndarray, slit: Slit) -> np.ndarray:
    """The median (slit,), as ``mean_before``: of intensities, which cosmic rays raise now and then."""
    inside, enough = _before(values, slit)
    found = np.full(inside.shape[1], np.nan)
    if enough.any() and len(inside):
        found[enough] = np.nanmedian(inside[:, enough], axis=0)
    return found


def _before(values: np.ndarray, slit: Slit) -> tuple[np.ndarray, np.ndarray]:
    """The values of the window, and which pixels have enough of them."""
    inside = values[slit.before]
    return inside, np.isfinite(inside).sum(axis=0) >= ENOUGH * max(len(inside), 1)


def from_flare(slit: Slit) -> np.ndarray | None:
    """How far each pixel is from the one with the highest mean intensity in the flare, (slit,) arcsec, both where
    they are in the flare; None if the slit saw no flare."""
    light = slit.intensity[slit.flare]
    if not np.isfinite(light).any():
        return None
    mean = _mean(list(light))
    place = slit.position[slit.flare].mean(axis=0)
    away: np.ndarray = np.hypot(*(place - place[int(np.nanargmax(mean))]).T)
    return away


def profiles(mine: Sequence[Slit]) -> dict[str, list[np.ndarray]]:
    """What may lead along the slits of an observation before the flare: predictor -> (slit,) of each."""
    attribution = [mean_before(one.attribution, one) for one in mine]
    with np.errstate(divide="ignore", invalid="ignore"):
        light = [np.log(median_before(one.intensity, one)) for one in mine]
    light = [np.where(np.isfinite(one), one, np.nan) for one in light]
    found = {ATTRIBUTION: attribution, INTENSITY: light, BEYOND: beyond(attribution, light)}
    if all(one.precursors is not None for one in mine):
        found[PLANTED] = [mean_before(np.asarray(one.precursors, dtype=float), one) for one in mine]
    return found


def pairs(mine: Sequence[Slit]) -> dict[str, list[Pair]]:
    """Of the slits that saw the flare and have a profile that is not flat, the two: predictor -> pairs."""
    away = [from_flare(one) for one in mine]
    return {
        name: [
            Pair(profile, far)
            for profile, far in zip(of, away, strict=True)
            if far is not None and len(np.unique(profile[np.isfinite(profile)])) > 1
        ]
        for name, of in profiles(mine).items()
    }


def beyond(profiles: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What is left of the profiles of an observation's slits once a straight line in others is taken away.

    profiles, others: (slit,) each. One line for all slits of the observation; without enough pixels or any spread,
    only the mean is taken away.
    """
    y, x = np.concatenate(profiles), np.concatenate(others)
    there = np.isfinite(x) & np.isfinite(y)
    if not there.any():
        return [np.full(len(one), np.nan) for one in profiles]
    steep = there.sum() > 2 and np.ptp(x[there]) > 0
    line = np.polyfit(x[there], y[there], 1) if steep else np.array([0.0, y[there].mean()])
    return [one - np.polyval(line, other) for one, other in zip(profiles, others, strict=True)]


def measure(observations: Sequence[Sequence[Pair]], tolerance: float, seed: int = 0) -> Alignment:
    """Count, and compare with chance. observations: of each, the pairs of its slits; tolerance: arcsec.

    Slits that are not long (``Pair.is_long``) and observations without a pair are left out; all slits of one have the
    same length. NaN if none is left; the paired values are NaN if fewer than two are.
    """
    them = [kept for one in observations if (kept := [pair for pair in one if pair.is_long(tolerance)])]
    short = sum(map(len, observations)) - sum(map(len, them))
    if not them:
        nan = np.nan
        return Alignment(0, 0, nan, (nan, nan), nan, nan, nan, nan, nan, nan, short)
    stream = np.random.default_rng(seed)
    hits = [np.array([_rolled(one, tolerance)[0] for one in mine]) for mine in them]
    share = np.array([one.mean() for one in hits])
    aligned = [np.mean([_rolled(one, tolerance) for one in mine], axis=0) for mine in them]
    ranks = [_mean([_ranks(one) for one in mine]) for mine in them]
    shifts = np.array([stream.integers(len(one), size=DRAWS) for one in aligned])
    by_shift = np.mean([one[drawn] for one, drawn in zip(aligned, shifts, strict=True)], axis=0)
    rank_by_shift = _mean([one[drawn] for one, drawn in zip(ranks, shifts, strict=True)])
    rank = float(_mean([one[:1] for one in ranks])[0])
    paired, p_paired = _paired(them, tolerance, float(share.mean()), stream)
    return Alignment(
        slits=sum(map(len, hits)),
        aligned=round(sum(one.sum() for one in hits)),
        share=float(share.mean()),
        interval=interval(len(share), lambda drawn: float(share[drawn].mean()), seed=seed),
        shifted=float(np.mean([one.mean() for one in aligned])),
        p_shifted=p_value(float(share.mean()) - TINY, by_shift),
        paired=paired,
        p_paired=p_paired,
        rank=rank,
        p_rank=p_value(rank - TINY, rank_by_shift),
        short=short,
    )


def shares(observations: Sequence[Sequence[Pair]], tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """The share of aligned slits of each observation, and that share by chance (shifts), (n,) each; NaN for those
    without a pair whose slit is long."""
    found = np.full((2, len(observations)), np.nan)
    for place, mine in enumerate(observations):
        if kept := [one for one in mine if one.is_long(tolerance)]:
            every = np.array([_rolled(one, tolerance) for one in kept])
            found[:, place] = every[:, 0].mean(), every.mean()
    return found[0], found[1]


def _mean(rows: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of rows (n,) that have a value, (n,); NaN where none has."""
    values = np.array(rows)
    count = np.isfinite(values).sum(axis=0)
    found: np.ndarray = np.divide(np.nansum(values, axis=0), count, out=np.full(count.shape, np.nan), where=count > 0)
    return found


def _rolled(one: Pair, tolerance: float) -> np.ndarray:
    """How far a slit is aligned, 0 to 1, once its profile is shifted by 0, 1, ... pixels, (slit,)."""
    length = len(one.away)
    near: np.ndarray = one.away[(one.leads[:, None] + np.arange(length)) % length] <= tolerance
    return near.mean(axis=0)


def _ranks(one: Pair) -> np.ndarray:
    """The rank of the flare's pixel once the profile is shifted by 0, 1, ... pixels, (slit,); ties count half."""
    length = len(one.profile)
    there = one.profile[np.isfinite(one.profile)]
    value = one.profile[(one.target - np.arange(length)) % length]
    if len(there) < 2:
        return np.full(length, np.nan)
    lower = (there[None] < value[:, None]).sum(axis=1)
    same = (there[None] == value[:, None]).sum(axis=1) - 1
    return np.where(np.isfinite(value), (lower + 0.5 * same) / (len(there) - 1), np.nan)


def _paired(
    them: Sequence[Sequence[Pair]], tolerance: float, observed: float, stream: np.random.Generator
) -> tuple[float, float]:
    """The mean share with the profiles of another observation, and the p of all ways to deal them out."""
    count = len(them)
    if count < 2:
        return np.nan, np.nan
    table = np.array([[_borrowed(mine, theirs, tolerance) for theirs in them] for mine in them])
    off = table[~np.eye(count, dtype=bool)]
    dealt = np.array([table[np.arange(count), stream.permutation(count)].mean() for _ in range(DRAWS)])
    return float(off.mean()), p_value(observed - TINY, dealt)


def _borrowed(mine: Sequence[Pair], theirs: Sequence[Pair], tolerance: float) -> float:
    """The share of my slits that are aligned with the leading pixels of theirs, at the same share of the slit."""
    found = []
    for step, one in enumerate(mine):
        other = theirs[step * len(theirs) // len(mine)]
        places = other.leads / max(len(other.profile) - 1, 1) * (len(one.away) - 1)
        found.append((one.away[places.round().astype(int)] <= tolerance).mean())
    return float(np.mean(found))
