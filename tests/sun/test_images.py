"""Images cut to a field: a plane stays a plane, astropy's WCS agrees, bad files get a sentence."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from preflare.errors import Level2Error
from preflare.sun.images import Film, choose, field, find, slits
from preflare.sun.observation import instant

ID = "20140329_140938_3860258481"
START = "2014-03-29T14:09:38.830"
COLUMNS = ("TIME", "EXPTIMES", "XCENIX", "YCENIX", "PC1_1IX", "PC1_2IX", "PC2_1IX", "PC2_2IX")


def places(film: Film, number: int, shape: tuple[int, int]) -> np.ndarray:
    """x, y (y, x, 2) of every pixel, by FITS's own formula."""
    j, i = np.indices(shape)
    pixel = np.stack([i + 1 - film.reference[0], j + 1 - film.reference[1]], axis=-1)
    return film.centre[number] + np.array(film.scale) * (pixel @ film.roll[number].T)


def write(path: Path, roll: float = 30.0, images: int = 3, telescope: str = "IRIS", **changes: object) -> Path:
    """A film whose images are the plane 2 x + 3 y + image, with a row of nulls at the bottom; scales differ."""
    c, s = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    header = fits.Header()
    header.update(
        TELESCOP=telescope, STARTOBS=START, TDESC1="SJI_2796", CRVAL1=500.0, CRVAL2=280.0, CDELT1=0.4, CDELT2=0.5,
        CRPIX1=30.5, CRPIX2=40.5, CTYPE1="HPLN-TAN", CTYPE2="HPLT-TAN", CUNIT1="arcsec", CUNIT2="arcsec",
        PC1_1=c, PC1_2=-s * 1.25, PC2_1=s * 0.8, PC2_2=c,
    )  # fmt: skip
    number = np.arange(images)
    table = np.stack(
        [60.0 * number, np.full(images, 8.0), 500.0 + number, 280.0 - number]
        + [np.full(images, header[key]) for key in ("PC1_1", "PC1_2", "PC2_1", "PC2_2")],
        axis=1,
    )
    pixel = np.stack(np.meshgrid(np.arange(60) + 1 - 30.5, np.arange(80) + 1 - 40.5), axis=-1)
    matrix = np.array([[c, -s * 1.25], [s * 0.8, c]])
    cube = np.empty((images, 80, 60), np.float32)
    for image in range(images):
        xy = table[image, 2:4] + np.array([0.4, 0.5]) * (pixel @ matrix.T)
        cube[image] = 2 * xy[..., 0] + 3 * xy[..., 1] + image
    cube[:, 0] = -200
    header.update(changes)
    hdus = fits.HDUList(
        [
            fits.PrimaryHDU(cube, header),
            fits.ImageHDU(table, fits.Header({k: n for n, k in enumerate(COLUMNS)}.items())),
        ]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    hdus.writeto(path)
    return path


@pytest.mark.parametrize("roll", [0.0, 30.0, -75.0])
def test_a_plane_is_cut_to_itself_upright(roll: float, tmp_path: Path) -> None:
    film = Film.open(write(tmp_path / "film.fits", roll))
    extent = (494.0, 506.0, 275.0, 283.0)
    found = film.cut(2, extent)
    assert found.shape == (16, 30) and np.isfinite(found).all()
    x = 494.0 + 0.4 * (np.arange(30) + 0.5)
    y = 275.0 + 0.5 * (np.arange(16) + 0.5)
    np.testing.assert_allclose(found, 2 * x + 3 * y[:, None] + 2, rtol=1e-6)


def test_what_the_image_does_not_show_is_nan(tmp_path: Path) -> None:
    film = Film.open(write(tmp_path / "film.fits", 0.0))
    # The image spans 488 to 512 and 260 to 300 arcsec; its lowest row is null.
    found = film.cut(0, (480.0, 520.0, 255.0, 305.0))
    there = np.isfinite(found)
    x = 480 + 40 / 100 * (np.arange(100) + 0.5)
    y = 255 + 50 / 100 * (np.arange(100) + 0.5)
    inside = (np.abs(x - 500) < 11.7) & (y[:, None] > 260.9) & (y[:, None] < 299.6)
    assert there[inside].all() and not there[(y < 260.2), :].any() and not there[:, x < 487.7].any()


def test_pixels_agree_with_astropy(tmp_path: Path) -> None:
    path = write(tmp_path / "film.fits")
    film = Film.open(path)
    wcs = WCS(fits.getheader(path), naxis=2)
    sky = np.array([[497.0, 283.0], [503.0, 276.5]])
    expected = np.stack(wcs.world_to_pixel_values(*(sky.T / 3600)), axis=-1)
    np.testing.assert_allclose(film.pixels(0, sky), expected, atol=1e-4)


def test_time(tmp_path: Path) -> None:
    film = Film.open(write(tmp_path / "film.fits"))
    moment = instant(START) + timedelta(seconds=70)
    assert film.nearest(moment) == 1 and film.moment(1) == instant(START) + timedelta(seconds=60)
    assert film.title == "SJI 2796"


def test_a_lost_pointing_is_replaced_by_the_files(tmp_path: Path) -> None:
    path = write(tmp_path / "film.fits")
    with fits.open(path, mode="update") as hdus:
        hdus[1].data[1, 2:] = 0
    film = Film.open(path)
    np.testing.assert_allclose(film.centre[1], [500, 280])
    np.testing.assert_allclose(film.roll[1], film.roll[0])


def test_find_takes_this_observations_films_and_cubes(tmp_path: Path) -> None:
    names = [f"iris_l2_{ID}_SJI_1330_t000.fits", f"iris_l2_{ID}_SJI_2796_t000.fits.gz", f"deep/aia_l2_{ID}_171.fits"]
    for name in [
        *names,
        f"iris_l2_{ID}_raster_t000_r00000.fits",
        "iris_l2_20150101_000000_1234567890_SJI_1330_t000.fits",
    ]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in find(tmp_path, ID)] == names


def test_field_and_slits() -> None:
    position = np.array([[[1.0, 5.0], [2.0, 9.0]], [[4.0, 5.5], [np.nan, np.nan]]])
    assert field(position, 1.0) == (0.0, 5.0, 4.0, 10.0)
    np.testing.assert_array_equal(slits(position)[0], [[1, 5], [2, 9]])
    with pytest.raises(ValueError, match="no place is known"):
        field(np.full((2, 2), np.nan), 1.0)


def test_bad_files_get_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Level2Error, match="There is no file"):
        Film.open(tmp_path / "none.fits")
    (tmp_path / "text.fits").write_text("no")
    with pytest.raises(Level2Error, match="text.fits is no slit-jaw film or AIA cube"):
        Film.open(tmp_path / "text.fits")
    fits.PrimaryHDU(np.zeros((3, 4))).writeto(tmp_path / "flat.fits")
    with pytest.raises(Level2Error, match="its image has 2 axes, expected 3"):
        Film.open(tmp_path / "flat.fits")
    path = write(tmp_path / "film.fits")
    with fits.open(path, mode="update") as hdus:
        hdus[1].data = hdus[1].data[:2]
    with pytest.raises(Level2Error, match="no table with a row for each of its 3 images"):
        Film.open(path)


@pytest.mark.real_data
def test_the_real_film_agrees_with_its_wcs(real_data: Path) -> None:
    (path,) = find(real_data / "full_resolution", ID)
    film = Film.open(path)
    assert film.title == "SJI 2796" and len(film.time) == 3
    wcs = WCS(fits.getheader(path), naxis=2)
    # The header's pointing is the mean over 720 images, of which three are here.
    sky = film.centre[0] + np.array([[-20.0, 10.0], [15.0, 30.0]])
    shifted = sky - film.centre[0] + [wcs.wcs.crval[0] * 3600, wcs.wcs.crval[1] * 3600]
    expected = np.stack(wcs.world_to_pixel_values(*(shifted.T / 3600)), axis=-1)
    np.testing.assert_allclose(film.pixels(0, sky), expected, atol=0.5)
    image = film.cut(0, (film.centre[0, 0] - 10, film.centre[0, 0] + 10, 270.0, 290.0))
    assert image.shape == (120, 120) and np.isfinite(image).mean() > 0.95


def test_some_of_each_kind_are_chosen() -> None:
    films = [Path(f"iris_l2_SJI_{number}.fits") for number in (1330, 1400, 2796, 2832)]
    cubes = [Path(f"aia_l2_{number}.fits") for number in (131, 171, 1600)]
    assert choose(films + cubes, 4) == films[:2] + cubes[:2]
    assert choose(films + cubes[:1], 4) == films[:3] + cubes[:1]
    assert choose(films[:1] + cubes, 4) == films[:1] + cubes
    assert choose(films, 3) == films[:3] and choose([], 4) == []
