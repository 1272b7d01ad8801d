"""The simulated Sun as a source of observations: those of the catalog, each a pure function of (seed, its id)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, timedelta
from typing import Any

import numpy as np

from preflare.errors import ConfigError
from preflare.sun import catalog
from preflare.sun.catalog import Entry
from preflare.sun.line import Line
from preflare.sun.observation import Block, Header, Label, Observation, check_identities, iso
from preflare.sun.quality import assess
from preflare.sun.simulation import look as looks
from preflare.sun.simulation.detector import Detector
from preflare.sun.simulation.look import Look
from preflare.sun.simulation.profiles import LIGHT, Atom, Shapes, photosphere, radiance
from preflare.sun.simulation.programme import ARCSEC_PER_STEP, Programme, Schedule
from preflare.sun.simulation.scene import Scene

# What a stream of random numbers is for: with the seed and an identity, the key of that stream.
REGION, LOOK, SCHEDULE, SCENE, SLIT, REPEAT = range(6)
SOLAR_RADIUS = 960.0  # arcsec
# A wavelength counts as changed above this share of the spectrum's maximum.
CHANGED = 0.01
BLOCK = 4096  # spectra computed at once


class Simulation:
    """Observations with the identities of the catalog and origin "simulation" (a ``Source``).

    seed: of every random number. precursors: factor on how often PF observations show precursors; at 0 AR and PF
    are one distribution. observations: names of those wanted, None for all; each is the same either way.
    Raises ConfigError for a seed or a factor below 0, and for an observation that is not in the catalog.
    """

    def __init__(
        self,
        seed: int,
        precursors: float,
        atom: Atom,
        programme: Programme,
        detector: Detector,
        observations: Sequence[str] | None = None,
    ) -> None:
        if not isinstance(seed, int) or seed < 0:
            raise ConfigError(f"simulation.seed is {seed!r}, expected 0, 1, 2, ...")
        if not precursors >= 0:
            raise ConfigError(f"simulation.precursors is {precursors!r}, expected a factor of 0 or more.")
        self.seed = seed
        self.precursors = float(precursors)
        self.atom = atom
        self.programme = programme
        self.detector = detector
        self._entries = catalog.read()
        if observations is not None:
            wanted = set(check_identities(observations))
            unknown = sorted(wanted - {entry.name for entry in self._entries})
            if unknown:
                raise ConfigError(
                    f"The simulated Sun has no observation {', '.join(unknown)}; expected those of the catalog."
                )
            self._entries = tuple(entry for entry in self._entries if entry.name in wanted)
        self._regions = looks.regions([entry.id for entry in catalog.read()])

    def observations(self, line: Line) -> Iterator[Observation]:
        """The observations in the catalog's order. Raises ConfigError for a line that the atom does not describe."""
        if line.name != self.atom.line:
            raise ConfigError(
                f"The simulated Sun radiates the line {self.atom.line}, not {line.name}. Use line={self.atom.line}."
            )
        for entry in self._entries:
            yield _Simulated(self, entry, line).observation()

    def random(self, purpose: int, *identity: int) -> np.random.Generator:
        """The stream of random numbers for one purpose and identity."""
        return np.random.default_rng(np.random.SeedSequence([self.seed, purpose, *identity]))

    def region(self, id: str) -> str:
        """The day the region of an observation was first observed, YYYYMMDD."""
        return self._regions[id]


class _Simulated:
    """One observation in the making."""

    def __init__(self, source: Simulation, entry: Entry, line: Line) -> None:
        self._source, self._entry, self._line = source, entry, line
        self._identity = tuple(int(part) for part in entry.id.split("_"))
        region = source.random(REGION, int(source.region(entry.id)))
        self.look: Look = looks.draw(source.random(LOOK, *self._identity), region)
        self.schedule: Schedule = source.programme.draw(source.random(SCHEDULE, *self._identity), entry.label)
        precursors = source.precursors if entry.label is Label.PF else 0.0
        self.scene = Scene(source.random(SCENE, *self._identity), self.look, self.schedule, precursors)
        random = source.random(SLIT, *self._identity)
        self._rows = source.detector.rows(random, self.schedule.slit)
        step = source.detector.dispersion
        first = line.start - (2 + random.random()) * step
        self._native = first + step * np.arange(int((line.stop - first) / step) + 3)
        # A spectrum that seems redshifted was recorded bluewards of where its scale says.
        self._emitted = self._native * (1 - self.look.zero_point / LIGHT)
        self._background = photosphere(source.atom, self._emitted, source.detector.resolution)
        tap = (line.wavelength - self._native[0]) / step
        self._tap = tap.astype(int)
        self._fraction = (tap - self._tap).astype(np.float32)

    def observation(self) -> Observation:
        plan = self.schedule
        return Observation(self._header(), plan.repeats, plan.steps, plan.slit, self._blocks)

    def _header(self) -> Header:
        plan, entry, source = self.schedule, self._entry, self._source
        start = looks.start_of(entry.id).replace(tzinfo=UTC)

        def when(seconds: float) -> str:
            return iso(start + timedelta(seconds=seconds)) if seconds >= 0 else ""

        return Header(
            id=entry.id,
            label=entry.label,
            origin="simulation",
            line=self._line.name,
            wavelength=self._line.wavelength,
            dispersion=source.detector.dispersion,
            start=when(0),
            window_start=when(plan.window[0]),
            window_end=when(plan.window[1]),
            onset=when(plan.onset),
            peak=when(plan.peak),
            end=when(plan.end),
            active_region=f"simulated-{source.region(entry.id)}",
            number=entry.number,
            settings={
                "instrument": "IRIS",
                "mode": plan.mode,
                "steps": plan.steps,
                "cadence": plan.cadence,
                "exposure": plan.exposure,
                "mu": self.look.mu,
            },
            recipe=flatten("line.rules", self._line.rules)
            | {"simulation.seed": source.seed, "simulation.precursors": source.precursors}
            | flatten("simulation.atom", source.atom)
            | flatten("simulation.programme", source.programme)
            | flatten("simulation.detector", source.detector),
        )

    def _blocks(self) -> Iterator[Block]:
        plan = self.schedule
        count = max(1, BLOCK // (plan.steps * plan.slit))
        for first in range(0, plan.repeats, count):
            yield self._block(slice(first, min(first + count, plan.repeats)))

    def _block(self, repeats: slice) -> Block:
        plan = self.schedule
        time = plan.times(repeats)
        shape = (*time.shape, plan.slit)
        across = (np.arange(plan.steps) - (plan.steps - 1) / 2) * ARCSEC_PER_STEP
        along = (np.arange(plan.slit) - (plan.slit - 1) / 2) * plan.pixel
        x, y, t = (
            np.broadcast_to(values, shape).ravel() for values in (across[None, :, None], along, time[:, :, None])
        )
        quiet, disturbed, kind = self.scene.shapes(x, y, t)
        pure = self._radiance(disturbed)
        truth = self._truth(pure, quiet.take(np.flatnonzero(kind)), kind)

        counts, missing, exposure = self._record(repeats, pure.reshape(*shape, -1))
        saturated = counts >= self._line.rules.saturation
        with np.errstate(divide="ignore", invalid="ignore"):
            flux = self._on_grid(counts) / exposure[:, :, None, None]
        spectra, intensity, quality = assess(
            flux, self._touched(missing), self._touched(saturated), exposure, self._line
        )
        radius = SOLAR_RADIUS * np.sqrt(1 - self.look.mu**2)
        centre = radius * np.array([np.cos(self.look.azimuth), np.sin(self.look.azimuth)])
        position = np.stack([x, y], axis=-1).reshape(*shape, 2) + centre
        return Block(
            spectra=spectra,
            intensity=intensity,
            time=time,
            phase=plan.phases(repeats),
            exposure=exposure,
            quality=quality,
            position=position.astype(np.float32),
            truth={name: array.reshape(*shape, *array.shape[1:]) for name, array in truth.items()},
        )

    def _record(self, repeats: slice, pure: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Counts (repeat, step, slit, native), which are missing, and exposure times (repeat, step)."""
        detector, plan = self._source.detector, self.schedule
        counts = np.empty(pure.shape, np.float32)
        exposure = np.full(pure.shape[:2], plan.exposure, np.float32)
        # A stream of its own for every repeat: what is drawn does not depend on the size of a block.
        for row, repeat in enumerate(range(repeats.start, repeats.stop)):
            random = self._source.random(REPEAT, *self._identity, plan.first + repeat)
            lost = detector.lose(random, plan.steps)
            dimmed = pure[row] * np.nan_to_num(self._rows)[:, None]
            counts[row] = detector.counts(random, dimmed, plan.exposure)
            counts[row, lost] = detector.fill
            exposure[row, lost] = 0.0
        counts[:, :, np.isnan(self._rows)] = detector.fill
        return counts, counts < self._line.rules.null, exposure

    def _truth(self, disturbed: np.ndarray, quiet: Shapes, kind: np.ndarray) -> dict[str, np.ndarray]:
        """Kinds (n,) and masks (n, wavelength) from noiseless spectra (n, native) and, of those with a kind, the
        shapes they would have without it.

        ``changed`` is where they differ in DN/s, ``changed_normalised`` where they differ after division by their
        maxima, each by more than ``CHANGED`` of the maximum. A precursor that changes nothing so much is none.
        """
        rows = np.flatnonzero(kind)
        before, after = self._on_grid(self._radiance(quiet)), self._on_grid(disturbed[rows])
        top_before, top_after = before.max(axis=-1, keepdims=True), after.max(axis=-1, keepdims=True)
        changed = np.abs(after - before) > CHANGED * top_after
        normalised = np.abs(after / top_after - before / top_before) > CHANGED
        seen = changed.any(axis=-1) | normalised.any(axis=-1)
        masks = np.zeros((2, len(kind), self._line.points), np.uint8)
        masks[0, rows], masks[1, rows] = changed, normalised
        kinds = np.zeros(len(kind), np.uint8)
        kinds[rows[seen]] = kind[rows[seen]]
        return {"kind": kinds, "changed": masks[0], "changed_normalised": masks[1]}

    def _radiance(self, shapes: Shapes) -> np.ndarray:
        source = self._source
        return radiance(source.atom, self._emitted, shapes, self._background, source.detector.resolution)

    def _on_grid(self, native: np.ndarray) -> np.ndarray:
        """Linear interpolation from (..., native) to (..., wavelength)."""
        left, right = native[..., self._tap], native[..., self._tap + 1]
        return left + self._fraction * (right - left)

    def _touched(self, native: np.ndarray) -> np.ndarray:
        """Which points of the grid a masked native pixel takes part in."""
        return native[..., self._tap] | native[..., self._tap + 1]


def flatten(prefix: str, value: object) -> dict[str, Any]:
    """A dataclass, mapping or sequence as dotted key -> plain value."""
    if is_dataclass(value):
        items = [(field.name, getattr(value, field.name)) for field in fields(value)]
    elif isinstance(value, Mapping):
        items = list(value.items())
    elif isinstance(value, (tuple, list)):
        return {prefix: ", ".join(str(item) for item in value)}
    else:
        return {prefix: value}
    return {key: plain for name, item in items for key, plain in flatten(f"{prefix}.{name}", item).items()}
