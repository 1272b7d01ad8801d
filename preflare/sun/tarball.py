"""Packed files of the archive: checked to their end; tarballs unpacked flat, wholly or not at all.

A tarball is a stranger's: ``tarfile`` follows its links while it unpacks, and has been led outside by them however it
filtered. So nothing in one decides where anything goes: plain files are copied out under their own base names, and a
tarball with anything else in it is refused.
"""

import gzip
import os
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from preflare.errors import ArchiveError

# What a damaged tarball, or a full disk, comes up with.
BROKEN = (tarfile.TarError, EOFError, OSError, zlib.error)


class UnsafeError(Exception):
    """A member of a tarball that is not what level-2 data hold."""


def to_end(tar: tarfile.TarFile) -> None:
    """Read what tar leaves, after which gzip finds by its checksum whether all that came before is sound."""
    while tar.fileobj is not None and tar.fileobj.read(2**20):
        pass


def check(path: Path) -> None:
    """Read a packed file, a tarball if it is named so, to its end.

    Deletes it and raises ArchiveError if it is damaged or not safe to unpack.
    """
    packed = path.name.endswith(".tar.gz")
    try:
        if packed:
            with tarfile.open(path, "r:gz") as tar:
                taken: set[str] = set()
                for member in tar:
                    _base(member, taken)
                to_end(tar)
        else:
            with gzip.open(path) as file:
                while file.read(2**20):
                    pass
    except UnsafeError as error:
        path.unlink()
        raise ArchiveError(
            f"{path} is not safe to unpack ({error}), so it was deleted. Tell those who run the archive."
        ) from error
    except BROKEN as error:
        path.unlink()
        raise ArchiveError(
            f"{path} is {'no whole tarball' if packed else 'damaged'} ({error}), so it was deleted. Give the command "
            f"again to get it again{'' if packed else ', or leave images out by source.images=false'}."
        ) from error


def extract(path: Path, folder: Path) -> None:
    """Copy the files of a tarball into a new folder. Raises one of ``BROKEN``, or ArchiveError for a tarball that is
    not safe, and leaves nothing then.
    """
    scratch = folder.with_name(f".{folder.name}.part.d")
    shutil.rmtree(scratch, ignore_errors=True)  # of a process that was killed
    scratch.mkdir(parents=True)
    taken: set[str] = set()
    try:
        with tarfile.open(path, "r:gz") as tar:
            for member in tar:
                name = _base(member, taken)
                source = tar.extractfile(member) if name else None
                if source is not None:
                    with source, (scratch / name).open("xb") as target:
                        shutil.copyfileobj(source, target, 2**20)
            to_end(tar)
        os.replace(scratch, folder)
    except UnsafeError as error:
        raise ArchiveError(f"{path} is not safe to unpack ({error}). Delete it and get it again.") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _base(member: tarfile.TarInfo, taken: set[str]) -> str:
    """The name that a member is copied to, added to those taken; "" for a folder, of which nothing is needed.

    Raises UnsafeError for a link, a device, a name that leads outside or is taken.
    """
    parts = PurePosixPath(member.name).parts
    if member.name.startswith("/") or ".." in parts:
        raise UnsafeError(f"{member.name!r} leads outside")
    if member.isdir():
        return ""
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.size < 0 or not parts or "\0" in member.name:
        raise UnsafeError(f"{member.name!r} is {_kind(member)}, expected plain files only")
    # Not every file system tells large letters from small.
    if parts[-1].casefold() in taken:
        raise UnsafeError(f"{member.name!r}: there are two files of that name")
    taken.add(parts[-1].casefold())
    return parts[-1]


def _kind(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return f"a link to {member.linkname!r}"
    return "a device" if member.isdev() else "no plain file"
