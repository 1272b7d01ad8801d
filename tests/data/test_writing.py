"""Writing a shard: the same however it comes, and nothing half-written where it cannot be."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from preflare.data import shard, writing
from preflare.data.shard import Shard
from preflare.errors import ShardError
from preflare.sun.observation import Block
from tests.data.made_up import HEADER, block, observation


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return writing.write(tmp_path / "shards", observation())[0]


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
