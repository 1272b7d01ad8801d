"""Tarballs of the archive: checked to their end, then unpacked wholly or not at all."""

import hashlib
import os
import shutil
import tarfile
import zlib
from pathlib import Path

from preflare.errors import ArchiveError

# What a damaged tarball, or a full disk, comes up with.
BROKEN = (tarfile.TarError, EOFError, OSError, zlib.error)


def sha256(path: Path) -> str:
    """Of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_end(tar: tarfile.TarFile) -> None:
    """Read what tar leaves, after which gzip finds by its checksum whether all that came before is sound."""
    while tar.fileobj is not None and tar.fileobj.read(2**20):
        pass


def check(path: Path) -> None:
    """Read a tarball to its end. Deletes it and raises ArchiveError if it is damaged or not safe to unpack."""
    try:
        with tarfile.open(path, "r:gz") as tar:
            for member in tar:
                tarfile.data_filter(member, str(path.parent))
            to_end(tar)
    except tarfile.FilterError as error:
        path.unlink()
        raise ArchiveError(
            f"{path} is not safe to unpack ({error}), so it was deleted. Tell those who run the archive."
        ) from error
    except BROKEN as error:
        path.unlink()
        raise ArchiveError(
            f"{path} is no whole tarball ({error}), so it was deleted. Give the command again to get it again."
        ) from error


def extract(path: Path, folder: Path) -> None:
    """Unpack a checked tarball into a new folder. Raises one of ``BROKEN`` if that fails, and leaves nothing then."""
    scratch = folder.with_name(f".{folder.name}.part.d")
    shutil.rmtree(scratch, ignore_errors=True)  # of a process that was killed
    try:
        with tarfile.open(path, "r:gz") as tar:
            tar.extractall(scratch, filter="data")
            to_end(tar)
        os.replace(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
