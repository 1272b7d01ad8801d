"""Explained spectra of the analysis windows of many observations, one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from preflare.errors import RunError
from preflare.explain.truth import Truth
from preflare.report.explained import Explained
from preflare.sun.line import Line
from preflare.sun.observation import Label
from preflare.sun.quality import is_clean


@dataclass(frozen=True, eq=False)
class Sample:
    """n spectra. pf: (observation,) bool. owner: (n,) place of its observation. score: (n,). intensity: (n,) DN/s.

    quality: (n,) bits. spectra, attributions: (n, wavelength). truth: what the simulation put in; None on real shards.
    """

    pf: np.ndarray
    owner: np.ndarray
    score: np.ndarray
    intensity: np.ndarray
    quality: np.ndarray
    spectra: np.ndarray
    attributions: np.ndarray
    truth: Truth | None

    def where(self, chosen: np.ndarray) -> "Sample":
        """Those of the spectra; the observations stay. chosen: (n,) bool."""
        cut: dict[str, Any] = {
            one.name: getattr(self, one.name)[chosen] for one in fields(self) if one.name not in ("pf", "truth")
        }
        if self.truth is not None:
            truth = Truth(self.truth.after[chosen], self.truth.before[chosen], self.truth.kind[chosen])
        return Sample(self.pf, truth=None if self.truth is None else truth, **cut)

    @property
    def flaring(self) -> np.ndarray:
        """Which spectra are of PF observations, (n,) bool."""
        found: np.ndarray = self.pf[self.owner]
        return found

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Of values (n,), their sum over each observation, (observation,)."""
        return np.bincount(self.owner, weights=values, minlength=len(self.pf))


def gather(them: Sequence[Explained], line: Line, method: str) -> Sample:
    """Explained spectra of all observations that are clean by a line's rules, which may tolerate more than those by
    which the cubes were made. method: the cubes' dataset with the attributions.

    Raises RunError if a cube lacks the method.
    """
    parts: list[dict[str, np.ndarray]] = []
    truths = []
    for place, one in enumerate(them):
        if method not in one.cube.names:
            raise RunError(f"{one.cube.path} holds no {method}. Explain again with 'maps=[{method}]'.")
        index = one.in_window(is_clean(one.shard.read("quality"), line))

        def rows(name: str, one: Explained = one, index: np.ndarray = index) -> np.ndarray:
            values = one.shard.read(name)
            return values.reshape(-1, *values.shape[3:])[index]

        parts.append(
            {
                "owner": np.full(len(index), place),
                "score": one.cube.rows("score", index).astype(np.float64),
                "intensity": rows("intensity").astype(np.float64),
                "quality": rows("quality"),
                "spectra": rows("spectra"),
                "attributions": one.cube.rows(method, index),
            }
        )
        if "kind" in one.shard.truth:
            changed = rows("truth/changed_normalised") > 0, rows("truth/changed") > 0
            truths.append(Truth(*changed, rows("truth/kind")))
    together = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    pf = np.array([one.label is Label.PF for one in them])
    return Sample(pf, truth=Truth.together(truths) if len(truths) == len(them) else None, **together)
