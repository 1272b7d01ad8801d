"""The verb ingest: from the command line to shards, and each bad input to one sentence and exit code 1."""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from preflare.data.shard import Shard
from preflare.model.quiet_mask import SHIPPED
from preflare.sun.observation import Phase
from preflare.sun.quality import Quality
from tests.sun import goes_files
from tests.sun.level2_files import Level2File, two_peaks

ID = "20140329_140938_3860258481"
CONF = Path(__file__).resolve().parents[1] / "conf"
RunVerb = Callable[..., int]


def write(path: Path, number: int = 0, **changes: object) -> Path:
    """A repeat of 3 steps of 4 pixels; one every 75 s."""
    time = 75.0 * number + 0.2 + 9.4 * np.arange(3)
    return Level2File(two_peaks(3, 4, seed=number), time, **changes).write(path)


@pytest.fixture
def rasters(tmp_path: Path) -> Path:
    for number in range(4):
        write(tmp_path / "rasters" / f"{number}.fits", number)
    return tmp_path / "rasters"


@pytest.fixture
def refused(verb: RunVerb, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., str]:
    """Runs ingest on a folder that it must refuse, and returns what it said."""

    def run(*arguments: str) -> str:
        assert verb("ingest", "source=folder", *arguments) == 1
        said = capsys.readouterr()
        assert said.out == "" and said.err.count("\n") == 1 and "Traceback" not in said.err
        assert not list(tmp_path.rglob("*.h5")) and not list(tmp_path.rglob("*.part"))
        return said.err

    return run


def test_a_folder_becomes_a_shard(
    verb: RunVerb, rasters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("ingest", "source=folder", f"source.path={rasters}", "window=all")
    assert verb(*arguments) == 0
    said = capsys.readouterr().out
    assert f"NA_{ID}" in said and "100.0" in said and "1 written: data/folder" in said
    path = tmp_path / "data" / "folder" / f"NA_{ID}.h5"
    before = path.read_bytes()
    assert Shard.open(path).shape == (4, 3, 4, 240)

    assert verb(*arguments) == 0
    assert "0 written, 1 already there: data/folder" in capsys.readouterr().out
    assert path.read_bytes() == before
    left = {item.name for item in tmp_path.iterdir()}
    assert left == {"data", "rasters"}, "a verb leaves its shards and nothing else"


def test_a_flare_of_ones_own(verb: RunVerb, rasters: Path, tmp_path: Path) -> None:
    code = verb(
        "ingest",
        "source=folder",
        f"source.path={rasters}",
        "window.label=PF",
        "window.onset=2014-03-29T14:12:30",
        "window.end=2014-03-29T14:13:30",
        f"data.root={tmp_path / 'own'}",
    )
    assert code == 0
    shard = Shard.open(tmp_path / "own" / f"PF_{ID}.h5")
    assert shard.header.onset == "2014-03-29T14:12:30.000"
    phase = shard.read("phase")
    assert (phase[:2] == Phase.PREFLARE).all() and (phase[3] == Phase.FLARE).any()


def test_another_window_into_the_same_folder_is_refused(
    verb: RunVerb, rasters: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = ("ingest", "source=folder", f"source.path={rasters}", "window=all")
    assert verb(*arguments) == 0
    capsys.readouterr()
    assert verb(*arguments, "window.minutes=2") == 1
    assert "is already there from another ingest; these differ: " in capsys.readouterr().err


def test_observations_by_name(verb: RunVerb, rasters: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = ("ingest", "source=folder", f"source.path={rasters}", "window=all")
    assert verb(*arguments, f"observations=[PF_{ID}]") == 1
    assert f"The source has no observation PF_{ID}." in capsys.readouterr().err
    assert verb(*arguments, f"observations=NA_{ID}") == 0


def test_the_simulation_is_the_default_and_takes_names(verb: RunVerb, tmp_path: Path) -> None:
    names = ["AR_20150728_151849_3660109122", f"PF_{ID}"]
    assert verb("ingest", "simulation=tiny", f"observations=[{','.join(names)}]") == 0
    assert sorted(path.stem for path in (tmp_path / "data" / "simulation").iterdir()) == names


def test_workers_write_the_same(verb: RunVerb, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    names = f"observations=[AR_20150728_151849_3660109122,PF_{ID}]"
    found = []
    for workers in (1, 2):
        root = tmp_path / str(workers)
        assert verb("ingest", "simulation=tiny", names, f"workers={workers}", f"data.root={root}") == 0
        found.append({path.name: Shard.open(path).digest for path in root.iterdir()})
    assert found[0] == found[1] and len(found[0]) == 2
    assert capsys.readouterr().out.count("2 written") == 2
    assert verb("ingest", "workers=0") == 1
    assert "workers is 0, expected a whole number of 1 or more" in capsys.readouterr().err


def test_help_names_every_choice(verb: RunVerb, capsys: pytest.CaptureFixture) -> None:
    assert verb("ingest", "--help") == 0
    page = capsys.readouterr().out
    for group in ("source", "simulation", "window", "line"):
        for choice in (CONF / group).glob("*.yaml"):
            assert f"{group}={choice.stem}" in page
    assert "python ingest.py source=folder source.path=DIR" in page


@pytest.mark.parametrize("argument", ["windw=all", "window.minuts=3", "+source.speed=1"])
def test_a_mistyped_key_is_named(verb: RunVerb, argument: str, capsys: pytest.CaptureFixture) -> None:
    assert verb("ingest", "source=folder", "source.path=.", argument) == 1
    assert argument.strip("+").split("=")[0].split(".")[-1] in capsys.readouterr().err


def test_flares_and_x_rays_around_it(
    verb: RunVerb, rasters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.csv").write_text("start,class,x,y\n2014-03-29T14:12:30,M1.0,490,280\n2014-03-29T14:13,M2.0,,\n")
    flux = np.full(1440, 1e-6)
    flux[14 * 60 + 13] = 1.5e-5
    goes_files.write(tmp_path / "goes", datetime(2014, 3, 29, tzinfo=UTC), flux)
    around = (f"source.flares={tmp_path / 'list.csv'}", f"source.goes={tmp_path / 'goes'}")
    arguments = ("ingest", "source=folder", f"source.path={rasters}", "window.label=PF", "catalog=own.csv", *around)
    (tmp_path / "own.csv").write_text(f"id,label\n{ID},PF\n")  # and no onset
    assert verb(*arguments) == 0
    assert "more M or X flares while it lasted: M2.0" in capsys.readouterr().err
    shard = Shard.open(tmp_path / "data" / "folder" / f"PF_{ID}.h5")
    assert (shard.header.onset, shard.header.flare_class) == ("2014-03-29T14:12:30.000", "M1.0")
    assert shard.has_goes and shard.header.settings["goes_factor"] == 0.7

    assert verb(*arguments[:-1]) == 1
    assert "from another ingest; these differ: goes." in capsys.readouterr().err
    with (tmp_path / "list.csv").open("a") as file:
        file.write("2014-03-29T14:13:30,C4.0,,\n")
    assert verb(*arguments) == 1
    assert "from another ingest; these differ: flares. Choose another folder" in capsys.readouterr().err
    assert verb(*arguments[:3], "window.label=AR", *around, "data.root=other") == 1
    said = capsys.readouterr().err
    assert f"AR_{ID} is AR, but by the flare list an M or X flare occurred while it lasted: M1.0 at" in said
    assert not (tmp_path / "other").exists()


# Bad input.


def test_no_path(refused: Callable[..., str]) -> None:
    assert "Add source.path=DIR" in refused()


def test_a_folder_without_rasters(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "holds no level-2 raster" in refused(f"source.path={tmp_path}")


def test_a_bare_id(refused: Callable[..., str], rasters: Path) -> None:
    said = refused(f"source.path={rasters}", "window=all", f"observations=[{ID}]")
    assert "a bare id is read as an integer" in said


def test_cut_short(refused: Callable[..., str], rasters: Path) -> None:
    path = rasters / "2.fits"
    path.write_bytes(path.read_bytes()[:30000])
    assert "2.fits is cut short" in refused(f"source.path={rasters}", "window=all")


def test_not_iris(refused: Callable[..., str], rasters: Path) -> None:
    write(rasters / "x.fits", 9, primary={"TELESCOP": "HINODE"})
    assert "x.fits is not from IRIS: TELESCOP is HINODE" in refused(f"source.path={rasters}", "window=all")


def test_windows_that_do_not_cover_the_line(refused: Callable[..., str]) -> None:
    irispy = find_spec("irispy")  # to import it takes seconds
    if irispy is None or irispy.origin is None:
        pytest.skip("irispy-lmsal, a development dependency, is not installed")
    folder = Path(irispy.origin).parent / "data" / "test" / "sns"
    said = refused(f"source.path={folder}", "window=all")
    assert "does not cover Mg II h&k, 2794.14 to 2805.72 Å" in said


def test_all_pixels_missing(refused: Callable[..., str], tmp_path: Path) -> None:
    file = Level2File(np.full((3, 4, 280), -200.0), np.arange(3.0))
    file.write(tmp_path / "rasters" / "0.fits")
    assert "every pixel is missing" in refused(f"source.path={tmp_path / 'rasters'}", "window=all")


def test_two_observations(refused: Callable[..., str], rasters: Path) -> None:
    write(rasters / "x.fits", 9, obsid="3600000000")
    assert "Rasters of two observations" in refused(f"source.path={rasters}", "window=all")


def test_pf_without_an_onset(refused: Callable[..., str], tmp_path: Path) -> None:
    # In the catalog, its flare unknown.
    write(tmp_path / "rasters" / "0.fits", start="2015-03-12T05:45:19.5", obsid="3860107053")
    said = refused(f"source.path={tmp_path / 'rasters'}")
    assert "PF_20150312_054519_3860107053 is PF but its flare onset is unknown" in said


def test_an_onset_before_the_start(refused: Callable[..., str], rasters: Path) -> None:
    said = refused(f"source.path={rasters}", "window.label=PF", "window.onset=2014-03-29T12:00")
    assert "nothing was recorded before the flare" in said


def test_an_observation_that_nobody_knows(refused: Callable[..., str], tmp_path: Path) -> None:
    write(tmp_path / "rasters" / "0.fits", obsid="3600000000")
    assert "The catalog has no observation" in refused(f"source.path={tmp_path / 'rasters'}")


def test_a_catalog_that_cannot_be_read(refused: Callable[..., str], rasters: Path, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("name\nx\n")
    assert "expected label, id" in refused(f"source.path={rasters}", f"catalog={tmp_path / 'own.csv'}")


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("line.rules.low_signal=abc", "line.rules.low_signal is 'abc', expected a number of DN/s of 0 or more."),
        ("line.rules.low_signal=-5", "line.rules.low_signal is -5, expected a number of DN/s of 0 or more."),
        ("line.rules.core_ratio=[3]", "line.rules.core_ratio is [3], expected two increasing numbers above 0"),
        ("line.rules.overexposed_run=300", "line.rules.overexposed_run is 300, expected at most the line's 240 points"),
        ("window.minutes=abc", "window.minutes is 'abc', expected a number of minutes above 0"),
        ("window.margin=abc", "window.margin is 'abc', expected a number of minutes from 0 to 1440."),
        ("source.path=5", "source.path is 5, expected the path of a file or folder, as text: ./5."),
        ("observations=[]", "observations is [], expected names, or null for all there are."),
        ("data.root=''", "data.root is '', expected the path of a file or folder"),
        ("data.root=rasters/0.fits", "No shard can be written into rasters/0.fits (it is a file, or below one)."),
        ("data.root=rasters/0.fits/x", "No shard can be written into rasters/0.fits/x (it is a file, or below one)."),
    ],
)
def test_values_that_cannot_be_meant(
    refused: Callable[..., str], rasters: Path, tmp_path: Path, argument: str, sentence: str
) -> None:
    assert refused(f"source.path={rasters}", "window=all", argument).startswith(sentence)
    assert [item.name for item in tmp_path.iterdir()] == ["rasters"]


def test_a_refusal_leaves_no_folder(refused: Callable[..., str], tmp_path: Path) -> None:
    Level2File(np.full((3, 4, 280), -200.0), np.arange(3.0)).write(tmp_path / "rasters" / "0.fits")
    refused(f"source.path={tmp_path / 'rasters'}", "window=all")
    assert [item.name for item in tmp_path.iterdir()] == ["rasters"]


def test_another_flare_has_not_the_class_of_the_catalogs(verb: RunVerb, rasters: Path, tmp_path: Path) -> None:
    arguments = ("ingest", "source=folder", f"source.path={rasters}", "window.label=PF")
    assert verb(*arguments, "window.onset=2014-03-29T14:14") == 0
    header = Shard.open(tmp_path / "data" / "folder" / f"PF_{ID}.h5").header
    assert (header.flare_class, header.peak, header.end) == ("", "", "")
    assert header.number == 4, "the observation is still the catalog's"


def test_a_catalog_that_is_not_read(verb: RunVerb, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verb("ingest", "simulation=tiny", "catalog=/nowhere.csv") == 1
    said = capsys.readouterr().err
    assert said.startswith("catalog=/nowhere.csv is given, but this source does not read a catalog.")
    assert not list(tmp_path.iterdir())


def test_two_origins_in_a_folder(
    verb: RunVerb, rasters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verb("ingest", "source=folder", f"source.path={rasters}", "window=all", "data.root=shards") == 0
    capsys.readouterr()
    assert verb("ingest", "simulation=tiny", f"observations=PF_{ID}", "data.root=shards") == 1
    said = capsys.readouterr().err
    assert f"shards holds shards of origin level2 (NA_{ID}.h5), PF_{ID} is of origin simulation." in said
    assert [path.name for path in (tmp_path / "shards").iterdir()] == [f"NA_{ID}.h5"]


# Real files.


@pytest.mark.real_data
def test_real_files(verb: RunVerb, real_data: Path, tmp_path: Path) -> None:
    assert verb("ingest", "source=folder", f"source.path={real_data / 'full_resolution'}", "window=all") == 0
    shard = Shard.open(tmp_path / "data" / "folder" / f"NA_{ID}.h5")
    assert shard.shape == (1, 3, 1094, 240)
    spectra, quality, time = shard.read("spectra"), shard.read("quality"), shard.read("time")
    with fits.open(next((real_data / "full_resolution").glob("*raster*.fits"))) as hdus:
        window, table = hdus[3], hdus[4]
        np.testing.assert_array_equal(time[0], table.data[:, table.header["TIME"]])
        axis = window.header["CRVAL1"] + window.header["CDELT1"] * np.arange(window.header["NAXIS1"])
        exposure = table.data[:, table.header["EXPTIMEN"]]
        for step, slit in np.argwhere(quality[0] == 0):
            counts = window.data[step, slit].astype(np.float64) / exposure[step]
            flux = np.interp(shard.header.wavelength, axis, counts)
            np.testing.assert_allclose(spectra[0, step, slit], flux / flux.max(), rtol=0, atol=1e-5)
    assert 0.9 < (quality & ~np.uint16(Quality.HIGH_CONTINUUM) == 0).mean() < 0.98
    inside = (axis_of := shard.header.wavelength) >= 2799.71
    continuum = spectra[..., inside & (axis_of <= 2800.15)].mean(axis=-1)
    whole = quality & Quality.MISSING == 0
    np.testing.assert_array_equal(continuum[whole] >= 0.4, quality[whole] & Quality.HIGH_CONTINUUM != 0)
    assert not (quality & (Quality.OFF_LIMB | Quality.QUIET_SUN)).any()


@pytest.mark.real_data
def test_real_repeats(verb: RunVerb, real_data: Path, tmp_path: Path) -> None:
    code = verb(
        "ingest",
        "source=folder",
        f"source.path={real_data / 'coarse'}",
        "window=all",
        f"data.root={tmp_path / 'coarse'}",
    )
    assert code == 0
    shard = Shard.open(tmp_path / "coarse" / f"NA_{ID}.h5")
    assert shard.shape == (4, 8, 109, 240)
    assert (np.diff(shard.read("time").ravel()) > 0).all()
    assert shard.header.settings["cadence"] == pytest.approx(74.9, abs=0.1)


def test_the_simulated_sun_as_files_goes_the_way_of_real_files(
    verb: RunVerb, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verb("ingest", "simulation=tiny", "simulation.format=fits", f"observations=[PF_{ID}]") == 0
    root = Path("data/simulation/fits")
    assert "1 written as level-2 files: data/simulation/fits" in capsys.readouterr().out
    source = ("source=folder", f"source.path={root / ID}", f"catalog={root / 'catalog.csv'}", "data.root=shards")
    assert verb("ingest", *source) == 0
    shard = Shard.open(tmp_path / "shards" / f"PF_{ID}.h5")
    # A simulated file never becomes a real observation.
    assert shard.header.origin == "simulation" and Phase.FLARE in shard.read("phase")


@pytest.mark.parametrize("form", ["fits", "muse"])
def test_files_are_written_by_one_process(verb: RunVerb, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verb("ingest", "simulation=tiny", f"simulation.format={form}", "workers=2") == 1
    said = capsys.readouterr()
    assert said.err.startswith(f"workers=2 is given, but files of simulation.format={form} are written by one process")
    assert said.out == "" and not Path("data").exists()


# Quiet Sun.


def test_simulated_shards_are_flagged_and_stay_so(
    verb: RunVerb, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A region of which a third is quiet.
    name = "AR_20141201_154438_3800008053"
    arguments = ("ingest", "simulation=tiny", f"observations=[{name}]", "data.root=shards")
    path = tmp_path / "shards" / f"{name}.h5"
    assert verb(*arguments) == 0
    first = Shard.open(path)
    assert first.quiet_sun["trained_on"] == "simulation" and "reconstruction_error" not in first.truth
    flags = first.read("quality") & Quality.QUIET_SUN != 0
    assert np.array_equal(flags, first.read("reconstruction_error") <= first.quiet_sun["threshold"]) and flags.any()
    assert "quiet" in capsys.readouterr().out

    # A run of one's own takes its place; neither it nor another ingest undoes the other.
    apply = ("ingest", f"quiet_sun={SHIPPED}", "data.root=shards")
    assert verb(*apply, "quiet_threshold=weak") == 0
    assert "1 flagged by an error of at most 0.5, 0 left as they were: shards" in capsys.readouterr().out
    assert verb(*apply, "quiet_threshold=weak") == 0
    assert "0 flagged by an error of at most 0.5, 1 left as they were: shards" in capsys.readouterr().out
    assert verb(*arguments) == 0
    assert "0 written, 1 already there" in capsys.readouterr().out
    assert Shard.open(path).quiet_sun["threshold"] == 0.5
    assert verb(*apply) == 0 and Shard.open(path).digest == first.digest


def test_real_shards_are_not_flagged_unless_a_run_is_named(
    verb: RunVerb, rasters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verb("ingest", "source=folder", f"source.path={rasters}", "window=all", "data.root=shards") == 0
    path = tmp_path / "shards" / f"NA_{ID}.h5"
    assert "QUIET_SUN is not set: " in capsys.readouterr().out and not Shard.open(path).quiet_sun
    apply = ("ingest", f"quiet_sun={SHIPPED}", "data.root=shards")
    before = path.read_bytes()
    assert verb(*apply) == 1
    said = capsys.readouterr().err
    assert "holds real spectra, the autoencoder in shipped was trained on the simulated Sun" in said
    assert said.count("\n") == 1 and path.read_bytes() == before
    assert verb(*apply, "allow_simulated=true") == 0
    assert Shard.open(path).quiet_sun["trained_on"] == "simulation"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("quiet_sun=nowhere", "data.root=shards"),
            "There is no run folder nowhere. Train one with: python train.py experiment=quiet_sun",
        ),
        (("quiet_sun=true", "data.root=shards"), "quiet_sun is true, expected the path of a file or folder"),
        (("quiet_threshold=strong",), "quiet_threshold is given, but no quiet_sun=RUN that would use it"),
        (("allow_simulated=true",), "allow_simulated is given, but no quiet_sun=RUN"),
        (
            (f"quiet_sun={SHIPPED}", "source=folder", "source.path=rasters", "data.root=shards"),
            "source.path=rasters is given beside quiet_sun=, which flags the shards in data.root=shards",
        ),
        ((f"quiet_sun={SHIPPED}", "workers=2"), "workers=2 is given, but quiet Sun is flagged by one process"),
        ((f"quiet_sun={SHIPPED}", "data.root=nothing"), "No shards at nothing"),
        ((f"quiet_sun={SHIPPED}", "quiet_threshold=mild"), "quiet_threshold is 'mild', expected weak, medium, strong"),
    ],
)
def test_a_mask_that_cannot_be_applied(
    verb: RunVerb, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verb("ingest", *arguments) == 1
    assert said in capsys.readouterr().err
