"""The raster files that a path names, plain or packed, each as a plain FITS file while it is needed."""

import contextlib
import gzip
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from preflare.errors import Level2Error
from preflare.sun.tarball import BROKEN, to_end

FITS = (".fits", ".fits.gz")
TAR = (".tar", ".tar.gz", ".tgz")


@dataclass(frozen=True)
class File:
    """A raster file: on disk, or a member of the tarball at that path."""

    path: Path
    member: tarfile.TarInfo | None = None

    @property
    def name(self) -> str:
        """For messages."""
        return Path(self.member.name).name if self.member else self.path.name


def find(where: Path) -> list[File]:
    """The raster files that a path names, in no meaningful order.

    Raises Level2Error if there are none.
    """
    if where.is_file():
        candidates = [where]
    elif where.is_dir():
        candidates = sorted(path for path in where.iterdir() if path.is_file() and not path.name.startswith("."))
    else:
        raise Level2Error(f"There is no file or folder {where}. Correct source.path.")
    files: list[File] = []
    for path in candidates:
        if "_SJI_" in path.name:
            continue
        if path.name.endswith(FITS):
            files.append(File(path))
        elif path.name.endswith(TAR):
            files += [File(path, member) for member in _members(path)]
    if not files:
        raise Level2Error(
            f"{where} holds no level-2 raster: expected .fits, .fits.gz or _raster.tar.gz files"
            + (" directly in it." if where.is_dir() else ".")
        )
    return files


def _members(path: Path) -> list[tarfile.TarInfo]:
    """The raster files in a tarball: regular members, whatever folder they claim to be in."""
    with _tar(path) as tar:
        members = [
            member for member in tar if member.isreg() and member.name.endswith(FITS) and "_SJI_" not in member.name
        ]
        to_end(tar)
    return members


@contextlib.contextmanager
def _tar(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path) as tar:
            yield tar
    except BROKEN as error:
        raise Level2Error(f"{path} cannot be read as a tarball ({error}). Download it again.") from error


def on_disk(files: Sequence[File]) -> Iterator[tuple[File, Path]]:
    """Each file as a plain FITS file on disk; a packed one as a copy that lasts until the next is asked for.

    Nothing in a tarball decides where a copy goes.
    """
    with contextlib.ExitStack() as stack:
        copy = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="preflare-"))) / "raster.fits"
        tars: dict[Path, tarfile.TarFile] = {}
        for file in files:
            if file.member is not None:
                if file.path not in tars:
                    tars[file.path] = stack.enter_context(_tar(file.path))
                with _unpacking(file):
                    member = tars[file.path].extractfile(file.member)
                    assert member is not None, "only regular members are listed"
                    _unpack(member, file.name, copy)
                yield file, copy
            elif file.name.endswith(".gz"):
                with _unpacking(file):
                    _unpack(file.path.open("rb"), file.name, copy)
                yield file, copy
            else:
                yield file, file.path


@contextlib.contextmanager
def _unpacking(file: File) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        where = f"{file.path}: {file.name}" if file.member else str(file.path)
        raise Level2Error(f"{where} is cut short or damaged ({error}). Download it again.") from error


def _unpack(packed: IO[bytes], name: str, copy: Path) -> None:
    with packed, gzip.open(packed) if name.endswith(".gz") else packed as source, copy.open("wb") as target:
        shutil.copyfileobj(source, target, 2**20)
