"""Which files a path names, and that each, however packed, comes as the same bytes and leaves nothing behind."""

import gzip
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import pytest

from preflare.errors import Level2Error
from preflare.sun.disk import find, on_disk

CONTENT = {"a.fits": b"first", "b.fits": b"second" * 1000}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One file plain, one gzipped, and both in a tarball, one of them gzipped inside; things to pass over, too."""
    where = tmp_path / "there"
    where.mkdir()
    (where / "a.fits").write_bytes(CONTENT["a.fits"])
    (where / "b.fits.gz").write_bytes(gzip.compress(CONTENT["b.fits"]))
    inner = tmp_path / "inner.fits.gz"
    inner.write_bytes(gzip.compress(CONTENT["b.fits"]))
    with tarfile.open(where / "c_raster.tar.gz", "w:gz") as tar:
        tar.add(where / "a.fits", "deep/in/it/c.fits")
        tar.add(inner, "d.fits.gz")
        tar.add(inner, "x_SJI_2796.fits.gz")
        tar.add(where, "folder.fits", recursive=False)
    for name in (".hidden.fits", "x_SJI_1400.fits", "readme.txt"):
        (where / name).write_bytes(b"")
    return where


def test_rasters_are_found_wherever_they_are(folder: Path) -> None:
    assert [file.name for file in find(folder)] == ["a.fits", "b.fits.gz", "c.fits", "d.fits.gz"]
    assert [file.name for file in find(folder / "c_raster.tar.gz")] == ["c.fits", "d.fits.gz"]


def test_each_comes_plain_and_copies_go(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    read = {}
    for file, path in on_disk(find(folder)):
        read[file.name] = path.read_bytes()
        copies = [item for item in scratch.rglob("*") if item.is_file()]
        assert len(copies) <= 1, "one copy at a time"
    first, second = CONTENT.values()
    assert read == {"a.fits": first, "b.fits.gz": second, "c.fits": first, "d.fits.gz": second}
    assert not list(scratch.iterdir())


def test_nothing_to_be_found(tmp_path: Path) -> None:
    with pytest.raises(Level2Error, match="There is no file or folder"):
        find(tmp_path / "nowhere")
    with pytest.raises(Level2Error, match="holds no level-2 raster"):
        find(tmp_path)


def test_a_tarball_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(b"no")
    with pytest.raises(Level2Error, match=f"^{tmp_path}/a.tar.gz cannot be read as a tarball"):
        find(tmp_path)


def test_a_gzipped_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.fits.gz").write_bytes(b"no")
    with pytest.raises(Level2Error, match=f"^{tmp_path}/a.fits.gz is cut short or damaged"):
        list(on_disk(find(tmp_path)))


@pytest.mark.parametrize("where", [5000, -6])
def test_a_tarball_with_a_wrong_byte(tmp_path: Path, where: int) -> None:
    """Its table of contents is sound; without gzip's checksum a changed spectrum would pass."""
    (tmp_path / "a.fits").write_bytes(np.random.default_rng(0).bytes(10_000))
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(tmp_path / "a.fits", "a.fits")
    content = bytearray(path.read_bytes())
    content[where] ^= 255
    path.write_bytes(content)
    with pytest.raises(Level2Error, match=f"^{path} cannot be read as a tarball .CRC check failed"):
        find(path)


def test_a_damaged_member_names_its_tarball(folder: Path) -> None:
    path = folder / "c_raster.tar.gz"
    with tarfile.open(path, "w") as tar:  # a bad gzip file in a tarball that is whole
        tar.add(folder / "a.fits", "d.fits.gz")
    with pytest.raises(Level2Error, match=f"^{path}: d.fits.gz is cut short or damaged"):
        list(on_disk(find(path)))
