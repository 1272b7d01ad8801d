"""A tarball that is damaged anywhere is found out, and none is left half unpacked."""

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from preflare.errors import ArchiveError
from preflare.sun import tarball


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    (tmp_path / "a.fits").write_bytes(np.random.default_rng(0).bytes(50_000))
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(tmp_path / "a.fits", "a.fits")
    return path


def test_a_sound_one(packed: Path, tmp_path: Path) -> None:
    tarball.check(packed)
    tarball.extract(packed, tmp_path / "there")
    assert (tmp_path / "there" / "a.fits").read_bytes() == (tmp_path / "a.fits").read_bytes()


@pytest.mark.parametrize("where", [0, 5000, 25_000, -6])
def test_a_wrong_byte_anywhere_is_one_sentence(packed: Path, where: int) -> None:
    """Also in the checksum at the very end."""
    content = bytearray(packed.read_bytes())
    content[where] ^= 255
    packed.write_bytes(content)
    with pytest.raises(ArchiveError, match=f"^{packed} is no whole tarball .*, so it was deleted"):
        tarball.check(packed)
    assert not packed.exists()


@pytest.mark.parametrize("keep", [0, 1, 100, 30_000, -1])
def test_one_that_is_cut_short(packed: Path, keep: int) -> None:
    packed.write_bytes(packed.read_bytes()[:keep])
    with pytest.raises(ArchiveError, match="is no whole tarball"):
        tarball.check(packed)


def test_nothing_is_left_half_unpacked(packed: Path, tmp_path: Path) -> None:
    left = tmp_path / ".there.part.d"
    left.mkdir()
    (left / "of_a_killed_process.fits").write_bytes(b"")
    content = bytearray(packed.read_bytes())
    content[25_000] ^= 255
    (tmp_path / "b.tar.gz").write_bytes(content)
    with pytest.raises(tarball.BROKEN):
        tarball.extract(tmp_path / "b.tar.gz", tmp_path / "there")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.fits", "a.tar.gz", "b.tar.gz"]
    left.mkdir()
    (left / "of_a_killed_process.fits").write_bytes(b"")
    tarball.extract(packed, tmp_path / "there")
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["a.fits"]


# Tarballs that mean no good.


def add(tar: tarfile.TarFile, name: str, kind: bytes = tarfile.REGTYPE, link: str = "", content: bytes = b"x") -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    member.size = len(content) if kind == tarfile.REGTYPE else 0
    tar.addfile(member, io.BytesIO(content))


def chain(tar: tarfile.TarFile) -> None:
    """Links so long that resolving them stops half way, after which tarfile's filter lets one out of the folder."""
    long, steps, path = "d" * 247, "abcdefghijklmnop", ""
    for step in steps:
        add(tar, os.path.join(path, long), tarfile.DIRTYPE)
        add(tar, os.path.join(path, step), tarfile.SYMTYPE, long)
        path = os.path.join(path, long)
    last = os.path.join("/".join(steps), "l" * 254)
    add(tar, last, tarfile.SYMTYPE, "../" * len(steps))
    add(tar, "escape", tarfile.SYMTYPE, f"{last}/../../victim")
    add(tar, "flag", tarfile.LNKTYPE, "escape/file")
    add(tar, "flag", content=b"overwritten")


@pytest.mark.parametrize(
    ("fill", "reason"),
    [
        (chain, "'a' is a link to 'd+', expected plain files only"),
        (lambda tar: add(tar, "a.fits", tarfile.SYMTYPE, "victim/file"), "'a.fits' is a link to 'victim/file'"),
        (lambda tar: add(tar, "a.fits", tarfile.LNKTYPE, "b.fits"), "'a.fits' is a link to 'b.fits'"),
        (lambda tar: add(tar, "a.fits", tarfile.CHRTYPE), "'a.fits' is a device"),
        (lambda tar: add(tar, "a.fits", tarfile.FIFOTYPE), "'a.fits' is a device"),
        (lambda tar: add(tar, "a.fits", tarfile.GNUTYPE_SPARSE), "'a.fits' is no plain file"),
        (lambda tar: add(tar, "/victim/file"), "'/victim/file' leads outside"),
        (lambda tar: add(tar, "/victim", tarfile.DIRTYPE), "'/victim' leads outside"),
        (lambda tar: add(tar, "../victim/file"), "'../victim/file' leads outside"),
        (lambda tar: add(tar, "a/../../victim/file"), "leads outside"),
        (lambda tar: [add(tar, "a/1.fits"), add(tar, "b/1.FITS")], "'b/1.FITS': there are two files of that name"),
    ],
)
def test_what_is_not_safe_is_refused_by_name(
    tmp_path: Path, fill: Callable[[tarfile.TarFile], object], reason: str
) -> None:
    victim = tmp_path / "victim" / "file"
    victim.parent.mkdir()
    victim.write_text("untouched")
    path = tmp_path / "cache" / "a.tar.gz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as tar:
        add(tar, "first.fits")
        fill(tar)
    with pytest.raises(ArchiveError, match=f"^{path} is not safe to unpack .*{reason}"):
        tarball.extract(path, tmp_path / "cache" / "SDO")
    assert [one.name for one in path.parent.iterdir()] == ["a.tar.gz"]
    with pytest.raises(ArchiveError, match=f"^{path} is not safe to unpack .*{reason}.*, so it was deleted"):
        tarball.check(path)
    assert list(path.parent.iterdir()) == [] and victim.read_text() == "untouched"


def test_folders_in_a_tarball_are_left_out(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        add(tar, "SDO", tarfile.DIRTYPE)
        add(tar, "SDO/171.fits", content=b"a cube")
    tarball.check(tmp_path / "a.tar.gz")
    tarball.extract(tmp_path / "a.tar.gz", tmp_path / "there")
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["171.fits"]
    assert (tmp_path / "there" / "171.fits").read_bytes() == b"a cube"


# Packed files that are no tarballs.


def test_a_packed_film_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "film.fits.gz"
    content = gzip.compress(np.random.default_rng(0).bytes(50_000))
    path.write_bytes(content)
    tarball.check(path)
    for where in (25_000, len(content) - 6):
        path.write_bytes(content[:where] + bytes([content[where] ^ 255]) + content[where + 1 :])
        with pytest.raises(ArchiveError, match=f"^{path} is damaged .*, so it was deleted.*source.images=false"):
            tarball.check(path)
        assert not path.exists()
