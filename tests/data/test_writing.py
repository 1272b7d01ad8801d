"""Writing many observations: the same shards in one process as in several, and nothing half-written."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from preflare.data.shard import Shard
from preflare.data.writing import write_all
from preflare.errors import ShardError
from preflare.sun.observation import Block, Label, Observation
from tests.conftest import MakeShard


@pytest.fixture
def observations(make_shard: MakeShard, tmp_path: Path) -> list[Observation]:
    """Four, each in four blocks of one repeat."""
    found = []
    for number in range(4):
        shard = Shard.open(make_shard(tmp_path / "made", Label(number % 2), number))

        def blocks(shard: Shard = shard) -> Iterator[Block]:
            for _, block in shard.blocks(1):
                yield block

        found.append(Observation(shard.header, *shard.shape[:3], blocks=blocks))
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


def test_a_worker_is_a_process_of_its_own(observations: list[Observation], tmp_path: Path) -> None:
    def blocks() -> Iterator[Block]:
        for block in observations[0].blocks():
            yield replace(block, time=np.full_like(block.time, os.getpid()))

    shown = [replace(observations[0], blocks=blocks)]
    ((_, path, _),) = write_all(tmp_path / "root", shown, 2, lambda observation, count: None)
    assert set(Shard.open(path).read("time").ravel()) != {os.getpid()}


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_reaches_the_caller_and_the_others_finish(
    observations: list[Observation], workers: int, tmp_path: Path
) -> None:
    wrong = replace(observations[1], repeats=9)
    with pytest.raises(ShardError, match="the blocks hold 4 repeats, expected 9"):
        list(write_all(tmp_path / "root", [observations[0], wrong], workers, lambda observation, count: None))
    assert list(digests(tmp_path / "root")) == [observations[0].header.name]
    assert not list((tmp_path / "root").glob(".*"))


def test_a_worker_that_dies_is_said(observations: list[Observation], tmp_path: Path) -> None:
    def blocks() -> Iterator[Block]:
        yield next(iter(observations[0].blocks()))
        os._exit(9)

    dying = [replace(observations[0], blocks=blocks)]
    with pytest.raises(ShardError, match="ended early, perhaps for want of memory.*with fewer workers"):
        list(write_all(tmp_path / "root", dying, 2, lambda observation, count: None))
    assert not digests(tmp_path / "root")
