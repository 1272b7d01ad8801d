"""Spectrograms: what one pixel of the slit saw in the analysis window, and what made it PF (paper Sect. 8.1, Figs. 12
and 13)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from preflare.report.explained import Explained
from preflare.sun.observation import Phase

# Of a window's repeats, the share that must be clean for their mean score to be ranked.
ENOUGH = 0.5
# Repeats read at once: spectra of a long observation do not fit into memory.
BLOCK = 16


@dataclass(frozen=True)
class Place:
    """One pixel of the slit at one step of an observation. score: mean over its spectra in the window."""

    one: Explained
    step: int
    pixel: int
    score: float

    @property
    def title(self) -> str:
        return f"{self.one.name} step {self.step}, pixel {self.pixel}"


@dataclass(frozen=True, eq=False)
class Spectrogram:
    """What a place saw in the window: (repeat,) minutes from the onset (AR: from the window's end), score and kind of
    precursor put in by the simulation (None if it does not say); (repeat, wavelength) spectra and attributions, NaN
    where there are none. Score and attributions are those of clean spectra.
    """

    place: Place
    minutes: np.ndarray
    score: np.ndarray
    spectra: np.ndarray
    attribution: np.ndarray
    kind: np.ndarray | None

    @property
    def mean(self) -> np.ndarray:
        """The mean attribution, weighted by the score, (wavelength,); NaN if no spectrum was explained."""
        there = np.isfinite(self.attribution).all(axis=1) & np.isfinite(self.score)
        if not there.any():
            return np.full(self.attribution.shape[1], np.nan)
        found: np.ndarray = np.average(self.attribution[there], axis=0, weights=self.score[there] + 1e-9)
        return found

    @property
    def highest(self) -> int:
        """The repeat of the highest score among those that were explained; -1 for none."""
        there = np.isfinite(self.attribution).all(axis=1)
        return int(np.argmax(np.where(there, self.score, -1.0))) if there.any() else -1


def rank(them: Sequence[Explained]) -> list[Place]:
    """Every (step, pixel) with clean spectra enough in its window, by their mean score, the highest first."""
    places = []
    for one in them:
        inside = one.window()
        score = np.where(inside[:, :, None], one.scores(), np.nan)
        count = np.isfinite(score).sum(axis=0)
        mean = np.divide(np.nansum(score, axis=0), count, out=np.full(count.shape, np.nan), where=count > 0)
        good = (count > 0) & (count >= ENOUGH * inside.sum(axis=0)[:, None])
        places += [Place(one, int(step), int(pixel), float(mean[step, pixel])) for step, pixel in np.argwhere(good)]
    return sorted(places, key=lambda place: (-place.score, place.title))


def cut(places: Sequence[Place]) -> list[Spectrogram]:
    """The spectrograms of places, in their order; every observation is read once."""
    found: dict[int, Spectrogram] = {}
    for one in {id(place.one): place.one for place in places}.values():
        mine = [number for number, place in enumerate(places) if place.one is one]
        for number, made in zip(mine, _cut(one, [places[number] for number in mine]), strict=True):
            found[number] = made
    return [found[number] for number in range(len(places))]


def _cut(one: Explained, places: Sequence[Place]) -> list[Spectrogram]:
    steps, pixels = (np.array([getattr(place, name) for place in places]) for name in ("step", "pixel"))
    columns: dict[str, list[np.ndarray]] = {"spectra": [], "kind": []}
    for _, block in one.shard.blocks(BLOCK):
        columns["spectra"].append(block.spectra[:, steps, pixels])
        if "kind" in block.truth:
            columns["kind"].append(block.truth["kind"][:, steps, pixels])
    spectra = np.concatenate(columns["spectra"])
    kind = np.concatenate(columns["kind"]) if columns["kind"] else None
    minutes, score = one.minutes()[:, steps], one.scores()[:, steps, pixels]
    inside = one.shard.read("phase")[:, steps] == Phase.PREFLARE
    attribution = np.full(spectra.shape, np.nan, dtype=np.float32)
    explained = np.zeros(one.cube.shape[:3], dtype=bool)
    explained.reshape(-1)[one.explained()] = True
    wanted = explained[:, steps, pixels]
    repeat, which = np.nonzero(wanted)
    index = np.ravel_multi_index((repeat, steps[which], pixels[which]), one.cube.shape[:3])
    attribution[repeat, which] = one.cube.rows("expected_gradients", index)
    return [
        Spectrogram(
            place,
            minutes[inside[:, number], number],
            score[inside[:, number], number],
            spectra[inside[:, number], number],
            attribution[inside[:, number], number],
            None if kind is None else kind[inside[:, number], number],
        )
        for number, place in enumerate(places)
    ]
