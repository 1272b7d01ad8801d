"""From files on disk to an observation: which files, in which order, into which blocks."""

import gzip
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3
from hydra.utils import instantiate
from omegaconf import OmegaConf

from preflare.errors import CatalogError, ConfigError, Level2Error
from preflare.sun.disk import find
from preflare.sun.folder import Folder, mu
from preflare.sun.line import Line
from preflare.sun.observation import Block, Label, Observation, Phase
from preflare.sun.quality import Quality
from preflare.sun.window import Window
from tests.sun.level2_files import Level2File, two_peaks

CONF = Path(__file__).resolve().parents[2] / "conf"
ALL = Window(minutes=None, margin=1.0, after="flare_end", label="NA", onset=None, end=None)
CADENCE = 75.0


@pytest.fixture(scope="module")
def line() -> Line:
    return instantiate(OmegaConf.load(CONF / "line" / "mg_ii.yaml"))


def repeat(number: int, steps: int = 3, slit: int = 4, **changes: object) -> Level2File:
    time = CADENCE * number + 0.2 + 9.4 * np.arange(steps)
    return Level2File(two_peaks(steps, slit, seed=number), time, **changes)


def observe(path: Path, line: Line, window: Window = ALL, catalog: str | None = None) -> Observation:
    (observation,) = Folder(str(path), window, catalog).observations(line)
    return observation


def whole(observation: Observation) -> Block:
    blocks = list(observation.blocks())
    names = ("spectra", "intensity", "time", "phase", "exposure", "quality", "position")
    block = Block(**{name: np.concatenate([getattr(block, name) for block in blocks]) for name in names})
    assert block.spectra.shape[:3] == (observation.repeats, observation.steps, observation.slit)
    return block


@pytest.fixture
def shuffled(tmp_path: Path) -> Path:
    """Five repeats whose names are not in the order of their times."""
    folder = tmp_path / "raster"
    for name, number in zip("dbeac", range(5), strict=True):
        repeat(number).write(folder / f"{name}.fits")
    return folder


def test_repeats_come_in_the_order_of_their_times(shuffled: Path, line: Line) -> None:
    observation = observe(shuffled, line)
    block = whole(observation)
    expected = np.stack([repeat(number).time for number in range(5)])
    np.testing.assert_array_equal(block.time, expected)
    for number in range(5):
        file = repeat(number)
        flux = np.interp(line.wavelength, file.axis, file.counts[1, 2]) / 8.0
        assert block.intensity[number, 1, 2] == pytest.approx(flux.max(), rel=1e-5)
        np.testing.assert_allclose(block.spectra[number, 1, 2], flux / flux.max(), atol=1e-5)


def test_the_header_says_what_it_was_made_of(shuffled: Path, line: Line) -> None:
    header = observe(shuffled, line).header
    assert (header.name, header.origin, header.label) == ("NA_20140329_140938_3860258481", "level2", Label.UNKNOWN)
    assert header.start == header.window_start == "2014-03-29T14:09:38.830"
    assert header.dispersion == pytest.approx(0.05)
    assert header.sources == {p.name: blake3(p.read_bytes()).hexdigest() for p in shuffled.iterdir()}
    settings = header.settings
    assert (settings["instrument"], settings["mode"], settings["steps"]) == ("IRIS", "raster", 3)
    assert settings["exposure"] == 8.0 and settings["cadence"] == pytest.approx(CADENCE)
    assert (settings["SUMSPTRN"], settings["SUMSPAT"], settings["IAECFLAG"], settings["SAA"]) == (1, 2, "YES", "0")
    assert settings["mu"] == pytest.approx(0.81, abs=0.01)
    assert header.recipe["line.rules.null"] == -100.0 and header.recipe["line.rules.core_ratio.1"] == 2.3
    assert header.recipe["window.minutes"] is None and header.recipe["window.label"] == "NA"
    assert all(value is None or isinstance(value, str | float | int) for value in header.recipe.values())


def test_another_rule_is_another_recipe(shuffled: Path, line: Line) -> None:
    other = replace(line, rules=replace(line.rules, low_signal=20.0))
    old, new = observe(shuffled, line).header.recipe, observe(shuffled, other).header.recipe
    assert {key for key in old if old[key] != new[key]} == {"line.rules.low_signal"}


def test_only_the_files_of_the_window_are_used(shuffled: Path, line: Line) -> None:
    window = replace(ALL, minutes=2.0)
    observation = observe(shuffled, line, window)
    assert observation.repeats == 2
    assert set(observation.header.sources) == {"d.fits", "b.fits"}
    assert (whole(observation).phase == Phase.PREFLARE).all()


def test_each_exposure_has_its_own_time_and_pointing(tmp_path: Path, line: Line) -> None:
    exposure = np.array([8.0, 4.0, 2.0])
    repeat(0, exposure=exposure).write(tmp_path / "a.fits")
    block = whole(observe(tmp_path, line))
    np.testing.assert_array_equal(block.exposure[0], exposure.astype(np.float32))
    assert block.position.shape == (1, 3, 4, 2)
    assert np.hypot(*np.diff(block.position[0, :, 0], axis=0).T) == pytest.approx([2.0, 2.0], abs=1e-3)


def test_a_sit_and_stare_is_many_repeats_of_one_step(
    tmp_path: Path, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    repeat(1, steps=5, still=True).write(tmp_path / "later.fits")
    repeat(0, steps=6, still=True).write(tmp_path / "zzz.fits")
    monkeypatch.setattr("preflare.sun.folder.SPECTRA", 8)
    observation = observe(tmp_path, line)
    assert (observation.repeats, observation.steps, observation.slit) == (11, 1, 4)
    blocks = list(observation.blocks())
    assert [len(block.spectra) for block in blocks] == [2, 2, 2, 2, 2, 1]
    block = whole(observation)
    assert (np.diff(block.time[:, 0]) > 0).all()
    assert observation.header.settings["mode"] == "sit-and-stare"
    for file, first in ((repeat(0, steps=6), 0), (repeat(1, steps=5), 6)):
        for row in range(len(file.time)):
            flux = np.interp(line.wavelength, file.axis, file.counts[row, 1]) / 8.0
            np.testing.assert_allclose(block.spectra[first + row, 0, 1], flux / flux.max(), atol=1e-5)


def test_a_sit_and_stare_is_cut_between_exposures(tmp_path: Path, line: Line) -> None:
    repeat(0, steps=9, still=True).write(tmp_path / "a.fits")
    observation = observe(
        tmp_path, line, replace(ALL, label="PF", onset="2014-03-29T14:10:45", minutes=0.4, margin=0.25)
    )
    block = whole(observation)
    np.testing.assert_allclose(block.time[:, 0], 0.2 + 9.4 * np.arange(3, 9))
    np.testing.assert_array_equal(block.phase[:, 0], [1, 1, 1, 0, 0, 2])


def test_a_lost_exposure_does_not_decide_the_order(tmp_path: Path, line: Line) -> None:
    late = repeat(1, exposure=np.array([0.0, 8.0, 8.0]))
    late.time[0] = 0.0
    late.write(tmp_path / "a.fits")
    repeat(0).write(tmp_path / "b.fits")
    block = whole(observe(tmp_path, line))
    assert block.time[0, 1] < block.time[1, 1]
    assert (block.quality[1, 0] == Quality.ZERO_EXPOSURE).all()


def test_packed_files_give_the_same_numbers(shuffled: Path, line: Line, tmp_path: Path) -> None:
    expected = whole(observe(shuffled, line))
    zipped = tmp_path / "zipped"
    zipped.mkdir()
    for path in shuffled.iterdir():
        (zipped / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
    archive = tmp_path / "iris_l2_20140329_140938_3860258481_raster.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for path in sorted(shuffled.iterdir()):
            tar.add(path, f"raster/{path.name}")
    for packed in (zipped, archive):
        observation = observe(packed, line)
        found = whole(observation)
        np.testing.assert_array_equal(found.spectra, expected.spectra)
        np.testing.assert_array_equal(found.time, expected.time)
    assert observation.header.sources == {archive.name: blake3(archive.read_bytes()).hexdigest()}


def test_a_tarball_writes_nowhere(shuffled: Path, line: Line, tmp_path: Path) -> None:
    content = (shuffled / "a.fits").read_bytes()
    inside = tmp_path / "down" / "here"
    inside.mkdir(parents=True)
    with tarfile.open(inside / "x.tar.gz", "w:gz", compresslevel=1) as tar:
        for name in ("../../evil.fits", str(tmp_path / "absolute.fits")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("link.fits")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert [file.name for file in find(inside)] == ["evil.fits", "absolute.fits"]
    with pytest.raises(Level2Error, match="evil.fits and absolute.fits are the same repeat"):
        observe(inside, line)
    assert not list(tmp_path.glob("*.fits"))


def test_slit_jaw_files_are_passed_over(shuffled: Path, line: Line) -> None:
    (shuffled / "iris_l2_20140329_140938_3860258481_SJI_2796_t000.fits").write_bytes(b"not even FITS")
    (shuffled / "readme.txt").write_text("and no FITS file either")
    assert observe(shuffled, line).repeats == 5


def test_one_file_is_an_observation(shuffled: Path, line: Line) -> None:
    assert observe(shuffled / "a.fits", line).repeats == 1


def test_the_catalog_says_what_it_is(tmp_path: Path, line: Line) -> None:
    own = tmp_path / "own.csv"
    own.write_text(
        "id,label,onset,end,source,verified\n"
        "20140329_140938_3860258481,PF,2014-03-29T14:13,2014-03-29T14:14,a paper,yes\n"
    )
    for number in range(5):
        repeat(number).write(tmp_path / "raster" / f"{number}.fits")
    paper = instantiate(OmegaConf.load(CONF / "window" / "paper.yaml"))
    observation = observe(tmp_path / "raster", line, paper, str(own))
    header = observation.header
    assert (header.name, header.number) == ("PF_20140329_140938_3860258481", 4)
    assert (header.onset, header.window_end) == ("2014-03-29T14:13:00.000", "2014-03-29T14:12:00.000")
    assert (header.settings["onset_source"], header.settings["verified"]) == ("a paper", "yes")
    phase = whole(observation).phase
    assert set(np.unique(phase)) == {Phase.OUTSIDE, Phase.PREFLARE, Phase.FLARE}


def test_mu_is_one_at_disc_centre_and_zero_at_the_limb() -> None:
    au = 1.495978707e11
    assert mu(0, 0, au) == 1
    assert mu(480, 0, au) == pytest.approx(np.sqrt(1 - (480 / 959.2) ** 2), abs=1e-3)
    assert mu(700, 700, au) == 0


def test_exposures_in_the_south_atlantic_anomaly_are_flagged(tmp_path: Path, line: Line) -> None:
    for number in range(3):
        repeat(number, primary={"SAA": "           1"} if number == 2 else {}).write(tmp_path / "r" / f"{number}.fits")
    plain = whole(observe(tmp_path / "r", line))
    np.testing.assert_array_equal((plain.quality & Quality.SAA != 0)[..., 0].any(axis=1), [False, False, True])
    # Its middle: the last exposure (9.4 s apart, 8 s long) of the first repeat, the first of the second.
    (tmp_path / "saa.csv").write_text("start,end\n2014-03-29T14:10:00,2014-03-29T14:10:55\n")
    (found,) = Folder(str(tmp_path / "r"), ALL, None, saa=str(tmp_path / "saa.csv")).observations(line)
    flagged = (whole(found).quality & Quality.SAA != 0)[..., 0]
    np.testing.assert_array_equal(flagged, [[False, False, True], [True, False, False], [True] * 3])
    assert "saa" in found.header.recipe and "saa" not in observe(tmp_path / "r", line).header.recipe


def absorbed(number: int, shift: float) -> Level2File:
    """A repeat with an absorption line at the line's reference, shifted by so many km/s."""
    file = repeat(number, slit=30)
    place = 2799.474 * (1 + shift / 299792.458)
    file.counts *= 1 - 0.5 * np.exp(-(((file.axis - place) / 0.07) ** 2) / 2)
    return file


def test_the_zero_point_is_kept_and_may_be_corrected(tmp_path: Path, line: Line) -> None:
    for number in range(3):
        absorbed(number, 8.0).write(tmp_path / f"{number}.fits")
    observation = observe(tmp_path, line)
    assert observation.header.settings["zero_point"] == pytest.approx(8.0, abs=0.5)
    (moved,) = Folder(str(tmp_path), ALL, None, correct_zero_point=True).observations(line)
    assert moved.header.recipe["correct_zero_point"] is True
    # A spectrum is then what it would be on an axis that is right.
    shift = float(moved.header.settings["zero_point"])
    axis = absorbed(0, 8.0).axis / (1 + shift / 299792.458)
    flux = np.interp(line.wavelength, axis, absorbed(0, 8.0).counts[0, 0]) / 8.0
    np.testing.assert_allclose(whole(moved).spectra[0, 0, 0], flux / flux.max(), atol=1e-5)


def test_without_the_reference_there_is_no_zero_point(tmp_path: Path, line: Line) -> None:
    repeat(0, slit=30).write(tmp_path / "a.fits")
    assert "zero_point" not in observe(tmp_path, line).header.settings
    with pytest.raises(Level2Error, match="cannot be corrected: the line's reference, Ni I, is not to be seen"):
        list(Folder(str(tmp_path), ALL, None, correct_zero_point=True).observations(line))
    absorbed(0, 8.0).write(tmp_path / "b" / "a.fits")
    other = replace(line, reference=None)
    assert "zero_point" not in observe(tmp_path / "b", other).header.settings
    with pytest.raises(ConfigError, match="is true, but the line Mg II h&k names no reference to correct by. Leave it"):
        list(Folder(str(tmp_path / "b"), ALL, None, correct_zero_point=True).observations(other))


# Bad input.


@pytest.mark.parametrize("empty", [True, False])
def test_a_folder_without_rasters(tmp_path: Path, line: Line, empty: bool) -> None:
    if not empty:
        (tmp_path / "notes.txt").write_text("")
        (tmp_path / "iris_l2_20140329_140938_3860258481_SJI_2796_t000.fits").write_bytes(b"")
    with pytest.raises(Level2Error, match="holds no level-2 raster: expected .fits, .fits.gz or _raster.tar.gz"):
        observe(tmp_path, line)


def test_no_such_folder(tmp_path: Path, line: Line) -> None:
    with pytest.raises(Level2Error, match="There is no file or folder"):
        observe(tmp_path / "nowhere", line)


def test_no_path(line: Line) -> None:
    with pytest.raises(ConfigError, match="Add source.path=DIR"):
        list(Folder(None, ALL, None).observations(line))


def test_repeats_of_two_observations(shuffled: Path, line: Line) -> None:
    repeat(6, start="2014-03-30T01:02:03").write(shuffled / "x.fits")
    with pytest.raises(Level2Error, match="two observations, 20140329_140938_3860258481.*20140330_010203_3860258481"):
        observe(shuffled, line)


def test_repeats_of_two_shapes(shuffled: Path, line: Line) -> None:
    repeat(6, slit=1).write(shuffled / "x.fits")
    with pytest.raises(Level2Error, match="3 steps of 4 slit pixels, x.fits 3 steps of 1 slit pixels"):
        observe(shuffled, line)


def test_a_sit_and_stare_among_rasters(shuffled: Path, line: Line) -> None:
    repeat(6, still=True).write(shuffled / "x.fits")
    with pytest.raises(Level2Error, match="is a raster, x.fits a sit-and-stare"):
        observe(shuffled, line)


def test_the_same_repeat_twice(shuffled: Path, line: Line) -> None:
    (shuffled / "a.fits.gz").write_bytes(gzip.compress((shuffled / "a.fits").read_bytes()))
    with pytest.raises(Level2Error, match="a.fits and a.fits.gz are the same repeat"):
        observe(shuffled, line)


def test_all_pixels_missing(tmp_path: Path, line: Line) -> None:
    for number in range(2):
        file = repeat(number)
        file.counts[:] = -200
        file.write(tmp_path / f"{number}.fits")
    observation = observe(tmp_path, line)
    with pytest.raises(Level2Error, match="NA_20140329_140938_3860258481 holds no spectrum.*every pixel is missing"):
        list(observation.blocks())


def test_no_exposure_was_taken(tmp_path: Path, line: Line) -> None:
    repeat(0, exposure=0.0).write(tmp_path / "a.fits")
    with pytest.raises(Level2Error, match="took no exposure in its window"):
        observe(tmp_path, line)


@pytest.mark.parametrize("name", ["a.fits.gz", "a.tar.gz", "a.tar"])
@pytest.mark.parametrize("keep", [0, 10, 5000, -200])
def test_a_packed_file_cut_short(tmp_path: Path, line: Line, name: str, keep: int) -> None:
    plain = repeat(0).write(tmp_path / "plain" / "a.fits")
    packed = tmp_path / name
    if "tar" in name:
        with tarfile.open(packed, "w:gz" if name.endswith("gz") else "w") as tar:
            tar.add(plain, "a.fits")
    else:
        packed.write_bytes(gzip.compress(plain.read_bytes()))
    content = packed.read_bytes()
    if name == "a.tar" and keep < 0:
        keep = len(content) // 2
    packed.write_bytes(content[:keep])
    with pytest.raises(Level2Error, match="cut short|cannot be read|holds no level-2 raster"):
        observe(packed, line)


def test_not_in_the_catalog(tmp_path: Path, line: Line) -> None:
    repeat(0, obsid="3600000000").write(tmp_path / "a.fits")
    with pytest.raises(CatalogError, match="The catalog has no observation 20140329_140938_3600000000"):
        observe(tmp_path, line, replace(ALL, label=None))
