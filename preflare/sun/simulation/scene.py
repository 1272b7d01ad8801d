"""What goes on in an observation, where and when: smooth fields, brightenings, precursors, and the flare.

The numbers of the quiet state are those of the real raster of 2014-03-29 (mu 0.81): logarithm of the intensity,
its relation to the pseudo-continuum, widths, reversals, asymmetries and the ratio of the cores.
"""

from dataclasses import dataclass

import numpy as np

from preflare.checks import check_number
from preflare.sun.simulation.fields import Fields
from preflare.sun.simulation.ground import SPOT, Ground, quietness
from preflare.sun.simulation.look import Look
from preflare.sun.simulation.precursor import Patches, disturb
from preflare.sun.simulation.profiles import Shapes
from preflare.sun.simulation.programme import ARCSEC_PER_STEP, Schedule

INTENSITY = 45.0  # DN/s, median before the reversal
CONTINUUM = 14.6  # DN/s, at the median intensity and the raster's mu
MU = 0.81
LEAD = 1560.0  # s before the onset in which they become more frequent
MIDDLE = 750.0  # s from the start of a window of 25 minutes


@dataclass(frozen=True)
class Gathering:
    """Where precursors are: most frequent, and strongest, at the footpoint of the flare that comes.

    reach: arcsec over which they thin out around it. everywhere: how frequent they are far from it, as a share of how
    frequent at it: 1 does not gather them. strength: how strong they are at it, in units of far from it.
    Raises ConfigError for values that cannot be meant.
    """

    reach: float
    everywhere: float
    strength: float

    def __post_init__(self) -> None:
        check_number("simulation.gathering.reach", self.reach, above=0, unit="arcsec")
        check_number("simulation.gathering.everywhere", self.everywhere, 0, 1)
        check_number("simulation.gathering.strength", self.strength, 1)

    def share(self, far2: np.ndarray) -> np.ndarray:
        """How frequent they are, (n,), as a share of how frequent at the footpoint. far2: (n,) arcsec² from it."""
        found: np.ndarray = self.everywhere + (1 - self.everywhere) * self._nearness(far2)
        return found

    def force(self, far2: np.ndarray) -> np.ndarray:
        """How strong they are, (n,), in units of far from the footpoint."""
        found: np.ndarray = 1 + (self.strength - 1) * self._nearness(far2)
        return found

    def _nearness(self, far2: np.ndarray) -> np.ndarray:
        return np.exp(-far2 / (2 * self.reach**2))


class Scene:
    """One observation's Sun, as functions of place (arcsec from the field's centre) and time (s from its start).

    flares: whether the schedule's flare takes place, and precursors before it. precursors: factor on how much of
    the scene they cover. gathering: where they are. quiet: whether it is the quiet Sun, without spots, plage and
    brightenings.
    """

    def __init__(
        self,
        random: np.random.Generator,
        look: Look,
        schedule: Schedule,
        flares: bool,
        precursors: float,
        gathering: Gathering,
        quiet: bool = False,
    ) -> None:
        self._look = look
        self._schedule = schedule
        self._slow = Ground(random, quiet)
        self._fast = Fields(random, 11, length=2.5, duration=150.0)
        self._unrest = Patches(random, length=4.0, duration=240.0, preference=0.5)
        self._heralds = Patches(random, length=5.0, duration=300.0, preference=0.5)
        # In about two thirds of the observations precursors become more frequent towards onset (paper Fig. 17).
        self.rising = bool(random.random() < 2 / 3)
        share = random.uniform(2.0, 2.8) if self.rising else random.uniform(0.1, 0.8)
        self._gathering = gathering
        self._share = precursors * share if flares else 0.0
        self._flares = flares
        extent = np.array([(schedule.steps - 1) * ARCSEC_PER_STEP, (schedule.slit - 1) * schedule.pixel])
        self.footpoint = random.uniform(-0.3, 0.3, 2) * extent
        # In the middle of what is analysed: of a region that flares, its last minutes before.
        self._slow.point_at(self.footpoint, MIDDLE + (max(0.0, schedule.onset - LEAD) if flares else 0.0))
        self._unrest_share = 0.0 if quiet else look.unrest
        self._strength = np.exp(random.uniform(np.log(20), np.log(120)))

    def shapes(self, x: np.ndarray, y: np.ndarray, time: np.ndarray) -> tuple[Shapes, Shapes, np.ndarray]:
        """Shapes without precursors, with them, and the kind of precursor, for n places and times.

        kind: (n,) uint8 of ``Precursor``; where it is 0 the two are equal.
        """
        quiet = self._quiet(x, y, time)
        kind, weight = self._unrest(x, y, time, np.full(len(x), self._unrest_share))
        disturb(quiet, kind, weight)
        disturbed = quiet.take(np.arange(len(x)))
        kind, weight = self._heralds(x, y, time, self.share(x, y, time))
        disturb(disturbed, kind, weight * self._force(time) * self._gathering.force(self._far2(x, y)))
        for shapes in (quiet, disturbed):
            self._flare(shapes, x, y, time)
        return quiet, disturbed, kind

    def is_quiet(self, x: np.ndarray, y: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Whether quiet Sun is seen, (n,) bool: quiet ground, no brightening, no flare; precursors not asked for."""
        calm = self._unrest(x, y, time, np.full(len(x), self._unrest_share))[1] == 0
        return calm & self._slow.is_quiet(x, y, time) & ((time < self._schedule.onset) | (not self._flares))

    def share(self, x: np.ndarray, y: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Probability that a precursor is seen, (n,): highest at the footpoint, 0 from the onset on."""
        onset = self._schedule.onset
        if self._share == 0:
            return np.zeros(len(x))
        place = self._gathering.share(self._far2(x, y))
        moment = 0.25 + 0.75 * self._nearness(time) if self.rising else 0.7
        return np.where(time < onset, np.clip(self._share * place * moment, 0, 0.97), 0.0)

    def _force(self, time: np.ndarray) -> np.ndarray:
        """How strong precursors are, (n,): where they become more frequent they become stronger too."""
        return 0.4 + 2.0 * self._nearness(time) if self.rising else np.ones(len(time))

    def _far2(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Squared distance from the footpoint, (n,) arcsec²."""
        found: np.ndarray = (x - self.footpoint[0]) ** 2 + (y - self.footpoint[1]) ** 2
        return found

    def _nearness(self, time: np.ndarray) -> np.ndarray:
        """From 0, a window before the onset and earlier, to 1."""
        near: np.ndarray = np.clip(1 - (self._schedule.onset - time) / LEAD, 0, 1)
        return near

    def _quiet(self, x: np.ndarray, y: np.ndarray, time: np.ndarray) -> Shapes:
        look = self._look
        activity, photosphere, spot = self._slow(x, y, time)
        shift, width, depth, reversal, asymmetry, ratio, damping, lines, blend, gap, warmth = self._fast(x, y, time)
        activity = np.minimum(activity, 2.2)  # the brightest plage there is
        # Quiet Sun and plage are one distribution, skewed to the bright side; spots are dark and single-peaked.
        log_level = 0.70 * activity + 0.10 * activity**2 - 0.10 + 0.16 * width
        umbra = np.clip((spot - SPOT) / 0.5, 0, 1)
        level = np.exp(log_level)
        limb = 1 - look.mu
        calm = quietness(activity)
        return Shapes(
            intensity=INTENSITY * look.brightness * level * (1 - 0.6 * umbra),
            ratio=1.25 + look.ratio - 0.04 * log_level + 0.08 * ratio,
            continuum=CONTINUUM
            * look.continuum
            * (0.4 + 0.6 * look.mu)
            / (0.4 + 0.6 * MU)
            * level**0.143
            * np.exp(0.24 * photosphere)
            * (1 - 0.65 * umbra),
            damping=0.15 * damping,
            lines=np.clip(0.35 * lines, -0.8, 0.8),
            blend=np.clip(0.25 * blend, -0.6, 0.6),
            shift=2.2 * shift,
            width=18.8
            * look.width
            * level**0.12
            * np.exp(0.12 * width)
            * (1 + 0.12 * (limb - 1 + MU))
            * (1 - 0.15 * umbra)
            * (1 - 0.25 * calm),
            depth=np.clip(
                (0.59 + look.depth + 0.12 * limb - 0.05 * log_level + 0.12 * depth + 0.25 * calm) * (1 - 0.8 * umbra),
                0.0,
                0.95,
            ),
            gap=0.47 * np.exp(0.28 * gap) * (1 + 0.3 * calm),
            reversal=1.5 + 3.5 * reversal,
            asymmetry=np.clip(0.05 + look.asymmetry + 0.10 * asymmetry, -0.6, 0.6),
            wing=np.full(len(x), 0.03),
            flow=np.zeros(len(x)),
            flow_shift=np.zeros(len(x)),
            subordinate=np.clip(0.004 + look.subordinate + 0.007 * activity, 0.0, None) * np.exp(0.6 * warmth),
        )

    def _flare(self, shapes: Shapes, x: np.ndarray, y: np.ndarray, time: np.ndarray) -> None:
        """Change shapes in place from the onset on: an impulsive rise, a slow decay, and a ribbon that spreads."""
        plan = self._schedule
        if not self._flares:
            return
        since = np.clip(time - plan.onset, 0, None)
        rise = np.clip(since / (plan.peak - plan.onset), 0, 1) ** 2
        decay = np.exp(-np.clip(time - plan.peak, 0, None) / (0.5 * (plan.end - plan.peak)))
        size = 3.0 + 9.0 * np.clip(since / (plan.end - plan.onset), 0, 1)
        heat = rise * decay * np.exp(-self._far2(x, y) / (2 * size**2))
        shapes.intensity += heat * (self._strength * INTENSITY * self._look.brightness - shapes.intensity)
        shapes.continuum *= 1 + 1.5 * heat
        shapes.width *= 1 + 0.9 * heat
        shapes.depth *= 1 - heat
        shapes.wing += 0.15 * heat
        shapes.flow += 0.3 * heat
        shapes.flow_shift += 40 * heat
        shapes.subordinate += 0.25 * heat
