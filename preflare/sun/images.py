"""Images around the slit: slit-jaw films and co-aligned AIA cubes, cut to a raster's field (paper Figs. 1 and 18).

Both kinds of file hold a cube (image, y, x) and a table with a row for each image, whose columns its header names.
Each image has its own pointing and roll; cut to a field it is resampled onto an upright grid, helioprojective x to the
right and y upwards, so that extents in arcsec are exact.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from scipy.ndimage import map_coordinates

from preflare.errors import Level2Error
from preflare.sun.observation import instant

# Missing pixels are filled with -200.
NULL = -100.0
ROLL = ("PC1_1IX", "PC1_2IX", "PC2_1IX", "PC2_2IX")

# Left, right, bottom, top in arcsec.
Extent = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Film:
    """The images of one file, unread.

    title: as the file calls its passband. start: what ``time`` counts from. time: (image,) s.
    scale: arcsec per pixel in x and y. reference: the pixel, from 1, that ``centre`` gives the place of.
    centre: (image, 2) helioprojective x, y, arcsec. roll: (image, 2, 2), the PC matrix from pixels to x, y.
    """

    path: Path
    title: str
    start: datetime
    time: np.ndarray
    scale: tuple[float, float]
    reference: tuple[float, float]
    centre: np.ndarray
    roll: np.ndarray

    @classmethod
    def open(cls, path: Path) -> "Film":
        """Read all but the images. Raises Level2Error if the file is not such a cube."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", AstropyWarning)
                with fits.open(path) as hdus:
                    return cls._read(path, hdus)
        except FileNotFoundError:
            raise Level2Error(f"There is no file {path}.") from None
        except (OSError, EOFError, KeyError, TypeError, ValueError) as error:
            raise Level2Error(
                f"{path.name} is no slit-jaw film or AIA cube of level 2 ({type(error).__name__}: {error}). "
                "Download it again, or keep it elsewhere."
            ) from error

    @classmethod
    def _read(cls, path: Path, hdus: fits.HDUList) -> "Film":
        header = hdus[0].header
        if header["NAXIS"] != 3:
            raise ValueError(f"its image has {header['NAXIS']} axes, expected 3")
        count = header["NAXIS3"]
        table = next((hdu for hdu in hdus[1:] if "TIME" in hdu.header and hdu.header["NAXIS"] == 2), None)
        if table is None or len(table.data) != count:
            raise ValueError(f"it has no table with a row for each of its {count} images")

        def column(name: str) -> np.ndarray:
            return np.asarray(table.data[:, int(table.header[name])], np.float64)

        roll = np.stack([column(name) for name in ROLL], axis=1).reshape(-1, 2, 2)
        centre = np.stack([column("XCENIX"), column("YCENIX")], axis=1)
        # Where an image's own pointing is lost the file's mean stands in.
        lost = ~(np.abs(np.linalg.det(roll) - 1) < 0.1)
        roll[lost] = np.array([[header[f"PC{row}_{column}"] for column in (1, 2)] for row in (1, 2)])
        centre[lost] = header["CRVAL1"], header["CRVAL2"]
        return cls(
            path=path,
            title=str(header.get("TDESC1", path.stem)).strip().replace("_", " "),
            start=instant(str(header["STARTOBS"]).strip()),
            time=column("TIME"),
            scale=(header["CDELT1"], header["CDELT2"]),
            reference=(header["CRPIX1"], header["CRPIX2"]),
            centre=centre,
            roll=roll,
        )

    def nearest(self, moment: datetime) -> int:
        """Number of the image taken nearest to a moment."""
        return int(np.abs(self.time - (moment - self.start).total_seconds()).argmin())

    def moment(self, number: int) -> datetime:
        """When an image was taken."""
        return self.start + timedelta(seconds=float(self.time[number]))

    def cut(self, number: int, extent: Extent) -> np.ndarray:
        """One image cut to a field, (y, x) DN, upright, y upwards; NaN where it shows nothing.

        Its pixels are as large as the file's, as many as make up the extent; values are interpolated linearly.
        """
        left, right, bottom, top = extent
        shape = [max(2, round((high - low) / step)) for low, high, step in _sides(extent, self.scale)]
        x = left + (np.arange(shape[0]) + 0.5) * (right - left) / shape[0]
        y = bottom + (np.arange(shape[1]) + 0.5) * (top - bottom) / shape[1]
        places = np.stack(np.meshgrid(x, y), axis=-1)  # (y, x, 2)
        pixels = self.pixels(number, places)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            with fits.open(self.path, memmap=False) as hdus:
                image = np.asarray(hdus[0].section[number], np.float64)
        image[~(image >= NULL)] = np.nan
        return map_coordinates(image, [pixels[..., 1], pixels[..., 0]], order=1, cval=np.nan)

    @property
    def size(self) -> tuple[int, int]:
        """Of each image: its height and width in pixels."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            header = fits.getheader(self.path)
        return header["NAXIS2"], header["NAXIS1"]

    def places(self, number: int, pixels: np.ndarray) -> np.ndarray:
        """Helioprojective places (..., 2) in arcsec of pixels (..., 2), x and y from 0: ``pixels`` undone."""
        offset = pixels + 1 - np.array(self.reference)
        found: np.ndarray = self.centre[number] + np.array(self.scale) * (offset @ self.roll[number].T)
        return found

    def pixels(self, number: int, places: np.ndarray) -> np.ndarray:
        """Pixels (..., 2), x and y from 0, of helioprojective places (..., 2) in arcsec."""
        offset = (places - self.centre[number]) / np.array(self.scale)
        # FITS: place = centre + scale * (PC @ (pixel - reference)).
        return offset @ np.linalg.inv(self.roll[number]).T + np.array(self.reference) - 1


def _sides(extent: Extent, scale: tuple[float, float]) -> list[tuple[float, float, float]]:
    return [(extent[0], extent[1], abs(scale[0])), (extent[2], extent[3], abs(scale[1]))]


def field(position: np.ndarray, margin: float) -> Extent:
    """The box around places (..., 2) in arcsec, wider by a margin on every side. NaN places are passed over.

    Raises ValueError if no place is known.
    """
    known = position.reshape(-1, 2)
    known = known[np.isfinite(known).all(axis=1)].astype(np.float64)
    if not len(known):
        raise ValueError("no place is known")
    (left, bottom), (right, top) = known.min(axis=0) - margin, known.max(axis=0) + margin
    return float(left), float(right), float(bottom), float(top)


def find(where: Path, id: str) -> list[Path]:
    """The slit-jaw and AIA files of an observation in a folder and below, slit-jaw first, by name."""
    paths = [path for path in where.rglob(f"*{id}*.fits*") if path.is_file() and not path.name.startswith(".")]
    films = sorted(path for path in paths if "_SJI_" in path.name)
    return films + sorted(path for path in paths if path.name.startswith("aia_"))


def choose(paths: Sequence[Path], most: int) -> list[Path]:
    """So many of what ``find`` found, slit-jaw first: half of each kind, more of one where the other has fewer."""
    films, cubes = ([path for path in paths if ("_SJI_" in path.name) is kind] for kind in (True, False))
    count = min(len(cubes), max(most // 2, most - len(films)))
    return films[: most - count] + cubes[:count]


def slits(position: np.ndarray) -> Sequence[np.ndarray]:
    """Where the slit stood: the ends of each step's line, (2, 2) of x, y, from positions (step, slit, 2)."""
    return [step[[0, -1]] for step in position]
