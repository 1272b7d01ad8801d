"""A tarball that is damaged anywhere is found out, and none is left half unpacked."""

import hashlib
import tarfile
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
    assert tarball.sha256(packed) == hashlib.sha256(packed.read_bytes()).hexdigest()


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
