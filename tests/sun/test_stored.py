"""Reading stored headers and images: astropy's own values and numbers, whatever the type on disk."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from preflare.sun.stored import Cards, Image, units


@pytest.mark.parametrize(
    ("kind", "scaling"),
    [
        ("u1", {}),
        ("i2", {}),
        ("i2", {"BSCALE": 0.25, "BZERO": 7992}),
        ("i2", {"BSCALE": 0.25, "BZERO": 7992, "BLANK": -3}),
        ("i4", {"BSCALE": 0.1, "BZERO": 1000.7}),
        ("f4", {}),
        ("f8", {"BSCALE": 2.0}),
    ],
)
def test_the_numbers_are_astropys(kind: str, scaling: dict, tmp_path: Path) -> None:
    stored = np.random.default_rng(1).uniform(0 if kind == "u1" else -100, 100, (5, 3, 4)).astype(kind)
    if "BLANK" in scaling:
        stored[1, 2, 3] = scaling["BLANK"]
    hdu = fits.ImageHDU(stored, do_not_scale_image_data=True)
    hdu.header.update(scaling)
    path = tmp_path / "image.fits"
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)

    image = Image.of(units(path)[1])
    with path.open("rb") as file:
        found = image.read(file, 1, 4)
    expected = fits.getdata(path, 1)[1:4].astype(np.float32)
    assert found.dtype == np.float32 and np.isnan(found).sum() == ("BLANK" in scaling)
    np.testing.assert_array_equal(found, expected)


def test_a_file_that_shrank_is_said(tmp_path: Path) -> None:
    path = tmp_path / "image.fits"
    fits.HDUList([fits.PrimaryHDU(np.zeros((5, 30, 40), np.float32))]).writeto(path)
    (unit,) = units(path)
    image = Image.of(unit)
    path.write_bytes(path.read_bytes()[:20_000])
    with path.open("rb") as file, pytest.raises(OSError, match="become shorter"):
        image.read(file, 0, 5)


def astropys(value: object) -> object:
    """As ``Cards`` has it."""
    return None if isinstance(value, fits.card.Undefined) else value


@pytest.mark.parametrize(
    "keyword", ["TRUE", "FALSE", "WHOLE", "MINUS", "REAL", "SMALL", "OPEN", "QUOTED", "TEXT", "EMPTY", "LONG"]
)
def test_a_headers_values_are_astropys(keyword: str, tmp_path: Path) -> None:
    header = fits.Header()
    for name, value in {
        "TRUE": (True, "a comment"),
        "FALSE": False,
        "WHOLE": 4,
        "MINUS": -17,
        "REAL": (2796.352, "Angstrom / vacuum"),
        "SMALL": -1.5e-30,
        "OPEN": None,
        "QUOTED": ("IRIS", "the 'best' telescope, isn't it"),
        "TEXT": ("it's 1/2 of a ''quote'' = & ", "not / this"),
        "EMPTY": "",
        "LONG": "a large, coarse raster, it's of 8 steps; " * 5,
    }.items():
        header[name] = value
    header["HISTORY"] = "HISTORY = 3"
    fits.PrimaryHDU(header=header).writeto(tmp_path / "file.fits")
    (unit,) = units(tmp_path / "file.fits")
    expected = astropys(fits.getheader(tmp_path / "file.fits")[keyword])
    assert unit.header[keyword] == expected and type(unit.header[keyword]) is type(expected)


def test_of_a_keyword_that_is_there_twice_the_first_counts() -> None:
    cards = Cards(
        "".join(card.ljust(80) for card in ("A       =                    1", "A       =                    2"))
    )
    assert dict(cards) == {"A": 1}


def test_fortran_writes_a_d() -> None:
    assert Cards("A       =              1.25D-3".ljust(80))["A"] == 1.25e-3


@pytest.mark.parametrize("stored", ["'text'", "T/F", "(1, 2)"])
def test_what_is_no_number_is_said(stored: str) -> None:
    with pytest.raises((KeyError, ValueError), match="expected a number|could not convert"):
        Cards(f"A       = {stored}".ljust(80)).number("A")


@pytest.mark.real_data
def test_the_headers_of_real_files_are_astropys(real_data: Path) -> None:
    paths = sorted(real_data.glob("*/*.fits"))
    assert paths
    for path in paths:
        with fits.open(path) as hdus:
            found = units(path)
            assert len(found) == len(hdus)
            for unit, hdu in zip(found, hdus, strict=True):
                info = hdu.fileinfo()
                assert (unit.offset, unit.end) == (info["datLoc"], info["datLoc"] + info["datSpan"])
                keywords = set(unit.header) - {"HISTORY", "COMMENT", ""}
                assert len(keywords) > 5
                for keyword in keywords:
                    assert unit.header[keyword] == astropys(hdu.header[keyword]), (path.name, keyword)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "it is empty"),
        (5, "does not begin as a FITS file does"),
        (2879, "before it says so"),
        (5000, "before it says so"),
    ],
)
def test_what_is_no_fits_file(size: int, said: str, tmp_path: Path) -> None:
    path = tmp_path / "file.fits"
    path.write_bytes((b"SIMPLE  =                    T".ljust(80) + b" " * 5000)[:size])
    with pytest.raises(OSError, match=said):
        units(path)


@pytest.mark.parametrize("more", [b"\0" * 2880, b"\0" * 100, b"<html>" * 480])
def test_what_a_file_was_filled_up_with_is_no_unit(more: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.fits"
    fits.PrimaryHDU(np.zeros(3)).writeto(path)
    path.write_bytes(path.read_bytes() + more)
    (unit,) = units(path)
    assert unit.values(path).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ("NAXIS1  = -63", "NAXIS1 is -63 in its header, expected a whole number"),
        ("NAXIS1  = 1E999", "NAXIS1 is inf"),
        ("NAXIS1  = 3.5", "NAXIS1 is 3.5"),
        ("NAXIS1  = '3'", "expected a number"),
        ("BITPIX  = 17", "BITPIX is 17 in its header, expected one of 8, 16"),
        ("PCOUNT  = -2880", "PCOUNT is -2880"),
    ],
)
def test_sizes_that_cannot_be_are_said(card: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "file.fits"
    cards = ["SIMPLE  = T", card, "BITPIX  = 16", "NAXIS   = 1", "NAXIS1  = 3", "END"]
    path.write_bytes("".join(one.ljust(80) for one in cards).encode().ljust(2880) + bytes(2880))
    with pytest.raises(KeyError, match=said):
        units(path)
