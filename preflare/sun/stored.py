"""Images as FITS files store them, read a few exposures at a time.

Astropy reads parts of an image too, but slowly: it looks up its settings for every part.
"""

from dataclasses import dataclass
from typing import BinaryIO

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
        """Counts of the exposures from first to before last, float32 DN; NaN where blank."""
        size = self.shape[1] * self.shape[2]
        kind = np.dtype(self.dtype)
        file.seek(self.offset + first * size * kind.itemsize)
        stored = np.fromfile(file, kind, (last - first) * size)
        if stored.size < (last - first) * size:
            raise OSError("the file has become shorter since it was opened")
        if not kind.isnative:
            # Swapped on its own first: a cast that also swaps bytes takes several times as long.
            stored = stored.byteswap(inplace=True).view(kind.newbyteorder("="))
        counts: np.ndarray = stored.astype(np.float32 if kind.itemsize <= 2 or kind.kind == "f" else np.float64)
        if (self.scale, self.zero) != (1, 0):
            counts *= self.scale
            counts += self.zero
        if self.blank is not None:
            counts[stored == self.blank] = np.nan
        return counts.astype(np.float32, copy=False).reshape(last - first, *self.shape[1:])
