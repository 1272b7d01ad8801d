"""Writes small files in the layout of IRIS level-2 rasters."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.io import fits

# In the order of the archive's tables, so that the column numbers are not those of this list.
COLUMNS = ("TIME", "PZTX", "EXPTIMEF", "EXPTIMEN", "XCENIX", "YCENIX", "PC2_2IX", "PC3_2IX")
ROLL = np.radians(10.0)
PIXEL = 0.33  # arcsec
STEP = 2.0  # arcsec


@dataclass
class Level2File:
    """A raster of two windows; change what a test is about. counts: (exposure, slit, native) DN of the NUV window."""

    counts: np.ndarray
    time: np.ndarray
    start: str = "2014-03-29T14:09:38.830"
    obsid: str = "3860258481"
    still: bool = False
    first: float = 2793.0
    dispersion: float = 0.05
    exposure: float | np.ndarray = 8.0
    packed: bool = False
    primary: dict = field(default_factory=dict)
    image: dict = field(default_factory=dict)

    @property
    def axis(self) -> np.ndarray:
        """Å, of the NUV window."""
        return self.first + self.dispersion * np.arange(self.counts.shape[2])

    def write(self, path: Path) -> Path:
        """As float32, or if packed as the archive's int16; gzipped if the name ends in .gz."""
        path.parent.mkdir(parents=True, exist_ok=True)
        exposures, slit, native = self.counts.shape
        table = self._table()
        fuv = fits.ImageHDU(np.zeros((exposures, slit, 5), np.float32), self._axes(5, 1332.0, 0.026))
        nuv = fits.ImageHDU(self.counts.astype(np.float32), self._axes(native, self.first, self.dispersion))
        if self.packed:
            nuv.scale("int16", bscale=0.25, bzero=7992)
        nuv.header.update(self.image)
        names = fits.TableHDU.from_columns([fits.Column("FRMID", "A10", array=["frame"] * exposures)])
        hdus = fits.HDUList([fits.PrimaryHDU(header=self._primary(native)), fuv, nuv, table, names])
        hdus.writeto(path)
        return path

    def _primary(self, native: int) -> fits.Header:
        header = fits.Header()
        header.update(
            TELESCOP="IRIS",
            INSTRUME="SPEC",
            LVL_NUM=2.0,
            OBSID=self.obsid,
            STARTOBS=self.start,
            SUMSPTRN=1,
            SUMSPAT=2,
            IAECFLAG="YES",
            SAA="           0",
            SAT_ROT=np.degrees(ROLL),
            DSUN_OBS=1.49372e11,
            NRASTERP=1 if self.still else self.counts.shape[0],
            STEPS_AV=0.0 if self.still else STEP,
            NWIN=2,
        )
        windows = {
            1: ("FUV1", "C II 1336", 1332.0, 1332.104),
            2: ("NUV", "no line you know", self.axis[0], self.axis[-1]),
        }
        for number, (detector, title, low, high) in windows.items():
            header.update(
                {f"TDET{number}": detector, f"TDESC{number}": title, f"TWMIN{number}": low, f"TWMAX{number}": high}
            )
        header.update(self.primary)
        return header

    def _axes(self, native: int, first: float, dispersion: float) -> fits.Header:
        exposures, slit = self.counts.shape[:2]
        step = 0.0 if self.still else STEP
        ratio = (step or PIXEL) / PIXEL
        return fits.Header(
            dict(
                CTYPE1="WAVE", CUNIT1="Angstrom", CRVAL1=first, CDELT1=dispersion, CRPIX1=1.0, PC1_1=1.0, PC1_2=0.0,
                CTYPE2="HPLT-TAN", CUNIT2="arcsec", CRVAL2=280.0, CDELT2=PIXEL, CRPIX2=(slit + 1) / 2,
                CTYPE3="HPLN-TAN", CUNIT3="arcsec", CRVAL3=490.0, CDELT3=step, CRPIX3=(exposures + 1) / 2,
                PC2_1=0.0, PC2_2=np.cos(ROLL), PC2_3=-ratio * np.sin(ROLL), PC3_1=0.0,
                PC3_2=np.sin(ROLL) / ratio, PC3_3=np.cos(ROLL),
            ).items()
        )  # fmt: skip

    def _table(self) -> fits.ImageHDU:
        exposures = len(self.counts)
        step = 0.0 if self.still else STEP
        offset = step * (np.arange(exposures) - (exposures - 1) / 2)
        values = {
            "TIME": self.time,
            "PZTX": 0.0,
            "EXPTIMEF": 99.0,
            "EXPTIMEN": self.exposure,
            "XCENIX": 490.0 + np.cos(ROLL) * offset,
            "YCENIX": 280.0 - np.sin(ROLL) * offset,
            "PC2_2IX": np.cos(ROLL),
            "PC3_2IX": np.sin(ROLL) * PIXEL / (step or PIXEL),
        }
        data = np.stack([np.broadcast_to(np.asarray(values[name], float), exposures) for name in COLUMNS], axis=1)
        return fits.ImageHDU(data, fits.Header({name: column for column, name in enumerate(COLUMNS)}.items()))


def two_peaks(exposures: int, slit: int, seed: int = 0) -> np.ndarray:
    """Counts (exposure, slit, 280) on the axis of ``Level2File``: clean spectra with noise, about 800 DN."""
    axis = 2793.0 + 0.05 * np.arange(280)
    random = np.random.default_rng(seed)
    level = random.uniform(600, 1000, (exposures, slit, 1))
    shape = 0.1 + np.exp(-(((axis - 2796.34) / 0.3) ** 2)) + 0.8 * np.exp(-(((axis - 2803.52) / 0.3) ** 2))
    return level * shape + random.normal(0, 2, (exposures, slit, len(axis)))
