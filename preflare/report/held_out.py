"""Skill from held-out scores, observation by observation: what one of them carries, and how sure the whole is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from hydra.utils import instantiate

from preflare.data.datamodule import Pool, read_spectra
from preflare.explain.explanation import check_unchanged
from preflare.explain.target import log_odds
from preflare.report.explained import Explained
from preflare.report.resampling import cases, interval
from preflare.run import Run
from preflare.sun.observation import Label


@dataclass(frozen=True)
class Called:
    """An observation's clean spectra: how many have a score, and how many of them are called PF. region: the active
    region it is of."""

    name: str
    label: Label
    spectra: int
    called: int
    region: str

    @property
    def correct(self) -> float:
        """Share of spectra called what the observation is; NaN without spectra."""
        if not self.spectra:
            return np.nan
        share = self.called / self.spectra
        return share if self.label is Label.PF else 1 - share


def call(one: Explained) -> Called:
    """Count an observation's scores above 0.5 in its analysis window."""
    score = one.scores()
    inside = np.isfinite(score) & one.window()[:, :, None]
    return Called(one.name, one.label, int(inside.sum()), int((score[inside] > 0.5).sum()), one.region)


def rescore(runs: Sequence[Run], root: Path) -> list[list[Called]]:
    """For each run what its network of the best epoch calls the spectra of its test side, by observation.

    root: of the runs' shards. Raises ShardError if they are not those that the runs were trained with.
    """
    pool = Pool(root, instantiate(runs[0].config.line))
    check_unchanged(runs[0], root, pool.shards)
    shards = {shard.name: shard for shard in pool.shards}
    headers = [shard.header for shard in pool.shards]
    found = []
    for one in runs:
        side = instantiate(one.config.data).partitioner.divide(headers, pool.usable).rows["test"]
        answer, called = log_odds(one.network()), []
        for name, rows in side.items():
            with torch.no_grad():
                says = answer(torch.from_numpy(read_spectra(shards[name], rows))[:, None])
            header = shards[name].header
            region = header.active_region or name
            called.append(Called(name, header.label, len(rows), int((says > 0).sum()), region))
        found.append(called)
    return found


def tss(called: Sequence[Called]) -> float:
    """TSS of all spectra pooled, TP/(TP+FN) - FP/(FP+TN); NaN if a class is missing."""
    rates = []
    for label in (Label.PF, Label.AR):
        spectra = sum(one.spectra for one in called if one.label is label)
        hits = sum(one.called for one in called if one.label is label)
        rates.append(hits / spectra if spectra else np.nan)
    return rates[0] - rates[1]


def tss_interval(called: Sequence[Called], seed: int = 0) -> tuple[float, float]:
    """The 95% interval of ``tss``, by drawing the active regions of each class with replacement."""
    regions = cases([one.label is Label.PF for one in called], [one.region for one in called])
    classes = np.array([called[places[0]].label for places in regions], dtype=int)

    def drawn(chosen: np.ndarray) -> float:
        return tss([called[place] for one in chosen for place in regions[one]])

    return interval(classes, drawn, seed=seed)


def without_each(called: Sequence[Called]) -> list[float]:
    """TSS of the others, for each observation left out."""
    return [tss([other for other in called if other is not one]) for one in called]
