"""What a shard holds, as one row of numbers: the paper's Table D.1, and what a reader would check."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from preflare.data.shard import Shard
from preflare.sun.line import Line
from preflare.sun.observation import Label, Phase, instant
from preflare.sun.quality import Quality, is_clean

# Spectra read at once.
ROWS = 2**14
EXAMPLES = 4


@dataclass(frozen=True)
class Row:
    """One observation. Counts, medians and shares are over the exposures of its analysis window.

    spectra, clean: how many; shares: flag -> share of the spectra that carry it, of every flag there is.
    intensity: median of the clean spectra's, DN/s. continuum: median of their mean pseudo-continuum.
    exposure: median s. exposures: shortest and longest of those taken. cadence: median s from repeat to repeat.
    minutes: from the first exposure's beginning to the last one's; window: the length of the window, in minutes.
    masked_by: the origin of what trained the autoencoder that set QUIET_SUN, if it is not the observation's own.
    settings: what the shard says of the instrument and the surroundings, such as mode and mu.
    strongest: the highest flux of the X-ray curve in the window, W/m²; NaN where unknown.
    examples: flag name ("" for clean) -> up to ``EXAMPLES`` of (repeat, step, slit), evenly spread.
    """

    name: str
    label: Label
    number: int
    start: datetime
    onset: str
    flare_class: str
    region: str
    spectra: int
    clean: int
    shares: Mapping[str, float]
    intensity: float
    continuum: float
    exposure: float
    exposures: tuple[float, float]
    cadence: float
    minutes: float
    window: float
    steps: int
    slit: int
    dispersion: float
    strongest: float
    masked_by: str = ""
    settings: Mapping[str, float | int | str] = field(default_factory=dict)
    examples: Mapping[str, Sequence[tuple[int, int, int]]] = field(default_factory=dict)

    def setting(self, key: str) -> float:
        """A number of the settings, NaN where there is none."""
        value = self.settings.get(key)
        return float(value) if isinstance(value, int | float) else np.nan


def measure(shard: Shard, line: Line) -> Row:
    """Read a shard and measure it. Raises ShardError if it is damaged or of another line."""
    shard.check_line(line)
    header = shard.header
    quality, intensity = shard.read("quality"), shard.read("intensity")
    phase, time, exposure = shard.read("phase"), shard.read("time"), shard.read("exposure")
    inside = phase == Phase.PREFLARE
    flags = quality[inside]
    clean = is_clean(quality, line) & inside[..., None]
    taken = exposure[inside & (exposure > 0)]
    repeats = np.flatnonzero(inside.any(axis=1))
    middle = np.median(time[repeats], axis=1)
    zero = instant(header.start)
    begin, end = ((instant(text) - zero).total_seconds() for text in (header.window_start, header.window_end))
    return Row(
        name=shard.name,
        label=header.label,
        number=header.number,
        start=zero,
        onset=header.onset,
        flare_class=header.flare_class,
        region=header.active_region,
        spectra=flags.size,
        clean=int(clean.sum()),
        shares={str(flag.name): float((flags & flag.value != 0).mean()) for flag in Quality if flag},
        intensity=_median(intensity[clean]),
        continuum=_continuum(shard, clean, line),
        exposure=_median(taken),
        exposures=(float(taken.min()), float(taken.max())) if taken.size else (np.nan, np.nan),
        cadence=_median(np.diff(middle)),
        minutes=float(np.ptp(time[inside])) / 60,
        window=(end - begin) / 60,
        steps=shard.shape[1],
        slit=shard.shape[2],
        dispersion=header.dispersion,
        strongest=_strongest(shard, begin, end),
        masked_by=_masked_by(shard),
        settings=header.settings,
        examples=_examples(quality, inside, clean, np.isfinite(intensity)),
    )


def _masked_by(shard: Shard) -> str:
    found = str(shard.quiet_sun.get("trained_on", ""))
    return "" if found == shard.header.origin else found


def _median(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if values.size else np.nan


def _continuum(shard: Shard, clean: np.ndarray, line: Line) -> float:
    start, stop = line.continuum
    points = (line.wavelength >= start) & (line.wavelength <= stop)
    if not points.any():
        return np.nan
    repeats = max(1, ROWS // max(1, int(np.prod(shard.shape[1:3]))))
    means = [
        block.spectra[clean[rows]][:, points].mean(axis=1, dtype=np.float64)
        for rows, block in shard.blocks(repeats)
        if clean[rows].any()
    ]
    return _median(np.concatenate(means)) if means else np.nan


def _strongest(shard: Shard, begin: float, end: float) -> float:
    goes = shard.goes()
    if goes is None:
        return np.nan
    flux = goes.flux[(goes.time >= begin) & (goes.time <= end)]
    return float(flux.max()) if flux.size and np.isfinite(flux).any() else np.nan


def _examples(
    quality: np.ndarray, inside: np.ndarray, clean: np.ndarray, measured: np.ndarray
) -> dict[str, list[tuple[int, int, int]]]:
    masks = {"": clean} | {str(flag.name): (quality & flag.value != 0) & inside[..., None] for flag in Quality if flag}
    found: dict[str, list[tuple[int, int, int]]] = {}
    for name, mask in masks.items():
        # A spectrum of which something is left says more.
        places = np.argwhere(mask & measured if (mask & measured).any() else mask)
        # Away from the ends, where a slit begins and ends.
        chosen = np.linspace(0, len(places), 2 * EXAMPLES + 1)[1::2].astype(int)
        found[name] = [tuple(places[at].tolist()) for at in dict.fromkeys(chosen.tolist()) if at < len(places)]
    return found
