"""One IRIS level-2 raster file: checked when opened, then read in pieces onto a line's grid.

The file has a primary header that describes its spectral windows (TDETn, TWMINn, TWMAXn), an image
(exposure, slit, wavelength) for each, and a table with a row for each exposure whose columns its own header names
(TIME, EXPTIMEN, XCENIX, ...). The window is the one whose own wavelength axis covers the line, whatever its name.

Null, non-finite and saturated pixels are found in the native counts and masked before anything is divided or
interpolated, so that nothing is interpolated across them (paper Sect. 2). An infinite count is a saturated pixel:
``iris_prep`` writes it so, while int16 files end at a ceiling.
"""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numba
import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from preflare.errors import Level2Error
from preflare.sun.anomaly import hit_rate
from preflare.sun.line import Line, Rules
from preflare.sun.observation import instant
from preflare.sun.quality import Quality, assess
from preflare.sun.stored import Image

RASTER, SIT_AND_STARE = "raster", "sit-and-stare"
# What the primary header of a simulated file says.
ORIGIN = "SIMULATION"
# The smallest raster step is 0.33 arcsec; V34 programmes step backwards, so look at the size.
STANDING_STILL = 0.01
# Values of native counts read at once; a dense raster is larger than memory should have to be.
CHUNK = 2**22
# Spectra resampled and assessed at once: what a processor's cache holds is several times as fast.
ROWS = 128
# Copied into the settings under their own names, where the file has them.
KEYWORDS = (
    "ENDOBS",
    "SUMSPTRF",
    "SUMSPTRN",
    "SUMSPAT",
    "IAECFLAG",
    "SAA",
    "SAT_ROT",
    "DSUN_OBS",
    "OBS_DESC",
    "VER_RF2",
)


@dataclass(frozen=True, eq=False)
class Raster:
    """What is known of a raster file before its spectra are read.

    name: of the file, for messages. start: STARTOBS. mode: RASTER or SIT_AND_STARE.
    image: where the line's window lies in the file. wavelength: (native,) Å, its axis.
    time: (exposure,) s from start, as the file has it. exposure: (exposure,) s, of the line's detector.
    position: (exposure, slit, 2) helioprojective x, y, arcsec.
    settings: header keywords worth keeping. simulated: whether the file says that it is.
    """

    name: str
    start: datetime
    obsid: str
    mode: str
    image: Image
    wavelength: np.ndarray
    time: np.ndarray
    exposure: np.ndarray
    position: np.ndarray
    settings: dict[str, float | int | str]
    simulated: bool

    @property
    def id(self) -> str:
        """Start and OBSID, "20140329_140938_3860258481"."""
        return f"{self.start:%Y%m%d_%H%M%S}_{self.obsid}"

    @property
    def begin(self) -> float:
        """Time of the first exposure that was taken, s from start; a lost exposure's time means nothing."""
        taken = self.exposure > 0
        return float(self.time[taken].min() if taken.any() else self.time.min())

    @property
    def dispersion(self) -> float:
        """Å per native pixel."""
        return abs(float(self.wavelength[1] - self.wavelength[0]))

    @classmethod
    def open(cls, path: Path, line: Line, name: str | None = None) -> "Raster":
        """Read and check everything but the spectra.

        name: for messages, where the path is a temporary copy.
        Raises Level2Error if the file is not a level-2 raster, is cut short, or does not cover the line.
        """
        name = name or path.name
        with _open(path, name) as hdus:
            primary = hdus[0].header
            start, obsid = _identity(primary, name)
            hdu, wavelength = _window(hdus, line, name)
            image, header = Image.of(hdus[hdu]), hdus[hdu].header
            table = _exposures(hdus, header["NAXIS3"], line.detector, name)
            position = _position(header, table)
        return cls(
            name=name,
            start=start,
            obsid=obsid,
            mode=_mode(primary, name),
            image=image,
            wavelength=wavelength,
            time=table["TIME"],
            exposure=table["EXPOSURE"],
            position=position,
            settings=_settings(primary),
            simulated=str(primary.get("ORIGIN", "")).strip() == ORIGIN,
        )

    def read(self, path: Path, line: Line, exposures: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Spectra (exposure, slit, wavelength), intensity and quality (exposure, slit) of some exposures.

        Only the line's window is read, and of it only the wavelengths that are needed.
        """
        taps = Taps.between(self.wavelength, line.wavelength)
        first, last, _ = exposures.indices(len(self.time))
        shape = (last - first, self.position.shape[1])
        spectra = np.empty((*shape, line.points), np.float32)
        intensity, quality = np.empty(shape, np.float32), np.empty(shape, np.uint16)
        seconds = self.exposure[first:last].astype(np.float32)
        # Whole rows: picking wavelengths from the file would take a read for every spectrum.
        step = max(1, CHUNK // (shape[1] * len(self.wavelength)))
        with _reading(path, self.name), path.open("rb") as file:
            for at in range(0, shape[0], step):
                rows = slice(at, min(at + step, shape[0]))
                counts = self.image.read(file, first + rows.start, first + rows.stop)
                _normalise(counts, seconds[rows], taps, line, (spectra[rows], intensity[rows], quality[rows]))
                if line.rules.saa_hits is not None:
                    rates = np.array([hit_rate(one, line.rules.null) for one in counts])
                    quality[rows][rates >= line.rules.saa_hits] |= Quality.SAA.value
        return spectra, intensity, quality

    def counts(self, path: Path, exposure: int) -> np.ndarray:
        """Native counts (slit, native) in DN of one exposure."""
        with _reading(path, self.name), path.open("rb") as file:
            found: np.ndarray = self.image.read(file, exposure, exposure + 1)[0]
        return found


@dataclass(frozen=True, eq=False)
class Taps:
    """Linear interpolation as two native pixels and a weight for each grid point.

    first, count: the native pixels needed. left: (points,) index of the first of the two, from ``first``.
    weight: (points,) float32 in [0, 1], of the second.
    """

    first: int
    count: int
    left: np.ndarray
    weight: np.ndarray

    @classmethod
    def between(cls, axis: np.ndarray, grid: np.ndarray) -> "Taps":
        """From an evenly spaced axis to a grid that it covers."""
        index = (grid - axis[0]) / ((axis[-1] - axis[0]) / (len(axis) - 1))
        left = np.clip(np.floor(index).astype(int), 0, len(axis) - 2)
        first, last = int(left.min()), int(left.max()) + 1
        return cls(first, last - first + 1, left - first, np.clip(index - left, 0, 1).astype(np.float32))


def resample(counts: np.ndarray, taps: Taps, rules: Rules) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Interpolate native counts (..., native) in DN to the grid and say which points masked pixels touch.

    Returns values, missing and saturated, each (..., wavelength); values are meaningless where masked.
    """
    flat = np.ascontiguousarray(counts, np.float32).reshape(-1, counts.shape[-1])
    values = np.empty((len(flat), len(taps.left)), np.float32)
    missing, saturated = np.empty(values.shape, bool), np.empty(values.shape, bool)
    limits = np.float32(rules.null), np.float32(rules.saturation)
    _resample(flat, taps.left, taps.weight, *limits, values, missing, saturated)
    shape = (*counts.shape[:-1], len(taps.left))
    return values.reshape(shape), missing.reshape(shape), saturated.reshape(shape)


@numba.njit(cache=True, nogil=True)
def _resample(counts, left, weight, null, saturation, values, missing, saturated):  # type: ignore[no-untyped-def]
    """``resample`` of counts (n, native) into the last three arrays, each (n, wavelength)."""
    zero = np.float32(0)
    for row in range(counts.shape[0]):
        odd = False
        for pixel in range(counts.shape[1]):
            # Not a number is not at or above anything.
            odd |= not (counts[row, pixel] >= null) or counts[row, pixel] >= saturation
        if not odd:
            # As below, for the many spectra without a pixel to mask.
            for point in range(left.size):
                a, b = counts[row, left[point]], counts[row, left[point] + 1]
                values[row, point] = a + weight[point] * (b - a)
            missing[row], saturated[row] = False, False
            continue
        for point in range(left.size):
            a, b, share = counts[row, left[point]], counts[row, left[point] + 1], weight[point]
            high_a, high_b = a >= saturation, b >= saturation
            lost_a, lost_b = not (a >= null or high_a), not (b >= null or high_b)
            # A native pixel touches a grid point if it has any weight in it.
            uses_a, uses_b = share < 1, share > 0
            missing[row, point] = (lost_a and uses_a) or (lost_b and uses_b)
            saturated[row, point] = (high_a and uses_a) or (high_b and uses_b)
            a = zero if lost_a or high_a else a
            b = zero if lost_b or high_b else b
            # In this form two equal neighbours give their very value, which the overexposure rule looks for.
            values[row, point] = a + share * (b - a)


def _normalise(
    counts: np.ndarray,
    exposure: np.ndarray,
    taps: Taps,
    line: Line,
    into: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Resample, divide and assess counts (exposure, slit, native) of some exposures (exposure,) s, piece by piece.

    into: spectra (exposure, slit, wavelength), intensity and quality (exposure, slit).
    """
    for number, seconds in enumerate(exposure):
        for at in range(0, counts.shape[1], ROWS):
            rows = slice(at, at + ROWS)
            native = counts[number, rows, taps.first : taps.first + taps.count]
            values, missing, saturated = resample(native, taps, line.rules)
            with np.errstate(divide="ignore", invalid="ignore"):
                values /= seconds
            found = assess(values, missing, saturated, np.full(len(values), seconds), line)
            for array, part in zip(into, found, strict=True):
                array[number, rows] = part


@contextmanager
def _open(path: Path, name: str) -> Iterator[fits.HDUList]:
    with warnings.catch_warnings():
        # Astropy warns of truncation and goes on; we look for ourselves and stop.
        warnings.simplefilter("ignore", AstropyWarning)
        with _reading(path, name), fits.open(path, mode="readonly", memmap=False) as hdus:
            _check_length(hdus, path, name)
            yield hdus


@contextmanager
def _reading(path: Path, name: str) -> Iterator[None]:
    """Whatever goes wrong becomes a Level2Error."""
    try:
        yield
    except FileNotFoundError:
        raise Level2Error(f"There is no file {path}.") from None
    except (OSError, EOFError, KeyError, fits.VerifyError) as error:
        reason = (str(error).strip("' \"\n") or type(error).__name__).splitlines()[0].rstrip(".")
        raise Level2Error(f"{name} cannot be read as a level-2 FITS file ({reason}). Download it again.") from error


def _check_length(hdus: fits.HDUList, path: Path, name: str) -> None:
    size = path.stat().st_size
    for number in range(len(hdus)):
        info = hdus[number].fileinfo()
        if info["datLoc"] + info["datSpan"] > size:
            raise Level2Error(
                f"{name} is cut short: it has {size} bytes, its HDU {number} ends at "
                f"{info['datLoc'] + info['datSpan']}. Download it again."
            )


def _identity(primary: fits.Header, name: str) -> tuple[datetime, str]:
    telescope, instrument = (str(primary.get(key, "")).strip() for key in ("TELESCOP", "INSTRUME"))
    if telescope != "IRIS":
        raise Level2Error(
            f"{name} is not from IRIS: TELESCOP is {telescope or 'not given'}. Keep only IRIS level-2 files here."
        )
    if instrument != "SPEC":
        raise Level2Error(f"{name} is no raster: INSTRUME is {instrument or 'not given'}, expected SPEC.")
    if primary.get("LVL_NUM", primary.get("DATA_LEV")) != 2:
        raise Level2Error(
            f"{name} is of level {primary.get('LVL_NUM', primary.get('DATA_LEV'))}, expected 2. "
            "Download the level-2 file."
        )
    try:
        return instant(str(primary["STARTOBS"]).strip()), f"{int(primary['OBSID']):010d}"
    except (KeyError, ValueError) as error:
        raise Level2Error(
            f"{name} does not say which observation it belongs to: STARTOBS is {primary.get('STARTOBS')!r} and "
            f"OBSID {primary.get('OBSID')!r}. Download it again."
        ) from error


def _mode(primary: fits.Header, name: str) -> str:
    positions, step = primary.get("NRASTERP"), primary.get("STEPS_AV")
    if positions is None and step is None:
        raise Level2Error(f"{name} has neither NRASTERP nor STEPS_AV, so it may be a raster or a sit-and-stare.")
    still = positions == 1 or (step is not None and abs(step) < STANDING_STILL)
    return SIT_AND_STARE if still else RASTER


def _window(hdus: fits.HDUList, line: Line, name: str) -> tuple[int, np.ndarray]:
    """Number and wavelength axis of the image that covers the line."""
    primary = hdus[0].header
    windows = [int(key[5:]) for key in primary if key.startswith("TWMIN") and key[5:].isdecimal()]
    if max(windows, default=0) >= len(hdus):
        raise Level2Error(f"{name} is cut short: it has no HDU {max(windows)}, which it announces. Download it again.")
    found = []
    for number in windows:
        if not str(primary.get(f"TDET{number}", "")).startswith(line.detector):
            continue
        header = hdus[number].header
        if header["NAXIS"] != 3 or header["NAXIS1"] < 2:
            continue
        axis = header["CRVAL1"] + header["CDELT1"] * header.get("PC1_1", 1.0) * (
            np.arange(header["NAXIS1"]) + 1 - header["CRPIX1"]
        )
        if axis.min() <= line.start and line.stop <= axis.max():
            return number, axis
        text = f"{axis.min():.2f} to {axis.max():.2f}"
        if primary[f"TWMIN{number}"] <= line.start and line.stop <= primary[f"TWMAX{number}"]:
            text += (
                f" (the file's TWMIN{number} and TWMAX{number} say {primary[f'TWMIN{number}']:.2f} to "
                f"{primary[f'TWMAX{number}']:.2f}, but its axis does not reach that far)"
            )
        found.append(text)
    raise Level2Error(
        f"{name} does not cover {line.title}, {line.start:.2f} to {line.stop:.2f} Å: its {line.detector} windows are "
        f"{'; '.join(found) or 'none'}. Take another file, or another line."
    )


def _exposures(hdus: fits.HDUList, count: int, detector: str, name: str) -> dict[str, np.ndarray]:
    """The columns we need of the table of exposures, (exposure,) float64 each; the exposure time as EXPOSURE."""
    columns = ("TIME", f"EXPTIME{detector[0]}", "XCENIX", "YCENIX", "PC2_2IX", "PC3_2IX")
    table = next((hdu for hdu in hdus[1:] if all(key in hdu.header for key in columns)), None)
    if table is None:
        raise Level2Error(
            f"{name} has no table of exposures (an HDU whose header names {', '.join(columns)}): it is cut short or "
            "not a level-2 raster. Download it again."
        )
    data = table.data
    if data.ndim != 2 or len(data) != count:
        raise Level2Error(f"{name} has a table of exposures of shape {data.shape}, expected {count} rows.")
    values = {key: data[:, int(table.header[key])].astype(np.float64) for key in columns}
    values["EXPOSURE"] = values.pop(columns[1])
    if not np.isfinite(values["TIME"]).all():
        raise Level2Error(f"{name} has exposures without a time (TIME is not finite). Download it again.")
    return values


def _position(header: fits.Header, table: dict[str, np.ndarray]) -> np.ndarray:
    """(exposure, slit, 2) float32 arcsec: each exposure's own pointing, and along the slit by its own roll.

    The same as the window's WCS, but where that has one pointing and roll for a whole raster, the table has one
    for each exposure. PC2_2 is the cosine of the roll in any file; PC3_2 holds its sine for one step and pixel
    size only (in a sit-and-stare, and in a resampled file, not those of the header), so that it gives the sign.
    """
    along = header["CDELT2"] * (np.arange(header["NAXIS2"]) + 1 - header["CRPIX2"])
    cosine = np.clip(table["PC2_2IX"], -1, 1)[:, None]
    sine = np.sqrt(1 - cosine**2) * np.sign((header["CDELT3"] or 1.0) * table["PC3_2IX"])[:, None]
    x = table["XCENIX"][:, None] + sine * along
    y = table["YCENIX"][:, None] + cosine * along
    return np.stack([x, y], axis=-1).astype(np.float32)


def _settings(primary: fits.Header) -> dict[str, float | int | str]:
    settings: dict[str, float | int | str] = {}
    for key in KEYWORDS:
        value = primary.get(key)
        if isinstance(value, str):
            settings[key] = value.strip()
        elif isinstance(value, int | float) and math.isfinite(value):
            settings[key] = value
    return settings
