"""Precursors: the kinds the paper names (Sect. 5), and what each does to the shapes of profiles.

Brightenings of regions that do not flare do the same, since a single spectrum does not tell them apart.
"""

from enum import IntEnum

import numpy as np
from scipy.special import ndtri

from preflare.sun.simulation.fields import Fields
from preflare.sun.simulation.profiles import Shapes


class Precursor(IntEnum):
    """What kind of precursor a spectrum shows: a shard's ``truth/kind``."""

    NONE = 0
    TRIPLET = 1
    RED_WING = 2
    BLUE_WING = 3
    BROAD_CORE = 4
    SINGLE_PEAK = 5
    ASYMMETRIC = 6
    BRIGHT_CORE = 7


KINDS = tuple(kind for kind in Precursor if kind is not Precursor.NONE)
# Downflows are more common than upflows (paper Sect. 5).
BIAS = {Precursor.RED_WING: 0.3, Precursor.BLUE_WING: -0.3, Precursor.TRIPLET: 0.3, Precursor.BRIGHT_CORE: 0.3}

# Of a flow, at most: its height over the core's.
FLOW = 0.5


class Patches:
    """Where and when events take place: patches, smooth in place and time, that cover a given share of the scene."""

    def __init__(self, random: np.random.Generator, length: float, duration: float, preference: float) -> None:
        """preference: how strongly the observation prefers some kinds to others."""
        self._fields = Fields(random, 1 + len(KINDS), length, duration)
        bias = np.array([BIAS.get(kind, 0.0) for kind in KINDS])
        self._bias = bias + preference * random.standard_normal(len(KINDS))

    def __call__(
        self, x: np.ndarray, y: np.ndarray, time: np.ndarray, share: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Kind (n,) uint8 and weight (n,) in [0, 1], 0 exactly outside the patches, which cover ``share`` (n,)."""
        values = self._fields(x, y, time)
        excess = values[0] - ndtri(1 - np.clip(share, 0, 1))
        weight = np.clip(excess / 0.25, 0, 1)
        kind = np.array(KINDS, np.uint8)[np.argmax(values[1:] + self._bias[:, None], axis=0)]
        return np.where(weight > 0, kind, np.uint8(Precursor.NONE)), weight


def disturb(shapes: Shapes, kind: np.ndarray, weight: np.ndarray) -> None:
    """Change shapes in place; kind (n,) of ``Precursor``, weight (n,) from 0, none, through 1, usual."""

    def of(*kinds: Precursor) -> np.ndarray:
        return np.where(np.isin(kind, kinds), weight, 0.0)

    # Every event shows a little of the subordinate lines. A bright core over an unchanged photosphere has a low,
    # flat continuum once normalised; the others leave the maximum nearly where and what it was, so that what they
    # change is local. A flow stronger than the core would be masked, as the paper masks maxima outside the cores.
    shapes.intensity *= 1 + 2.0 * of(Precursor.BRIGHT_CORE)
    shapes.subordinate += 0.10 * weight + 0.24 * of(Precursor.TRIPLET)
    flow = of(Precursor.RED_WING, Precursor.BLUE_WING)
    away = np.where(kind == Precursor.RED_WING, 1.0, -1.0)
    shapes.flow += FLOW * np.minimum(flow, 1)
    shapes.flow_shift += away * 50 * np.minimum(flow, 1)
    shapes.width *= 1 + 0.6 * of(Precursor.BROAD_CORE)
    shapes.wing += 0.03 * of(Precursor.BROAD_CORE)
    shapes.depth *= 1 - 0.95 * np.minimum(of(Precursor.SINGLE_PEAK), 1)
    shapes.intensity *= 1 - 0.33 * of(Precursor.SINGLE_PEAK) - 0.32 * of(Precursor.ASYMMETRIC)
    side = np.where(shapes.asymmetry >= 0, 1.0, -1.0)
    shapes.asymmetry += side * 0.4 * of(Precursor.ASYMMETRIC)
    shapes.reversal += side * 7 * of(Precursor.ASYMMETRIC)
