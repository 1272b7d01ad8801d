"""Files from a web server: asked politely, tried again, gone on with where they broke off, checked when they are there.

A file on its way is ``.NAME.VERSION.part`` beside its place and is renamed into it when it is whole.

It is the standard library's ``urllib``, not pooch or parfive, for the sake of what breaks off: a raster has gigabytes
and comes over hours. Pooch opens its file anew for every attempt and parfive (which sunpy uses) deletes what came
before a failure; neither asks for the rest of a file, nor takes care not to join the halves of two.
"""

import errno
import glob
import hashlib
import http.client
import os
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from preflare.digest import of_file
from preflare.errors import ArchiveError, UnreachableError

PIECE = 2**20
TIMEOUT = 30.0  # s without a byte
# The server is busy or ill, not we wrong.
PASSING = (408, 425, 429, 500, 502, 503, 504)
AGENT = "preflare (research software; downloads IRIS level-2 data)"
GZIP = b"\x1f\x8b"

Advance = Callable[[int], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Remote:
    """A file as a server has it: bytes, and what changes when the file does, "" where the server gives nothing."""

    size: int
    version: str = ""


def partial_path(path: Path, remote: Remote) -> Path:
    """Where a file is while it comes; its name says of what it is a part."""
    digest = hashlib.sha256(f"{remote.size} {remote.version}".encode()).hexdigest()
    return path.with_name(f".{path.name}.{digest[:8]}.part")


def arrived(path: Path, remote: Remote) -> int:
    """Bytes of a file that came before its transfer broke off."""
    part = partial_path(path, remote)
    return part.stat().st_size if part.exists() else 0


class Web:
    """Requests to a server, one after the other; a file has one ``fetch`` at a time.

    tries: how often a request is made before it counts as failed. pause: s at least between two requests, and,
    doubled each time, before a failed one is made again.
    """

    def __init__(self, tries: int, pause: float) -> None:
        self.tries = tries
        self.pause = pause
        self._free_at = 0.0
        self._answered = False

    def ask(self, url: str) -> Remote | None:
        """The file at a URL; None if there is none.

        Raises ArchiveError if the server does not say how large it is, or has a page in its place, UnreachableError
        if nobody answers.
        """

        def ask() -> Remote | None:
            try:
                with self._open(url, "HEAD") as answer:
                    _refuse_page(url, answer.headers)
                    length = answer.headers.get("Content-Length", "")
                    version = _version(answer.headers)
            except urllib.error.HTTPError as error:
                if error.code in (404, 410):
                    error.close()
                    self._answered = True
                    return None
                raise
            if not length.isdecimal() or int(length) == 0:
                raise ArchiveError(f"{url}: the server does not say how large the file is. Download it by hand.")
            return Remote(int(length), version)

        return self._persist(url, ask)

    def fetch(self, url: str, path: Path, remote: Remote, expected: str | None, advance: Advance) -> tuple[str, int]:
        """Download a file to its path; returns its BLAKE3 digest and bytes.

        remote: the file as the server had it when it was asked; if it has another by now, that is what comes.
        expected: what the digest must be, None where nobody knows. advance: called with the number of bytes that came,
        those of an earlier attempt included; with a negative number where they were of no use.
        Raises ArchiveError if the file does not come, is not packed data but a page, or is not what it must be;
        what came of a broken transfer stays for the next attempt, all else goes.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        if arrived(path, remote) > remote.size:
            partial_path(path, remote).unlink()
        advance(arrived(path, remote))

        def attempt() -> None:
            nonlocal remote
            remote = self._append(url, path, remote, advance)

        self._persist(url, attempt)
        part = partial_path(path, remote)
        digest = _check(url, part, expected)
        os.replace(part, path)
        _drop_parts(path)
        return digest, remote.size

    def _append(self, url: str, path: Path, remote: Remote, advance: Advance) -> Remote:
        """One attempt at what is missing of the file; returns what file it is, now whole.

        Raises ConnectionError if it breaks off again.
        """
        have = arrived(path, remote)
        if have == remote.size:
            return remote
        try:
            answer = self._open(url, "GET", have, remote.version)
        except urllib.error.HTTPError as error:
            if error.code != 416 or not have:
                raise
            error.close()
            return self._append(url, path, self._start_over(path, remote, have, advance), advance)
        with answer:
            _refuse_page(url, answer.headers)
            start, now = _described(answer, remote)
            if answer.status == 206 and (start != have or now != remote):
                # Not what was asked for: joined to what is there it would make a file that nobody has.
                if not have:
                    raise ArchiveError(f"{url}: the server sends another part than was asked for. Download it by hand.")
                return self._append(url, path, self._start_over(path, now, have, advance), advance)
            piece = answer.read(min(PIECE, now.size))
            if answer.status != 206:
                # All of it, from a server that cannot go on from the middle or has another file by now.
                _refuse_other(url, piece)
                advance(-have)
                have = 0
                _drop_parts(path)
            with partial_path(path, now).open("ab") as file:
                while piece:
                    file.write(piece)
                    advance(len(piece))
                    have += len(piece)
                    piece = answer.read(min(PIECE, now.size - have)) if have < now.size else b""
        if have != now.size:
            raise ConnectionError(f"it broke off after {have} of {now.size} bytes")
        return now

    def _start_over(self, path: Path, remote: Remote, have: int, advance: Advance) -> Remote:
        _drop_parts(path)
        advance(-have)
        return remote

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
                if _is_unreachable(error) and not self._answered:
                    break  # a name mistyped, no network: trying again would not help
        if not self._answered or _is_unreachable(reason):
            raise UnreachableError(
                f"{urlsplit(url).netloc} cannot be reached ({said(reason)}). Check the network and source.base, and "
                "give the same command again: it goes on from where it stopped."
            ) from reason
        raise ArchiveError(
            f"{url} did not come in {self.tries} attempts ({said(reason)}). Check the network and give the same "
            "command again: it goes on from where it broke off."
        ) from reason

    def _open(self, url: str, method: str, start: int = 0, version: str = "") -> "http.client.HTTPResponse":
        time.sleep(max(0.0, self._free_at - time.monotonic()))
        request = urllib.request.Request(url, method=method, headers={"User-Agent": AGENT})
        if start:
            request.add_header("Range", f"bytes={start}-")
            if version:
                request.add_header("If-Range", version)
        try:
            answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT)
        finally:
            self._free_at = time.monotonic() + self.pause
        self._answered = True
        return answer


def _version(headers: Message) -> str:
    """What If-Range may be asked with: a strong ETag, else when the file was changed."""
    etag: str = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified", "")


def _described(answer: "http.client.HTTPResponse", remote: Remote) -> tuple[int | None, Remote]:
    """The byte that an answer begins with, None if it does not say, and of what file: as asked for if it is silent."""
    length = answer.headers.get("Content-Length", "")
    start: int | None = 0
    if answer.status == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        start, length = (int(found[1]), found[2]) if found else (None, "")
    size = int(length) if length.isdecimal() else remote.size
    return start, Remote(size, _version(answer.headers) or remote.version)


def _drop_parts(path: Path) -> None:
    for part in path.parent.glob(f".{glob.escape(path.name)}.*part"):
        part.unlink()


def _is_unreachable(error: Exception) -> bool:
    """Whether the connection failed, rather than what came through it."""
    failed = isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError)
    return failed or isinstance(error, TimeoutError)


def said(error: Exception) -> str:
    """What went wrong, in words of ours where the system's are numbers; its first line."""
    if isinstance(error, urllib.error.HTTPError):
        return f"{error.code} {error.reason}"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, socket.gaierror):
        return "no host of that name is found"
    if isinstance(reason, ConnectionRefusedError):
        return "it refuses the connection"
    if isinstance(reason, TimeoutError):
        return f"no answer in {TIMEOUT:g} s"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {reason.verify_message}"
    text = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
    return (text.strip().splitlines() or [type(reason).__name__])[0].rstrip(".")


def _refuse_page(url: str, headers: Message) -> None:
    if headers.get("Content-Type", "").lower().startswith(("text/html", "application/xhtml")):
        raise ArchiveError(_other(url, "a web page (HTML)"))


def _refuse_other(url: str, beginning: bytes) -> None:
    """Raise ArchiveError if a file does not begin as a packed one does."""
    if len(beginning) >= len(GZIP) and not beginning.startswith(GZIP):
        page = beginning[:512].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml"))
        raise ArchiveError(_other(url, "a web page (HTML)" if page else "no gzip file"))


def _other(url: str, what: str) -> str:
    return (
        f"{url} is {what}, expected a packed file. Check source.base; the archive may be under repair: then give the "
        "same command again later."
    )


def _check(url: str, part: Path, expected: str | None) -> str:
    digest = of_file(part)
    if expected is not None and digest != expected:
        part.unlink()
        raise ArchiveError(
            f"{url} has the digest {digest[:12]}..., expected {expected[:12]}...: it was changed, or damaged on its "
            "way. Give the command again; if it stays so, the archive has another file now: to take it, delete the "
            "archive.json beside the download."
        )
    return digest
