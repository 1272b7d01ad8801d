"""A spectral line as data: its window, grid, cores, marked features and mask rules (``conf/line/*.yaml``)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from preflare.errors import ConfigError


@dataclass(frozen=True)
class Rules:
    """The limits of the quality flags (paper Sect. 2; where sources differ, the config file says why).

    null: counts in DN below which a native pixel is missing (level-2 fills with -200).
    saturation: counts in DN from which a native pixel is saturated (the ceiling of the int16 archive files).
    overexposed_run: number of consecutive grid points equal to the maximum that make a spectrum overexposed.
    low_signal: a spectrum with every point below this many DN/s is too faint.
    peak_halfwidth: the maximum must lie within this many Å of a core; None skips the rule.
    core_ratio: lowest and highest ratio of the peak in the first core's window to that in the second's;
        None skips the rule.
    ratio_halfwidth: half-width in Å of the windows in which those two peaks are sought.
    """

    null: float
    saturation: float
    overexposed_run: int
    low_signal: float
    peak_halfwidth: float | None
    core_ratio: tuple[float, float] | None
    ratio_halfwidth: float

    def __post_init__(self) -> None:
        if self.overexposed_run < 2:
            raise ConfigError(f"line.rules.overexposed_run is {self.overexposed_run}, expected 2 or more.")
        if self.core_ratio is not None:
            low, high = self.core_ratio
            if not 0 < low < high:
                raise ConfigError(f"line.rules.core_ratio is ({low}, {high}), expected 0 < lowest < highest.")
            object.__setattr__(self, "core_ratio", (float(low), float(high)))


@dataclass(frozen=True)
class Line:
    """One spectral line and the common wavelength grid its spectra are interpolated to.

    name: the config's name, written into every shard ("mg_ii").
    title: as a figure shows it ("Mg II h&k").
    detector: "NUV" or "FUV"; decides which exposure time divides the counts.
    start, stop, points: the grid, ``linspace(start, stop, points)`` in Å, vacuum.
    cores: name -> Å, in the order of the core ratio.
    features: name -> Å, what figures mark beside the cores.
    continuum: first and last Å of the pseudo-continuum.
    rules: limits of the quality flags.
    """

    name: str
    title: str
    detector: str
    start: float
    stop: float
    points: int
    cores: Mapping[str, float]
    features: Mapping[str, float]
    continuum: tuple[float, float]
    rules: Rules

    def __post_init__(self) -> None:
        if self.detector not in ("NUV", "FUV"):
            raise ConfigError(f"line.detector is {self.detector!r}, expected NUV or FUV.")
        if not (self.start < self.stop and self.points > 1):
            raise ConfigError(f"line grid {self.start} to {self.stop} Å with {self.points} points is not increasing.")
        inside = {"continuum start": self.continuum[0], "continuum stop": self.continuum[1], **self.cores}
        for name, wavelength in inside.items():
            if not self.start <= wavelength <= self.stop:
                raise ConfigError(
                    f"line {self.name}: {name} at {wavelength} Å lies outside {self.start} to {self.stop} Å."
                )
        if self.rules.core_ratio is not None:
            self._check_ratio()
        object.__setattr__(self, "cores", dict(self.cores))
        object.__setattr__(self, "features", dict(self.features))
        object.__setattr__(self, "continuum", (float(self.continuum[0]), float(self.continuum[1])))

    def _check_ratio(self) -> None:
        if len(self.cores) < 2:
            raise ConfigError(
                f"line {self.name} has {len(self.cores)} core, a core ratio needs two. Set line.rules.core_ratio=null."
            )
        step = (self.stop - self.start) / (self.points - 1)
        if self.rules.ratio_halfwidth < step / 2:
            raise ConfigError(
                f"line.rules.ratio_halfwidth is {self.rules.ratio_halfwidth} Å, expected at least half a step of the "
                f"grid, {step / 2:.4f} Å."
            )

    @property
    def wavelength(self) -> np.ndarray:
        """The grid, (points,) float64, Å."""
        return np.linspace(self.start, self.stop, self.points)
