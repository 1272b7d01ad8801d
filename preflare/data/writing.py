"""Writing many observations: one after another, or each in a process of its own.

A source hands out observations one at a time, with all that it must look up (files, onsets, a download); what takes
long, the blocks, is taken from each where it is written. So a source is never asked twice for the same thing.
"""

import contextlib
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from preflare.data import shard
from preflare.errors import PreflareError, ShardError
from preflare.sun.observation import Block, Observation

# Told the observation and how many of its repeats have been taken since the last time.
Advance = Callable[[Observation, int], None]


def write_all(
    root: Path, observations: Iterable[Observation], workers: int, advance: Advance
) -> Iterator[tuple[Observation, Path, bool]]:
    """Write observations into the folder root as ``shard.write`` does, so many at once; yields them as they finish.

    Shards are the same whatever the number of workers. workers: processes, each of one thread; with 1, this one alone.
    Raises what ``shard.write`` or the source raises, when those that had begun are finished.
    """
    if workers == 1:
        for observation in observations:
            path, new = shard.write(root, _counted(observation, partial(advance, observation)))
            yield observation, path, new
        return
    running: dict[Connection, tuple[Observation, BaseProcess]] = {}
    try:
        for observation in observations:
            while len(running) >= workers:
                yield from _finished(running, advance)
            _start(root, observation, running)
        while running:
            yield from _finished(running, advance)
    finally:
        # After a failure the others finish: what they have written need not be done again.
        for pipe, (_, process) in running.items():
            with contextlib.suppress(EOFError):
                while True:
                    pipe.recv()
            process.join()


def _counted(observation: Observation, taken: Callable[[int], None]) -> Observation:
    """The same observation; says how many repeats it has given."""

    def blocks() -> Iterator[Block]:
        for block in observation.blocks():
            yield block
            taken(len(block.spectra))

    return replace(observation, blocks=blocks)


def _start(root: Path, observation: Observation, running: dict[Connection, tuple[Observation, BaseProcess]]) -> None:
    # By a fork, since blocks cannot be pickled. No HDF5 file is open in this process, and it computes nothing.
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_write, args=(root, observation, theirs), daemon=True)
    process.start()
    theirs.close()
    running[ours] = observation, process


def _write(root: Path, observation: Observation, pipe: Connection) -> None:
    """In the process of its own: repeats taken as numbers, at the end a path and whether it is new, or an error."""
    try:
        pipe.send(shard.write(root, _counted(observation, pipe.send)))
    except PreflareError as error:
        pipe.send(error)
    except KeyboardInterrupt:
        pass  # said once, by the process that started this one


def _finished(
    running: dict[Connection, tuple[Observation, BaseProcess]], advance: Advance
) -> Iterator[tuple[Observation, Path, bool]]:
    """Wait for news, and yield the observations that are written."""
    for pipe in wait(list(running)):
        assert isinstance(pipe, Connection)
        observation, process = running[pipe]
        try:
            news = pipe.recv()
        except EOFError:
            news = ShardError(
                f"The process that wrote {observation.header.name} ended early, perhaps for want of memory. "
                "Give the same command again, with fewer workers."
            )
        if isinstance(news, int):
            advance(observation, news)
            continue
        del running[pipe]
        process.join()
        if isinstance(news, PreflareError):
            raise news
        yield (observation, *news)
