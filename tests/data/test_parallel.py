"""Writing many observations: the same shards in one process as in several, and nothing half-written."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from preflare.data.parallel import write_all
from preflare.data.shard import Shard
from preflare.errors import ShardError
from preflare.sun.observation import Block, Label, Observation
from tests.conftest import MakeShard


def blocks_of(shard: Shard) -> Iterator[Block]:
    for _, block in shard.blocks(1):
        yield block


def marked(observation: Observation) -> Iterator[Block]:
    """Blocks that bear the number of the process that made them."""
    for block in observation.blocks():
        yield replace(block, time=np.full_like(block.time, os.getpid()))


def exiting(observation: Observation) -> Iterator[Block]:
    yield next(iter(observation.blocks()))
    os._exit(9)


def killed(observation: Observation, by: signal.Signals) -> Iterator[Block]:
    yield next(iter(observation.blocks()))
    os.kill(os.getpid(), by)


def waiting(observation: Observation, pipe: Connection) -> Iterator[Block]:
    """Says which process asks, and gives blocks once it is told to."""
    pipe.send(os.getpid())
    pipe.recv()
    yield from observation.blocks()


def alive(process: int) -> bool:
    """Neither gone nor waiting to be buried."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def observations(make_shard: MakeShard, tmp_path: Path) -> list[Observation]:
    """Four, each in four blocks of one repeat."""
    found = []
    for number in range(4):
        shard = Shard.open(make_shard(tmp_path / "made", Label(number % 2), number))
        found.append(Observation(shard.header, *shard.shape[:3], blocks=partial(blocks_of, shard)))
    return found


def digests(root: Path) -> dict[str, str]:
    return {path.stem: Shard.open(path).digest for path in root.glob("*.h5")}


@pytest.mark.parametrize("workers", [1, 3])
def test_shards_do_not_depend_on_the_workers(observations: list[Observation], workers: int, tmp_path: Path) -> None:
    taken: dict[str, int] = {}

    def advance(observation: Observation, count: int) -> None:
        taken[observation.header.name] = taken.get(observation.header.name, 0) + count

    written = list(write_all(tmp_path / "root", observations, workers, advance))
    assert digests(tmp_path / "root") == digests(tmp_path / "made")
    assert sorted(path.stem for _, path, new in written if new) == sorted(digests(tmp_path / "made"))
    assert taken == {observation.header.name: 4 for observation in observations}
    # The second time there is nothing to do.
    assert not any(new for _, _, new in write_all(tmp_path / "root", observations, workers, advance))


def test_workers_are_processes_that_stay(observations: list[Observation], tmp_path: Path) -> None:
    shown = [replace(one, blocks=partial(marked, one)) for one in observations]
    written = write_all(tmp_path / "root", shown, 2, lambda observation, count: None)
    numbers = {int(number) for _, path, _ in written for number in Shard.open(path).read("time").ravel()}
    assert len(numbers) <= 2 and os.getpid() not in numbers
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_reaches_the_caller_and_the_others_finish(
    observations: list[Observation], workers: int, tmp_path: Path
) -> None:
    wrong = replace(observations[1], repeats=9)
    with pytest.raises(ShardError, match="the blocks hold 4 repeats, expected 9"):
        list(write_all(tmp_path / "root", [observations[0], wrong], workers, lambda observation, count: None))
    assert list(digests(tmp_path / "root")) == [observations[0].header.name]
    assert not list((tmp_path / "root").glob(".*"))


@pytest.mark.parametrize(
    "end, said",
    [
        (partial(killed, by=signal.SIGKILL), "was killed, as the system does when memory runs out.*with fewer workers"),
        (partial(killed, by=signal.SIGABRT), "was ended by signal 6. Give the same command again with workers=1"),
        (exiting, "ended early, with exit code 9. Give the same command again with workers=1"),
    ],
)
def test_a_worker_that_dies_is_said(
    observations: list[Observation], end: Callable[[Observation], Iterator[Block]], said: str, tmp_path: Path
) -> None:
    lost = [replace(observations[0], blocks=partial(end, observations[0]))]
    with pytest.raises(ShardError, match=said):
        list(write_all(tmp_path / "root", lost, 2, lambda observation, count: None))
    assert not digests(tmp_path / "root")


def test_workers_end_with_the_process_they_work_for(observations: list[Observation], tmp_path: Path) -> None:
    mine, theirs = multiprocessing.Pipe()
    slow = [replace(one, blocks=partial(waiting, one, theirs)) for one in observations[:2]]

    def first() -> None:
        list(write_all(tmp_path / "root", slow, 2, lambda observation, count: None))

    process = multiprocessing.get_context("fork").Process(target=first)
    process.start()
    workers = [mine.recv(), mine.recv()]
    process.kill()
    process.join()
    for _ in workers:
        mine.send(None)
    limit = time.monotonic() + 20
    while any(alive(worker) for worker in workers):
        assert time.monotonic() < limit, "a worker lives on without the process it works for"
        time.sleep(0.02)
