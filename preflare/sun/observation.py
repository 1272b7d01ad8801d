"""An observation in memory: a checked header and an iterator over blocks of repeats, so that size does not matter.

Axes, everywhere and in this order: ``(repeat, step, slit, wavelength)``.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from typing import Protocol

import numpy as np

from preflare.errors import ConfigError, ShardError
from preflare.sun.goes import Goes
from preflare.sun.line import Line

IDENTITY = re.compile(r"(AR|PF|QS|NA)_(\d{8}_\d{6}_\d{10})")


class Label(IntEnum):
    """What kind of region an observation shows. Only AR and PF enter partitions."""

    UNKNOWN = -1
    AR = 0
    PF = 1
    QS = 2

    @property
    def prefix(self) -> str:
        """The two letters before an observation's id; NA for unknown."""
        return "NA" if self is Label.UNKNOWN else self.name


class Phase(IntEnum):
    """Where an exposure lies. PREFLARE is the analysis window (of an AR or unlabelled observation, too)."""

    OUTSIDE = 0
    PREFLARE = 1
    FLARE = 2


def instant(text: str) -> datetime:
    """An ISO time as an aware UTC datetime; a time without a zone is UTC.

    Raises ValueError if the text is no ISO time.
    """
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def utc(name: str, text: str) -> datetime:
    """``instant`` of a cell in a user's file; the ValueError names the cell and says what is expected."""
    try:
        return instant(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}, expected a UTC time such as 2014-03-29T17:35") from None


def iso(time: datetime) -> str:
    """A UTC datetime as headers hold it: to the millisecond, without a zone."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")


def check_identities(names: Sequence[object]) -> tuple[str, ...]:
    """The names if each is an observation's name with its prefix.

    Raises ConfigError for anything else, such as a bare id, which YAML reads as an integer, and for no name at all.
    """
    if not names:
        raise ConfigError("observations is [], expected names, or null for all there are.")
    for name in names:
        if not isinstance(name, str) or not IDENTITY.fullmatch(name):
            what = " (a bare id is read as an integer)" if isinstance(name, int) else ""
            raise ConfigError(
                f"Observation {name!r} is not a name{what}; expected a prefix and an id such as "
                "PF_20140329_140938_3860258481."
            )
    return tuple(str(name) for name in names)


@dataclass(frozen=True, eq=False)
class Header:
    """What is known of an observation; becomes the attributes of its shard.

    id: start and OBSID, "20140329_140938_3860258481".
    origin: "level2" or "simulation".
    line: name of the line config; wavelength: (points,) Å; dispersion: Å per native pixel.
    start: STARTOBS as ISO UTC, the zero of ``time``.
    window_start, window_end: of the analysis window; onset, peak, end: of the flare; ISO UTC, "" where unknown.
    number: place in the catalog, which orders partitions; -1 if the observation is in none.
    settings: instrument settings worth checking as confounders (exposure, raster mode, mu, ...), and where a PF's
        onset comes from (onset_source, and verified: yes or no): plain numbers and strings.
    sources: file name -> BLAKE3 digest of what the observation was made from; empty for a simulation.
    recipe: dotted key -> value of every choice that decides the content (mask rules, window, simulation
        parameters, seed); an observation ingested with another recipe is another observation.
    """

    id: str
    label: Label
    origin: str
    line: str
    wavelength: np.ndarray
    dispersion: float
    start: str
    window_start: str
    window_end: str
    onset: str = ""
    peak: str = ""
    end: str = ""
    flare_class: str = ""
    active_region: str = ""
    number: int = -1
    settings: Mapping[str, float | int | str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    recipe: Mapping[str, float | int | str | bool | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not IDENTITY.fullmatch(self.name):
            raise ShardError(f"Observation id {self.id!r} is not YYYYMMDD_HHMMSS_OBSID.")
        if self.origin not in ("level2", "simulation"):
            raise ShardError(f"Observation {self.name} has origin {self.origin!r}, expected level2 or simulation.")
        if self.label is Label.PF and not self.onset:
            raise ShardError(f"Observation {self.name} is labelled PF but has no flare onset.")

    @property
    def name(self) -> str:
        """Prefix and id, "PF_20140329_140938_3860258481": the shard's stem."""
        return f"{self.label.prefix}_{self.id}"

    @property
    def obsid(self) -> str:
        """The ten digits of the observing programme."""
        return self.id.rsplit("_", 1)[1]


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive repeats of an observation, every array leading with (repeat, step) or (repeat, step, slit).

    spectra: (repeat, step, slit, wavelength) float32, divided by its own maximum; NaN where missing.
    intensity: (repeat, step, slit) float32, DN/s, that maximum; NaN where nothing is left to measure.
    time: (repeat, step) float64, seconds from the header's start.
    phase: (repeat, step) uint8, of ``Phase``.
    exposure: (repeat, step) float32, s.
    quality: (repeat, step, slit) uint16, of ``Quality``; 0 = clean.
    position: (repeat, step, slit, 2) float32, helioprojective x, y, arcsec.
    truth: simulation only, name -> array leading with (repeat, step, slit); masks over wavelength are uint8
        of 0 and 1.
    """

    spectra: np.ndarray
    intensity: np.ndarray
    time: np.ndarray
    phase: np.ndarray
    exposure: np.ndarray
    quality: np.ndarray
    position: np.ndarray
    truth: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.spectra.ndim != 4:
            raise ShardError(f"A block's spectra have {self.spectra.ndim} axes, expected 4.")
        exposures, pixels = self.spectra.shape[:2], self.spectra.shape[:3]
        expected = {
            "intensity": pixels,
            "time": exposures,
            "phase": exposures,
            "exposure": exposures,
            "quality": pixels,
            "position": (*pixels, 2),
        }
        for name, shape in expected.items():
            found = getattr(self, name).shape
            if found != shape:
                raise ShardError(f"A block's {name} has shape {found}, expected {shape}.")
        for name, array in self.truth.items():
            if array.shape[:3] != pixels:
                raise ShardError(f"A block's truth/{name} has shape {array.shape}, expected {pixels} first.")


@dataclass(frozen=True)
class Observation:
    """A header and the blocks that follow from it.

    repeats, steps, slit: the cube's size; the blocks together hold that many repeats.
    blocks: called once, gives the blocks in time order. goes: the X-ray curve, None where unknown.
    """

    header: Header
    repeats: int
    steps: int
    slit: int
    blocks: Callable[[], Iterator[Block]]
    goes: Goes | None = None


class Source(Protocol):
    """Where observations come from: ``conf/source/*.yaml`` names one implementation each."""

    def observations(self, line: Line) -> Iterator[Observation]:
        """The observations, one at a time, in a fixed order."""
        ...
