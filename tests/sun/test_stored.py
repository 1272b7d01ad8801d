"""Reading stored images: astropy's own numbers, whatever the type on disk."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from preflare.sun.stored import Image


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

    with fits.open(path) as hdus:
        image = Image.of(hdus[1])
    with path.open("rb") as file:
        found = image.read(file, 1, 4)
    expected = fits.getdata(path, 1)[1:4].astype(np.float32)
    assert found.dtype == np.float32 and np.isnan(found).sum() == ("BLANK" in scaling)
    np.testing.assert_array_equal(found, expected)


def test_a_file_that_shrank_is_said(tmp_path: Path) -> None:
    path = tmp_path / "image.fits"
    fits.HDUList([fits.PrimaryHDU(np.zeros((5, 30, 40), np.float32))]).writeto(path)
    with fits.open(path) as hdus:
        image = Image.of(hdus[0])
    path.write_bytes(path.read_bytes()[:20_000])
    with path.open("rb") as file, pytest.raises(OSError, match="become shorter"):
        image.read(file, 0, 5)
