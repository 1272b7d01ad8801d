"""Reading a raster file: against astropy's WCS, numpy.interp, irispy and what was written."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from hydra.utils import instantiate
from omegaconf import OmegaConf

from preflare.errors import Level2Error
from preflare.sun.level2 import RASTER, SIT_AND_STARE, Raster
from preflare.sun.line import Line, Rules
from preflare.sun.quality import Quality, is_clean
from tests.sun.level2_files import ROLL, Level2File, two_peaks

CONF = Path(__file__).resolve().parents[2] / "conf"
RULES = Rules(-100.0, 16183.0, 10, 10.0, None, None, 1.0)


@pytest.fixture(scope="module")
def line() -> Line:
    return instantiate(OmegaConf.load(CONF / "line" / "mg_ii.yaml"))


def raster(exposures: int = 3, slit: int = 5, **changes: object) -> Level2File:
    return Level2File(two_peaks(exposures, slit), 0.2 + 9.4 * np.arange(exposures), **changes)


def read(path: Path, line: Line, rows: slice = slice(None)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return Raster.open(path, line).read(path, line, rows)


def interpolated(file: Level2File, line: Line) -> np.ndarray:
    """DN/s on the grid by numpy.interp, one spectrum at a time in float64."""
    flux = np.empty((*file.counts.shape[:2], line.points))
    exposure = np.broadcast_to(file.exposure, len(file.counts))
    for at in np.ndindex(flux.shape[:2]):
        flux[at] = np.interp(line.wavelength, file.axis, file.counts[at]) / exposure[at[0]]
    return flux


@pytest.mark.parametrize("packed", [False, True], ids=["float32", "int16"])
def test_spectra_agree_with_numpy_interp(tmp_path: Path, line: Line, packed: bool) -> None:
    file = raster(packed=packed, exposure=np.array([8.0, 4.0, 0.5]))
    file.counts = np.round(file.counts * 4) / 4
    spectra, intensity, quality = read(file.write(tmp_path / "a.fits"), line)
    flux = interpolated(file, line)
    assert (quality == 0).all()
    assert spectra.dtype == np.float32 and spectra.dtype.isnative
    np.testing.assert_allclose(intensity, flux.max(-1), rtol=1e-6)
    np.testing.assert_allclose(spectra, flux / flux.max(-1, keepdims=True), atol=1e-6)


def test_a_part_is_a_part_of_the_whole(tmp_path: Path, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    path = raster(7).write(tmp_path / "a.fits")
    whole = read(path, line)
    monkeypatch.setattr("preflare.sun.level2.ROWS", 3)
    for part, all_of_it in zip(read(path, line, slice(2, 6)), whole, strict=True):
        np.testing.assert_array_equal(part, all_of_it[2:6])


def test_the_header(tmp_path: Path, line: Line) -> None:
    file = raster(exposure=np.array([8.0, 0.0, 4.0]))
    found = Raster.open(file.write(tmp_path / "a.fits"), line)
    assert found.id == "20140329_140938_3860258481"
    assert found.mode == RASTER and found.image.shape == file.counts.shape
    np.testing.assert_allclose(found.wavelength, file.axis, rtol=0, atol=1e-9)
    assert found.dispersion == pytest.approx(0.05)
    np.testing.assert_array_equal(found.time, file.time)
    np.testing.assert_array_equal(found.exposure, [8.0, 0.0, 4.0])
    assert found.settings["SUMSPAT"] == 2 and found.settings["SAA"] == "0"


def test_the_far_ultraviolet_has_its_own_exposure_time(tmp_path: Path) -> None:
    rules = replace(RULES, overexposed_run=3)
    fuv = Line("c_ii", "C II", "FUV", 1332.01, 1332.1, 5, {"a": 1332.05}, {}, (1332.02, 1332.03), rules)
    found = Raster.open(raster().write(tmp_path / "a.fits"), fuv)
    assert found.image.shape[2] == 5
    np.testing.assert_array_equal(found.exposure, 99.0)


@pytest.mark.parametrize(
    ("primary", "mode"),
    [
        ({"NRASTERP": 8, "STEPS_AV": 2.0}, RASTER),
        ({"NRASTERP": 8, "STEPS_AV": -0.35}, RASTER),
        ({"NRASTERP": 1, "STEPS_AV": 0.0}, SIT_AND_STARE),
        ({"NRASTERP": 400, "STEPS_AV": 0.0}, SIT_AND_STARE),
    ],
)
def test_mode(tmp_path: Path, line: Line, primary: dict, mode: str) -> None:
    assert Raster.open(raster(primary=primary).write(tmp_path / "a.fits"), line).mode == mode


def test_the_first_exposure_that_was_taken(tmp_path: Path, line: Line) -> None:
    file = raster(exposure=np.array([0.0, 8.0, 8.0]))
    assert Raster.open(file.write(tmp_path / "a.fits"), line).begin == file.time[1]


def test_positions_agree_with_the_wcs_of_the_window(tmp_path: Path, line: Line) -> None:
    path = raster(4, 9).write(tmp_path / "a.fits")
    found = Raster.open(path, line).position
    with fits.open(path) as hdus:
        wcs = WCS(hdus[2].header)
    step, slit = np.mgrid[:4, :9]
    _, y, x = wcs.wcs_pix2world(np.zeros(36), slit.ravel(), step.ravel(), 0)
    # Astropy turns arcsec into degrees and wraps longitude.
    expected = np.stack([(x + 180) % 360 - 180, y], axis=-1).reshape(4, 9, 2) * 3600
    # The WCS is a tangent projection, the table plain arcsec: 500 arcsec from disc centre that is 1e-3 arcsec.
    np.testing.assert_allclose(found, expected, atol=5e-3)


def test_positions_of_a_sit_and_stare_follow_the_roll(tmp_path: Path, line: Line) -> None:
    found = Raster.open(raster(2, 5, still=True).write(tmp_path / "a.fits"), line).position
    along = 0.33 * (np.arange(5) - 2)
    expected = np.stack([490 + np.sin(ROLL) * along, 280 + np.cos(ROLL) * along], axis=-1)
    np.testing.assert_allclose(found, np.stack([expected] * 2), atol=1e-4)


@pytest.mark.parametrize(
    ("value", "flag"),
    [(-200.0, Quality.MISSING), (np.nan, Quality.MISSING), (-np.inf, Quality.MISSING), (-100.1, Quality.MISSING)]
    + [(16183.75, Quality.OVEREXPOSED), (np.inf, Quality.OVEREXPOSED)],
)
def test_a_masked_pixel_takes_the_points_it_touches(tmp_path: Path, line: Line, value: float, flag: Quality) -> None:
    file = raster()
    bad = 150
    file.counts[1, 2, bad] = value
    spectra, _, quality = read(file.write(tmp_path / "a.fits"), line)
    touched = np.abs(line.wavelength - file.axis[bad]) < file.dispersion
    assert 1 <= touched.sum() <= 3
    assert quality[1, 2] == flag and (np.delete(quality.ravel(), 7) == 0).all()
    np.testing.assert_array_equal(np.isnan(spectra[1, 2]), touched)


def test_a_pixel_beside_the_grid_does_no_harm(tmp_path: Path, line: Line) -> None:
    file = raster()
    file.counts[..., file.axis < line.start - file.dispersion] = -200
    assert (read(file.write(tmp_path / "a.fits"), line)[2] == 0).all()


def test_the_test_for_null_comes_before_the_division(tmp_path: Path, line: Line) -> None:
    file = raster(exposure=30.0)
    file.counts[0, 0] = -200
    spectra, intensity, quality = read(file.write(tmp_path / "a.fits"), line)
    assert quality[0, 0] == Quality.MISSING
    assert np.isnan(spectra[0, 0]).all() and np.isnan(intensity[0, 0])


def test_legitimate_negative_counts_stay(tmp_path: Path, line: Line) -> None:
    file = raster()
    file.counts[0, 0, 120] = -50
    spectra, _, quality = read(file.write(tmp_path / "a.fits"), line)
    assert quality[0, 0] == 0 and np.nanmin(spectra[0, 0]) < 0


def test_no_exposure_time_is_flagged(tmp_path: Path, line: Line) -> None:
    file = raster(exposure=np.array([8.0, 0.0, np.nan]))
    quality = read(file.write(tmp_path / "a.fits"), line)[2]
    np.testing.assert_array_equal(quality[:, 0], [0, Quality.ZERO_EXPOSURE, Quality.ZERO_EXPOSURE])


def test_equal_neighbours_stay_equal(tmp_path: Path, line: Line) -> None:
    """A plateau is found by equality, so interpolation must not blur it in the last digit."""
    file = raster()
    file.counts[0, 0, 60:90] = 1234.56
    assert read(file.write(tmp_path / "a.fits"), line)[2][0, 0] & Quality.OVEREXPOSED


@pytest.mark.parametrize(
    ("primary", "message"),
    [
        ({"TELESCOP": "HINODE"}, "is not from IRIS: TELESCOP is HINODE"),
        ({"INSTRUME": "SJI"}, "is no raster: INSTRUME is SJI, expected SPEC"),
        ({"LVL_NUM": 1.5}, "is of level 1.5, expected 2"),
        ({"OBSID": "unknown"}, "does not say which observation"),
        ({"STARTOBS": ""}, "does not say which observation"),
        ({"TDET2": "FUV2"}, "does not cover Mg II h&k, 2794.14 to 2805.72 Å: its NUV windows are none"),
    ],
)
def test_a_header_that_is_something_else(tmp_path: Path, line: Line, primary: dict, message: str) -> None:
    with pytest.raises(Level2Error, match=message):
        Raster.open(raster(primary=primary).write(tmp_path / "a.fits"), line)


def test_neither_raster_nor_sit_and_stare(tmp_path: Path, line: Line) -> None:
    path = raster().write(tmp_path / "a.fits")
    with fits.open(path, mode="update") as hdus:
        del hdus[0].header["NRASTERP"], hdus[0].header["STEPS_AV"]
    with pytest.raises(Level2Error, match="neither NRASTERP nor STEPS_AV"):
        Raster.open(path, line)


def test_a_window_that_ends_too_early(tmp_path: Path, line: Line) -> None:
    with pytest.raises(Level2Error, match=r"its NUV windows are 2790\.00 to 2803\.95\. Take another"):
        Raster.open(raster(first=2790.0).write(tmp_path / "a.fits"), line)


def test_a_table_of_other_exposures(tmp_path: Path, line: Line) -> None:
    path = raster().write(tmp_path / "a.fits")
    with fits.open(path, mode="update") as hdus:
        hdus[3].data = hdus[3].data[:2]
    with pytest.raises(Level2Error, match="expected 3 rows"):
        Raster.open(path, line)


@pytest.mark.parametrize("place", [-1, 999])
def test_a_table_whose_header_points_beside_it(tmp_path: Path, line: Line, place: int) -> None:
    path = raster().write(tmp_path / "a.fits")
    with fits.open(path, mode="update") as hdus:
        hdus[3].header["TIME"] = place
    with pytest.raises(Level2Error, match=f"in which its header places TIME in column {place}. Download it again"):
        Raster.open(path, line)


def test_a_step_that_is_no_number(tmp_path: Path, line: Line) -> None:
    path = raster(primary={"STEPS_AV": "8", "NRASTERP": 4}).write(tmp_path / "a.fits")
    with pytest.raises(Level2Error, match="STEPS_AV is '8' in its header, expected a number.. Download it again"):
        Raster.open(path, line)


def test_exposures_without_a_time(tmp_path: Path, line: Line) -> None:
    file = raster()
    file.time[1] = np.nan
    with pytest.raises(Level2Error, match="exposures without a time"):
        Raster.open(file.write(tmp_path / "a.fits"), line)


@pytest.mark.parametrize("keep", [0, 1000, 4000, 12000, 25000, 31000, -1])
def test_a_file_cut_short(tmp_path: Path, line: Line, keep: int) -> None:
    path = raster().write(tmp_path / "a.fits")
    whole = path.read_bytes()
    assert len(whole) > 31000
    path.write_bytes(whole[:keep])
    with pytest.raises(Level2Error, match="cut short|cannot be read as a level-2 FITS file") as caught:
        Raster.open(path, line)
    assert "\n" not in str(caught.value)


def test_not_fits_at_all(tmp_path: Path, line: Line) -> None:
    path = tmp_path / "a.fits"
    path.write_text("<html>404</html>" * 500)
    with pytest.raises(Level2Error, match=r"a\.fits cannot be read as a level-2 FITS file"):
        Raster.open(path, line)


def test_no_file(tmp_path: Path, line: Line) -> None:
    with pytest.raises(Level2Error, match="There is no file"):
        Raster.open(tmp_path / "a.fits", line)


@pytest.fixture
def irispy_files() -> Path:
    irispy = find_spec("irispy")  # to import it takes seconds
    if irispy is None or irispy.origin is None:
        pytest.skip("irispy-lmsal, a development dependency, is not installed")
    return Path(irispy.origin).parent / "data" / "test"


def test_windows_whose_own_axis_does_not_reach_the_line(irispy_files: Path, line: Line) -> None:
    """irispy's test files are resampled, but their headers still claim the full windows."""
    paths = [*irispy_files.glob("raster/*/*_raster_t000_r0000[01].fits"), *irispy_files.glob("sns/*_raster_*.fits")]
    assert len(paths) == 3
    for path in paths:
        with pytest.raises(Level2Error, match="does not cover Mg II h&k.*its axis does not reach that far"):
            Raster.open(path, line)


@pytest.mark.real_data
def test_the_real_raster_agrees_with_an_interpolation_of_our_own(real_data: Path, line: Line) -> None:
    path = next((real_data / "full_resolution").glob("*raster*.fits"))
    found = Raster.open(path, line)
    spectra, intensity, quality = found.read(path, line, slice(None))
    with fits.open(path) as hdus:
        counts, header, table = hdus[3].data, hdus[3].header, hdus[4]
        exposure = table.data[:, table.header["EXPTIMEN"]]
        axis = header["CRVAL1"] + header["CDELT1"] * np.arange(header["NAXIS1"])
        np.testing.assert_array_equal(found.time, table.data[:, table.header["TIME"]])
        np.testing.assert_array_equal(found.exposure, exposure)
        clean = np.argwhere(is_clean(quality, line))
        assert len(clean) > 3000
        for step, slit in clean[::7]:
            flux = np.interp(line.wavelength, axis, counts[step, slit].astype(float)) / exposure[step]
            np.testing.assert_allclose(spectra[step, slit], flux / flux.max(), atol=1e-5)
            np.testing.assert_allclose(intensity[step, slit], flux.max(), rtol=1e-5)


@pytest.mark.real_data
def test_positions_of_the_real_raster_agree_with_its_wcs(real_data: Path, line: Line) -> None:
    path = next((real_data / "full_resolution").glob("*raster*.fits"))
    found = Raster.open(path, line).position
    with fits.open(path) as hdus:
        wcs = WCS(hdus[3].header)
    step, slit = np.mgrid[:3, :1094]
    _, y, x = wcs.wcs_pix2world(np.zeros(step.size), slit.ravel(), step.ravel(), 0)
    # Between exposures the pointing wanders by a tenth of an arcsec, of which the WCS knows nothing.
    np.testing.assert_allclose(found.reshape(-1, 2), np.stack([x, y], axis=-1) * 3600, atol=0.1)
    np.testing.assert_allclose(
        np.diff(found, axis=1), np.diff(np.reshape([x, y], (2, 3, 1094)).T * 3600, axis=0).transpose(1, 0, 2), atol=1e-3
    )


@pytest.mark.real_data
@pytest.mark.filterwarnings("ignore")
def test_times_and_exposures_agree_with_irispy(real_data: Path, line: Line) -> None:
    spectrograph = pytest.importorskip("irispy.io.spectrograph", reason="irispy-lmsal is a development dependency")
    path = next((real_data / "coarse").glob("*r00002.fits"))
    found = Raster.open(path, line)
    title = "Mg II k 2796"
    cube = spectrograph.read_spectrograph_lvl2(path, spectral_windows=title)[title][0]
    start = Time(found.start.replace(tzinfo=None))
    np.testing.assert_allclose((cube.time - start).to_value("s"), found.time, atol=1e-6)
    np.testing.assert_array_equal(cube.meta["exposure time"].value, found.exposure)
    np.testing.assert_allclose(cube.axis_world_coords("wl")[0].to_value("Angstrom"), found.wavelength, rtol=1e-9)


def test_exposures_full_of_hits_are_flagged(tmp_path: Path, line: Line) -> None:
    counts = two_peaks(3, 4)
    random = np.random.default_rng(1)
    for _ in range(20):
        counts[1, random.integers(4), random.integers(20, 260)] += 5000.0
    path = Level2File(counts, np.arange(3.0)).write(tmp_path / "a.fits")
    raster = Raster.open(path, line)
    quality = raster.read(path, replace(line, rules=replace(line.rules, saa_hits=1000.0)), slice(None))[2]
    np.testing.assert_array_equal((quality & Quality.SAA != 0).all(axis=1), [False, True, False])
    assert not (raster.read(path, line, slice(None))[2] & Quality.SAA).any()
    np.testing.assert_allclose(raster.counts(path, 1, slice(2, 9)), counts[1, :, 2:9].astype(np.float32))
