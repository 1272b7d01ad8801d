"""A spectral line as data: its window, grid, cores, marked features and mask rules (``conf/line/*.yaml``)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from preflare.checks import (
    check_choice,
    check_integer,
    check_named_numbers,
    check_number,
    check_numbers,
    check_pair,
    check_text,
)
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
    high_continuum: share of the maximum from which the mean pseudo-continuum is high; None skips the rule.
    normalise_over: an odd number of points; spectra are divided by the maximum of the running median over so many.
        None divides them by their maximum, as the paper does.
    saa_hits: hits per million native pixels from which an exposure counts as taken in the South Atlantic Anomaly;
        None skips the rule.
    Raises ConfigError for limits that cannot be meant.
    """

    null: float
    saturation: float
    overexposed_run: int
    low_signal: float
    peak_halfwidth: float | None
    core_ratio: tuple[float, float] | None
    ratio_halfwidth: float
    high_continuum: float | None = None
    normalise_over: int | None = None
    saa_hits: float | None = None

    def __post_init__(self) -> None:
        null = check_number("line.rules.null", self.null, unit="DN")
        checked: dict[str, object] = {
            "null": null,
            "saturation": check_number("line.rules.saturation", self.saturation, above=null, unit="DN"),
            "overexposed_run": check_integer("line.rules.overexposed_run", self.overexposed_run, 2),
            "low_signal": check_number("line.rules.low_signal", self.low_signal, 0, unit="DN/s"),
            "ratio_halfwidth": check_number("line.rules.ratio_halfwidth", self.ratio_halfwidth, above=0, unit="Å"),
        }
        if self.peak_halfwidth is not None:
            checked["peak_halfwidth"] = check_number(
                "line.rules.peak_halfwidth", self.peak_halfwidth, above=0, unit="Å"
            )
        if self.high_continuum is not None:
            checked["high_continuum"] = check_number("line.rules.high_continuum", self.high_continuum, above=0)
        if self.saa_hits is not None:
            checked["saa_hits"] = check_number("line.rules.saa_hits", self.saa_hits, 0)
        if (
            self.normalise_over is not None
            and check_integer("line.rules.normalise_over", self.normalise_over, 3) % 2 == 0
        ):
            raise ConfigError(f"line.rules.normalise_over is {self.normalise_over}, expected an odd number of points.")
        if self.core_ratio is not None:
            checked["core_ratio"] = check_pair("line.rules.core_ratio", self.core_ratio, above=0)
        for name, value in checked.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Blend:
    """Lines that are seen as one feature. lines: Å. reach: Å from any of them that belong to it.

    Raises ConfigError for values that cannot be meant.
    """

    lines: Sequence[float]
    reach: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "reach", check_number("line.blends.reach", self.reach, above=0, unit="Å"))
        object.__setattr__(self, "lines", check_numbers("line.blends.lines", self.lines, 0))


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
    tolerated: flags that are remarks only: spectra with them are clean.
    blends: the features that are more than one narrow line.
    reference: the feature whose place says where the zero point of wavelengths is; None: it is not measured.
    reference_halfwidth: Å around it that hold no other line.
    Raises ConfigError for values that cannot be meant.
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
    tolerated: tuple[str, ...] = ()
    reference: str | None = None
    reference_halfwidth: float = 0.2
    blends: Mapping[str, Blend] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tolerated", tuple(self.tolerated))
        check_text("line.name", self.name, "mg_ii")
        check_text("line.title", self.title, "Mg II h&k")
        check_choice("line.detector", self.detector, ("NUV", "FUV"))
        start = check_number("line.start", self.start, above=0, unit="Å")
        check_number("line.stop", self.stop, above=start, unit="Å")
        check_integer("line.points", self.points, 2)
        object.__setattr__(self, "cores", check_named_numbers("line.cores", self.cores))
        object.__setattr__(self, "features", check_named_numbers("line.features", self.features))
        object.__setattr__(self, "continuum", check_pair("line.continuum", self.continuum))
        object.__setattr__(self, "blends", {str(name): blend for name, blend in self.blends.items()})
        for name in self.blends:
            if name not in self.features:
                known = ", ".join(self.features)
                raise ConfigError(f"line.blends.{name} is no feature, expected one of line.features: {known}.")
        inside = {"continuum start": self.continuum[0], "continuum stop": self.continuum[1], **self.cores}
        for name, wavelength in inside.items():
            if not self.start <= wavelength <= self.stop:
                raise ConfigError(
                    f"line {self.name}: {name} at {wavelength} Å lies outside {self.start} to {self.stop} Å."
                )
        if not self.cores:
            raise ConfigError("line.cores is empty, expected at least one core as {name: Å}.")
        if self.reference is not None and self.reference not in self.features:
            raise ConfigError(
                f"line.reference is {self.reference!r}, expected one of line.features: {', '.join(self.features)}."
            )
        check_number("line.reference_halfwidth", self.reference_halfwidth, above=0, unit="Å")
        if self.rules.overexposed_run > self.points:
            raise ConfigError(
                f"line.rules.overexposed_run is {self.rules.overexposed_run}, expected at most the line's "
                f"{self.points} points: nothing could be overexposed."
            )
        if (self.rules.normalise_over or 0) > self.points:
            raise ConfigError(
                f"line.rules.normalise_over is {self.rules.normalise_over}, expected at most {self.points} points."
            )
        if self.rules.core_ratio is not None:
            self._check_ratio()

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

    def away(self, wavelength: np.ndarray, narrow: float) -> np.ndarray:
        """How far wavelengths (n,) in Å are from each feature, (n, feature), as a share of how far it reaches: of one
        narrow line ``narrow`` Å, of a blend from the nearest of its lines."""
        columns = [
            np.abs(wavelength[:, None] - np.array(blend.lines)).min(axis=1) / blend.reach
            if (blend := self.blends.get(name)) is not None
            else np.abs(wavelength - place) / narrow
            for name, place in self.features.items()
        ]
        return np.stack(columns, axis=1) if columns else np.empty((len(wavelength), 0))
