"""Explanations against what the simulated Sun changed, by kind of precursor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from preflare.explain.faithfulness import area, share_inside
from preflare.sun.simulation.precursor import Precursor

ALL = "all"


@dataclass(frozen=True)
class Row:
    """Of so many spectra with a precursor of one kind, means: the share of |attribution| on the wavelengths that it
    changed after normalisation, and its chance level; ROC AUC of |attribution| for these, and for those changed in
    DN/s, before normalisation (chance 0.5)."""

    kind: str
    method: str
    spectra: int
    share: float
    chance: float
    area: float
    area_before: float


@dataclass(frozen=True, eq=False)
class Truth:
    """Wavelengths that a precursor changed, (n, wavelength) bool: after and before normalisation; False for none.

    kind: (n,) of ``Precursor``.
    """

    after: np.ndarray
    before: np.ndarray
    kind: np.ndarray

    @classmethod
    def together(cls, parts: "Sequence[Truth]") -> "Truth":
        """All parts, one after the other."""
        return cls(*(np.concatenate([getattr(one, name) for one in parts]) for name in ("after", "before", "kind")))


def against(said: np.ndarray, truth: Truth | None) -> tuple[float, float, float, float]:
    """share, chance, area, area_before of explanations (n, wavelength); NaN where nothing was changed."""
    changed = truth.after.any(axis=1) if truth is not None else np.zeros(len(said), dtype=bool)
    if truth is None or not changed.any():
        return (float("nan"),) * 4
    shares, chances = share_inside(said[changed], truth.after[changed])
    areas = area(said[changed], truth.after[changed]), area(said[changed], truth.before[changed])
    return _mean(shares), _mean(chances), _mean(areas[0]), _mean(areas[1])


def by_kind(said: Mapping[str, np.ndarray], truth: Truth) -> list[Row]:
    """Of all kinds together, then of each that occurs, a row for each method. said: method -> (n, wavelength)."""
    changed = truth.after.any(axis=1)
    kinds = {ALL: changed} | {
        kind.name.lower().replace("_", " "): changed & (truth.kind == kind)
        for kind in Precursor
        if (changed & (truth.kind == kind)).any()
    }
    rows = []
    for kind, here in kinds.items():
        part = Truth(truth.after[here], truth.before[here], truth.kind[here])
        rows += [Row(kind, name, int(here.sum()), *against(values[here], part)) for name, values in said.items()]
    return rows


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
