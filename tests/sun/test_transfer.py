"""A file over the web: what comes is what is served, and what went wrong is said and left in order."""

import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from preflare.errors import ArchiveError
from preflare.sun.transfer import Web, partial_path
from tests.sun.archive_server import Server, serve

CONTENT = gzip.compress(np.random.default_rng(0).bytes(300_000))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "a.gz").write_bytes(CONTENT)
    with serve(tmp_path / "served") as server:
        yield server


def fetch(server: Server, path: Path, sha256: str | None = None, tries: int = 3) -> tuple[str, int]:
    """The digest and the bytes that the bar was told of."""
    told: list[int] = []
    digest = Web(tries, 0.0).fetch(f"{server.url}/a.gz", path, len(CONTENT), sha256, told.append)
    return digest, sum(told)


def test_a_file_comes_whole(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "here" / "a.gz"
    assert Web(1, 0.0).size(f"{server.url}/a.gz") == len(CONTENT)
    digest, told = fetch(server, path)
    assert path.read_bytes() == CONTENT and told == len(CONTENT)
    assert digest == hashlib.sha256(CONTENT).hexdigest()
    assert not partial_path(path).exists()


def test_a_file_that_is_not_there_has_no_size(server: Server) -> None:
    assert Web(1, 0.0).size(f"{server.url}/b.gz") is None


def test_a_broken_transfer_goes_on_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.breaks = [100_000, 50_000]
    _, told = fetch(server, tmp_path / "a.gz")
    assert (tmp_path / "a.gz").read_bytes() == CONTENT and told == len(CONTENT)
    assert [ranged for _, _, ranged in server.asked] == ["", "bytes=100000-", "bytes=150000-"]


def test_the_next_command_goes_on_where_the_last_broke(server: Server, tmp_path: Path) -> None:
    server.breaks = [100_000]
    with pytest.raises(ArchiveError, match=r"did not come in 1 attempts \(it broke off after 100000 of"):
        fetch(server, tmp_path / "a.gz", tries=1)
    assert not (tmp_path / "a.gz").exists() and partial_path(tmp_path / "a.gz").stat().st_size == 100_000
    _, told = fetch(server, tmp_path / "a.gz")
    assert (tmp_path / "a.gz").read_bytes() == CONTENT and told == len(CONTENT)
    assert server.asked[-1][2] == "bytes=100000-"


def test_a_server_that_cannot_go_on_sends_all(server: Server, tmp_path: Path) -> None:
    server.breaks, server.ranges = [100_000], False
    _, told = fetch(server, tmp_path / "a.gz")
    assert (tmp_path / "a.gz").read_bytes() == CONTENT and told == len(CONTENT)


def test_a_part_of_something_larger_is_thrown_away(server: Server, tmp_path: Path) -> None:
    partial_path(tmp_path / "a.gz").write_bytes(b"x" * (len(CONTENT) + 1))
    fetch(server, tmp_path / "a.gz")
    assert (tmp_path / "a.gz").read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.busy = 2
    fetch(server, tmp_path / "a.gz")
    assert (tmp_path / "a.gz").read_bytes() == CONTENT and len(server.asked) == 3


def test_requests_keep_their_distance(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("preflare.sun.transfer.time.sleep", slept.append)
    web = Web(3, 10.0)
    web.size(f"{server.url}/a.gz")
    web.size(f"{server.url}/a.gz")
    assert slept[0] == 0 and 9 < slept[1] <= 10
    server.busy = 2
    web.size(f"{server.url}/a.gz")
    assert 10.0 in slept and 20.0 in slept, "a failed request waits longer each time"


# What goes wrong for good.


def test_a_page_instead_of_a_file(server: Server, tmp_path: Path) -> None:
    page = b"<!DOCTYPE html><html>The archive is under repair.</html>"
    (tmp_path / "served" / "a.gz").write_bytes(page)
    with pytest.raises(ArchiveError, match=r"a.gz is a web page \(HTML\), expected a packed file"):
        Web(1, 0.0).fetch(f"{server.url}/a.gz", tmp_path / "a.gz", len(page), None, lambda count: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["served"]


def test_another_checksum(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="expected 000000000000...: it was changed, or damaged"):
        fetch(server, tmp_path / "a.gz", sha256="0" * 64)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["served"]


def test_a_file_that_changed_on_the_server(server: Server, tmp_path: Path) -> None:
    (tmp_path / "served" / "a.gz").write_bytes(CONTENT + b"x")
    with pytest.raises(ArchiveError, match=f"has {len(CONTENT) + 1} bytes now, {len(CONTENT)} were announced"):
        fetch(server, tmp_path / "a.gz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["served"]


def test_a_file_that_went(server: Server, tmp_path: Path) -> None:
    (tmp_path / "served" / "a.gz").unlink()
    with pytest.raises(ArchiveError, match=r"There is no http.*a.gz \(404\)"):
        fetch(server, tmp_path / "a.gz")
    assert len(server.asked) == 1, "what is not there is not asked for again"


def test_nobody_listens(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        pass
    with pytest.raises(ArchiveError, match=r"did not come in 2 attempts \(.*refused.*\). Check the network"):
        Web(2, 0.0).size(f"{server.url}/a.gz")
