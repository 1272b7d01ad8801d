"""Artefacts that are planted in spectra to see whether an explanation finds them (paper Sect. 5).

Each is a function of spectra, so that a spectrum and its changed twin differ in nothing but the artefact. The authors'
is one plateau, the same in every spectrum. The others ask more: one whose place, height and width nobody knows
beforehand, one that moves what is there, and one that takes away.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from preflare.checks import check_integer, check_number, check_pair
from preflare.errors import ConfigError

# Of its height: where a smooth artefact begins and ends.
EDGE = 0.1


@dataclass(frozen=True, eq=False)
class Planted:
    """spectra: (n, wavelength) float32, changed. inside: (n, wavelength) bool, where."""

    spectra: np.ndarray
    inside: np.ndarray

    @property
    def centre(self) -> np.ndarray:
        """Of each artefact, a fractional index of the grid, (n,)."""
        return centre(self.inside)


class Artifact(Protocol):
    """How spectra (n, wavelength), each divided by its maximum, are changed. wavelength: (wavelength,) Å."""

    def __call__(self, wavelength: np.ndarray, spectra: np.ndarray, random: np.random.Generator) -> Planted: ...


@dataclass(frozen=True)
class Plateau:
    """The authors' artefact, as measured in their figures: points first to last are overwritten by one level.

    Raises ConfigError for values that cannot be meant, also when called on a grid that ends before it.
    """

    first: int
    last: int
    level: float

    def __post_init__(self) -> None:
        check_integer("artifacts: first", self.first, 0)
        check_integer("artifacts: last", self.last, self.first)
        check_number("artifacts: level", self.level, 0, 1)

    def __call__(self, wavelength: np.ndarray, spectra: np.ndarray, random: np.random.Generator) -> Planted:
        check_integer("artifacts: last", self.last, self.first, len(wavelength) - 1)
        inside = np.zeros(spectra.shape, dtype=bool)
        inside[:, self.first : self.last + 1] = True
        return Planted(np.where(inside, self.level, spectra).astype(np.float32), inside)


@dataclass(frozen=True)
class Bump:
    """A Gaussian added at a place, of a height and of a width that are drawn for each spectrum.

    places: range, Å. heights: range, of the spectrum's maximum. widths: range of standard deviations, Å. A spectrum
    that then exceeds 1 is divided by its new maximum. Raises ConfigError for values that cannot be meant.
    """

    places: Sequence[float]
    heights: Sequence[float]
    widths: Sequence[float]

    def __post_init__(self) -> None:
        for name in ("places", "heights", "widths"):
            object.__setattr__(self, name, check_pair(f"artifacts: {name}", getattr(self, name), above=0))

    def __call__(self, wavelength: np.ndarray, spectra: np.ndarray, random: np.random.Generator) -> Planted:
        _check_inside("artifacts: places", self.places, wavelength)
        place, height, width = (
            random.uniform(both[0], both[1], (len(spectra), 1)) for both in (self.places, self.heights, self.widths)
        )
        shape = np.exp(-(((wavelength - place) / width) ** 2) / 2)
        changed = spectra + height * shape
        changed /= np.maximum(changed.max(axis=1, keepdims=True), 1)
        return Planted(changed.astype(np.float32), shape >= EDGE)


@dataclass(frozen=True)
class WingShift:
    """What lies between two wavelengths is moved redwards, most in the middle, by a shift drawn for each spectrum.

    between, shifts: ranges, Å. Raises ConfigError for values that cannot be meant.
    """

    between: Sequence[float]
    shifts: Sequence[float]

    def __post_init__(self) -> None:
        for name in ("between", "shifts"):
            object.__setattr__(self, name, check_pair(f"artifacts: {name}", getattr(self, name), above=0))
        # Beyond, the moved wavelengths would overtake each other.
        most = (self.between[1] - self.between[0]) / np.pi
        check_number("artifacts: the largest of shifts", self.shifts[1], maximum=round(most, 6), above=0, unit="Å")

    def __call__(self, wavelength: np.ndarray, spectra: np.ndarray, random: np.random.Generator) -> Planted:
        _check_inside("artifacts: between", self.between, wavelength)
        low, high = self.between
        shape = np.sin(np.pi * np.clip((wavelength - low) / (high - low), 0, 1)) ** 2
        shift = random.uniform(self.shifts[0], self.shifts[1], len(spectra))
        changed = np.stack(
            [np.interp(wavelength - by * shape, wavelength, one) for by, one in zip(shift, spectra, strict=True)]
        )
        return Planted(changed.astype(np.float32), np.broadcast_to(shape >= EDGE, spectra.shape))


@dataclass(frozen=True)
class MissingLine:
    """What lies within halfwidth of place, Å, is replaced by a straight line: an absorption line that is not there.

    Raises ConfigError for values that cannot be meant.
    """

    place: float
    halfwidth: float

    def __post_init__(self) -> None:
        check_number("artifacts: place", self.place, above=0, unit="Å")
        check_number("artifacts: halfwidth", self.halfwidth, above=0, unit="Å")

    def __call__(self, wavelength: np.ndarray, spectra: np.ndarray, random: np.random.Generator) -> Planted:
        _check_inside(
            "artifacts: place and halfwidth", (self.place - self.halfwidth, self.place + self.halfwidth), wavelength
        )
        here = np.flatnonzero(np.abs(wavelength - self.place) <= self.halfwidth)
        if len(here) < 3:
            raise ConfigError(
                f"artifacts: halfwidth is {self.halfwidth} Å, less than a step of the grid: nothing would be missing."
            )
        along = (here - here[0]) / (here[-1] - here[0])
        changed = spectra.astype(np.float32, copy=True)
        changed[:, here] = spectra[:, here[:1]] * (1 - along) + spectra[:, here[-1:]] * along
        inside = np.zeros(spectra.shape, dtype=bool)
        inside[:, here] = True
        return Planted(changed, inside)


def centre(inside: np.ndarray) -> np.ndarray:
    """The middle between the first and the last point that is inside, (n,)."""
    return (inside.argmax(axis=1) + inside.shape[1] - 1 - inside[:, ::-1].argmax(axis=1)) / 2


def _check_inside(name: str, both: Sequence[float], wavelength: np.ndarray) -> None:
    if both[0] < wavelength[0] or both[1] > wavelength[-1]:
        raise ConfigError(
            f"{name}: {both[0]:g} to {both[1]:g} Å, expected within {wavelength[0]:g} to {wavelength[-1]:g} Å."
        )
