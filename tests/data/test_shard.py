"""The shard format: what goes in comes out, and everything else is refused with nothing half-written."""

import errno
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from preflare.data import shard, writing
from preflare.data.shard import SCHEMA, Shard
from preflare.errors import ShardError
from preflare.sun.goes import Goes
from preflare.sun.line import Line, Rules
from preflare.sun.observation import Block, Header, Label, Observation

RULES = Rules(-100.0, 16183.0, 3, 10.0, None, None, 1.0)
LINE = Line("made_up", "Made up", "NUV", 100.0, 110.0, 6, {"k": 103.0}, {}, (105.0, 105.5), RULES)
HEADER = Header(
    id="20140329_140938_3860258481",
    label=Label.PF,
    origin="simulation",
    line="made_up",
    wavelength=LINE.wavelength,
    dispersion=0.1,
    start="2014-03-29T14:09:38.830",
    window_start="2014-03-29T17:09:00.000",
    window_end="2014-03-29T17:34:00.000",
    onset="2014-03-29T17:35:00.000",
    flare_class="X1.0",
    number=4,
    settings={"exposure": 8.0, "mode": "raster"},
    sources={"a.fits": "00ff"},
    recipe={"window.minutes": 25.0, "window.label": None},
)


def block(repeats: int, seed: int = 0) -> Block:
    random = np.random.default_rng(seed)
    shape = (repeats, 3, 4)
    spectra = random.normal(size=(*shape, 6)).astype(np.float32)
    spectra[0, 0, 0] = np.nan
    return Block(
        spectra=spectra,
        intensity=random.normal(size=shape).astype(np.float32),
        time=random.normal(size=shape[:2]),
        phase=random.integers(0, 3, shape[:2]).astype(np.uint8),
        exposure=random.normal(size=shape[:2]).astype(np.float32),
        quality=random.integers(0, 64, shape).astype(np.uint16),
        position=random.normal(size=(*shape, 2)).astype(np.float32),
        truth={"kind": random.integers(0, 5, shape).astype(np.uint8)},
    )


def observation(sizes: tuple[int, ...] = (2, 3), header: Header = HEADER, **changes: object) -> Observation:
    whole = Observation(header, sum(sizes), 3, 4, lambda: (block(size, seed=i) for i, size in enumerate(sizes)))
    return replace(whole, **changes)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return writing.write(tmp_path / "shards", observation())[0]


def test_what_goes_in_comes_out(written: Path) -> None:
    opened = Shard.open(written, LINE)
    assert opened.shape == (5, 3, 4, 6) and opened.truth == ("kind",)
    blocks = [block(2, 0), block(3, 1)]
    for name in shard.LAYOUT:
        expected = np.concatenate([getattr(part, name) for part in blocks])
        np.testing.assert_array_equal(opened.read(name), expected)
    np.testing.assert_array_equal(opened.read("truth/kind"), np.concatenate([b.truth["kind"] for b in blocks]))
    for field in HEADER.__dataclass_fields__:
        np.testing.assert_equal(getattr(opened.header, field), getattr(HEADER, field))


def test_the_size_of_blocks_leaves_no_trace(tmp_path: Path) -> None:
    whole = [block(2, 0), block(3, 1)]

    def single() -> Iterator[Block]:
        for part in whole:
            for row in range(len(part.spectra)):
                arrays = {name: getattr(part, name)[row : row + 1] for name in shard.LAYOUT}
                yield Block(**arrays, truth={"kind": part.truth["kind"][row : row + 1]})

    first = writing.write(tmp_path / "a", observation())[0]
    second = writing.write(tmp_path / "b", observation(blocks=single))[0]
    assert Shard.open(first).digest == Shard.open(second).digest


def test_it_reads_with_h5py_alone(written: Path) -> None:
    with h5py.File(written) as file:
        assert file.attrs["name"] == "PF_20140329_140938_3860258481" and file.attrs["schema"] == SCHEMA
        assert [dim.label for dim in file["spectra"].dims] == ["repeat", "step", "slit", "wavelength"]
        assert file["intensity"].attrs["unit"] == "DN/s" and file["time"].dtype == np.float64


def test_blocks_give_the_shard_back(written: Path) -> None:
    opened = Shard.open(written)
    rows, parts = zip(*opened.blocks(2), strict=True)
    assert [row.stop - row.start for row in rows] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate([part.spectra for part in parts]), opened.read("spectra"))
    np.testing.assert_array_equal(np.concatenate([p.truth["kind"] for p in parts]), opened.read("truth/kind"))


def test_it_survives_a_pickle(written: Path) -> None:
    opened = pickle.loads(pickle.dumps(Shard.open(written)))
    assert opened.read("quality").shape == (5, 3, 4)


@pytest.mark.parametrize("size", [1, 500])
def test_small_blocks_that_wait_for_each_other_change_nothing(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(writing, "CHUNK", size)
    path, _ = writing.write(tmp_path / "other", observation())
    assert Shard.open(path).digest == Shard.open(written).digest
    assert np.array_equal(Shard.open(path).read("spectra"), Shard.open(written).read("spectra"), equal_nan=True)


def test_writing_it_again_leaves_it_alone(written: Path) -> None:
    before = written.stat().st_mtime_ns
    assert writing.write(written.parent, observation()) == (written, False)
    assert written.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"sources": {"a.fits": "11"}}, "a.fits"),
        ({"recipe": {"window.minutes": 30.0, "window.label": None}}, "window.minutes"),
        ({"onset": "2014-03-29T17:36:00.000"}, "onset"),
    ],
)
def test_another_observation_of_the_same_name_is_refused(written: Path, change: dict, named: str) -> None:
    before = written.read_bytes()
    with pytest.raises(ShardError, match=f"these differ: {named}"):
        writing.write(written.parent, observation(header=replace(HEADER, **change)))
    assert written.read_bytes() == before


def remask_as_it_is(path: Path) -> None:
    quality = Shard.open(path).read("quality")
    writing.remask(Shard.open(path), quality, np.zeros(quality.shape, np.float32), {})


def test_what_a_killed_process_left_is_swept_up(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    alive, other = tmp_path / f".{HEADER.name}.{os.getppid()}.part", tmp_path / f".AR_x.{gone.pid}.part"
    # Written, then already there, then given another mask.
    for again in (writing.write, writing.write, lambda *_: remask_as_it_is(tmp_path / f"{HEADER.name}.h5")):
        left = tmp_path / f".{HEADER.name}.{gone.pid}.part"
        for path in (left, alive, other, tmp_path / f".{HEADER.name}.x.part"):
            path.write_bytes(b"half")
        again(tmp_path, observation())
        assert not left.exists() and len(list(tmp_path.glob(".*.part"))) == 3


def broken() -> Iterator[Block]:
    yield block(2)
    raise RuntimeError("the disk is full")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"repeats": 6}, ShardError, "the blocks hold 5 repeats, expected 6"),
        ({"repeats": 4}, ShardError, "does not fit a cube"),
        ({"blocks": lambda: iter(())}, ShardError, "the blocks hold 0 repeats"),
        ({"blocks": broken}, RuntimeError, "the disk is full"),
    ],
)
def test_nothing_is_left_of_a_failure(tmp_path: Path, changes: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        writing.write(tmp_path / "new" / "folder", observation(**changes))
    assert not list(tmp_path.iterdir())
    (tmp_path / "old").mkdir()
    with pytest.raises(error, match=message):
        writing.write(tmp_path / "old" / "folder", observation(**changes))
    assert [path.name for path in tmp_path.rglob("*")] == ["old"], "what was there stays"


def test_truth_in_some_blocks_only(tmp_path: Path) -> None:
    blocks = [block(2), replace(block(3), truth={})]
    with pytest.raises(ShardError, match="a block lacks"):
        writing.write(tmp_path, observation(blocks=lambda: iter(blocks)))


def test_no_shards(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="there is no such file or folder"):
        shard.find(tmp_path / "nowhere")
    with pytest.raises(ShardError, match="it holds no .h5 file"):
        shard.find(tmp_path)
    with pytest.raises(ShardError, match="There is no shard at"):
        Shard.open(tmp_path / "x.h5")


@pytest.mark.parametrize("keep", [0, 100, 3000, -100])
def test_a_truncated_shard(written: Path, keep: int) -> None:
    written.write_bytes(written.read_bytes()[:keep])
    with pytest.raises(ShardError, match="truncated or not one of ours"):
        Shard.open(written)


def test_another_hdf5_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["y"] = 1
    with pytest.raises(ShardError, match="is an HDF5 file but not a shard"):
        Shard.open(tmp_path / "x.h5")


@pytest.mark.parametrize(("other", "advice"), [(-1, "Ingest the observation again"), (1, "Update preflare")])
def test_another_schema(written: Path, other: int, advice: str) -> None:
    with h5py.File(written, "a") as file:
        file.attrs["schema"] = SCHEMA + other
    with pytest.raises(ShardError, match=rf"has schema {SCHEMA + other}.*{advice}"):
        Shard.open(written)


def test_a_changed_attribute(written: Path) -> None:
    with h5py.File(written, "a") as file:
        file.attrs["label"] = 0
    with pytest.raises(ShardError, match="was changed after it was written"):
        Shard.open(written)


def test_a_changed_array(written: Path) -> None:
    with h5py.File(written, "a") as file:
        file["quality"][0, 0, 0] = 63 - file["quality"][0, 0, 0]
    with pytest.raises(ShardError, match="quality was changed after it was written"):
        Shard.open(written).read("quality")


def test_a_removed_array(written: Path) -> None:
    with h5py.File(written, "a") as file:
        del file["phase"]
    with pytest.raises(ShardError, match="was changed after it was written"):
        Shard.open(written)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "other"}, "holds the line made_up, expected other"),
        ({"points": 7}, "has 6 wavelengths, the line Made up expects 7"),
        ({"start": 99.0}, "covers 100.00 to 110.00 Å, the line Made up expects 99.00 to 110.00"),
    ],
)
def test_a_shard_of_another_line(written: Path, change: dict, message: str) -> None:
    with pytest.raises(ShardError, match=message):
        Shard.open(written, replace(LINE, **change))


def test_open_all(written: Path) -> None:
    other = replace(HEADER, id="20140101_140938_3860258481", label=Label.AR, onset="")
    writing.write(written.parent, observation(header=other))
    names = [opened.name for opened in shard.open_all(written.parent, LINE)]
    assert names == ["AR_20140101_140938_3860258481", "PF_20140329_140938_3860258481"]
    assert [s.name for s in shard.open_all(written.parent, LINE, only=names[1:])] == names[1:]
    with pytest.raises(ShardError, match="holds no shard of PF_2"):
        shard.open_all(written.parent, LINE, only=["PF_2"])


def test_origins_do_not_mix(written: Path) -> None:
    real = replace(HEADER, id="20140101_140938_3860258481", origin="level2")
    message = f"holds shards of origin simulation \\({written.name}\\), {real.name} is of origin level2.*data.root=DIR"
    with pytest.raises(ShardError, match=message):
        writing.write(written.parent, observation(header=real))
    with pytest.raises(ShardError, match=message):
        (written.parent / "broken.h5").write_text("no shard, sorted first")
        writing.write(written.parent, observation(header=real))
    assert {path.name for path in written.parent.iterdir()} == {written.name, "broken.h5"}
    writing.write(written.parent, observation(header=replace(real, origin="simulation")))


def test_origins_that_were_mixed_by_hand(written: Path, tmp_path: Path) -> None:
    real = replace(HEADER, id="20140101_140938_3860258481", origin="level2")
    path, _ = writing.write(tmp_path / "real", observation(header=real))
    path.rename(written.parent / path.name)
    with pytest.raises(ShardError, match="mixes shards of origins level2 and simulation"):
        shard.open_all(written.parent, LINE)


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for root in (tmp_path / "file", tmp_path / "file" / "shards"):
        with pytest.raises(ShardError, match=f"No shard can be written into {root} .it is a file, or below one"):
            writing.write(root, observation())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("call", ["is_dir", "mkdir"])
def test_a_folder_where_one_may_not_look_or_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def refuse(self: Path, **_: object) -> None:
        raise PermissionError(errno.EACCES, "not allowed")

    monkeypatch.setattr(Path, call, refuse)
    with pytest.raises(ShardError, match="shards .Permission denied.. Choose another folder with data.root=DIR"):
        writing.write(tmp_path / "shards", observation())


def test_a_folder_that_takes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("Unable to create file\nand a second line")

    monkeypatch.setattr(writing.h5py, "File", refuse)
    with pytest.raises(ShardError, match="new .Unable to create file.. Choose"):
        writing.write(tmp_path / "new", observation())
    assert not list(tmp_path.iterdir())


def test_the_x_ray_curve_is_kept_and_digested(tmp_path: Path) -> None:
    curve = Goes(np.arange(-3.0, 7.0), np.geomspace(1e-7, 1e-5, 10))
    path, _ = writing.write(tmp_path / "with", observation(goes=curve))
    opened = Shard.open(path)
    found = opened.goes()
    assert found is not None
    assert np.array_equal(found.time, curve.time) and np.array_equal(found.flux, curve.flux)
    without = Shard.open(writing.write(tmp_path / "without", observation())[0])
    assert without.goes() is None and without.digest != opened.digest
    with h5py.File(path, "a") as file:
        assert file["goes/flux"].attrs["unit"] == "W/m2"
        file["goes/flux"][0] = 1.0
    with pytest.raises(ShardError, match="goes/flux was changed"):
        opened.goes()


def test_another_mask_changes_the_mask_and_nothing_else(written: Path) -> None:
    before = Shard.open(written)
    assert before.quiet_sun == {}
    quality = before.read("quality") | np.uint16(256)
    error = np.arange(quality.size, dtype=np.float32).reshape(quality.shape)
    error.ravel()[0] = np.nan
    after = writing.remask(before, quality, error, {"threshold": 2.0})
    assert after.digest != before.digest and after.quiet_sun == {"threshold": 2.0} and after.path == before.path
    np.testing.assert_array_equal(after.read("quality"), quality)
    np.testing.assert_array_equal(after.read("reconstruction_error"), error)
    for name in ("spectra", "intensity", "time", "phase", "exposure", "position"):
        np.testing.assert_array_equal(after.read(name), before.read(name))
    again = writing.remask(after, quality, error, {"threshold": 2.0})
    assert again.digest == after.digest
    assert [path.name for path in written.parent.iterdir()] == [written.name]


def test_a_mask_that_cannot_be_written_leaves_the_shard(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, found = written.read_bytes(), Shard.open(written)

    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(ShardError, match="No shard can be written into .*No space left"):
        writing.remask(found, found.read("quality"), np.zeros(found.shape[:3], np.float32), {})
    assert written.read_bytes() == before and [path.name for path in written.parent.iterdir()] == [written.name]
