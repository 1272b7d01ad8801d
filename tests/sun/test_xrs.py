"""GOES files by sunpy: one curve on the observation's clock, on the scale of the classes."""

from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from astropy.io import fits

from preflare.errors import FlareError
from preflare.sun import xrs
from preflare.sun.goes import flare_class
from tests.sun import goes_files

DAY = datetime(2014, 3, 29, tzinfo=UTC)
HOUR = timedelta(hours=1)


def flat(level: float = 1e-6) -> np.ndarray:
    return np.full(1440, level)


def test_the_curve_is_on_the_observations_clock(tmp_path: Path) -> None:
    flux = 1e-6 * (1 + np.arange(1440) / 1440)
    goes_files.write(tmp_path, DAY, flux, satellite=16)
    curve = xrs.read(tmp_path, DAY + 2 * HOUR, DAY + HOUR, DAY + 3 * HOUR)
    assert curve is not None and (curve.satellite, curve.factor) == ("GOES-16", 1.0)
    np.testing.assert_allclose(curve.goes.time, 60.0 * np.arange(-60, 61), atol=1e-5)
    np.testing.assert_allclose(curve.goes.flux, flux[60:181], rtol=1e-6)


@pytest.mark.parametrize(("satellite", "factor", "name"), [(15, 0.7, "C8.4"), (13, 0.7, "C8.4"), (16, 1.0, "M1.2")])
def test_a_c8_of_the_old_satellites_does_not_become_an_m(
    tmp_path: Path, satellite: int, factor: float, name: str
) -> None:
    goes_files.write(tmp_path, DAY, flat(1.201e-5), satellite)
    curve = xrs.read(tmp_path, DAY, DAY, DAY + HOUR)
    assert curve is not None and curve.factor == factor
    assert flare_class(curve.goes.flux.max()) == name


def test_the_older_fits_files_have_the_factor_in_already(tmp_path: Path) -> None:
    time = np.arange(0.0, 600.0, 2.0)
    flux = np.full(len(time), 8.4e-6)
    primary = fits.PrimaryHDU()
    primary.header["DATE-OBS"], primary.header["TELESCOP"] = "29/03/2014", "GOES 15"
    columns = [
        fits.Column("TIME", f"{len(time)}D", array=time[None]),
        fits.Column("FLUX", f"{2 * len(time)}D", dim=f"(2,{len(time)})", array=np.stack([flux, flux], -1)[None]),
    ]
    hdus = [primary, fits.ImageHDU(), fits.BinTableHDU.from_columns(columns), fits.ImageHDU()]
    fits.HDUList(hdus).writeto(tmp_path / "go1520140329.fits")
    curve = xrs.read(tmp_path, DAY, DAY, DAY + HOUR)
    assert curve is not None and (curve.satellite, curve.factor) == ("GOES-15", 1.0)
    assert flare_class(curve.goes.flux.max()) == "C8.4"


def test_flagged_points_are_left_out(tmp_path: Path) -> None:
    flux, flags = flat(), np.zeros(1440)
    flux[30], flags[30] = 1.0, 1
    flux[40] = -9999
    goes_files.write(tmp_path, DAY, flux, 16, flags)
    curve = xrs.read(tmp_path, DAY, DAY, DAY + HOUR)
    assert curve is not None and len(curve.goes.time) == 59 and curve.goes.flux.max() < 2e-6


def test_days_are_joined_and_the_fuller_satellite_taken(tmp_path: Path) -> None:
    for day in (DAY, DAY + 24 * HOUR):
        goes_files.write(tmp_path, day, flat(2e-6), 16)
    goes_files.write(tmp_path, DAY, flat(3e-6), 17)
    (tmp_path / "sci_xrsf-l2-avg1m_g16_d20150101_v1-0-0.nc").write_text("of another day, not looked into")
    curve = xrs.read(tmp_path, DAY, DAY + 23 * HOUR, DAY + 25 * HOUR)
    assert curve is not None and curve.satellite == "GOES-16" and len(curve.goes.time) == 121
    assert (np.diff(curve.goes.time) > 0).all()


def test_nothing_of_that_time(tmp_path: Path) -> None:
    goes_files.write(tmp_path, DAY, flat())
    assert xrs.read(tmp_path, DAY, DAY - 5 * HOUR, DAY - HOUR) is None
    assert xrs.read(tmp_path, DAY, DAY + 100 * HOUR, DAY + 101 * HOUR) is None


def test_files_of_the_archives_are_read(tmp_path: Path) -> None:
    """The truncated real files in sunpy."""
    spec = find_spec("sunpy")
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent / "data" / "test"
    start = datetime(2013, 10, 28, tzinfo=UTC)
    path = folder / "sci_gxrs-l2-irrad_g15_d20131028_truncated.nc"
    curve = xrs.read(path, start, start, start + HOUR)
    assert curve is not None and (curve.satellite, curve.factor) == ("GOES-15", 0.7)
    with h5py.File(path) as file:
        np.testing.assert_allclose(curve.goes.flux, 0.7 * file["b_flux"][:], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("sci_xrsf-l2-avg1m_g15_d20140329_v1-0-0.nc", "2014-03-29"),
        ("sci_gxrs-l2-irrad_g15_d20131028_v0-0-0.nc", "2013-10-28"),
        ("go1520140329.fits", "2014-03-29"),
        ("sci_xrsf-l2-avg1m_g16_s20170207_e20240101_v2.nc", "None"),
        ("mine.nc", "None"),
        ("d20149999.nc", "None"),
    ],
)
def test_the_day_in_a_name(name: str, day: str) -> None:
    assert str(xrs._day(Path(name))) == day


def test_how_much_of_a_time_has_points(tmp_path: Path) -> None:
    flags = np.zeros(1440)
    flags[100:130] = 1
    goes_files.write(tmp_path, DAY, flat(), 16, flags)
    curve = xrs.read(tmp_path, DAY, DAY, DAY + 4 * HOUR)
    assert curve is not None and curve.step == pytest.approx(60)
    assert curve.coverage(0, 90 * 60) == pytest.approx((1, 0), abs=0.01)
    share, gap = curve.coverage(60 * 60, 180 * 60)
    assert share == pytest.approx(0.75, abs=0.01) and gap == pytest.approx(1800, abs=61)
    assert curve.coverage(101 * 60, 120 * 60) == (0, 19 * 60)
    share, gap = curve.coverage(210 * 60, 270 * 60)  # beyond what was read
    assert share == pytest.approx(0.5, abs=0.02) and gap == pytest.approx(1800, abs=61)


# Bad input.


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.nc").write_text("not a GOES file")
    with pytest.raises(FlareError, match=r"a.nc cannot be read as a GOES XRS file \(it is neither netCDF nor FITS\)"):
        xrs.read(tmp_path, DAY, DAY, DAY + HOUR)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FlareError, match="holds no GOES file: expected .nc, .fits"):
        xrs.read(tmp_path, DAY, DAY, DAY + HOUR)
    with pytest.raises(FlareError, match="There is no file or folder"):
        xrs.read(tmp_path / "nowhere", DAY, DAY, DAY + HOUR)


# Fido, with a stand-in for its network.


def test_fido_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple] = []

    def search(*query: object) -> tuple:
        asked.append(query)
        return query

    def fetch(found: object, path: str, progress: bool) -> SimpleNamespace:
        goes_files.write(Path(path).parent, DAY, flat())
        return SimpleNamespace(errors=[])

    monkeypatch.setattr("sunpy.net.Fido.search", search)
    monkeypatch.setattr("sunpy.net.Fido.fetch", fetch)
    for _ in range(2):
        xrs.fetch(DAY + HOUR, DAY + 2 * HOUR, tmp_path / "goes")
    assert len(asked) == 1
    assert xrs.read(tmp_path / "goes", DAY, DAY + HOUR, DAY + 2 * HOUR) is not None


def test_fido_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def search(*query: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr("sunpy.net.Fido.search", search)
    with pytest.raises(FlareError, match=r"No GOES files for 2014-03-29.* \(Name or service not known\). Check"):
        xrs.fetch(DAY, DAY + HOUR, tmp_path / "goes")
