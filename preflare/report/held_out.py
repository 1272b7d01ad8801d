"""Skill from held-out scores, observation by observation: what one of them carries, and how sure the whole is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from preflare.report.explained import Explained
from preflare.report.resampling import interval
from preflare.sun.observation import Label


@dataclass(frozen=True)
class Called:
    """An observation's spectra of the analysis window: how many have a score, and how many of them are called PF."""

    name: str
    label: Label
    spectra: int
    called: int

    @property
    def correct(self) -> float:
        """Share of spectra called what the observation is; NaN without spectra."""
        if not self.spectra:
            return np.nan
        share = self.called / self.spectra
        return share if self.label is Label.PF else 1 - share


def call(one: Explained) -> Called:
    """Count an observation's scores above 0.5 in its analysis window."""
    score = one.cube.read("score")
    inside = np.isfinite(score) & one.window()[:, :, None]
    return Called(one.name, one.label, int(inside.sum()), int((score[inside] > 0.5).sum()))


def tss(called: Sequence[Called]) -> float:
    """TSS of all spectra pooled, TP/(TP+FN) - FP/(FP+TN); NaN if a class is missing."""
    rates = []
    for label in (Label.PF, Label.AR):
        spectra = sum(one.spectra for one in called if one.label is label)
        hits = sum(one.called for one in called if one.label is label)
        rates.append(hits / spectra if spectra else np.nan)
    return rates[0] - rates[1]


def tss_interval(called: Sequence[Called], seed: int = 0) -> tuple[float, float]:
    """The 95% interval of ``tss``, by drawing observations of each class with replacement."""
    labels = np.array([one.label for one in called])
    return interval(labels, lambda drawn: tss([called[place] for place in drawn]), seed=seed)


def without_each(called: Sequence[Called]) -> list[float]:
    """TSS of the others, for each observation left out."""
    return [tss([other for other in called if other is not one]) for one in called]
