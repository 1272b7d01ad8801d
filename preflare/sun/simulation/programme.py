"""When and how a simulated observation was recorded: its mode, cadence, window, flare, and times of exposures."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from preflare.errors import ConfigError
from preflare.sun.observation import Label, Phase

ARCSEC_PER_STEP = 2.0


@dataclass(frozen=True)
class Schedule:
    """One observation's plan; times in seconds from its start, -1 for what does not exist.

    window: first and last second of the analysis window. onset, peak, end: of the flare.
    first: number of the first repeat kept; repeats, steps, slit: size of the cube; cadence: s between exposures.
    exposure: s. pixel: arcsec along the slit.
    """

    window: tuple[float, float]
    onset: float
    peak: float
    end: float
    first: int
    repeats: int
    steps: int
    slit: int
    cadence: float
    exposure: float
    pixel: float

    @property
    def mode(self) -> str:
        """How the slit moves: "raster" or "sit-and-stare"."""
        return "raster" if self.steps > 1 else "sit-and-stare"

    def times(self, repeats: slice) -> np.ndarray:
        """Starts of the exposures of some repeats, (repeat, step), s from the observation's start."""
        repeat = self.first + np.arange(self.repeats)[repeats, None]
        return (repeat * self.steps + np.arange(self.steps)) * self.cadence

    def phases(self, repeats: slice) -> np.ndarray:
        """(repeat, step) uint8 of ``Phase``."""
        times = self.times(repeats)
        phase = np.full(times.shape, Phase.OUTSIDE, np.uint8)
        phase[(times >= self.window[0]) & (times < self.window[1])] = Phase.PREFLARE
        if self.onset >= 0:
            phase[(times >= self.onset) & (times <= self.end)] = Phase.FLARE
        return phase


@dataclass(frozen=True)
class Programme:
    """What schedules are drawn from.

    window, margin: minutes of the analysis window and between its end and the onset.
    flare: shortest and longest flare, minutes.
    delay: earliest and latest onset, minutes from the start; earlier than window + margin shortens the window.
    rasters: share of observations that are rasters; the others sit and stare.
    raster_steps, cadences, exposures: those to choose from; s. The exposure fits into the cadence.
    size: spectra in an analysis window, on average over observations; spread: standard deviation of its logarithm.
    pixel: arcsec along the slit.
    """

    window: float
    margin: float
    flare: tuple[float, float]
    delay: tuple[float, float]
    rasters: float
    raster_steps: tuple[int, ...]
    cadences: tuple[float, ...]
    exposures: tuple[float, ...]
    size: int
    spread: float
    pixel: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Sequence):
                object.__setattr__(self, field.name, tuple(value))
        if self.size < 1 or self.window <= 0 or not 0 <= self.rasters <= 1:
            raise ConfigError(
                f"simulation.programme has size {self.size}, window {self.window} and rasters {self.rasters}; expected "
                "size >= 1, window > 0 and rasters from 0 to 1."
            )
        if min(self.exposures) >= min(self.cadences):
            raise ConfigError(
                f"simulation.programme: the shortest exposure ({min(self.exposures)} s) does not fit into the "
                f"shortest cadence ({min(self.cadences)} s)."
            )

    def draw(self, random: np.random.Generator, label: Label) -> Schedule:
        """A schedule; the class decides the window alone, every draw is made for either."""
        u = random.random(8)
        raster = u[0] < self.rasters
        steps = self.raster_steps[int(u[1] * len(self.raster_steps))] if raster else 1
        cadence = self.cadences[int(u[2] * len(self.cadences))]
        fitting = [exposure for exposure in self.exposures if exposure < cadence]
        exposure = fitting[int(u[3] * len(fitting))]
        onset = 60 * (self.delay[0] + u[4] * (self.delay[1] - self.delay[0]))
        length = 60 * (self.flare[0] + u[5] * (self.flare[1] - self.flare[0]))
        size = self.size * np.exp(self.spread * random.standard_normal() - self.spread**2 / 2)
        if label is Label.PF:
            margin = 60 * self.margin
            window = (max(0.0, onset - margin - 60 * self.window), onset - margin)
            stop = onset + length
        else:
            window = (0.0, 60 * self.window)
            onset, stop = -1.0, window[1]
        duration = steps * cadence
        first = int(window[0] // duration)
        repeats = max(1, int(np.ceil(stop / duration)) - first)
        exposures = (window[1] - window[0]) / cadence
        return Schedule(
            window=window,
            onset=onset,
            peak=onset + (0.25 + 0.15 * u[6]) * length if onset >= 0 else -1.0,
            end=stop if onset >= 0 else -1.0,
            first=first,
            repeats=repeats,
            steps=steps,
            slit=max(3, round(size / exposures)),
            cadence=cadence,
            exposure=exposure,
            pixel=self.pixel,
        )
