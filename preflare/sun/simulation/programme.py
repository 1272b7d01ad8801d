"""When and how a simulated observation was recorded: its mode, cadence, exposure, slit and flare."""

from dataclasses import dataclass

import numpy as np

from preflare.checks import check_integer, check_number, check_numbers
from preflare.errors import ConfigError
from preflare.sun.level2 import RASTER, SIT_AND_STARE

ARCSEC_PER_STEP = 2.0
SHORTEST_SLIT = 3


@dataclass(frozen=True)
class Schedule:
    """One observation's plan; times in seconds from its start.

    onset, peak, end: of the flare that comes if the region flares; the recording stops at the flare's end.
    steps, slit: size of a repeat. cadence: between exposures. exposure: s. pixel: arcsec along the slit.
    """

    onset: float
    peak: float
    end: float
    steps: int
    slit: int
    cadence: float
    exposure: float
    pixel: float

    @property
    def mode(self) -> str:
        """How the slit moves, in the words of level-2 ingest."""
        return RASTER if self.steps > 1 else SIT_AND_STARE

    @property
    def times(self) -> np.ndarray:
        """Starts of all exposures, (repeat, step), s."""
        duration = self.steps * self.cadence
        repeats = np.arange(int(np.ceil(self.end / duration)))
        return repeats[:, None] * duration + np.arange(self.steps) * self.cadence


@dataclass(frozen=True)
class Programme:
    """What schedules are drawn from; every draw is uniform.

    onset: earliest and latest onset, minutes from the start. flare: shortest and longest flare, minutes.
    rasters: share of each class's observations that are rasters; the others sit and stare.
    steps: of rasters. cadences, exposures: s; those to choose from, the exposure below the cadence.
    size: spectra in 25 minutes, on average over observations; spread: standard deviation of its logarithm.
    pixel: arcsec along the slit.
    Raises ConfigError for values that fit no observation.
    """

    onset: tuple[float, float]
    flare: tuple[float, float]
    rasters: float
    steps: tuple[int, ...]
    cadences: tuple[float, ...]
    exposures: tuple[float, ...]
    size: int
    spread: float
    pixel: float

    def __post_init__(self) -> None:
        for name in ("onset", "flare", "steps", "cadences", "exposures"):
            value = getattr(self, name)
            check_numbers(f"simulation.programme.{name}", value, above=0)
            object.__setattr__(self, name, tuple(value))
        for number in self.steps:
            check_integer("simulation.programme.steps", number, 1)
        for name in ("onset", "flare"):
            value = getattr(self, name)
            if len(value) != 2 or value[0] > value[1]:
                raise ConfigError(f"simulation.programme.{name} is {list(value)}, expected [shortest, longest].")
        check_number("simulation.programme.rasters", self.rasters, 0, 1)
        check_integer("simulation.programme.size", self.size, 1)
        check_number("simulation.programme.spread", self.spread, 0)
        check_number("simulation.programme.pixel", self.pixel, above=0)
        if min(self.exposures) >= min(self.cadences):
            raise ConfigError(
                f"simulation.programme: the shortest exposure ({min(self.exposures)} s) does not fit into the "
                f"shortest cadence ({min(self.cadences)} s)."
            )

    def draw(self, random: np.random.Generator, raster: bool) -> Schedule:
        """A schedule, drawn alike for a region that flares and for one that does not. raster: or sit-and-stare."""
        steps = int(random.choice(self.steps))
        cadence = float(random.choice(self.cadences))
        exposure = float(random.choice([value for value in self.exposures if value < cadence]))
        onset = 60 * random.uniform(*self.onset)
        length = 60 * random.uniform(*self.flare)
        size = self.size * np.exp(self.spread * random.standard_normal() - self.spread**2 / 2)
        return Schedule(
            onset=onset,
            peak=onset + random.uniform(0.25, 0.4) * length,
            end=onset + length,
            steps=steps if raster else 1,
            slit=max(SHORTEST_SLIT, round(size * cadence / 1500)),
            cadence=cadence,
            exposure=exposure,
            pixel=self.pixel,
        )
