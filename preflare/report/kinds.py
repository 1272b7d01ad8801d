"""Kinds of spectra by what their attributions look like, and how they agree with kinds that a simulation put in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans

from preflare.report.explained import Explained
from preflare.report.resampling import p_value
from preflare.sun.line import Line

# Of an observation at most so many spectra say what kinds there are, so that none decides alone.
AT_MOST = 200
CALLED = 0.5
DRAWS = 9999
# Speed of light; within how much a place is the core, and within how much its wing, km/s.
LIGHT, CORE, WING = 299_792.458, 20.0, 150.0
# Å within which a place is that of a feature (unless it is a blend), and from which two places are apart.
NEAR, APART = 0.2, 0.4
# Of the highest place, the share that makes another one worth naming.
SECOND = 0.4
# Spectra read at once.
BLOCK = 50_000
ORDINALS = ("", "second", "third", "fourth", "fifth", "sixth")


@dataclass(frozen=True, eq=False)
class Kinds:
    """names: of the kinds, after where the attribution is highest. centres: (kind, wavelength), of length 1."""

    names: tuple[str, ...]
    centres: np.ndarray

    def of(self, rows: np.ndarray) -> np.ndarray:
        """The kind of each of rows (n, wavelength) of attributions, (n,): the most alike; -1 where there is none or a
        row is not finite."""
        there = np.isfinite(rows).all(axis=1) & (len(self.names) > 0)
        found = np.full(len(rows), -1)
        if not there.any():
            return found
        found[there] = np.argmax(shape(rows[there]) @ self.centres.T, axis=1)
        return found


@dataclass(frozen=True, eq=False)
class Sample:
    """Clean explained spectra of an observation's window that are called PF. rows: (n, wavelength) attributions.
    planted: (n,) kind of precursor in the simulation, 0 for none; None if it does not say."""

    name: str
    rows: np.ndarray
    planted: np.ndarray | None


def sample(one: Explained) -> Sample:
    """At most ``AT_MOST`` of an observation, evenly spread over time and place."""
    index = one.in_window()
    index = index[one.cube.rows("score", index) > CALLED]
    if len(index) > AT_MOST:
        index = index[np.linspace(0, len(index) - 1, AT_MOST).round().astype(int)]
    planted = one.shard.read("truth/kind").reshape(-1)[index] if "kind" in one.shard.truth else None
    return Sample(one.name, one.cube.rows("expected_gradients", index), planted)


def shape(rows: np.ndarray) -> np.ndarray:
    """What speaks for PF in attributions (n, wavelength), each divided by its length."""
    positive = np.clip(rows.astype(np.float64), 0, None)
    length = np.linalg.norm(positive, axis=1, keepdims=True)
    return np.divide(positive, length, out=np.zeros_like(positive), where=length > 0)


def find(samples: Sequence[Sample], count: int, line: Line, seed: int = 0) -> Kinds:
    """Group the samples' attributions into at most so many kinds, by k-means of their shapes."""
    rows = shape(np.concatenate([np.empty((0, line.points)), *(one.rows for one in samples)]))
    count = min(count, len(np.unique(rows, axis=0)))
    if count == 0:
        return Kinds((), np.empty((0, line.points)))
    model = KMeans(count, n_init=4, random_state=seed).fit(rows)
    centres = shape(model.cluster_centers_)
    order = np.argsort(-np.bincount(model.labels_, minlength=count), kind="stable")
    return Kinds(_distinct([name(line, centres[place]) for place in order]), centres[order])


def name(line: Line, row: np.ndarray) -> str:
    """Where a row (wavelength,) is highest, and where next, if that is ``SECOND`` of it or more and well apart."""
    first = int(np.argmax(row))
    padded = np.concatenate([[-np.inf], row, [-np.inf]])
    tops = np.flatnonzero((row >= padded[:-2]) & (row > padded[2:]) & (row >= SECOND * row[first]))
    others = [top for top in tops.tolist() if abs(line.wavelength[top] - line.wavelength[first]) > APART]
    places = [first, *sorted(others, key=lambda top: -row[top])[:1]]
    return " and ".join(dict.fromkeys(where(line, float(line.wavelength[place])) for place in places))


def where(line: Line, wavelength: float) -> str:
    """A wavelength in Å in words: a feature, a core or its wing, else the number."""
    shares = line.away(np.array([wavelength]), NEAR)[0]
    near, text = min(zip(shares.tolist(), line.features, strict=True), default=(np.inf, ""))
    far, core, place = min((abs(place - wavelength), text, place) for text, place in line.cores.items())
    away = LIGHT * (wavelength / place - 1)
    if near < 1 and abs(line.features[text] - wavelength) < far:
        return text
    if abs(away) > WING:
        return f"{wavelength:.1f} Å"
    return f"{core} core" if abs(away) <= CORE else f"{core} {'red' if away > 0 else 'blue'} wing"


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """The same names told apart: "triplet", "triplet, second kind". A number in brackets is of a line."""
    before = [names[:place].count(text) for place, text in enumerate(names)]
    return tuple(
        f"{text}, {ORDINALS[count] if count < len(ORDINALS) else f'{count + 1}th'} kind" if count else text
        for text, count in zip(names, before, strict=True)
    )


def leading(name: str) -> str:
    """Where a kind is highest: the first place in its name."""
    return name.partition(", ")[0].partition(" and ")[0]


def carried(one: Explained, kinds: Kinds) -> np.ndarray:
    """What spectra of each kind add to the mean score of a place's window, (kind, step, slit): of those that were
    explained and are called PF."""
    _, steps, pixels = one.cube.shape[:3]
    index = one.in_window()
    index = index[one.cube.rows("score", index) > CALLED]
    total = np.zeros((len(kinds.names), steps * pixels))
    for part in np.array_split(index, len(index) // BLOCK + 1):
        score, kind = one.cube.rows("score", part), kinds.of(one.cube.rows("expected_gradients", part))
        there = kind >= 0
        np.add.at(total, (kind[there], part[there] % (steps * pixels)), score[there])
    repeats = np.maximum(one.window().sum(axis=0), 1)
    mean: np.ndarray = total.reshape(-1, steps, pixels) / repeats[:, None]
    return mean


def excess(found: np.ndarray, planted: np.ndarray) -> float:
    """By how much likelier two spectra of the same kind found (n,) are of the same kind planted (n,) than any two.

    0 where the two have nothing to do with each other, however alike neighbours are; NaN without such pairs, or where
    all are of one kind.
    """
    if len(found) < 2 or len(np.unique(planted)) < 2 or len(np.unique(found)) < 2:
        return np.nan
    table = np.zeros((found.max() + 1, int(planted.max()) + 1))
    np.add.at(table, (found, planted), 1)

    def pairs(counts: np.ndarray) -> float:
        return float((counts * (counts - 1)).sum())

    together = pairs(table.sum(axis=1))
    if not together:
        return np.nan
    return pairs(table) / together - pairs(table.sum(axis=0)) / (len(found) * (len(found) - 1))


def agreement(kinds: Kinds, samples: Sequence[Sample], seed: int = 0) -> tuple[float, float, int]:
    """The mean ``excess`` over observations, among spectra with a precursor, its p by random signs of observations,
    and how many there are."""
    found = []
    for one in samples:
        assert one.planted is not None
        there = one.planted > 0
        found.append(excess(kinds.of(one.rows[there]), one.planted[there]))
    values = np.array([value for value in found if np.isfinite(value)])
    if not len(values):
        return np.nan, np.nan, 0
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (DRAWS, len(values)))
    mean = float(values.mean())
    return mean, p_value(mean - 1e-12, (signs * values).mean(axis=1)), len(values)
