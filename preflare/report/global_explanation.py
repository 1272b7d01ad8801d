"""Where attributions are largest (paper Sect. 8.3, Fig. 16), what lies there, and what a simulation put there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import false_discovery_control, spearmanr

from preflare.explain.truth import ALL, Truth
from preflare.report.resampling import above_zero, interval, share
from preflare.report.sample import Sample
from preflare.sun.line import Line
from preflare.sun.simulation.precursor import Precursor

# Å: a core's centre is so near to it, its sides (where its peaks and wings lie) as near as the second; another
# feature is so near to its wavelength, unless it is a blend.
CENTRE, SIDE, FEATURE = 0.2, 1.0, 0.16
# Å to both sides of a narrow line, where what it is absorbed from is seen.
BESIDE = 0.25
# Spectra of other kinds that an observation needs to compare with.
FEW = 5


@dataclass(frozen=True)
class Found:
    """Of the weight of maxima, the share in a region, its 95% interval over observations, and what a maximum anywhere
    would give: the region's share of the wavelengths."""

    region: str
    share: float
    low: float
    high: float
    chance: float


@dataclass(frozen=True)
class Planted:
    """Of so many spectra with one kind of precursor, of several observations: the share of maxima on wavelengths that
    the precursor changed; the share there if they fell anywhere, with the one-sided p of more than that, by
    observation; and the share there of the maxima of all other kinds in the same observations, with the one-sided p of
    more than that, NaN where no observation has other kinds."""

    kind: str
    spectra: int
    observations: int
    hits: float
    anywhere: float
    others: float
    p: float
    p_others: float


def maxima(attributions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place (n,) and size (n,) of the largest attribution of each spectrum (n, wavelength); 0 where none is positive.

    NaN points are no maxima.
    """
    filled = np.where(np.isfinite(attributions), attributions, -np.inf)
    place = filled.argmax(axis=1)
    size = np.take_along_axis(filled, place[:, None], axis=1)[:, 0]
    return place, np.where(size > 0, size, 0.0).astype(np.float64)


def histogram(sample: Sample) -> np.ndarray:
    """Sizes of maxima summed at their wavelengths, (wavelength,), as shares of all."""
    place, size = maxima(sample.attributions)
    total = np.bincount(place, weights=size, minlength=sample.attributions.shape[1])
    return total / total.sum() if total.any() else total


def regions(line: Line) -> dict[str, np.ndarray]:
    """Name -> (wavelength,) bool: of each core its blue side, centre and red side, other features, and elsewhere.

    No wavelength is in two: a feature takes it from a core's side, and of two features the one it is nearer to, by
    how far they reach.
    """
    wavelength = line.wavelength
    owner = np.full(len(wavelength), "elsewhere", dtype=object)
    for name, core in line.cores.items():
        away = wavelength - core
        owner[(away >= -SIDE) & (away < -CENTRE)] = f"{name}, blue side"
        owner[(away > CENTRE) & (away <= SIDE)] = f"{name}, red side"
        owner[np.abs(away) <= CENTRE] = f"{name}, centre"
    if line.features:
        away = line.away(wavelength, FEATURE)
        near = away.min(axis=1) <= 1
        owner[near] = np.array(list(line.features), dtype=object)[away.argmin(axis=1)][near]
    named = sorted({str(name) for name in owner} - {"elsewhere"}, key=lambda name: wavelength[owner == name].min())
    return {name: owner == name for name in (*named, "elsewhere")}


def by_region(sample: Sample, line: Line) -> list[Found]:
    """Where the maxima of a sample are, in the regions' order; observations without a spectrum are left out."""
    place, size = maxima(sample.attributions)
    there = np.unique(sample.owner)
    whole = sample.sums(size)[there]
    return [
        Found(name, *share(sample.sums(size * inside[place])[there], whole), float(inside.mean()))
        for name, inside in regions(line).items()
    ]


def planted(sample: Sample, truth: Truth, least: int = 10) -> list[Planted]:
    """Whether the maxima are where the precursors changed spectra: of all kinds, then of each with enough spectra.

    ``others`` takes, for every spectrum of a kind, the maxima of all other kinds in its own observation: one that
    prefers some places does so whatever the kind. Observations with fewer than ``FEW`` spectra of other kinds are left
    out of it.
    """
    place, _ = maxima(sample.attributions)
    changed = truth.after.any(axis=1)
    kinds = {ALL: changed} | {
        kind.name.lower().replace("_", " "): changed & (truth.kind == kind) for kind in Precursor if kind
    }
    points = sample.attributions.shape[1]
    rows = []
    for name, here in kinds.items():
        if here.sum() < least:
            continue
        masks, owner = truth.after[here], sample.owner[here]
        hit = masks[np.arange(len(masks)), place[here]]
        chance = masks.mean(axis=1)
        others = np.full(len(masks), np.nan)
        for one in np.unique(owner):
            rest = place[changed & ~here & (sample.owner == one)]
            if len(rest) >= FEW:
                others[owner == one] = masks[owner == one] @ (np.bincount(rest, minlength=points) / len(rest))
        there = np.unique(owner)
        known = np.isfinite(others)
        gains = [
            np.array(
                [
                    (hit[mine] - level[mine]).mean() if (mine := (owner == one) & which).any() else np.nan
                    for one in there
                ]
            )
            for level, which in ((chance, np.ones(len(masks), bool)), (others, known))
        ]
        rows.append(
            Planted(
                name,
                int(here.sum()),
                len(there),
                float(hit.mean()),
                float(chance.mean()),
                float(others[known].mean()) if known.any() else np.nan,
                *(above_zero(gain) for gain in gains),
            )
        )
    return rows


def recovered(planted: Sequence[Planted], level: float) -> list[str]:
    """The kinds whose own maxima are where they changed spectra more often than anywhere and than those of other kinds,
    so that of those named at most a share ``level`` is so by chance (Benjamini & Hochberg 1995)."""
    them = [one for one in planted if np.isfinite(one.p_others)]
    if not them:
        return []
    adjusted = false_discovery_control([max(one.p, one.p_others) for one in them])
    return [one.kind for one, p in zip(them, adjusted, strict=True) if p <= level]


def depth(spectra: np.ndarray, wavelength: np.ndarray, at: float) -> np.ndarray:
    """How deep a narrow line is, (n,), in the unit of the spectra (n, wavelength): from the mean of both its sides."""
    blue, middle, red = (int(np.argmin(np.abs(wavelength - at - off))) for off in (-BESIDE, 0, BESIDE))
    found: np.ndarray = (spectra[:, blue] + spectra[:, red]) / 2 - spectra[:, middle]
    return found


def correlation(sample: Sample, one: np.ndarray, other: np.ndarray, least: int = 10) -> tuple[float, float, float]:
    """Spearman's correlation of two quantities (n,) within observations: the mean over these, and its interval.

    Observations with fewer spectra than ``least``, or where one quantity does not vary, are left out.
    """
    found = []
    for place in np.unique(sample.owner):
        here = sample.owner == place
        if here.sum() >= least and np.ptp(one[here]) and np.ptp(other[here]):
            found.append(float(spearmanr(one[here], other[here]).statistic))
    values = np.array(found)
    if not len(values):
        return (np.nan,) * 3
    return float(values.mean()), *interval(len(values), lambda places: float(values[places].mean()))


def near(wavelength: np.ndarray, places: Sequence[float]) -> np.ndarray:
    """Points within ``FEATURE`` of one of some wavelengths, (wavelength,) bool."""
    found: np.ndarray = (np.abs(wavelength[:, None] - np.array(places)) <= FEATURE).any(axis=1)
    return found
