"""Writing many observations: one after another, or several at once, by processes that stay.

A source hands out observations one at a time, with all that it must look up (files, onsets, a download); what takes
long, the blocks, is taken from each where it is written. So a source is never asked twice for the same thing.
"""

import contextlib
import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from preflare.data import writing
from preflare.errors import PreflareError, ShardError
from preflare.sun.observation import Block, Observation

# Told the observation and how many of its repeats have been taken since the last time.
Advance = Callable[[Observation, int], None]


def write_all(
    root: Path, observations: Iterable[Observation], workers: int, advance: Advance
) -> Iterator[tuple[Observation, Path, bool]]:
    """Write observations into the folder root as ``writing.write`` does, so many at once; yields them as they finish.

    Shards are the same whatever the number of workers. workers: processes, each of one thread; with 1, this one alone,
    with more, observations must be such as can be pickled.
    Raises what ``writing.write`` or the source raises, when those that had begun are finished.
    """
    if workers == 1:
        for observation in observations:
            path, new = writing.write(root, _counted(observation, partial(advance, observation)))
            yield observation, path, new
        return
    crew: list[_Worker] = []
    try:
        for observation in observations:
            if len(crew) < workers and all(worker.observation for worker in crew):
                crew.append(_hire(root, crew))
            while all(worker.observation for worker in crew):
                yield from _finished(crew, advance)
            next(worker for worker in crew if not worker.observation).take(observation)
        while any(worker.observation for worker in crew):
            yield from _finished(crew, advance)
    finally:
        # After a failure the others finish: what they have written need not be done again.
        for worker in crew:
            with contextlib.suppress(EOFError, OSError):
                worker.pipe.send(None)
                while True:
                    worker.pipe.recv()
            worker.process.join()


@dataclass(eq=False)
class _Worker:
    """A process that writes one observation after another. pipe: our end; observation: what it has in hand, if any."""

    pipe: Connection
    process: BaseProcess
    observation: Observation | None = None

    def take(self, observation: Observation) -> None:
        self.observation = observation
        with contextlib.suppress(BrokenPipeError):  # it has died, which is seen when it is listened to
            self.pipe.send(observation)


def _hire(root: Path, crew: list[_Worker]) -> _Worker:
    # By a fork: an import costs seconds. No HDF5 file is open in this process, and no thread of it is at work.
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    foreign = [ours, *(worker.pipe for worker in crew)]
    process = context.Process(target=_work, args=(root, theirs, foreign), daemon=True)
    process.start()
    theirs.close()
    return _Worker(ours, process)


def _work(root: Path, pipe: Connection, foreign: list[Connection]) -> None:
    """In a worker: of each observation repeats taken as numbers, at the end a path and whether it is new, or an error.

    foreign: ends of pipes that the fork has copied; held open, nobody would learn that the first process is gone.
    """
    for end in foreign:
        end.close()
    # An interrupt is said once, by the process that started this one; without that process there is nothing to do.
    with contextlib.suppress(KeyboardInterrupt, EOFError, ConnectionError):
        while (observation := pipe.recv()) is not None:
            try:
                pipe.send(writing.write(root, _counted(observation, pipe.send)))
            except PreflareError as error:
                pipe.send(error)


def _counted(observation: Observation, taken: Callable[[int], None]) -> Observation:
    """The same observation; says how many repeats it has given."""

    def blocks() -> Iterator[Block]:
        for block in observation.blocks():
            yield block
            taken(len(block.spectra))

    return replace(observation, blocks=blocks)


def _end(code: int | None) -> str:
    """How a process ended that should have gone on, and what to do. code: its exit code, -N for signal N."""
    if code == -signal.SIGKILL:
        return (
            "was killed, as the system does when memory runs out. Give the same command again, with fewer workers or "
            "more memory."
        )
    how = f"was ended by signal {-code}" if code is not None and code < 0 else f"ended early, with exit code {code}"
    return f"{how}. Give the same command again with workers=1, which shows what is wrong."


def _finished(crew: list[_Worker], advance: Advance) -> Iterator[tuple[Observation, Path, bool]]:
    """Wait for news, and yield the observations that are written."""
    busy = {worker.pipe: worker for worker in crew if worker.observation}
    for pipe in wait(list(busy)):
        assert isinstance(pipe, Connection)
        worker = busy[pipe]
        observation = worker.observation
        assert observation is not None
        try:
            news = pipe.recv()
        except (EOFError, OSError):
            crew.remove(worker)
            worker.process.join()
            news = ShardError(f"The process that wrote {observation.header.name} {_end(worker.process.exitcode)}")
        if isinstance(news, int):
            advance(observation, news)
            continue
        worker.observation = None
        if isinstance(news, PreflareError):
            raise news
        yield (observation, *news)
