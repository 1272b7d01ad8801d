"""A file over the web: what comes is what is served, and what went wrong is said and left in order."""

import gzip
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3

from preflare.errors import ArchiveError, UnreachableError
from preflare.sun.transfer import Remote, Web, partial_path
from tests.sun.archive_server import PAGE, Server, serve

CONTENT = gzip.compress(np.random.default_rng(0).bytes(300_000))
REMOTE = Remote(len(CONTENT))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "a.gz").write_bytes(CONTENT)
    with serve(tmp_path / "served") as server:
        yield server


def fetch(server: Server, path: Path, expected: str | None = None, tries: int = 3) -> tuple[str, int]:
    """The digest and the bytes that the bar was told of."""
    told: list[int] = []
    url = f"{server.url}/a.gz"
    digest, size = Web(tries, 0.0).fetch(url, path, Web(1, 0.0).ask(url) or REMOTE, expected, told.append)
    assert size == path.stat().st_size
    return digest, sum(told)


def gets(server: Server) -> list[str]:
    """What each transfer was to begin with."""
    return [ranged for method, _, ranged in server.asked if method == "GET"]


def left(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.iterdir())


def test_a_file_comes_whole(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "here" / "a.gz"
    assert Web(1, 0.0).ask(f"{server.url}/a.gz") == REMOTE
    digest, told = fetch(server, path)
    assert path.read_bytes() == CONTENT and told == len(CONTENT)
    assert digest == blake3(CONTENT).hexdigest()
    assert [one.name for one in path.parent.iterdir()] == ["a.gz"]


def test_a_file_that_is_not_there_has_no_size(server: Server) -> None:
    assert Web(1, 0.0).ask(f"{server.url}/b.gz") is None


def test_a_broken_transfer_goes_on_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.breaks = [100_000, 50_000]
    _, told = fetch(server, tmp_path / "a.gz")
    assert (tmp_path / "a.gz").read_bytes() == CONTENT and told == len(CONTENT)
    assert gets(server) == ["", "bytes=100000-", "bytes=150000-"]


def test_the_next_command_goes_on_where_the_last_broke(server: Server, tmp_path: Path) -> None:
    server.breaks = [100_000]
    with pytest.raises(ArchiveError, match=r"did not come in 1 attempts \(it broke off after 100000 of"):
        fetch(server, tmp_path / "a.gz", tries=1)
    assert not (tmp_path / "a.gz").exists() and partial_path(tmp_path / "a.gz", REMOTE).stat().st_size == 100_000
    _, told = fetch(server, tmp_path / "a.gz")
    assert (tmp_path / "a.gz").read_bytes() == CONTENT and told == len(CONTENT)
    assert server.asked[-1][2] == "bytes=100000-"


def test_a_server_that_cannot_go_on_sends_all(server: Server, tmp_path: Path) -> None:
    server.breaks, server.ranges = [100_000], False
    _, told = fetch(server, tmp_path / "a.gz")
    assert (tmp_path / "a.gz").read_bytes() == CONTENT and told == len(CONTENT)


def test_a_part_of_something_larger_is_thrown_away(server: Server, tmp_path: Path) -> None:
    partial_path(tmp_path / "a.gz", REMOTE).write_bytes(b"x" * (len(CONTENT) + 1))
    fetch(server, tmp_path / "a.gz")
    assert (tmp_path / "a.gz").read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.busy = 2
    Web(3, 0.0).fetch(f"{server.url}/a.gz", tmp_path / "a.gz", REMOTE, None, lambda count: None)
    assert (tmp_path / "a.gz").read_bytes() == CONTENT and len(server.asked) == 3


# The halves of two files are never joined.

OTHER = gzip.compress(np.random.default_rng(1).bytes(300_000))


@pytest.mark.parametrize("tags", [True, False])
def test_a_file_that_changed_meanwhile_comes_anew(server: Server, tmp_path: Path, tags: bool) -> None:
    """Of the same size, only a server that gives an ETag can say so; of another, any."""
    server.breaks, server.tags = [100_000], tags
    with pytest.raises(ArchiveError):
        fetch(server, tmp_path / "a.gz", tries=1)
    other = OTHER if tags else OTHER + b"x"
    assert tags is (len(other) == len(CONTENT))
    (tmp_path / "served" / "a.gz").write_bytes(other)
    _, told = fetch(server, tmp_path / "a.gz")
    assert (tmp_path / "a.gz").read_bytes() == other and told == len(other)
    assert left(tmp_path) == ["a.gz", "served"]


@pytest.mark.parametrize("tags", [True, False])
@pytest.mark.parametrize("size", [-250_000, -1, 0, 1])
def test_a_file_that_changed_after_it_was_asked_for(server: Server, tmp_path: Path, size: int, tags: bool) -> None:
    """Whatever the server has by now comes; what came of the other goes."""
    server.breaks, server.tags = [100_000], tags
    web, url, path = Web(1, 0.0), f"{server.url}/a.gz", tmp_path / "a.gz"
    remote = web.ask(url)
    assert remote is not None
    with pytest.raises(ArchiveError):
        web.fetch(url, path, remote, None, lambda count: None)
    other = (OTHER + b"x")[: len(CONTENT) + size] if tags or size else CONTENT
    (tmp_path / "served" / "a.gz").write_bytes(other)
    told: list[int] = []
    assert web.fetch(url, path, remote, None, told.append)[1] == len(other) == sum(told)
    assert path.read_bytes() == other and left(tmp_path) == ["a.gz", "served"]


def test_a_server_that_goes_on_from_elsewhere(server: Server, tmp_path: Path) -> None:
    """Appended, it would have made the file too long."""
    server.breaks, server.shift = [100_000], 500
    _, told = fetch(server, tmp_path / "a.gz")
    assert (tmp_path / "a.gz").read_bytes() == CONTENT and told == len(CONTENT)
    assert gets(server) == ["", "bytes=100000-", ""]


def test_a_page_in_between_costs_nothing(server: Server, tmp_path: Path) -> None:
    server.breaks = [100_000]
    with pytest.raises(ArchiveError):
        fetch(server, tmp_path / "a.gz", tries=1)
    server.repair = True
    with pytest.raises(ArchiveError, match=r"a.gz is a web page \(HTML\)"):
        Web(1, 0.0).fetch(f"{server.url}/a.gz", tmp_path / "a.gz", REMOTE, None, lambda count: None)
    server.repair = False
    fetch(server, tmp_path / "a.gz")
    assert (tmp_path / "a.gz").read_bytes() == CONTENT and gets(server)[-1] == "bytes=100000-"


def test_requests_keep_their_distance(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("preflare.sun.transfer.time.sleep", slept.append)
    web = Web(3, 10.0)
    web.ask(f"{server.url}/a.gz")
    web.ask(f"{server.url}/a.gz")
    assert slept[0] == 0 and 9 < slept[1] <= 10
    server.busy = 2
    web.ask(f"{server.url}/a.gz")
    assert 10.0 in slept and 20.0 in slept, "a failed request waits longer each time"


# What goes wrong for good.


def test_a_page_instead_of_a_file(server: Server, tmp_path: Path) -> None:
    """Also where the server does not say that it is one."""
    (tmp_path / "served" / "a.gz").write_bytes(PAGE)
    with pytest.raises(ArchiveError, match=r"a.gz is a web page \(HTML\), expected a packed file"):
        fetch(server, tmp_path / "a.gz")
    assert left(tmp_path) == ["served"]
    server.repair = True
    with pytest.raises(ArchiveError, match=r"a.gz is a web page \(HTML\), expected a packed file"):
        Web(1, 0.0).ask(f"{server.url}/a.gz")
    server.repair = False
    (tmp_path / "served" / "a.gz").write_bytes(b"neither")
    with pytest.raises(ArchiveError, match="a.gz is no gzip file"):
        fetch(server, tmp_path / "a.gz")


def test_another_checksum(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="expected 000000000000...: it was changed, or damaged"):
        fetch(server, tmp_path / "a.gz", expected="0" * 64)
    assert left(tmp_path) == ["served"]


def test_a_file_that_went(server: Server, tmp_path: Path) -> None:
    (tmp_path / "served" / "a.gz").unlink()
    with pytest.raises(ArchiveError, match=r"There is no http.*a.gz \(404\)"):
        fetch(server, tmp_path / "a.gz")
    assert len(gets(server)) == 1, "what is not there is not asked for again"


# Nobody is there.


def unreachable(url: str, monkeypatch: pytest.MonkeyPatch, tries: int = 5) -> str:
    """What is said of it; nothing is tried again if it is hopeless."""
    slept: list[float] = []
    monkeypatch.setattr("preflare.sun.transfer.time.sleep", slept.append)
    with pytest.raises(UnreachableError) as refusal:
        Web(tries, 1.0).ask(url)
    assert slept == [0.0] or tries != 5
    assert "errno" not in str(refusal.value).lower() and "urlopen" not in str(refusal.value)
    return str(refusal.value)


def test_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(tmp_path) as server:
        pass
    said = unreachable(f"{server.url}/a.gz", monkeypatch)
    host = server.url.removeprefix("http://")
    assert said.startswith(f"{host} cannot be reached (it refuses the connection). Check the network and source.base")


def test_no_such_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    said = unreachable("http://nowhere.invalid/a.gz", monkeypatch)
    assert said.startswith("nowhere.invalid cannot be reached (no host of that name is found). Check the network")


def test_a_silent_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preflare.sun.transfer.TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"
        assert unreachable(f"http://{host}/a.gz", monkeypatch).startswith(
            f"{host} cannot be reached (no answer in 0.1 s)"
        )


def test_a_server_that_never_gives_anything(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.busy = 9
    said = unreachable(f"{server.url}/a.gz", monkeypatch, tries=2)
    assert "cannot be reached (503 Service Unavailable)" in said and len(server.asked) == 2


def test_a_server_that_goes_silent_is_asked_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may only restart, so it gets its tries; but if it stays so, nothing else is worth asking for."""
    slept: list[float] = []
    monkeypatch.setattr("preflare.sun.transfer.time.sleep", slept.append)
    web = Web(3, 10.0)
    assert web.ask(f"{server.url}/a.gz") is not None
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(UnreachableError, match="it refuses the connection"):
        web.ask(f"{nobody}/a.gz")
    assert {10.0, 20.0} <= set(slept)
