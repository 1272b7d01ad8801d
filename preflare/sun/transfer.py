"""Files from a web server: asked politely, tried again, gone on with where they broke off, checked when they are there.

A file on its way is ``.NAME.part`` beside its place and is renamed into it when it is whole.
"""

import errno
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeVar

from preflare.errors import ArchiveError

PIECE = 2**20
TIMEOUT = 60.0  # s without a byte
# The server is busy or ill, not we wrong.
PASSING = (408, 425, 429, 500, 502, 503, 504)
AGENT = "preflare (research software; downloads IRIS level-2 data)"

Advance = Callable[[int], None]
T = TypeVar("T")


def partial_path(path: Path) -> Path:
    """Where a file is while it comes."""
    return path.with_name(f".{path.name}.part")


class Web:
    """Requests to a server, one after the other.

    tries: how often a request is made before it counts as failed. pause: s at least between two requests, and,
    doubled each time, before a failed one is made again.
    """

    def __init__(self, tries: int, pause: float) -> None:
        self.tries = tries
        self.pause = pause
        self._free_at = 0.0

    def size(self, url: str) -> int | None:
        """Bytes of the file at a URL; None if there is none.

        Raises ArchiveError if the server cannot be reached or does not say.
        """

        def ask() -> int | None:
            try:
                with self._open(url, "HEAD") as answer:
                    length = answer.headers.get("Content-Length", "")
            except urllib.error.HTTPError as error:
                if error.code in (404, 410):
                    error.close()
                    return None
                raise
            if not length.isdecimal():
                raise ArchiveError(f"{url}: the server does not say how large the file is. Download it by hand.")
            return int(length)

        return self._persist(url, ask)

    def fetch(self, url: str, path: Path, size: int, sha256: str | None, advance: Advance) -> str:
        """Download a file of a known size to its path; returns its SHA-256.

        sha256: what it must be, None where nobody knows. advance: called with the number of bytes that came,
        those of an earlier attempt included; with a negative number where they were of no use.
        Raises ArchiveError if the file does not come, is not packed data but a page, or is not what it must be;
        what came of a broken transfer stays for the next attempt, all else goes.
        """
        part = partial_path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        have = part.stat().st_size if part.exists() else 0
        if have > size:
            part.unlink()
            have = 0
        advance(have)

        def attempt() -> None:
            if part.exists() and part.stat().st_size == size:
                return
            self._append(url, part, size, advance)

        self._persist(url, attempt)
        digest = _check(url, part, sha256)
        os.replace(part, path)
        return digest

    def _append(self, url: str, part: Path, size: int, advance: Advance) -> None:
        """One attempt at what is missing of the file. Raises ConnectionError if it breaks off again."""
        have = part.stat().st_size if part.exists() else 0
        with self._open(url, "GET", start=have) as answer:
            if have and answer.status != 206:
                # A server that cannot go on from the middle sends all of it.
                advance(-have)
                have = 0
            total = answer.headers.get("Content-Range", "").rpartition("/")[2] or answer.headers.get("Content-Length")
            if total is not None and total.isdecimal() and int(total) != size:
                part.unlink(missing_ok=True)
                raise ArchiveError(
                    f"{url} has {total} bytes now, {size} were announced: it changed on the server. "
                    "Delete the archive.json beside the download and give the command again."
                )
            with part.open("r+b" if have else "wb") as file:
                file.seek(have)
                while piece := answer.read(PIECE):
                    file.write(piece)
                    advance(len(piece))
                    have += len(piece)
        if have != size:
            raise ConnectionError(f"it broke off after {have} of {size} bytes")

    def _persist(self, url: str, request: Callable[[], T]) -> T:
        reason: Exception
        for attempt in range(self.tries):
            if attempt:
                time.sleep(self.pause * 2 ** (attempt - 1))
            try:
                return request()
            except urllib.error.HTTPError as error:
                error.close()
                if error.code in (404, 410):
                    raise ArchiveError(
                        f"There is no {url} (404). Check the observation's id and source.base."
                    ) from None
                if error.code not in PASSING:
                    raise ArchiveError(f"{url} is refused by the server ({error.code} {error.reason}).") from None
                reason = error
            except (OSError, http.client.HTTPException) as error:
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise ArchiveError(
                        f"{url} does not fit: the disk is full. Make room, or choose another source.cache."
                    ) from error
                reason = error
        said = getattr(reason, "reason", reason)
        raise ArchiveError(
            f"{url} did not come in {self.tries} attempts ({said}). Check the network and give the same command "
            "again: it goes on from where it broke off."
        ) from reason

    def _open(self, url: str, method: str, start: int = 0) -> "http.client.HTTPResponse":
        time.sleep(max(0.0, self._free_at - time.monotonic()))
        request = urllib.request.Request(url, method=method, headers={"User-Agent": AGENT})
        if start:
            request.add_header("Range", f"bytes={start}-")
        try:
            answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT)
        finally:
            self._free_at = time.monotonic() + self.pause
        return answer


def _check(url: str, part: Path, sha256: str | None) -> str:
    with part.open("rb") as file:
        if not file.read(2) == b"\x1f\x8b":
            page = _is_page(file)
            part.unlink()
            raise ArchiveError(
                f"{url} is {'a web page (HTML)' if page else 'no gzip file'}, expected a packed file. "
                "Check source.base; the archive may be under repair."
            )
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 is not None and digest != sha256:
        part.unlink()
        raise ArchiveError(
            f"{url} has the SHA-256 {digest[:12]}..., expected {sha256[:12]}...: it was changed, or damaged on its "
            "way. Give the command again; if it stays so, look at the archive.json beside the download."
        )
    return digest


def _is_page(file: IO[bytes]) -> bool:
    file.seek(0)
    return file.read(512).lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml"))
