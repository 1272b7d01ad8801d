"""Headers and images as FITS files store them; images are read a few exposures at a time.

Astropy reads both, too, but slowly: it looks up its settings for every part of a file and every value of a header.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numba
import numpy as np

# BITPIX -> what an image's numbers are on disk.
STORED = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
BLOCK, CARD = 2880, 80  # bytes
END = b"END".ljust(CARD)
TEXT = re.compile(r"'((?:[^']|'')*)'")


class Cards(Mapping[str, bool | int | float | str | None]):
    """Keywords and values of a header, a value read when it is asked for; None where the header leaves it open.

    Of a keyword that is there twice the first counts. Raises ValueError for a value that FITS does not know.
    """

    def __init__(self, text: str) -> None:
        self._values: dict[str, str] = {}
        last = None
        for at in range(0, len(text), CARD):
            keyword = text[at : at + 8]
            if text[at + 8 : at + 10] == "= ":
                last = keyword.rstrip()
                if last in self._values:
                    last = None
                else:
                    self._values[last] = text[at + 10 : at + CARD]
            elif keyword == "CONTINUE" and last is not None:
                self._values[last] += f"\n{text[at + 8 : at + CARD]}"
            else:
                last = None

    def __getitem__(self, keyword: str) -> bool | int | float | str | None:
        stored = self._values[keyword].strip()
        if stored.startswith("'"):
            # A long text goes on in further cards, each part but the last with an ampersand at its end.
            found = [TEXT.match(card.strip()) for card in stored.split("\n")]
            parts = [part[1].replace("''", "'").rstrip() for part in found if part]
            return "".join([part.removesuffix("&") for part in parts[:-1]] + parts[-1:])
        stored = stored.split("/", 1)[0].rstrip()
        if stored in ("T", "F", ""):
            return {"T": True, "F": False, "": None}[stored]
        try:
            return int(stored)
        except ValueError:
            return float(stored.replace("D", "E"))

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def number(self, keyword: str, default: float | None = None) -> float:
        """What the header has there. Raises KeyError if that is no number, and there is no default for nothing."""
        value = self.get(keyword)
        value = default if value is None else value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        raise KeyError(f"{keyword} is {value!r} in its header, expected a number")


@dataclass(frozen=True, eq=False)
class Unit:
    """A header, and where the data that it announces lie in their file: bytes before them and up to the next header.

    shape: of the data, slowest axis first.
    """

    header: Cards
    shape: tuple[int, ...]
    offset: int
    end: int

    def values(self, path: Path) -> np.ndarray:
        """The data as they are stored, whole. Raises OSError if the file is too short."""
        found = np.fromfile(path, STORED[int(self.header.number("BITPIX"))], math.prod(self.shape), offset=self.offset)
        return found.reshape(self.shape)


def units(path: Path) -> list[Unit]:
    """The units of a FITS file, one after another; their data need not be there.

    Raises OSError or KeyError if that is no FITS file.
    """
    found: list[Unit] = []
    with path.open("rb") as file:
        while text := _header(file):
            found.append(_unit(Cards(text), file.tell()))
            file.seek(found[-1].end)
    if not found:
        raise OSError("it is empty")
    return found


def _header(file: BinaryIO) -> str:
    """The next header's cards, "" if there is none."""
    blocks: list[bytes] = []
    while block := file.read(BLOCK):
        if not blocks and not block.startswith(b"XTENSION="):
            if file.tell() > BLOCK:
                return ""  # what is left is no unit, as where a file was filled up
            if not block.startswith(b"SIMPLE  ="):
                raise OSError("it does not begin as a FITS file does")
        blocks.append(block)
        if any(block.startswith(END, at) for at in range(0, BLOCK, CARD)):
            return b"".join(blocks).decode("latin-1")
    if blocks:
        raise OSError("a header ends before it says so")
    return ""


def _unit(header: Cards, offset: int) -> Unit:
    def whole(keyword: str, default: int | None = None) -> int:
        value = header.number(keyword, default)
        if not isinstance(value, int) or value < 0:
            raise KeyError(f"{keyword} is {value!r} in its header, expected a whole number")
        return value

    if header.get("BITPIX") not in STORED:
        raise KeyError(
            f"BITPIX is {header.get('BITPIX')!r} in its header, expected one of {', '.join(map(str, STORED))}"
        )
    shape = tuple(whole(f"NAXIS{axis}") for axis in range(whole("NAXIS"), 0, -1))
    count = whole("PCOUNT", 0) + (math.prod(shape) if shape else 0)
    size = abs(int(header.number("BITPIX"))) // 8 * whole("GCOUNT", 1) * count
    return Unit(header, shape, offset, offset + -(-size // BLOCK) * BLOCK)


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
    def of(cls, unit: Unit) -> "Image":
        """As the image's header says; its data are not touched. Raises ValueError if it has not three axes."""
        header = unit.header
        exposure, slit, native = unit.shape
        bits, blank = int(header.number("BITPIX")), header.get("BLANK")
        return cls(
            offset=unit.offset,
            dtype=STORED[bits],
            shape=(exposure, slit, native),
            scale=float(header.number("BSCALE", 1)),
            zero=float(header.number("BZERO", 0)),
            blank=blank if bits > 0 and isinstance(blank, int) else None,
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
