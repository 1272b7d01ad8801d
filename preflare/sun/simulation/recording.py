"""One simulated observation: what the camera records of its scene, as counts, blocks of spectra and truth."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from preflare.sun.catalog import Entry
from preflare.sun.goes import flare_class
from preflare.sun.line import Line
from preflare.sun.observation import Block, Header, Label, Observation, iso
from preflare.sun.quality import off_limb
from preflare.sun.recipe import Plain, recipe
from preflare.sun.reduction import Reduction, Taps, resample
from preflare.sun.simulation import xrays
from preflare.sun.simulation.look import start_of
from preflare.sun.simulation.profiles import LIGHT, Shapes, photosphere, radiance
from preflare.sun.simulation.programme import ARCSEC_PER_STEP
from preflare.sun.simulation.scene import Scene

if TYPE_CHECKING:
    from preflare.sun.simulation.source import Simulation

# What a stream of random numbers is for: with the seed and an identity, the key of that stream.
REGION, LOOK, SCHEDULE, SCENE, SLIT, EXPOSURE, XRAYS, SLIT_JAW = range(8)
# Counts the times that the same parameters came to give other observations: part of the recipe.
VERSION = 4
SOLAR_RADIUS = 960.0  # arcsec
# A wavelength counts as changed above this share of the spectrum's maximum.
CHANGED = 0.01
BLOCK = 4096  # spectra computed at once


class Recording:
    """One observation of a simulated Sun in the making.

    schedule, look, scene: how it was recorded, what its spectra share, what goes on. cut: which repeats belong to its
    window and flare. native: (native,) Å, the axis its files state. centre: helioprojective x, y of the field, arcsec.
    """

    def __init__(self, source: "Simulation", entry: Entry, line: Line) -> None:
        self._source, self._line = source, line
        self._identity = identity(entry.id)
        self.look = source.look(entry)
        self.schedule = source.schedule(entry)
        flares = entry.label is Label.PF
        quiet = entry.label is Label.QS
        random, plan = self.random(SCENE), self.schedule
        self.scene = Scene(random, self.look, plan, flares, source.precursors, source.gathering, quiet)
        self.goes = xrays.curve(self.random(XRAYS), self.schedule, flares)
        self.start = start_of(entry.id)
        self.times = self.schedule.times
        strongest = flare_class(self.goes.flux.max()) if flares else ""
        self.entry = replace(source.told(entry, self.schedule), flare_class=strongest)
        self.cut = source.window.cut(entry.id, self.start, self.times, self.entry)
        # The window is one stretch of time, so the repeats kept follow one another.
        self._first, self._repeats = int(self.cut.keep.argmax()), int(self.cut.keep.sum())

        random = self.random(SLIT)
        self._rows = source.detector.rows(random, self.schedule.slit)
        step = source.detector.dispersion
        first = line.start - (2 + random.random()) * step
        self.native = first + step * np.arange(int((line.stop - first) / step) + 3)
        # A spectrum that seems redshifted was recorded bluewards of where its scale says.
        self._emitted = self.native * (1 - self.look.zero_point / LIGHT)
        self._background = photosphere(source.atom, self._emitted, source.detector.resolution)
        self._taps = Taps.between(self.native, line.wavelength)
        self._reduction = Reduction(self._taps, line)
        # Of one instant: (step,) and (slit,), arcsec from the field's centre.
        plan = self.schedule
        self.across = (np.arange(plan.steps) - (plan.steps - 1) / 2) * ARCSEC_PER_STEP
        self.along = (np.arange(plan.slit) - (plan.slit - 1) / 2) * plan.pixel

    def random(self, purpose: int, *key: int) -> np.random.Generator:
        """The observation's own stream of random numbers for one purpose and key."""
        return self._source.random(purpose, *self._identity, *key)

    def observation(self) -> Observation:
        """As a source yields it."""
        return Observation(
            self._header(), self._repeats, self.schedule.steps, self.schedule.slit, self._blocks, self.goes
        )

    def _header(self) -> Header:
        plan, source, cut, line = self.schedule, self._source, self.cut, self._line
        x, y = self.centre
        return Header(
            id=self.entry.id,
            label=cut.label,
            origin="simulation",
            line=line.name,
            wavelength=line.wavelength,
            dispersion=source.detector.dispersion,
            start=iso(self.start),
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
                "mu": self.look.mu,
                # Whether precursors, should there be any, become more frequent towards onset; drawn for either class.
                "rising": int(self.scene.rising),
            },
            recipe=self.recipe,
        )

    @property
    def recipe(self) -> dict[str, Plain]:
        """Every choice that decides what comes out."""
        names: tuple[str, ...] = ("seed", "precursors", "confounder", "spectra", "atom", "programme", "detector")
        # Where precursors gather decides nothing if there are none.
        names += ("gathering",) * (self._source.precursors > 0)
        numbers = {name: getattr(self._source, name) for name in names}
        return recipe(self._line, self._source.window, {"version": VERSION} | numbers)

    @property
    def centre(self) -> tuple[float, float]:
        """Where on the disc the field's centre lies, helioprojective x, y in arcsec."""
        radius = SOLAR_RADIUS * np.sqrt(1 - self.look.mu**2)
        return float(radius * np.cos(self.look.azimuth)), float(radius * np.sin(self.look.azimuth))

    def _blocks(self) -> Iterator[Block]:
        count = max(1, BLOCK // (self.schedule.steps * self.schedule.slit))
        stop = self._first + self._repeats
        for first in range(self._first, stop, count):
            yield self._block(slice(first, min(first + count, stop)))

    def _block(self, repeats: slice) -> Block:
        """A few repeats, put together from pieces: a repeat of a large raster is more than memory should have."""
        steps, slit = self.schedule.steps, self.schedule.slit
        exposures = np.arange(repeats.start * steps, repeats.stop * steps)
        count = max(1, BLOCK // slit)
        pieces = [self._piece(exposures[at : at + count]) for at in range(0, len(exposures), count)]

        def whole(name: str) -> np.ndarray:
            array = np.concatenate([piece.pop(name) for piece in pieces])
            return array.reshape(-1, steps, *array.shape[1:])

        truth = {
            name: whole(f"truth/{name}") for name in ("kind", "changed", "changed_normalised", "quiet", "footpoint")
        }
        arrays = {name: whole(name) for name in ("spectra", "intensity", "exposure", "quality", "position")}
        return Block(time=self.times[repeats], phase=self.cut.phase[repeats], truth=truth, **arrays)

    def _piece(self, exposures: np.ndarray) -> dict[str, np.ndarray]:
        """The arrays of a block for some exposures, numbered from the start, each leading with (exposure,)."""
        x, y, time = self._places(exposures)
        quiet, disturbed, kind = self.scene.shapes(x, y, time)
        pure = self._radiance(disturbed)
        truth = self._truth(pure, quiet.take(np.flatnonzero(kind)), kind)
        truth["quiet"] = (self.scene.is_quiet(x, y, time) & (kind == 0)).astype(np.uint8)
        truth["footpoint"] = self._from_footpoint(x, y)
        counts, seconds = self._record(exposures, pure.reshape(len(exposures), -1, len(self.native)))
        spectra, intensity, quality = self._reduction(self._taps.needed(counts), seconds)
        position = np.stack([x, y], axis=-1).reshape(*intensity.shape, 2) + self.centre
        quality |= off_limb(position, SOLAR_RADIUS)
        arrays = {"spectra": spectra, "intensity": intensity, "exposure": seconds, "quality": quality}
        arrays["position"] = position.astype(np.float32)
        shape = intensity.shape
        return arrays | {f"truth/{name}": array.reshape(*shape, *array.shape[1:]) for name, array in truth.items()}

    def counts(self, exposures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Counts (exposure, slit, native) in DN and exposure times (exposure,) in s of some exposures, as filed."""
        disturbed = self.scene.shapes(*self._places(exposures))[1]
        return self._record(exposures, self._radiance(disturbed).reshape(len(exposures), -1, len(self.native)))

    def counts_at(self, exposures: np.ndarray, across: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same of exposures that the schedule does not have: their slits at across (exposure,), arcsec from the
        field's centre, at time (exposure,), s. Their numbers decide what chance does to them.
        """
        disturbed = self.scene.shapes(*self._spread(across, time))[1]
        return self._record(exposures, self._radiance(disturbed).reshape(len(exposures), -1, len(self.native)))

    def _places(self, exposures: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x, y (arcsec from the field's centre) and time (s) of every spectrum of some exposures, flat."""
        return self._spread(self.across[exposures % self.schedule.steps], self.times.ravel()[exposures])

    def _spread(self, across: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        x, y, time = np.broadcast_arrays(across[:, None], self.along, time[:, None])
        return x.ravel(), y.ravel(), time.ravel()

    def _from_footpoint(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """How far n places are from where the flare will be, (n,) float32 arcsec; NaN where none comes."""
        if self.entry.label is not Label.PF:
            return np.full(len(x), np.nan, np.float32)
        return np.hypot(x - self.scene.footpoint[0], y - self.scene.footpoint[1]).astype(np.float32)

    def seconds(self, exposures: np.ndarray) -> np.ndarray:
        """Exposure times of some exposures, (exposure,) float32 s; 0 where one did not arrive."""
        lose = self._source.detector.lose
        lost = [bool(lose(self.random(EXPOSURE, number), 1)[0]) for number in exposures.tolist()]
        return np.where(lost, np.float32(0), np.float32(self.schedule.exposure))

    def _record(self, exposures: np.ndarray, pure: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Counts (exposure, slit, native) in DN and exposure times (exposure,) in s, of radiance alike."""
        detector = self._source.detector
        counts = np.empty(pure.shape, np.float32)
        seconds = np.full(len(exposures), self.schedule.exposure, np.float32)
        dead = np.isnan(self._rows)
        transmission = np.where(dead, 0, self._rows)[:, None]
        # A stream of its own for every exposure: what is drawn does not depend on how many are made at once.
        for row, number in enumerate(exposures.tolist()):
            random = self.random(EXPOSURE, number)
            if detector.lose(random, 1)[0]:
                counts[row], seconds[row] = detector.fill, 0.0
            else:
                counts[row] = detector.counts(random, pure[row] * transmission, self.schedule.exposure)
        counts[:, dead] = detector.fill
        return counts, seconds

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
        section = self._taps.needed(native)
        return resample(section, self._taps, replace(self._line.rules, saturation=float(np.finfo(np.float32).max)))[0]


def identity(id: str) -> tuple[int, ...]:
    """The numbers of an observation's id, which key its streams of random numbers."""
    return tuple(int(part) for part in id.split("_"))
