"""Features of all scored spectra of the windows: how many show what, which say whether a flare comes and which say
when (paper Sects. 8.1, 8.3, 8.4)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau, mannwhitneyu, rankdata

from preflare.report import features, resampling
from preflare.report.explained import Explained
from preflare.report.features import Emission
from preflare.report.resampling import above_zero, interval, share
from preflare.sun.line import Line
from preflare.sun.observation import Label

# Broad is what is wider than this share of the spectra of AR.
BROAD = 0.9
# Rasters from which a trend in time is told.
LEAST = 5


@dataclass(frozen=True, eq=False)
class Measured:
    """The clean scored spectra of an observation's window. values: features.UNITS and score -> (n,).

    repeat: (n,) of each spectrum. minutes: (repeat,). kind: (n,) of precursor; None on real shards. region: the active
    region it is of.
    """

    name: str
    pf: bool
    values: Mapping[str, np.ndarray]
    repeat: np.ndarray
    minutes: np.ndarray
    kind: np.ndarray | None
    region: str


@dataclass(frozen=True)
class Counted:
    """The share of spectra that show something: value, low and high of the 95% interval over observations."""

    flag: str
    high: tuple[float, float, float]
    pf: tuple[float, float, float]
    ar: tuple[float, float, float]


@dataclass(frozen=True)
class Says:
    """What a feature says. area: the probability that the median of a PF observation lies above that of an AR one.

    tau: Kendall's, of raster means against time, mean over PF observations. Both with 95% intervals, of areas over
    active regions, of taus over observations. p_if, p_when: that chance gives as much on either side, over the same (of
    few, intervals promise a little too much).
    planted_area: the probability that a spectrum with a precursor lies above one without, of PF; NaN on real shards.
    """

    feature: str
    area: tuple[float, float, float]
    tau: tuple[float, float, float]
    p_if: float
    p_when: float
    planted_area: float


def measure(one: Explained, line: Line, emission: Emission) -> Measured:
    """The features of an observation."""
    score = one.scores()
    used = np.isfinite(score) & one.window()[:, :, None]
    intensity = one.shard.read("intensity")[used]
    values = features.measure(one.shard.read("spectra")[used], intensity, line, emission)
    values["score"] = score[used].astype(np.float64)
    kind = one.shard.read("truth/kind")[used] if "kind" in one.shard.truth else None
    minutes = one.minutes().mean(axis=1)
    return Measured(one.name, one.label is Label.PF, values, np.nonzero(used)[0], minutes, kind, one.region)


def count(them: Sequence[Measured], score: float) -> list[Counted]:
    """How many spectra show each of features.FLAGS: of PF with at least this score, of all PF, and of AR."""
    broad = _broad(them)
    found = []
    shown = [features.flags(one.values, broad) for one in them]
    for flag in features.FLAGS:
        groups = []
        for pf, least in ((True, score), (True, -np.inf), (False, -np.inf)):
            mine = [place for place, one in enumerate(them) if one.pf is pf]
            inside = [them[place].values["score"] >= least for place in mine]
            part = np.array([(shown[place][flag] & here).sum() for place, here in zip(mine, inside, strict=True)])
            groups.append(share(part, np.array([here.sum() for here in inside])))
        found.append(Counted(flag, *groups))
    return found


def surplus(them: Sequence[Measured], score: float) -> tuple[float, float, float]:
    """By how much more spectra of PF with at least this score show downflows than upflows, as a share; its interval."""
    mine = [one for one in them if one.pf]
    part, whole = [], []
    for one in mine:
        here, shown = one.values["score"] >= score, features.flags(one.values, np.inf)
        part.append(int((shown["downflow"] & here).sum()) - int((shown["upflow"] & here).sum()))
        whole.append(int(here.sum()))
    return share(np.array(part), np.array(whole))


def says(them: Sequence[Measured], seed: int = 0) -> list[Says]:
    """What every feature says, the score last."""
    pf = np.array([one.pf for one in them])
    regions = cases(them)
    flaring = np.array([int(pf[places[0]]) for places in regions])
    found = []
    for name in (*features.UNITS, "score"):
        medians = np.array([_median(one.values[name]) for one in them])
        taus = np.array([tau(one, name) for one in them if one.pf])
        there, known = taus[np.isfinite(taus)], np.isfinite(medians)
        # As ``area`` of those drawn, for many draws.
        above = (medians[:, None] > medians) + 0.5 * (medians[:, None] == medians)

        def of(places: np.ndarray, above: np.ndarray = above, known: np.ndarray = known) -> float:
            places = places[known[places]]
            pairs = above[places[pf[places]]][:, places[~pf[places]]]
            return float(pairs.mean()) if pairs.size else np.nan

        def drawn(chosen: np.ndarray, of: Callable[[np.ndarray], float] = of) -> float:
            return of(np.concatenate([regions[place] for place in chosen]))

        def mean(places: np.ndarray, there: np.ndarray = there) -> float:
            return float(there[places].mean())

        everyone = np.arange(len(them))
        rises = (float(there.mean()), *interval(len(there), mean, seed=seed)) if len(there) else (np.nan,) * 3
        whether = (of(everyone), *interval(flaring, drawn, seed=seed))
        found.append(Says(name, whether, rises, p_if(them, name), p_when(them, name), _planted(them, name)))
    return found


def tau(one: Measured, name: str) -> float:
    """Kendall's tau of a feature's mean over each raster against time; NaN with fewer than ``LEAST`` rasters."""
    known = np.isfinite(one.values[name])
    counts = np.bincount(one.repeat[known], minlength=len(one.minutes))
    sums = np.bincount(one.repeat[known], weights=one.values[name][known], minlength=len(one.minutes))
    there = counts > 0
    if there.sum() < LEAST or not np.ptp(sums[there] / counts[there]):
        return np.nan
    return float(kendalltau(one.minutes[there], sums[there] / counts[there]).statistic)


def cases(them: Sequence[Measured]) -> list[np.ndarray]:
    """The places in them of the observations of each active region and class, as ``resampling.cases``."""
    return resampling.cases([one.pf for one in them], [one.region for one in them])


def p_if(them: Sequence[Measured], name: str) -> float:
    """The two-sided p that medians of observations, averaged over each active region, do not tell PF from AR (Mann &
    Whitney); NaN without both."""
    medians = np.array([_median(one.values[name]) for one in them])
    sides: dict[bool, list[float]] = {True: [], False: []}
    for places in cases(them):
        known = medians[places][np.isfinite(medians[places])]
        if len(known):
            sides[them[places[0]].pf].append(float(known.mean()))
    return float(mannwhitneyu(sides[True], sides[False]).pvalue) if all(sides.values()) else np.nan


def p_when(them: Sequence[Measured], name: str) -> float:
    """The two-sided p that a feature neither rises nor falls on the way to the flare, over PF observations."""
    taus = np.array([tau(one, name) for one in them if one.pf])
    # NumPy's minimum, as Python's loses a NaN.
    return float(np.minimum(1.0, 2 * np.minimum(above_zero(taus), above_zero(-taus))))


def area(one: np.ndarray, other: np.ndarray) -> float:
    """The probability that a value of one (n,) lies above one of other (m,), a tie counting half (ROC AUC); those
    that are not finite are left out, and it is NaN where none is left."""
    one, other = one[np.isfinite(one)], other[np.isfinite(other)]
    if not len(one) or not len(other):
        return np.nan
    ranks = rankdata(np.concatenate([one, other]))[: len(one)].sum()
    return float((ranks - len(one) * (len(one) + 1) / 2) / (len(one) * len(other)))


def _planted(them: Sequence[Measured], name: str) -> float:
    kinds = [one.kind for one in them if one.pf and one.kind is not None]
    if name not in features.UNITS or not kinds:
        return np.nan
    kind = np.concatenate(kinds)
    values = np.concatenate([one.values[name] for one in them if one.pf and one.kind is not None])
    return area(values[kind > 0], values[kind == 0])


def _broad(them: Sequence[Measured]) -> float:
    widths = [one.values["width"] for one in them if not one.pf]
    return float(np.nanquantile(np.concatenate(widths), BROAD)) if widths else np.nan


def _median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else np.nan
