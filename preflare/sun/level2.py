"""One IRIS level-2 raster file: checked when opened, then read in pieces onto a line's grid.

The file has a primary header that describes its spectral windows (TDETn, TWMINn, TWMAXn), an image
(exposure, slit, wavelength) for each, and a table with a row for each exposure whose columns its own header names
(TIME, EXPTIMEN, XCENIX, ...). The window is the one whose own wavelength axis covers the line, whatever its name.

An infinite count is a saturated pixel: ``iris_prep`` writes it so, while int16 files end at a ceiling.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from preflare.errors import Level2Error
from preflare.sun.anomaly import hit_rate
from preflare.sun.line import Line
from preflare.sun.observation import instant
from preflare.sun.quality import Quality
from preflare.sun.reduction import Reduction, Taps
from preflare.sun.stored import Cards, Image, Unit, units

RASTER, SIT_AND_STARE = "raster", "sit-and-stare"
# What the primary header of a simulated file says.
ORIGIN = "SIMULATION"
# The smallest raster step is 0.33 arcsec; V34 programmes step backwards, so look at the size.
STANDING_STILL = 0.01
# Spectra read and reduced at once: what a processor's cache holds is several times as fast, and takes no memory.
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
        with _reading(path, name):
            parts = units(path)
            _check_length(parts, path, name)
            primary = parts[0].header
            start, obsid = _identity(primary, name)
            window, wavelength = _window(parts, line, name)
            image = Image.of(window)
            table = _exposures(parts, path, image.shape[0], line.detector, name)
            position = _position(window.header, table)
            mode = _mode(primary, name)
        return cls(
            name=name,
            start=start,
            obsid=obsid,
            mode=mode,
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
        reduction, pixels = Reduction(taps, line), slice(taps.first, taps.first + taps.count)
        first, last, _ = exposures.indices(len(self.time))
        slit = self.position.shape[1]
        spectra = np.empty((last - first, slit, line.points), np.float32)
        intensity, quality = np.empty((last - first, slit), np.float32), np.empty((last - first, slit), np.uint16)
        with _reading(path, self.name), path.open("rb") as file:
            for number, exposure in enumerate(range(first, last)):
                for at in range(0, slit, ROWS):
                    rows = slice(at, min(at + ROWS, slit))
                    counts = self.image.rows(file, exposure * slit + rows.start, exposure * slit + rows.stop, pixels)
                    into = spectra[number, rows], intensity[number, rows], quality[number, rows]
                    reduction(counts, self.exposure[exposure], into)
                if line.rules.saa_hits is not None:
                    (whole,) = self.image.read(file, exposure, exposure + 1)
                    if hit_rate(whole, line.rules.null) >= line.rules.saa_hits:
                        quality[number] |= Quality.SAA.value
        return spectra, intensity, quality

    def counts(self, path: Path, exposure: int, pixels: slice) -> np.ndarray:
        """Counts (slit, native) in DN of one exposure, of native only ``pixels``."""
        slit = self.position.shape[1]
        with _reading(path, self.name), path.open("rb") as file:
            return self.image.rows(file, exposure * slit, (exposure + 1) * slit, pixels)


@contextmanager
def _reading(path: Path, name: str) -> Iterator[None]:
    """Whatever goes wrong becomes a Level2Error."""
    try:
        yield
    except FileNotFoundError:
        raise Level2Error(f"There is no file {path}.") from None
    except (OSError, KeyError, ValueError) as error:
        reason = (str(error).strip("' \"\n") or type(error).__name__).splitlines()[0].rstrip(".")
        raise Level2Error(f"{name} cannot be read as a level-2 FITS file ({reason}). Download it again.") from error


def _check_length(parts: list[Unit], path: Path, name: str) -> None:
    size = path.stat().st_size
    for number, part in enumerate(parts):
        if part.end > size:
            raise Level2Error(
                f"{name} is cut short: it has {size} bytes, its HDU {number} ends at {part.end}. Download it again."
            )


def _identity(primary: Cards, name: str) -> tuple[datetime, str]:
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
        return instant(str(primary["STARTOBS"]).strip()), f"{int(str(primary['OBSID'])):010d}"
    except (KeyError, ValueError) as error:
        raise Level2Error(
            f"{name} does not say which observation it belongs to: STARTOBS is {primary.get('STARTOBS')!r} and "
            f"OBSID {primary.get('OBSID')!r}. Download it again."
        ) from error


def _mode(primary: Cards, name: str) -> str:
    if primary.get("NRASTERP") is None and primary.get("STEPS_AV") is None:
        raise Level2Error(f"{name} has neither NRASTERP nor STEPS_AV, so it may be a raster or a sit-and-stare.")
    still = primary.get("NRASTERP") == 1 or abs(primary.number("STEPS_AV", math.inf)) < STANDING_STILL
    return SIT_AND_STARE if still else RASTER


def _window(parts: list[Unit], line: Line, name: str) -> tuple[Unit, np.ndarray]:
    """The image that covers the line, and its wavelength axis."""
    primary = parts[0].header
    windows = [int(key[5:]) for key in primary if key.startswith("TWMIN") and key[5:].isdecimal()]
    if max(windows, default=0) >= len(parts):
        raise Level2Error(f"{name} is cut short: it has no HDU {max(windows)}, which it announces. Download it again.")
    found = []
    for number in windows:
        if not str(primary.get(f"TDET{number}", "")).startswith(line.detector):
            continue
        header, shape = parts[number].header, parts[number].shape
        if len(shape) != 3 or shape[2] < 2:
            continue
        step = header.number("CDELT1") * header.number("PC1_1", 1.0)
        axis = header.number("CRVAL1") + step * (np.arange(shape[2]) + 1 - header.number("CRPIX1"))
        if axis.min() <= line.start and line.stop <= axis.max():
            return parts[number], axis
        text = f"{axis.min():.2f} to {axis.max():.2f}"
        low, high = (primary.number(f"{key}{number}") for key in ("TWMIN", "TWMAX"))
        if low <= line.start and line.stop <= high:
            text += (
                f" (the file's TWMIN{number} and TWMAX{number} say {low:.2f} to {high:.2f}, but its axis does not "
                "reach that far)"
            )
        found.append(text)
    raise Level2Error(
        f"{name} does not cover {line.title}, {line.start:.2f} to {line.stop:.2f} Å: its {line.detector} windows are "
        f"{'; '.join(found) or 'none'}. Take another file, or another line."
    )


def _exposures(parts: list[Unit], path: Path, count: int, detector: str, name: str) -> dict[str, np.ndarray]:
    """The columns we need of the table of exposures, (exposure,) float64 each; the exposure time as EXPOSURE."""
    columns = ("TIME", f"EXPTIME{detector[0]}", "XCENIX", "YCENIX", "PC2_2IX", "PC3_2IX")
    table = next((part for part in parts[1:] if all(key in part.header for key in columns)), None)
    if table is None:
        raise Level2Error(
            f"{name} has no table of exposures (an HDU whose header names {', '.join(columns)}): it is cut short or "
            "not a level-2 raster. Download it again."
        )
    data = table.values(path)
    if data.ndim != 2 or len(data) != count:
        raise Level2Error(f"{name} has a table of exposures of shape {data.shape}, expected {count} rows.")
    places = {key: int(table.header.number(key)) for key in columns}
    beyond = [f"{key} in column {place}" for key, place in places.items() if not 0 <= place < data.shape[1]]
    if beyond:
        raise Level2Error(
            f"{name} has a table of exposures of {data.shape[1]} columns, in which its header places "
            f"{' and '.join(beyond)}. Download it again."
        )
    values = {key: data[:, place].astype(np.float64) for key, place in places.items()}
    values["EXPOSURE"] = values.pop(columns[1])
    if not np.isfinite(values["TIME"]).all():
        raise Level2Error(f"{name} has exposures without a time (TIME is not finite). Download it again.")
    return values


def _position(header: Cards, table: dict[str, np.ndarray]) -> np.ndarray:
    """(exposure, slit, 2) float32 arcsec: each exposure's own pointing, and along the slit by its own roll.

    The same as the window's WCS, but where that has one pointing and roll for a whole raster, the table has one
    for each exposure. PC2_2 is the cosine of the roll in any file; PC3_2 holds its sine for one step and pixel
    size only (in a sit-and-stare, and in a resampled file, not those of the header), so that it gives the sign.
    """
    pixels = np.arange(int(header.number("NAXIS2")))
    along = header.number("CDELT2") * (pixels + 1 - header.number("CRPIX2"))
    cosine = np.clip(table["PC2_2IX"], -1, 1)[:, None]
    sine = np.sqrt(1 - cosine**2) * np.sign((header.number("CDELT3") or 1.0) * table["PC3_2IX"])[:, None]
    x = table["XCENIX"][:, None] + sine * along
    y = table["YCENIX"][:, None] + cosine * along
    return np.stack([x, y], axis=-1).astype(np.float32)


def _settings(primary: Cards) -> dict[str, float | int | str]:
    settings: dict[str, float | int | str] = {}
    for key in KEYWORDS:
        value = primary.get(key)
        if isinstance(value, str):
            settings[key] = value.strip()
        elif isinstance(value, int | float) and math.isfinite(value):
            settings[key] = value
    return settings
