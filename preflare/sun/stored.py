"""Images as FITS files store them, read a few exposures at a time.

Astropy reads parts of an image too, but slowly: it looks up its settings for every part.
"""

from dataclasses import dataclass
from typing import BinaryIO

import numba
import numpy as np
from astropy.io import fits

# BITPIX -> what an image's numbers are on disk.
STORED = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


@dataclass(frozen=True)
class Image:
    """Where an image (exposure, slit, native) lies in a file, and how its numbers are stored.

    offset: bytes before it. dtype: on disk. scale, zero: what turns stored numbers into counts in DN; blank: the
    stored number that means none, or None.
    """

    offset: int
    dtype: str
    shape: tuple[int, int, int]
    scale: float
    zero: float
    blank: int | None

    @classmethod
    def of(cls, hdu: fits.ImageHDU) -> "Image":
        """As the image's header says; its data are not touched."""
        header = hdu.header
        return cls(
            offset=hdu.fileinfo()["datLoc"],
            dtype=STORED[header["BITPIX"]],
            shape=hdu.shape,
            scale=float(header.get("BSCALE", 1)),
            zero=float(header.get("BZERO", 0)),
            blank=header.get("BLANK") if header["BITPIX"] > 0 else None,
        )

    def read(self, file: BinaryIO, first: int, last: int) -> np.ndarray:
        """Counts (exposure, slit, native) of the exposures from first to before last, float32 DN; NaN where blank."""
        slit = self.shape[1]
        return self.rows(file, first * slit, last * slit).reshape(last - first, *self.shape[1:])

    def rows(self, file: BinaryIO, first: int, last: int, pixels: slice = slice(None)) -> np.ndarray:
        """The same of some slit pixels, counted through all exposures: (row, native), of native only ``pixels``."""
        width = self.shape[2]
        kind = np.dtype(self.dtype)
        file.seek(self.offset + first * width * kind.itemsize)
        stored = np.fromfile(file, kind, (last - first) * width)
        if stored.size < (last - first) * width:
            raise OSError("the file has become shorter since it was opened")
        whole = stored.reshape(-1, width)
        stored = whole[:, pixels]
        if self.dtype == ">i2":
            counts = np.empty(stored.shape, np.float32)
            _scale(whole.view("=u2"), pixels.start or 0, np.float32(self.scale), np.float32(self.zero), counts)
        else:
            # Swapped on its own first: a cast that also swaps bytes takes several times as long.
            native = stored.astype(kind.newbyteorder("="))
            counts = native.astype(np.float32 if kind.itemsize <= 2 or kind.kind == "f" else np.float64)
            counts *= self.scale
            counts += self.zero
        if self.blank is not None:
            counts[stored == self.blank] = np.nan
        return counts.astype(np.float32, copy=False)


@numba.njit(cache=True, nogil=True)
def _scale(stored, first, scale, zero, counts):  # type: ignore[no-untyped-def]
    """Counts (row, pixel) of the archive's 16 bits from ``first`` on, which come swapped; NumPy takes four passes."""
    for row in range(counts.shape[0]):
        for pixel in range(counts.shape[1]):
            bits = np.uint32(stored[row, np.uintp(first + pixel)])
            swapped = np.uint16(((bits << np.uint32(8)) | (bits >> np.uint32(8))) & np.uint32(0xFFFF))
            counts[row, pixel] = np.float32(np.int16(swapped)) * scale + zero
