"""From an observation's name to its shard by way of a local server that serves the archive's paths."""

import errno
import gzip
import io
import json
import math
import shutil
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from preflare.command import CONF
from preflare.data.shard import Shard
from preflare.errors import FlareError
from preflare.sun.archive import Archive
from preflare.sun.line import Line
from tests.sun import hek_server
from tests.sun.archive_server import Server, serve
from tests.sun.level2_files import Level2File, two_peaks

ID = "20140329_140938_3860258481"
NAME = f"PF_{ID}"
RASTER = f"iris_l2_{ID}_raster.tar.gz"
SLIT_JAW = f"iris_l2_{ID}_SJI_2796_t000.fits.gz"
AIA = f"iris_l2_{ID}_SDO.tar.gz"
RunVerb = Callable[..., int]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """An archive of one observation: four repeats before the flare, a slit-jaw film, an AIA cube."""
    where = tmp_path / "served" / "level2_compressed" / "2014" / "03" / "29" / ID
    where.mkdir(parents=True)
    with tarfile.open(where / RASTER, "w:gz", compresslevel=1) as tar:
        for number in range(4):
            time = 10800.0 + 300.0 * number + np.array([0.0, 9.4])
            file = Level2File(two_peaks(2, 4, seed=number), time).write(tmp_path / "made" / f"{number}.fits")
            tar.add(file, file.name)
    (where / SLIT_JAW).write_bytes(gzip.compress(b"a film"))
    pack(where / AIA, {"aia_l2_171.fits": b"a cube"})
    with serve(tmp_path / "served") as server:
        yield server


def pack(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


@pytest.fixture
def ingest(verb: RunVerb, server: Server) -> Callable[..., int]:
    def run(*arguments: str) -> int:
        if not any(argument.startswith("observations=") for argument in arguments):
            arguments = (f"observations=[{NAME}]", *arguments)
        polite = ("source.pause=0", "source.tries=2", "source.cache=cache")
        return verb("ingest", "source=archive", f"source.base={server.url}/", *polite, *arguments)

    return run


@pytest.fixture
def refused(ingest: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., str]:
    """Runs an ingest that must be refused; returns the last thing that it said."""

    def run(*arguments: str) -> str:
        assert ingest(*arguments) == 1
        said = capsys.readouterr().err
        assert "Traceback" not in said and not list((tmp_path / "data").rglob("*.h5"))
        return said.splitlines()[-1]

    return run


def served(server: Server, name: str) -> Path:
    return next(server.root.rglob(name))


def test_a_name_becomes_a_shard(
    ingest: Callable[..., int], server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ingest() == 0
    said = capsys.readouterr()
    assert "To download: " in said.err and "of 1 observation, about 1 min at 5 MB/s, into cache" in said.err
    raster, film, cube = (served(server, file).stat().st_size for file in (RASTER, SLIT_JAW, AIA))
    assert f"To download: {math.ceil((raster + film + cube) / 1024)} KiB of" in said.err
    assert f"images take about {math.ceil((raster + 2.6 * cube) / 1024)} KiB more." in said.err
    assert "1 written: data/archive" in said.out
    shard = Shard.open(tmp_path / "data" / "archive" / f"{NAME}.h5")
    assert shard.shape == (4, 2, 4, 240)
    cache = tmp_path / "cache" / ID
    assert sorted(path.name for path in cache.iterdir()) == sorted([RASTER, SLIT_JAW, AIA, "SDO", "archive.json"])
    assert (cache / "SDO" / "aia_l2_171.fits").read_bytes() == b"a cube"
    record = json.loads((cache / "archive.json").read_text())["files"]
    assert record[RASTER] == {"bytes": served(server, RASTER).stat().st_size, "blake3": shard.header.sources[RASTER]}
    assert record[f"iris_l2_{ID}_SJI_1330_t000.fits.gz"]["bytes"] is None

    server.asked.clear()
    assert ingest() == 0
    said = capsys.readouterr()
    assert "0 written, 1 already there" in said.out and "To download" not in said.err
    assert server.gets == [] and not {RASTER, SLIT_JAW, AIA} & {name for _, name, _ in server.asked}
    assert len(server.asked) == 3, "only what the archive lacked is asked for again"


def test_the_same_as_from_a_folder(ingest: Callable[..., int], verb: RunVerb, server: Server, tmp_path: Path) -> None:
    assert ingest("source.images=false") == 0
    assert not any("SJI" in name or "SDO" in name for _, name, _ in server.asked)
    assert verb("ingest", "source=folder", f"source.path={served(server, RASTER)}") == 0
    one, other = (Shard.open(tmp_path / "data" / source / f"{NAME}.h5") for source in ("archive", "folder"))
    assert one.digest == other.digest


def test_a_broken_transfer_is_gone_on_with_by_the_next_command(
    refused: Callable[..., str], ingest: Callable[..., int], server: Server, tmp_path: Path
) -> None:
    size = served(server, RASTER).stat().st_size
    server.breaks = [size // 2]
    said = refused("source.tries=1")
    assert RASTER in said and "give the same command again" in said
    (part,) = (tmp_path / "cache" / ID).glob(f".{RASTER}.*.part")
    assert part.stat().st_size == size // 2
    assert ingest() == 0
    assert (tmp_path / "cache" / ID / RASTER).read_bytes() == served(server, RASTER).read_bytes()
    assert ("GET", RASTER, f"bytes={size // 2}-") in server.asked


def test_an_observation_that_the_archive_lacks(refused: Callable[..., str], server: Server) -> None:
    said = refused("observations=[PF_20140910_112825_3860259453]")
    assert said.startswith(f"There is no {server.url}/level2_compressed/2014/09/10/20140910_112825_3860259453/")
    assert "(404): the archive has no rasters of PF_20140910_112825_3860259453" in said


def test_a_page_instead_of_a_tarball(refused: Callable[..., str], server: Server, tmp_path: Path) -> None:
    served(server, RASTER).write_text("<html>Please log in.</html>")
    assert "_raster.tar.gz is a web page (HTML), expected a packed file." in refused()
    assert not (tmp_path / "cache" / ID / RASTER).exists()


def test_another_checksum_than_recorded(
    refused: Callable[..., str], ingest: Callable[..., int], tmp_path: Path
) -> None:
    assert ingest("data.root=elsewhere") == 0
    cache = tmp_path / "cache" / ID
    record = json.loads((cache / "archive.json").read_text())
    record["files"][RASTER]["blake3"] = "0" * 64
    (cache / "archive.json").write_text(json.dumps(record))
    assert "expected 000000000000...: it was changed, or damaged on its way" in refused()
    assert (cache / RASTER).exists(), "what is there stays until something better has come"
    (cache / RASTER).unlink()
    assert "expected 000000000000...: it was changed, or damaged on its way" in refused()
    assert not (cache / RASTER).exists()


def test_a_kill_before_the_checksum_is_noted(
    ingest: Callable[..., int], server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ingest("data.root=elsewhere") == 0
    note = tmp_path / "cache" / ID / "archive.json"
    before, came = note.read_text(), len(server.gets)
    record = json.loads(before)
    for file in (RASTER, AIA, SLIT_JAW):
        record["files"][file]["blake3"] = None
    note.write_text(json.dumps(record))
    capsys.readouterr()
    assert ingest() == 0
    assert note.read_text() == before and len(server.gets) == came
    assert "fetched again" not in capsys.readouterr().err


def flip(path: Path) -> None:
    """One byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def end_otherwise(path: Path) -> None:
    """A change that a reader of the tarball does not see: the packing time."""
    content = bytearray(path.read_bytes())
    content[4] ^= 255
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (flip, "was changed or damaged since it was downloaded"),
        (end_otherwise, "was changed or damaged since it was downloaded"),
        (cut_short, "is not as large as when it was downloaded"),
    ],
)
def test_a_file_that_was_damaged_in_the_cache_is_fetched_again(
    ingest: Callable[..., int],
    server: Server,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Path], None],
    reason: str,
) -> None:
    assert ingest("data.root=elsewhere") == 0
    path = tmp_path / "cache" / ID / RASTER
    damage(path)
    capsys.readouterr()
    assert ingest() == 0
    assert f"cache/{ID}/{RASTER} {reason}, so it is fetched again." in capsys.readouterr().err
    assert path.read_bytes() == served(server, RASTER).read_bytes()
    assert server.gets.count(RASTER) == 2 and server.gets.count(AIA) == 1


def test_images_that_were_damaged_before_they_were_unpacked(
    ingest: Callable[..., int], server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ingest("data.root=elsewhere") == 0
    cache = tmp_path / "cache" / ID
    shutil.rmtree(cache / "SDO")
    flip(cache / AIA)
    assert ingest() == 0
    assert f"{AIA} was changed or damaged since" in capsys.readouterr().err
    assert (cache / "SDO" / "aia_l2_171.fits").read_bytes() == b"a cube"


def test_a_disk_that_is_full_while_images_are_unpacked(
    refused: Callable[..., str], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("preflare.sun.archive.tarball.extract", full)
    said = refused()
    assert f"{AIA} cannot be unpacked into cache/{ID}/SDO ([Errno 28] No space left on device). Make room" in said
    assert server.gets.count(AIA) == 1


@pytest.mark.parametrize("name", ["../../evil.fits", "/tmp/evil.fits"])
@pytest.mark.parametrize("file", [RASTER, AIA])
def test_a_tarball_that_reaches_outside(
    refused: Callable[..., str], server: Server, tmp_path: Path, name: str, file: str
) -> None:
    if name.startswith("/"):
        # An absolute name loses its slash, as tar does it; a link does not become harmless.
        path = served(server, file)
        with tarfile.open(path, "w:gz") as tar:
            link = tarfile.TarInfo("inside.fits")
            link.type, link.linkname = tarfile.SYMTYPE, name
            tar.addfile(link)
    else:
        pack(served(server, file), {"fine.fits": b"", name: b"evil"})
    assert f"{file} is not safe to unpack" in refused()
    assert not (tmp_path / "cache" / ID / file).exists()
    assert not list(tmp_path.rglob("evil.fits")) and not list(tmp_path.rglob("fine.fits"))


def test_a_tarball_that_is_none(refused: Callable[..., str], server: Server) -> None:
    served(server, RASTER).write_bytes(gzip.compress(b"no tar in here" * 100))
    assert f"{RASTER} is no whole tarball" in refused()


@pytest.mark.parametrize("rate", [1.1, 1.9])
def test_no_room(refused: Callable[..., str], server: Server, monkeypatch: pytest.MonkeyPatch, rate: float) -> None:
    """Room for the download alone is not enough: a shard is about as large."""
    free = int(rate * served(server, RASTER).stat().st_size)
    monkeypatch.setattr("preflare.sun.archive.shutil.disk_usage", lambda path: type("Disk", (), {"free": free}))
    said = refused("source.images=false")
    assert "are to be downloaded, and shards and unpacked images take about" in said and "but cache has" in said
    assert server.gets == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([f"observations=[AR_{ID}]"], f"AR_{ID} is PF by the catalog or the window. Ask for PF_{ID}."),
        (["observations=[PF_20150312_054519_3860107053]"], "is PF but its flare onset is unknown. Give it as"),
        (["observations=[PF_20240510_060000_3600000000]"], "The catalog has no observation 20240510_060000_3600000000"),
        (["source.base=ftp://x"], "source.base is 'ftp://x', expected a URL with http:// or https://."),
        (["source.tries=0"], "source.tries is 0, expected a whole number of 1 or more."),
        (["source.images=no"], "source.images is 'no', expected true or false."),
        (["source.images=maybe"], "source.images is 'maybe', expected true or false."),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_asked(
    refused: Callable[..., str], server: Server, arguments: list[str], sentence: str
) -> None:
    assert sentence in refused(*arguments)
    assert server.asked == []


def test_the_whole_catalog_says_what_is_missing_and_goes_on(
    ingest: Callable[..., int], server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ingest("observations=null", "source.images=false") == 0
    said = capsys.readouterr()
    left = [line for line in said.err.splitlines() if line.startswith("Left out: ")]
    # Seven without an onset, and all but one of the others, which this archive lacks.
    assert left[0].startswith("Left out: 7 PF whose flare onset is unknown: PF_20140612_110933_3863605329, PF_")
    assert "source.resolve=hek" in left[0] and len(left) == 30
    assert sum("(404): the archive has no rasters of" in line for line in left) == 29
    assert "1 written: data/archive" in said.out

    (tmp_path / "list.csv").write_text("start,class\n2014-03-29T17:34,M9.0\n")
    assert ingest("observations=null", "source.images=false", "source.flares=list.csv", "data.root=two") == 0
    said = capsys.readouterr()
    assert "7 onsets that the catalog lacks are looked up: PF_20140612_110933_3863605329, " in said.err
    assert Shard.open(tmp_path / "two" / f"{NAME}.h5").header.flare_class == "M9.0"


def test_of_the_whole_catalog_one_that_cannot_be_cut_is_left_out(
    ingest: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is an error all the same if nothing is left."""
    (tmp_path / "own.csv").write_text(f"id,label\n{ID},AR\n")
    (tmp_path / "list.csv").write_text("start,class\n2014-03-29T15:00,M9.0\n")
    arguments = ("source.flares=list.csv", "catalog=own.csv", "source.images=false", "window.minutes=null")
    assert ingest("observations=null", *arguments) == 1
    said = capsys.readouterr().err
    assert said.splitlines()[-1].startswith("No observation is left to ingest.")
    assert f"Left out: AR_{ID} is AR, but by the flare list an M or X flare occurred while it lasted" in said
    assert ingest("observations=null", *arguments, f"source.allow=[AR_{ID}]") == 0
    assert (tmp_path / "data" / "archive" / f"AR_{ID}.h5").exists()


OTHER = "20140910_112825_3860259453"


@pytest.fixture
def two(server: Server, tmp_path: Path) -> Path:
    """The archive has a second observation of the catalog, of which nothing but a page comes; returns its raster."""
    path = server.root / "level2_compressed" / "2014" / "09" / "10" / OTHER / f"iris_l2_{OTHER}_raster.tar.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"<html>Under repair.</html>")
    return path


def test_of_the_whole_catalog_one_that_does_not_come_ends_nothing(
    ingest: Callable[..., int], two: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ingest("observations=null", "source.images=false") == 1
    said = capsys.readouterr()
    assert "1 written: data/archive" in said.out and (tmp_path / "data" / "archive" / f"{NAME}.h5").exists()
    assert f"{two.name} is a web page (HTML), expected a packed file." in said.err
    assert said.err.splitlines()[-1] == (
        f"1 of the catalog did not come or could not be looked up, for the reasons above: PF_{OTHER}. "
        "Give the same command again: it goes on with them."
    )


def test_of_the_whole_catalog_one_that_cannot_be_looked_up_ends_nothing(
    ingest: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def deaf(*_: object) -> None:
        raise FlareError("HEK could not be asked for now to then. Check the network.")

    monkeypatch.setattr("preflare.sun.surroundings.hek.check_reachable", lambda *_: None)
    monkeypatch.setattr("preflare.sun.surroundings.hek.flares", deaf)
    assert ingest("observations=null", "source.images=false", "source.resolve=hek") == 1
    said = capsys.readouterr().err
    assert f"Left out: {NAME}: HEK could not be asked" in said
    assert ingest("source.images=false", "source.resolve=hek") == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("HEK could not be asked")


def test_a_flare_list_that_cannot_be_read_is_refused_before_anything_is_asked(
    refused: Callable[..., str], server: Server, tmp_path: Path
) -> None:
    (tmp_path / "list.csv").write_text("start,class\n2014-03-29T17:34,X-1\n")
    assert "list.csv, line 2, cannot be read: 'X-1' is no GOES class" in refused("source.flares=list.csv")
    assert server.asked == []


def test_without_a_network(verb: RunVerb, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serve(tmp_path) as server:
        pass
    arguments = (f"source.base={server.url}", "source.tries=1", f"observations={NAME}")
    assert verb("ingest", "source=archive", *arguments) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    host = server.url.removeprefix("http://")
    assert said.err.startswith(f"{host} cannot be reached (it refuses the connection). Check the network")
    assert list(tmp_path.iterdir()) == []


def test_of_the_whole_catalog_without_a_network(
    verb: RunVerb, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends at the first of 37 observations, untried again."""
    monkeypatch.setattr("preflare.sun.transfer.time.sleep", lambda seconds: seconds and pytest.fail("waited"))
    with serve(tmp_path) as server:
        pass
    assert verb("ingest", "source=archive", f"source.base={server.url}") == 1
    said = capsys.readouterr().err
    assert "cannot be reached (it refuses the connection)" in said.splitlines()[-1]
    assert said.count("cannot be reached") == 1 and "No observation is left" not in said


def test_what_is_there_needs_no_network(
    ingest: Callable[..., int], verb: RunVerb, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ingest() == 0
    capsys.readouterr()
    with serve(tmp_path) as nobody:
        pass
    assert ingest(f"source.base={nobody.url}", "data.root=elsewhere") == 0
    said = capsys.readouterr().err
    assert said.count("What the archive lacked the last time was not asked for again: 127.0.0.1") == 1


def test_a_server_under_repair(
    refused: Callable[..., str], ingest: Callable[..., int], server: Server, tmp_path: Path
) -> None:
    """Nothing of its pages is believed, so all is well once it is back."""
    server.repair = True
    assert "_raster.tar.gz is a web page (HTML), expected a packed file." in refused()
    server.repair = False
    raster = served(server, RASTER).read_bytes()
    served(server, RASTER).write_text("<html>Under repair.</html>")
    assert "_raster.tar.gz is a web page (HTML), expected a packed file." in refused()
    served(server, RASTER).write_bytes(raster)
    assert ingest() == 0
    assert (tmp_path / "cache" / ID / RASTER).read_bytes() == raster


def test_sizes_that_an_older_record_has_wrong(ingest: Callable[..., int], server: Server, tmp_path: Path) -> None:
    cache = tmp_path / "cache" / ID
    cache.mkdir(parents=True)
    (cache / "archive.json").write_text(json.dumps({"files": {RASTER: {"bytes": 25, "blake3": None}}}))
    assert ingest() == 0
    assert (cache / RASTER).read_bytes() == served(server, RASTER).read_bytes()


@pytest.mark.parametrize("file", [SLIT_JAW, AIA, RASTER])
def test_a_file_that_is_damaged_on_its_way(
    refused: Callable[..., str], ingest: Callable[..., int], server: Server, tmp_path: Path, file: str
) -> None:
    sound = served(server, file).read_bytes()
    flip(served(server, file))
    said = refused()
    assert f"{file} is " in said and "so it was deleted. Give the command again" in said
    cache = tmp_path / "cache" / ID
    assert not (cache / file).exists()
    assert file not in json.loads((cache / "archive.json").read_text())["files"]
    served(server, file).write_bytes(sound)
    assert ingest() == 0
    assert (cache / file).read_bytes() == sound


def test_a_film_that_is_gone_for_a_moment_is_asked_for_again(
    ingest: Callable[..., int], server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = served(server, SLIT_JAW)
    away = film.rename(film.with_name("away"))
    assert ingest() == 0
    said = f"{NAME}: the archive has no SJI_1330_t000, SJI_1400_t000, SJI_2796_t000, SJI_2832_t000 (404). The next"
    assert said in capsys.readouterr().err
    away.rename(film)
    assert ingest() == 0
    assert (tmp_path / "cache" / ID / SLIT_JAW).read_bytes() == film.read_bytes()


def test_a_command_that_is_interrupted(
    ingest: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("preflare.sun.archive.Web.fetch", interrupt)
        assert ingest() == 130
    said = capsys.readouterr().err
    assert said.splitlines()[-1] == "Stopped. The same command goes on with what is missing."
    assert "Traceback" not in said
    assert ingest() == 0


def test_two_commands_on_one_cache(server: Server, tmp_path: Path) -> None:
    """The second waits for what the first gets."""
    going, told = threading.Event(), []

    def get(first: bool) -> None:
        files = archive(server, tmp_path)

        @contextmanager
        def watch(name: str, size: int) -> Iterator[Callable[[int], None]]:
            going.set()
            time.sleep(0.3)
            yield lambda count: None

        files.watch = watch
        if not first:
            going.wait(10)
        told.append([one.header.name for one in files.observations(line())])

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(get, True), pool.submit(get, False)]:
            done.result(30)
    assert told == [[NAME], [NAME]] and sorted(server.gets) == sorted([RASTER, SLIT_JAW, AIA])
    cache = tmp_path / "cache" / ID
    assert sorted(path.name for path in cache.iterdir()) == sorted([RASTER, SLIT_JAW, AIA, "SDO", "archive.json"])


def line() -> Line:
    return instantiate(OmegaConf.load(CONF / "line" / "mg_ii.yaml"))


def archive(server: Server, tmp_path: Path) -> Archive:
    window = instantiate(OmegaConf.load(CONF / "window" / "paper.yaml"))
    rest = dict.fromkeys(("catalog", "resolve", "flares", "goes", "allow", "saa"))
    return Archive(server.url, str(tmp_path / "cache"), True, 2, 0.0, [NAME], window, **rest, correct_zero_point=False)


# HEK and GOES are asked for an hour before gigabytes come.


def test_hek_is_asked_before_anything_is_downloaded(
    refused: Callable[..., str], ingest: Callable[..., int], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [hek_server.flare("2014-03-29T17:35:00", "X1.0", 509, 266, 12017)]
    with hek_server.hek(rows) as (url, _):
        monkeypatch.setattr("preflare.sun.hek.URL", url)
    assert refused("source.resolve=hek").startswith("HEK could not be asked for 2014-03-29T14:09:38.000")
    assert server.asked == []
    with hek_server.hek(rows) as (url, _):
        monkeypatch.setattr("preflare.sun.hek.URL", url)
        assert ingest("source.resolve=hek") == 0
    assert ingest("source.resolve=hek", "data.root=elsewhere") == 0, "what is there needs no HEK"


def test_goes_files_are_asked_for_before_anything_is_downloaded(
    refused: Callable[..., str], server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(*_: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr("sunpy.net.Fido.search", search)
    assert refused("source.goes=fido").startswith("No GOES files for 2014-03-29T14:09:38.000 could be had")
    assert server.asked == [] and not (tmp_path / "cache").exists()
