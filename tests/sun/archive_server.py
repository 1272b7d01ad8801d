"""A web server on this machine that serves a folder as the IRIS archive does, and can be told to misbehave."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGE = b"<!DOCTYPE html><html>The archive is under repair.</html>"


@dataclass
class Server:
    """root: what is served. breaks: bytes after which each of the next transfers is cut. busy: answers of 503 to come.

    ranges: whether it goes on from the middle. shift: bytes by which it then begins elsewhere. tags: whether it gives
    an ETag and heeds If-Range. repair: whether it answers everything with a page. asked: (method, file, Range header)
    of each request.
    """

    root: Path
    url: str = ""
    breaks: list[int] = field(default_factory=list)
    busy: int = 0
    ranges: bool = True
    shift: int = 0
    tags: bool = False
    repair: bool = False
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def gets(self) -> list[str]:
        return [name for method, name, _ in self.asked if method == "GET"]


@contextmanager
def serve(root: Path) -> Iterator[Server]:
    """The server, for as long as the context lasts."""
    state = Server(root)

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def log_message(self, format: str, *args: object) -> None:
            pass

        def _answer(self, body: bool) -> None:
            path = state.root / self.path.split("?")[0].lstrip("/")
            state.asked.append((self.command, path.name, self.headers.get("Range", "")))
            if state.busy:
                state.busy -= 1
                self.send_error(503)
                return
            if not path.is_file() and not state.repair:
                self.send_error(404)
                return
            content = PAGE if state.repair else path.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()}"'
            start = int(self.headers.get("Range", "bytes=0-")[6:-1]) if state.ranges and not state.repair else 0
            if state.tags and self.headers.get("If-Range", tag) != tag:
                start = 0
            if start and start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                start -= state.shift
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if state.repair:
                self.send_header("Content-Type", "text/html; charset=utf-8")
            elif state.tags:
                self.send_header("ETag", tag)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            if body:
                stop = start + state.breaks.pop(0) if state.breaks else len(content)
                self.wfile.write(content[start:stop])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
