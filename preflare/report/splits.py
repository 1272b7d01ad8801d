"""A sweep over partitions: the skill of every split, and which one the rest of the study is done on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from preflare.errors import RunError
from preflare.run import Run

# Skill that a dead network gets where its own is not defined: it calls every spectrum the same.
DEAD = 0.0


@dataclass(frozen=True, eq=False)
class Splits:
    """Arrays over the runs, (run,), in the order of ``seeds``, the partitions.

    tss, ppv_npv, accuracy: on the test side, at the best epoch. ppv_npv is NaN for a network that calls every
    spectrum the same. best_epoch: from 0. ratio: test to training spectra. dead: networks that stayed so.
    """

    runs: tuple[Run, ...]
    seeds: np.ndarray
    tss: np.ndarray
    ppv_npv: np.ndarray
    accuracy: np.ndarray
    best_epoch: np.ndarray
    ratio: np.ndarray
    dead: np.ndarray

    @classmethod
    def of(cls, runs: Sequence[Run]) -> "Splits":
        """Raises RunError unless each run has a partition of its own."""
        runs = sorted(runs, key=lambda run: run.record["partition"]["seed"])
        seeds = np.array([run.record["partition"]["seed"] for run in runs])
        if len(np.unique(seeds)) < len(seeds):
            raise RunError("Runs of the sweep share a partition. Give a sweep over partition.seed alone.")

        def scores(name: str) -> np.ndarray:
            values = [run.record["metrics"]["test"][name] for run in runs]
            return np.array([np.nan if value is None else value for value in values])

        def count(run: Run, side: str) -> int:
            return sum(run.record["partition"]["sides"][side].values())

        return cls(
            tuple(runs),
            seeds,
            scores("tss"),
            scores("ppv_npv"),
            scores("accuracy"),
            np.array([run.record["best_epoch"] for run in runs]),
            np.array([count(run, "test") / count(run, "train") for run in runs]),
            np.array([run.record["dead"] for run in runs]),
        )

    def place(self, seed: int) -> int:
        """Where a partition stands in the arrays. Raises RunError if it was not trained."""
        found = np.flatnonzero(self.seeds == seed)
        if not len(found):
            raise RunError(
                f"The sweep has no partition {seed}; it has {', '.join(map(str, self.seeds))}. Choose one: chosen=N."
            )
        return int(found[0])


def quartiles(values: np.ndarray, undefined: float | None = None) -> tuple[float, float, float]:
    """Of the defined values, NaN if there are none; undefined: what counts where there is none, None to leave those
    out."""
    kept = values[np.isfinite(values)] if undefined is None else np.where(np.isfinite(values), values, undefined)
    if not len(kept):
        return np.nan, np.nan, np.nan
    low, middle, high = np.quantile(kept, [0.25, 0.5, 0.75])
    return float(low), float(middle), float(high)
