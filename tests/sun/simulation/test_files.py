"""Simulated level-2 files: read as real ones are, they give what the simulation gives directly."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from preflare.data import writing
from preflare.data.shard import LAYOUT, Shard
from preflare.errors import ConfigError
from preflare.sun import catalog
from preflare.sun.folder import Folder
from preflare.sun.line import Line
from preflare.sun.observation import Observation
from preflare.sun.simulation import files
from preflare.sun.simulation.source import Simulation

# The first is a raster, the second a sit-and-stare.
NAMES = ("PF_20140329_140938_3860258481", "AR_20150728_151849_3660109122")


@pytest.fixture(scope="module")
def source(simulate) -> Simulation:
    numbers = {"detector.lost": 0.02, "detector.dead_rows": 0.15, "detector.dusty_rows": 0.0, "programme.size": 300}
    return simulate(
        f"observations=[{','.join(NAMES)}]", *(f"simulation.{name}={value}" for name, value in numbers.items())
    )


@pytest.fixture(scope="module")
def written(source: Simulation, line: Line, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("level2")
    recordings = list(source.recordings(line))
    for recording in recordings:
        folder, new = files.write(recording, line, source.atom, source.detector, root)
        assert new and folder == root / recording.entry.id
    files.write_catalog([recording.entry for recording in recordings], root / "catalog.csv")
    return root


def through_files(source: Simulation, line: Line, written: Path, name: str) -> Observation:
    (found,) = Folder(str(written / name[3:]), source.window, str(written / "catalog.csv")).observations(line)
    return found


def test_both_modes_are_tried(source: Simulation, line: Line) -> None:
    assert {recording.schedule.mode for recording in source.recordings(line)} == {"raster", "sit-and-stare"}


@pytest.mark.parametrize("name", NAMES)
def test_ingested_files_give_the_same_shard(
    source: Simulation, line: Line, written: Path, tmp_path: Path, name: str
) -> None:
    direct = next(observation for observation in source.observations(line) if observation.header.name == name)
    one, _ = writing.write(tmp_path / "direct", direct)
    other, _ = writing.write(tmp_path / "files", through_files(source, line, written, name))
    first, second = Shard.open(one, line), Shard.open(other, line)
    assert second.truth == () and second.shape == first.shape
    for array in LAYOUT:
        expected, found = first.read(array), second.read(array)
        if array in ("phase", "quality", "time", "exposure"):
            assert np.array_equal(found, expected), array
        elif array == "position":
            assert np.allclose(found, expected, rtol=0, atol=1e-3)
        else:
            # The axis of a file is stated by its first wavelength and its step: the last digit of a weight may differ.
            assert np.allclose(found, expected, rtol=2e-5, atol=2e-5, equal_nan=True), array
    for key in ("id", "label", "origin", "start", "onset", "peak", "end", "window_start", "window_end"):
        assert getattr(second.header, key) == getattr(first.header, key), key
    for key in ("flare_class", "active_region", "number", "line"):
        assert getattr(second.header, key) == getattr(first.header, key), key
    assert second.header.settings["mode"] == first.header.settings["mode"]
    for key in ("steps", "exposure", "cadence", "mu"):
        assert second.header.settings[key] == pytest.approx(first.header.settings[key], rel=1e-3), key


def test_files_are_laid_out_as_in_the_archive(written: Path) -> None:
    paths = sorted((written / NAMES[0][3:]).glob("*_raster_*.fits"))
    assert len(paths) > 3 and paths[0].name == f"iris_l2_{NAMES[0][3:]}_raster_t000_r00000.fits"
    with fits.open(paths[0], do_not_scale_image_data=True) as hdus:
        raw = hdus[1].header
        assert hdus[1].data.dtype == np.dtype(">i2") and (raw["BSCALE"], raw["BZERO"]) == (0.25, 7992.0)
        assert hdus[0].header["TWMIN1"] == pytest.approx(raw["CRVAL1"])
        assert hdus[0].header["TWMAX1"] == pytest.approx(raw["CRVAL1"] + raw["CDELT1"] * (raw["NAXIS1"] - 1))
        assert hdus[2].data.shape == (raw["NAXIS3"], 47) and hdus[2].header["POFFYNUV"] == 45
        assert len(hdus[3].data) == raw["NAXIS3"]
    counts = fits.getdata(paths[0], 1)
    assert counts.min() == -200.0 and counts.max() <= 16183.75


@pytest.mark.real_data
def test_tables_have_the_columns_of_real_files(written: Path, real_data: Path) -> None:
    folder = written / NAMES[0][3:]
    for pattern, number in (("*_raster_*", -2), ("*_SJI_*", 1)):
        real = fits.getheader(sorted((real_data / "full_resolution").glob(f"{pattern}.fits"))[0], number)
        ours = fits.getheader(sorted(folder.glob(f"{pattern}.fits"))[0], number)
        columns = {key: value for key, value in ours.items() if isinstance(value, int) and key not in STRUCTURE}
        assert columns == {key: real[key] for key in columns}
        assert ours["NAXIS1"] == real["NAXIS1"]


STRUCTURE = ("SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "EXTEND")


def test_the_slit_jaw_film_shows_the_flare_where_the_spectra_do(source: Simulation, line: Line, written: Path) -> None:
    recording = next(recording for recording in source.recordings(line) if recording.entry.name == NAMES[0])
    (path,) = (written / NAMES[0][3:]).glob("*_SJI_2796_t000.fits")
    with fits.open(path) as hdus:
        header, film, table = hdus[0].header, hdus[0].data, hdus[1].data
        time = table[:, hdus[1].header["TIME"]]
    during = (time >= recording.schedule.peak - 120) & (time <= recording.schedule.peak + 240)
    glow = film[during].mean(axis=0) - film[time < recording.schedule.onset].mean(axis=0)
    row, column = np.unravel_index(glow.argmax(), glow.shape)
    x = header["CRVAL1"] + header["CDELT1"] * (column + 1 - header["CRPIX1"])
    y = header["CRVAL2"] + header["CDELT2"] * (row + 1 - header["CRPIX2"])
    assert np.hypot(*(np.array([x, y]) - recording.centre - recording.scene.footpoint)) < 6
    # Shown with the same brightenings: along the slit, film and spectra vary together.
    observation = next(o for o in source.observations(line) if o.header.name == NAMES[0])
    pairs = []
    for block in observation.blocks():
        for moment, light, quality in zip(block.time, block.intensity, block.quality, strict=True):
            image = int(np.abs(time - moment[0]).argmin())
            assert time[image] == moment[0]
            column = round(table[image, 4] - 1)
            pairs += list(zip(film[image][quality[0] == 0, column], light[0][quality[0] == 0], strict=True))
    assert np.corrcoef(np.log(np.array(pairs).T))[0, 1] > 0.8


@pytest.mark.slow
@pytest.mark.skipif(find_spec("irispy") is None, reason="irispy is not installed")
@pytest.mark.filterwarnings("ignore")
def test_irispy_reads_them(written: Path) -> None:
    from irispy.io import read_files

    for name in NAMES:
        folder = written / name[3:]
        paths = sorted(folder.glob("*_raster_*.fits"))
        raster = read_files(str(paths[0]))
        (window,) = raster.keys()
        assert np.array_equal(np.asarray(raster[window][0].data), fits.getdata(paths[0], 1))
        (path,) = folder.glob("*_SJI_*.fits")
        assert np.asarray(read_files(str(path)).data).shape == fits.getdata(path).shape


def test_the_catalog_reads_back(source: Simulation, line: Line, written: Path) -> None:
    read = {entry.name: entry for entry in catalog.read(written / "catalog.csv")}
    for recording in source.recordings(line):
        found, told = read[recording.entry.name], recording.entry
        for key in ("onset", "peak", "end", "flare_class", "active_region", "number"):
            assert getattr(found, key) == getattr(told, key)


def test_finished_observations_are_left_alone_and_others_refused(
    simulate, source: Simulation, line: Line, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = next(iter(source.recordings(line)))
    folder = written / recording.entry.id
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert files.write(recording, line, source.atom, source.detector, written) == (folder, False)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    other = next(iter(simulate(f"observations=[{NAMES[0]}]", "simulation.precursors=0").recordings(line)))
    with pytest.raises(ConfigError, match=r"these differ: .*simulation\.precursors"):
        files.write(other, line, source.atom, source.detector, written)


def test_a_killed_observation_leaves_nothing_that_looks_finished(
    simulate, line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = simulate(f"observations=[{NAMES[0]}]")
    (recording,) = source.recordings(line)

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(files, "film", fail)
        files.write(recording, line, source.atom, source.detector, tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / f".{recording.entry.id}.part").mkdir()  # what a power cut leaves
    assert files.write(recording, line, source.atom, source.detector, tmp_path)[1]
    assert [path.name for path in tmp_path.iterdir()] == [recording.entry.id]


def test_a_place_that_cannot_be_written_to_is_said(simulate, line: Line, tmp_path: Path) -> None:
    source = simulate(f"observations=[{NAMES[0]}]")
    (recording,) = source.recordings(line)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"No level-2 files can be written into .*file \(Not a directory\)"):
        files.write(recording, line, source.atom, source.detector, tmp_path / "file")
    with pytest.raises(ConfigError, match=r"No level-2 files can be written into .*data.root=DIR"):
        files.write_catalog([], tmp_path / "file" / "catalog.csv")
    (tmp_path / "root" / recording.entry.id).mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"no readable recipe\.json"):
        files.write(recording, line, source.atom, source.detector, tmp_path / "root")


def test_a_sit_and_stare_is_written_piece_by_piece(
    simulate, line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = simulate(f"observations=[{NAMES[1]}]")
    (recording,) = source.recordings(line)
    asked = []
    whole = recording.counts(np.arange(recording.times.size))[0]
    counts = type(recording).counts

    def watched(self: object, exposures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        asked.append(len(exposures))
        return counts(recording, exposures)

    monkeypatch.setattr(type(recording), "counts", watched)
    monkeypatch.setattr(files, "SPECTRA", 5 * recording.schedule.slit)
    folder, _ = files.write(recording, line, source.atom, source.detector, tmp_path)
    assert max(asked) == 5 and sum(asked) == recording.times.size
    (path,) = folder.glob("*_raster_*.fits")
    assert np.array_equal(fits.getdata(path, 1), whole)
