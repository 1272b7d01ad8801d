"""The simulated Sun as a source of observations: those of the catalog, each a pure function of (seed, its id)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np

from preflare.errors import ConfigError
from preflare.sun import catalog
from preflare.sun.catalog import Entry
from preflare.sun.level2 import Taps, resample
from preflare.sun.line import Line
from preflare.sun.observation import Block, Header, Label, Observation, check_identities, iso
from preflare.sun.quality import assess
from preflare.sun.simulation import look as looks
from preflare.sun.simulation.detector import Detector
from preflare.sun.simulation.look import Look
from preflare.sun.simulation.profiles import LIGHT, Atom, Shapes, photosphere, radiance
from preflare.sun.simulation.programme import ARCSEC_PER_STEP, Programme
from preflare.sun.simulation.scene import Scene
from preflare.sun.window import Window

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
        window: Window,
        observations: Sequence[str] | str | None = None,
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
        if window.onset or window.end:
            raise ConfigError("The simulated Sun has flares of its own; leave out window.onset and window.end.")
        self.window = window
        self._entries = catalog.read()
        if observations is not None:
            wanted = set(check_identities([observations] if isinstance(observations, str) else observations))
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

    def look(self, id: str) -> Look:
        """The look of an observation, whatever its class."""
        return looks.draw(self.random(LOOK, *_digits(id)), self.random(REGION, int(self.region(id))))


class _Simulated:
    """One observation in the making."""

    def __init__(self, source: Simulation, entry: Entry, line: Line) -> None:
        self._source, self._entry, self._line = source, entry, line
        self._identity = _digits(entry.id)
        self._look = source.look(entry.id)
        self._plan = source.programme.draw(source.random(SCHEDULE, *self._identity))
        flares = entry.label is Label.PF
        self._scene = Scene(source.random(SCENE, *self._identity), self._look, self._plan, flares, source.precursors)
        self._start = looks.start_of(entry.id)
        self._times = self._plan.times
        self._cut = source.window.cut(entry.id, self._start, self._times, self._told(flares))
        # The window is one stretch of time, so the repeats kept follow one another.
        self._first, self._repeats = int(self._cut.keep.argmax()), int(self._cut.keep.sum())

        random = source.random(SLIT, *self._identity)
        self._rows = source.detector.rows(random, self._plan.slit)
        step = source.detector.dispersion
        first = line.start - (2 + random.random()) * step
        native = first + step * np.arange(int((line.stop - first) / step) + 3)
        # A spectrum that seems redshifted was recorded bluewards of where its scale says.
        self._emitted = native * (1 - self._look.zero_point / LIGHT)
        self._background = photosphere(source.atom, self._emitted, source.detector.resolution)
        self._taps = Taps.between(native, line.wavelength)

    def _told(self, flares: bool) -> Entry:
        """The catalog's entry as it would be had this observation been made."""

        def when(seconds: float) -> str:
            return iso(self._start + timedelta(seconds=seconds)) if flares else ""

        plan = self._plan
        return replace(
            self._entry,
            onset=when(plan.onset),
            peak=when(plan.peak),
            end=when(plan.end),
            flare_class="",
            active_region=f"simulated-{self._source.region(self._entry.id)}",
        )

    def observation(self) -> Observation:
        return Observation(self._header(), self._repeats, self._plan.steps, self._plan.slit, self._blocks)

    def _header(self) -> Header:
        plan, source, cut, line = self._plan, self._source, self._cut, self._line
        x, y = self._centre()
        chosen = {key: getattr(line, key) for key in ("detector", "start", "stop", "points", "cores", "rules")}
        return Header(
            id=self._entry.id,
            label=cut.label,
            origin="simulation",
            line=line.name,
            wavelength=line.wavelength,
            dispersion=source.detector.dispersion,
            start=iso(self._start),
            window_start=cut.window_start,
            window_end=cut.window_end,
            onset=cut.onset,
            peak=cut.peak,
            end=cut.end,
            flare_class=cut.flare_class,
            active_region=cut.active_region,
            number=cut.number,
            settings={
                "instrument": "IRIS",
                "mode": plan.mode,
                "steps": plan.steps,
                "exposure": plan.exposure,
                "x": x,
                "y": y,
                "cadence": plan.steps * plan.cadence,
                "mu": self._look.mu,
            },
            recipe=flatten("line", chosen)
            | flatten("window", source.window)
            | flatten(
                "simulation",
                {
                    "seed": source.seed,
                    "precursors": source.precursors,
                    "atom": source.atom,
                    "programme": source.programme,
                    "detector": source.detector,
                },
            ),
        )

    def _centre(self) -> tuple[float, float]:
        """Where on the disc the field's centre lies, arcsec."""
        radius = SOLAR_RADIUS * np.sqrt(1 - self._look.mu**2)
        return float(radius * np.cos(self._look.azimuth)), float(radius * np.sin(self._look.azimuth))

    def _blocks(self) -> Iterator[Block]:
        count = max(1, BLOCK // (self._plan.steps * self._plan.slit))
        stop = self._first + self._repeats
        for first in range(self._first, stop, count):
            yield self._block(slice(first, min(first + count, stop)))

    def _block(self, repeats: slice) -> Block:
        plan, taps = self._plan, self._taps
        time = self._times[repeats]
        shape = (*time.shape, plan.slit)
        across = (np.arange(plan.steps) - (plan.steps - 1) / 2) * ARCSEC_PER_STEP
        along = (np.arange(plan.slit) - (plan.slit - 1) / 2) * plan.pixel
        x, y, t = (
            np.broadcast_to(values, shape).ravel() for values in (across[None, :, None], along, time[:, :, None])
        )
        quiet, disturbed, kind = self._scene.shapes(x, y, t)
        pure = self._radiance(disturbed)
        truth = self._truth(pure, quiet.take(np.flatnonzero(kind)), kind)
        counts, exposure = self._record(repeats, pure.reshape(*shape, -1))
        values, missing, saturated = resample(counts[..., taps.first : taps.first + taps.count], taps, self._line.rules)
        with np.errstate(divide="ignore", invalid="ignore"):
            flux = values / exposure[:, :, None, None]
        spectra, intensity, quality = assess(flux, missing, saturated, exposure, self._line)
        position = np.stack([x, y], axis=-1).reshape(*shape, 2) + self._centre()
        return Block(
            spectra=spectra,
            intensity=intensity,
            time=time,
            phase=self._cut.phase[repeats],
            exposure=exposure,
            quality=quality,
            position=position.astype(np.float32),
            truth={name: array.reshape(*shape, *array.shape[1:]) for name, array in truth.items()},
        )

    def _record(self, repeats: slice, pure: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Counts (repeat, step, slit, native) in DN and exposure times (repeat, step)."""
        detector, plan = self._source.detector, self._plan
        counts = np.empty(pure.shape, np.float32)
        exposure = np.full(pure.shape[:2], plan.exposure, np.float32)
        dead = np.isnan(self._rows)
        # A stream of its own for every repeat: what is drawn does not depend on the size of a block.
        for row, repeat in enumerate(range(repeats.start, repeats.stop)):
            random = self._source.random(REPEAT, *self._identity, repeat)
            lost = detector.lose(random, plan.steps)
            counts[row] = detector.counts(random, pure[row] * np.where(dead, 0, self._rows)[:, None], plan.exposure)
            counts[row, lost], exposure[row, lost] = detector.fill, 0.0
        counts[:, :, dead] = detector.fill
        return counts, exposure

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
        """Noiseless spectra on the line's grid."""
        section = native[..., self._taps.first : self._taps.first + self._taps.count]
        return resample(section, self._taps, replace(self._line.rules, saturation=np.inf))[0]


def _digits(id: str) -> tuple[int, ...]:
    return tuple(int(part) for part in id.split("_"))


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
