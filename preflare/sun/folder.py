"""Real IRIS observations from disk: a folder, a raster file or an archive tarball, gathered into one observation."""

import contextlib
import copy
import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np

from preflare.checks import check_flag, check_path
from preflare.digest import of_file
from preflare.errors import ConfigError, Level2Error
from preflare.sun import catalog, zero_point
from preflare.sun.anomaly import Interval, header_says, read_intervals, within
from preflare.sun.disk import File, find, on_disk
from preflare.sun.level2 import SIT_AND_STARE, Raster
from preflare.sun.line import Line
from preflare.sun.observation import Block, Header, Observation, instant, iso
from preflare.sun.quality import Quality, off_limb
from preflare.sun.recipe import recipe
from preflare.sun.surroundings import Field, Surroundings
from preflare.sun.window import Cut, Window

SOLAR_RADIUS = 6.957e8  # m, IAU 2015
# Spectra of a sit-and-stare handled at once.
SPECTRA = 2**15

log = logging.getLogger(__name__)


class Folder:
    """One observation from its level-2 raster files (``conf/source/folder.yaml``).

    path: a folder with ``.fits``, ``.fits.gz`` or ``.tar.gz`` files directly in it, or one such file; must be given.
    Slit-jaw files, named ``_SJI_``, are passed over.
    window: how to cut it. catalog: a CSV file to add to the shipped catalog, or None.
    resolve, flares, goes, allow, cache: where to look up what the Sun did around it (``Surroundings``).
    saa: a CSV file of intervals in the South Atlantic Anomaly, beside what the headers say; or None.
    correct_zero_point: whether wavelengths are shifted by what the line's reference says, or only measured.
    Raises ConfigError for values that cannot be meant.
    """

    def __init__(
        self,
        path: str | None,
        window: Window,
        catalog: str | None,
        resolve: str | None = None,
        flares: str | None = None,
        goes: str | None = None,
        allow: Sequence[str] | str | None = None,
        cache: str = "data/cache",
        saa: str | None = None,
        correct_zero_point: bool = False,
    ) -> None:
        self.path = check_path("source.path", path) if path is not None else None
        self.window = window
        self.catalog = check_path("catalog", catalog) if catalog is not None else None
        self.surroundings = Surroundings(resolve, flares, goes, allow, cache)
        self.saa = read_intervals(check_path("source.saa", saa)) if saa is not None else ()
        self.correct_zero_point = check_flag("source.correct_zero_point", correct_zero_point)

    def at(self, path: Path) -> "Folder":
        """The same choices for other files."""
        other = copy.copy(self)
        other.path = path
        return other

    def observations(self, line: Line) -> Iterator[Observation]:
        """The one observation of the folder; its repeats in time order, one file in memory at a time.

        Raises Level2Error if the files are not the rasters of one observation, ConfigError or CatalogError if
        it cannot be cut.
        """
        if self.path is None:
            raise ConfigError("source=folder needs to know where the rasters are. Add source.path=DIR.")
        entries = {entry.id: entry for entry in catalog.read(self.catalog)}
        rasters = _in_time_order(
            [(file, Raster.open(path, line, file.name)) for file, path in on_disk(find(self.path))]
        )
        repeats = _Repeats.of(rasters)
        first = rasters[0][1]
        field = _field([raster for _, raster in rasters])
        entry = entries.get(first.id)
        entry = self.surroundings.resolve(field, self.window.label_of(first.id, entry), entry, self.window.onset)
        cut = self.window.cut(first.id, first.start, repeats.time, entry)
        used = [rasters[index] for index in dict.fromkeys(repeats.file[cut.keep].tolist())]
        if not any((raster.exposure > 0).any() for _, raster in used):
            raise Level2Error(
                f"{cut.label.prefix}_{first.id} took no exposure in its window: every exposure time is zero. "
                "Choose another window."
            )
        _say_if_coarse(f"{cut.label.prefix}_{first.id}", first.dispersion, line)
        around, goes = self.surroundings.describe(field, cut)
        shift = _zero_point(used, line)
        if shift is not None:
            around["zero_point"] = shift
        if self.correct_zero_point:
            rasters = _shifted(rasters, shift, line)
        header = Header(
            id=first.id,
            label=cut.label,
            origin="simulation" if first.simulated else "level2",
            line=line.name,
            wavelength=line.wavelength,
            dispersion=first.dispersion,
            start=iso(first.start),
            window_start=cut.window_start,
            window_end=cut.window_end,
            onset=cut.onset,
            peak=cut.peak,
            end=cut.end,
            flare_class=cut.flare_class,
            active_region=cut.active_region,
            number=cut.number,
            settings=_settings([raster for _, raster in used], repeats.time[cut.keep]) | around | cut.provenance,
            sources={path.name: of_file(path) for path in sorted({file.path for file, _ in used})},
            recipe=recipe(line, self.window) | self._choices() | self.surroundings.choices(field, cut.label, around),
        )
        yield Observation(
            header=header,
            repeats=int(cut.keep.sum()),
            steps=repeats.time.shape[1],
            slit=first.position.shape[1],
            blocks=partial(_blocks, rasters, repeats, cut, line, self.saa),
            goes=goes,
        )

    def _choices(self) -> dict[str, float | int | str | bool | None]:
        """What decides the content beside line and window, as far as it is not the default."""
        choices: dict[str, float | int | str | bool | None] = {}
        if self.saa:
            choices["saa"] = hashlib.sha256(repr(self.saa).encode()).hexdigest()
        if self.correct_zero_point:
            choices["correct_zero_point"] = True
        return choices


@dataclass(frozen=True, eq=False)
class _Repeats:
    """Where each repeat comes from: time (repeat, step) s; file (repeat,) and row (repeat,) of its first exposure."""

    time: np.ndarray
    file: np.ndarray
    row: np.ndarray

    @classmethod
    def of(cls, rasters: Sequence[tuple[File, Raster]]) -> "_Repeats":
        """A raster file is a repeat of many steps; a sit-and-stare file as many repeats of one step."""
        times = [raster.time[:, None] if raster.mode == SIT_AND_STARE else raster.time[None] for _, raster in rasters]
        return cls(
            np.concatenate(times),
            np.concatenate([np.full(len(time), index) for index, time in enumerate(times)]),
            np.concatenate([np.arange(len(time)) for time in times]),
        )


def _in_time_order(rasters: list[tuple[File, Raster]]) -> list[tuple[File, Raster]]:
    """Sorted by the first exposure; refused if they are not the repeats of one observation."""
    rasters = sorted(rasters, key=lambda pair: pair[1].begin)
    first = rasters[0][1]
    for _, other in rasters[1:]:
        if other.id != first.id:
            raise Level2Error(
                f"Rasters of two observations, {first.id} ({first.name}) and {other.id} ({other.name}). "
                "Keep one observation in a folder."
            )
        if other.mode != first.mode:
            raise Level2Error(f"{first.name} is a {first.mode}, {other.name} a {other.mode}. Keep one of the two.")
        shapes = [_shape(raster) for raster in (first, other)]
        if shapes[0] != shapes[1]:
            raise Level2Error(
                f"{first.name} has {shapes[0]}, {other.name} {shapes[1]}: they are not repeats of one raster. "
                "Keep files of one shape."
            )
    for (_, one), (_, next) in zip(rasters, rasters[1:], strict=False):
        if next.begin == one.begin:
            raise Level2Error(f"{one.name} and {next.name} are the same repeat. Keep one of the two.")
    return rasters


def _field(rasters: Sequence[Raster]) -> Field:
    """Where and how long the whole observation looked: to ENDOBS, or to the last exposure at hand."""
    first = rasters[0]
    # A slit is straight: its two ends give centre and box of the field.
    ends = [raster.position[raster.exposure > 0][:, [0, -1]].reshape(-1, 2) for raster in rasters]
    x, y = np.concatenate([*ends, first.position[0, [0, -1]]]).T
    end = first.start + timedelta(seconds=max(float(raster.time.max()) for raster in rasters))
    with contextlib.suppress(KeyError, ValueError):
        end = max(end, instant(str(first.settings["ENDOBS"])))
    return Field(first.id, first.start, end, x, y)


def _say_if_coarse(name: str, dispersion: float, line: Line) -> None:
    step = (line.stop - line.start) / (line.points - 1)
    if dispersion > 2 * step:
        log.info(
            "%s: its pixels of %.3f Å are %.1f steps of the line's grid, so neighbouring points of a spectrum are "
            "interpolated from the same two pixels and narrow features are lost.",
            name,
            dispersion,
            dispersion / step,
        )


def _shape(raster: Raster) -> str:
    exposures, slit = raster.position.shape[:2]
    steps = 1 if raster.mode == SIT_AND_STARE else exposures
    return f"{steps} step{'s' * (steps != 1)} of {slit} slit pixels"


def _blocks(
    rasters: Sequence[tuple[File, Raster]], repeats: _Repeats, cut: Cut, line: Line, saa: Sequence[Interval]
) -> Iterator[Block]:
    measured = False
    wanted = [index for index in range(len(rasters)) if cut.keep[repeats.file == index].any()]
    by_file = {rasters[index][0]: index for index in wanted}
    for file, path in on_disk(list(by_file)):
        index, raster = by_file[file], rasters[by_file[file]][1]
        rows = np.flatnonzero(cut.keep & (repeats.file == index))
        if raster.mode == SIT_AND_STARE:
            count = max(1, SPECTRA // raster.position.shape[1])
            pieces = [rows[at : at + count] for at in range(0, len(rows), count)]
        else:
            pieces = [rows]
        for piece in pieces:
            block = _block(raster, path, repeats, cut, piece, line, saa)
            measured |= bool(np.isfinite(block.intensity).any())
            yield block
    if not measured:
        raise Level2Error(
            f"{cut.label.prefix}_{rasters[0][1].id} holds no spectrum in its window: every pixel is missing. "
            "Choose another window, or check the files."
        )


def _block(
    raster: Raster,
    path: Path,
    repeats: _Repeats,
    cut: Cut,
    piece: np.ndarray,
    line: Line,
    saa: Sequence[Interval],
) -> Block:
    """One block of the repeats ``piece``, all of one file: a whole raster, or consecutive exposures."""
    if raster.mode == SIT_AND_STARE:
        # Kept repeats need not follow each other if a lost exposure's time is odd; what lies between is read too.
        lead = (len(piece), 1)
        rows = slice(int(repeats.row[piece[0]]), int(repeats.row[piece[-1]]) + 1)
        chosen = repeats.row[piece] - rows.start
    else:
        lead = (1, len(raster.time))
        rows = slice(0, len(raster.time))
        chosen = np.arange(len(raster.time))
    found = raster.read(path, line, rows)
    if len(chosen) < len(found[0]):
        found = tuple(array[chosen] for array in found)
    spectra, intensity, quality = found
    position = raster.position[rows][chosen]
    exposure = raster.exposure[rows][chosen]
    quality = quality | off_limb(position, solar_radius(raster.settings.get("DSUN_OBS")))
    inside = within(raster.start, raster.time[rows][chosen], exposure, saa)
    quality[inside | header_says(raster.settings.get("SAA"))] |= Quality.SAA.value
    return Block(
        spectra=spectra.reshape(*lead, *spectra.shape[1:]),
        intensity=intensity.reshape(*lead, -1),
        time=repeats.time[piece],
        phase=cut.phase[piece],
        exposure=exposure.reshape(lead).astype(np.float32),
        quality=quality.reshape(*lead, -1),
        position=position.reshape(*lead, -1, 2),
    )


def _zero_point(used: Sequence[tuple[File, Raster]], line: Line) -> float | None:
    """Shift of the line's reference in km/s, from a few of the files; None where it cannot be seen."""
    if line.reference is None:
        return None
    few = {file: raster for file, raster in used[:: max(1, len(used) // 4)][:4]}
    place = line.features[line.reference], line.reference_halfwidth
    profiles = [zero_point.profile(few[file], path, line.rules, *place) for file, path in on_disk(list(few))]
    return zero_point.measure(used[0][1].wavelength, zero_point.mean(profiles), *place)


def _shifted(rasters: Sequence[tuple[File, Raster]], shift: float | None, line: Line) -> list[tuple[File, Raster]]:
    """The same rasters on corrected axes. Raises ConfigError or Level2Error if there is nothing to correct by."""
    if line.reference is None:
        raise ConfigError(
            f"source.correct_zero_point is true, but the line {line.title} names no reference to correct by. Leave it "
            "out, or name one of the line's features as line.reference."
        )
    if shift is None:
        raise Level2Error(
            f"{rasters[0][1].id} cannot be corrected: the line's reference, {line.reference}, is not to be seen in it. "
            "Leave out source.correct_zero_point."
        )
    moved = [
        (file, replace(raster, wavelength=zero_point.corrected(raster.wavelength, shift))) for file, raster in rasters
    ]
    axis = moved[0][1].wavelength
    if axis.min() > line.start or axis.max() < line.stop:
        raise Level2Error(
            f"{rasters[0][1].id} does not cover {line.title} once it is corrected by {shift:.1f} km/s. "
            "Leave out source.correct_zero_point."
        )
    return moved


def _settings(rasters: Sequence[Raster], time: np.ndarray) -> dict[str, float | int | str]:
    """Plain facts about how the observation was made; header keywords under their own names.

    Keywords that differ between files: the median of numbers, all of the strings.
    """
    first = rasters[0]
    exposure = np.concatenate([raster.exposure for raster in rasters])
    # A slit is straight: its two ends give its centre.
    ends = [raster.position[raster.exposure > 0][:, [0, -1]].reshape(-1, 2) for raster in rasters]
    x, y = np.concatenate(ends).mean(axis=0, dtype=np.float64)
    settings: dict[str, float | int | str] = {
        "instrument": "IRIS",
        "mode": first.mode,
        "steps": time.shape[1],
        "exposure": float(np.median(exposure[exposure > 0])),
        "x": float(x),
        "y": float(y),
    }
    if len(time) > 1:
        settings["cadence"] = float(np.median(np.diff(np.median(time, axis=1))))
    for key in first.settings:
        values = [raster.settings[key] for raster in rasters if key in raster.settings]
        numbers = [value for value in values if not isinstance(value, str)]
        if numbers:
            settings[key] = float(np.median(numbers))
        else:
            settings[key] = ", ".join(dict.fromkeys(str(value) for value in values))
    distance = settings.get("DSUN_OBS")
    if isinstance(distance, float):
        settings["mu"] = mu(float(x), float(y), distance)
    return settings


def mu(x: float, y: float, distance: float) -> float:
    """Cosine of the heliocentric angle at helioprojective x, y in arcsec; 0 beyond the limb. distance: m."""
    offset = np.hypot(x, y) * np.pi / 180 / 3600
    return float(np.sqrt(max(0.0, 1 - (np.sin(offset) * distance / SOLAR_RADIUS) ** 2)))


def solar_radius(distance: object) -> float | None:
    """The Sun's radius in arcsec as seen from a distance in m; None if that is not a number."""
    if not isinstance(distance, float | int) or not distance > SOLAR_RADIUS:
        return None
    return float(np.arcsin(SOLAR_RADIUS / distance) * 3600 * 180 / np.pi)
