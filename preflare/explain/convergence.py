"""By how much expected gradients miss their sum, against the number of samples taken."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from preflare.errors import ConfigError
from preflare.explain.committee import Committee
from preflare.explain.expected_gradients import ExpectedGradients, Paths

# Baselines of one spectrum; what the training side cannot give is left out.
BASELINES = (4, 10, 20, 50, 100, 200, 500)


@dataclass(frozen=True)
class Row:
    """With so many samples a spectrum, over ``spectra`` spectra: median and 90% quantile of |residual|, and the
    median divided by that of |F(x) - mean F(baselines)|; by how much the attributions differ from those with the most
    samples (root mean square, divided by that of the latter)."""

    samples: int
    spectra: int
    residual: float
    residual_90: float
    relative: float
    difference: float


def against_samples(
    committee: Committee, paths: Callable[[ExpectedGradients], Sequence[Paths]], method: ExpectedGradients, some: Tensor
) -> list[Row]:
    """A row for each of BASELINES and for the method itself, by increasing samples.

    paths: a method's, for each member. some: spectra (n, wavelength).
    """
    found = {}
    for count in sorted({*BASELINES, method.baselines}):
        try:
            theirs = paths(replace(method, baselines=count))
        except ConfigError:  # more than the training side has
            break
        other = Committee(committee.networks, theirs, [], [], committee.workers, committee.quantity)
        found[count * method.positions] = other.attribute(some)
    best = list(found.values())[-1]["expected_gradients"].astype(np.float64)
    scale = np.sqrt((best**2).mean()) or 1.0
    rows = []
    for samples, said in found.items():
        missed = said["completeness"].astype(np.float64)
        due = np.median(np.abs(said["expected_gradients"].sum(axis=1, dtype=np.float64) - missed))
        half, most = np.quantile(np.abs(missed), (0.5, 0.9))
        off = np.sqrt(((said["expected_gradients"] - best) ** 2).mean()) / scale
        relative = half / due if due > 0 else float("nan")
        rows.append(Row(samples, len(some), float(half), float(most), float(relative), float(off)))
    return rows
