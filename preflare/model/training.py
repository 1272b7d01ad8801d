"""What the verb train does: jobs in, each a finished run folder; jobs that differ only in numbers train as one."""

import json
import logging
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor

from preflare import run
from preflare.command import Job, ours
from preflare.data.datamodule import Pool
from preflare.data.partition import CLASSES
from preflare.data.shard import open_all
from preflare.errors import ConfigError
from preflare.model.averaging import served, shared
from preflare.model.callbacks import AveragingRate, MemberRecord, SwarmBar, SwarmRecord, Watch
from preflare.model.member import Member
from preflare.model.swarm import CannotSwarm
from preflare.model.swarm.data import SwarmData
from preflare.model.swarm.memory import most_members, needs
from preflare.model.swarm.module import SwarmClassifier
from preflare.model.swarm.workers import Workers
from preflare.run import RunFolder, flatten, has_effect
from preflare.threads import cores, torch_threads

# What members of one swarm may differ in. Another architecture, batch size or number of epochs is another swarm.
WITHIN_A_SWARM = frozenset(
    {"seed", "data.seed", "partition.seed", "data.partition.seed", "optimizer.lr", "optimizer.weight_decay", "loss.l2"}
    | {"loss.sigma", "early_stopping"}
)
# What a trainer may be told without meaning one network alone.
FOR_ALL = frozenset(
    {"_target_", "accelerator", "devices", "max_epochs", "precision", "deterministic", "enable_progress_bar"}
    | {"enable_model_summary", "num_sanity_val_steps", "log_every_n_steps"}
)

# (data.root, line) -> observation -> digest of its shard.
Digests = dict[tuple[str, str], dict[str, str]]

log = logging.getLogger(__name__)
# Its notes on devices and products would come once per member.
logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)


def train(jobs: Sequence[Job]) -> list[dict[str, Any] | Exception]:
    """Train each job into its folder. For each its record (run.json), or the exception that ended it.

    A folder that holds that very run, finished, is left alone; an interrupted one goes on from its last epoch.
    A job that fails ends no other; why is also in its folder's failed.json.
    """
    outcomes: list[dict[str, Any] | Exception | None] = [None] * len(jobs)
    members: dict[int, Member] = {}
    digests: Digests = {}
    for place, job in enumerate(jobs):
        try:
            found = _finished_or_member(job, digests)
        except Exception as caught:
            error = ours(caught)
            RunFolder(job.folder).fail(error, job.config, job.overrides)
            outcomes[place] = error
            continue
        if isinstance(found, Member):
            members[place] = found
        else:
            outcomes[place] = found
    failed = _train(list(members.values()))
    for place, member in members.items():
        outcomes[place] = failed.get(id(member)) or run.read(member.folder.path).record
    return [outcome for outcome in outcomes if outcome is not None]


def groups(jobs: Sequence[Job]) -> list[list[Job]]:
    """Jobs that can train as one, by what members of a swarm must share; in the order of each group's first."""
    together: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        together[_shared(job)].append(job)
    return list(together.values())


def _shared(job: Job) -> str:
    flat = flatten(OmegaConf.to_container(job.config, resolve=True))
    places = {"data.root", "trainer.accelerator", "trainer.devices", "swarm.max_members", "swarm.memory"}
    shared = {k: v for k, v in flat.items() if k not in WITHIN_A_SWARM and (has_effect(k) or k in places)}
    return json.dumps(shared, sort_keys=True)


def _finished_or_member(job: Job, known: Digests) -> dict[str, Any] | Member:
    """known: the digests of shards that other jobs have opened, to which this job's are added."""
    root = job.config.data.root
    if not isinstance(root, str):
        raise ConfigError(f"data.root is {root!r}, expected a folder of shards.")
    key = (root, OmegaConf.to_yaml(job.config.line, resolve=True))
    if key not in known:
        shards = open_all(Path(root), instantiate(job.config.line))
        known[key] = {shard.name: shard.digest for shard in shards if shard.header.label in CLASSES}
    digests = known[key]
    folder = RunFolder(job.folder)
    if not folder.finished:
        return Member(job, digests)
    finished = run.read(folder.path)
    finished.check_same(job.config, digests)
    folder.failure_file.unlink(missing_ok=True)
    log.info("%s is already finished.", folder.path)
    return finished.record


def _train(members: Sequence[Member]) -> dict[int, Exception]:
    """Train members to the end; what ended those that failed, by identity."""
    failed: dict[int, Exception] = {}

    def attempt(concerned: Sequence[Member], action: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return action(*arguments)
        except CannotSwarm:
            raise
        except Exception as error:
            for member in concerned:
                if id(member) not in failed:
                    failed[id(member)] = error
                    member.fail(error)
        return None

    for member in members:
        attempt([member], member.begin)
    waiting = [member for member in members if id(member) not in failed]
    while waiting:
        for group in _alike(waiting, attempt):
            try:
                with _clock(group):
                    attempt(group, _fit_together, group, failed)
            except CannotSwarm as reason:
                if len(group) > 1:
                    log.warning("%s Each member trains alone.", reason)
                for member in group:
                    with _clock([member]):
                        attempt([member], _fit_alone, member)
        ended = [member for member in waiting if id(member) not in failed]
        again = [member for member in ended if attempt([member], member.restart)]
        for member in ended:
            if member not in again:
                attempt([member], member.finish)
        waiting = again
    return failed


@contextmanager
def _clock(members: Sequence[Member]) -> Iterator[None]:
    """Divide the time that this takes among the members, so that those of a swarm compare with those that are alone."""
    start = time.monotonic()
    try:
        yield
    finally:
        share = (time.monotonic() - start) / len(members)
        for member in members:
            member.seconds += share


def _alike(members: Sequence[Member], attempt: Callable[..., Any]) -> Iterator[list[Member]]:
    """Members that can train as one and go on from the same epoch, so many at a time as config or memory allow."""
    together: dict[tuple[str, int], list[Member]] = defaultdict(list)
    for member in members:
        together[_shared(member.job), member.first_epoch].append(member)
    for group in together.values():
        size = attempt(group, _most_members, group)
        if size is not None:
            for start in range(0, len(group), size):
                yield group[start : start + size]


def _most_members(group: Sequence[Member]) -> int:
    """How many of a group train as one swarm: swarm.max_members, or as many as swarm.memory has room for."""
    config, data = group[0].config, group[0].data
    if config.swarm.max_members is not None or len(group) == 1:
        return config.swarm.max_members or len(group)
    clean = dict.fromkeys(CLASSES, 0)
    pool = Pool(data.root, data.line)
    for shard in pool.shards:
        clean[shard.header.label] += int(pool.usable[shard.name].sum())
    spectra = 2 * min(clean.values())  # both classes have as many on every side
    number = 8 if str(config.trainer.precision).startswith("64") else 4
    network = instantiate(config.model)
    threads = None if config.trainer.accelerator != "cpu" else config.threads or cores()
    loss = instantiate(config.loss)
    taken = needs(network, loss, data.line.points, data.batch_size, spectra, spectra, number, threads)
    size = most_members(config.swarm.memory, taken)
    if size < len(group):
        log.info("%d members train %d at a time: swarm.memory is %g GiB.", len(group), size, config.swarm.memory)
    return size


def _fit_together(members: Sequence[Member], failed: dict[int, Exception]) -> None:
    """Train members as one swarm. Raises CannotSwarm before anything is trained."""
    config = members[0].config
    alone = sorted(key for key, value in config.trainer.items() if key not in FOR_ALL and value is not None)
    if alone:
        raise CannotSwarm(f"trainer.{alone[0]} is meant for one network.")
    first_epoch = members[0].first_epoch
    watcher = members[0].watcher
    pause = watcher.every if watcher is not None and watcher.unit == "batches" else None
    with _threads(members, config.threads or cores()):
        data = SwarmData([member.data for member in members], first_epoch, pause)
        data.setup()
        if first_epoch < config.trainer.max_epochs:
            _fit_swarm(members, data, failed)
        _average(members, data, failed)


def _fit_swarm(members: Sequence[Member], data: SwarmData, failed: dict[int, Exception]) -> None:
    config = members[0].config
    swarm = SwarmClassifier([member.classifier() for member in members], [member.seed for member in members], data)
    for place, member in enumerate(members):
        if member.resumed is not None:
            swarm.load_member_state(place, dict(member.resumed))
    with quiet_lightning():
        trainer: pl.Trainer = instantiate(
            config.trainer,
            max_epochs=config.trainer.max_epochs - members[0].first_epoch,
            callbacks=[
                SwarmRecord(members, failed),
                AveragingRate(members),
                Watch(members, lambda place: shared(data, place)),
                SwarmBar(members),
            ],
            logger=False,
            enable_checkpointing=False,
        )
        trainer.fit(swarm, datamodule=data)


def _average(members: Sequence[Member], data: SwarmData, failed: dict[int, Exception]) -> None:
    """Find the centre of each member's minimum, where the config asks for it."""

    def average(places: Tensor) -> None:
        for place in places.tolist():
            member = members[place]
            try:
                member.average(shared(data, place))
            except Exception as error:
                failed[id(member)] = error
                member.fail(error)

    if members[0].averaging is None:
        return
    log.info("Looking for the centre of each member's minimum.")
    workers = Workers()
    workers.share(average, torch.tensor([k for k, member in enumerate(members) if id(member) not in failed]))
    workers.close()


def _fit_alone(member: Member) -> None:
    """Train one member the ordinary Lightning way, from the beginning."""
    config = member.config
    with _threads([member], config.threads or 1):
        member.data.setup()
        if member.first_epoch < config.trainer.max_epochs:
            if member.resumed is not None:
                member.begin_anew()
            classifier = member.classifier()
            with quiet_lightning():
                trainer: pl.Trainer = instantiate(
                    config.trainer,
                    callbacks=[
                        MemberRecord(member),
                        AveragingRate([member]),
                        Watch([member], lambda place: served(member.data)),
                        SwarmBar([member]),
                    ],
                    logger=False,
                    enable_checkpointing=False,
                )
                trainer.fit(classifier, datamodule=member.data)
        member.average(served(member.data))


@contextmanager
def _threads(members: Sequence[Member], count: int) -> Iterator[None]:
    """So many threads for the members, noted in them."""
    for member in members:
        member.threads = count
    with torch_threads(count):
        yield


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Without the warnings of Lightning that do not apply here."""
    with warnings.catch_warnings():
        # Loading in worker processes is slower: conf/data/shards.yaml says why.
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        # Training sets of a few batches are no mistake here.
        warnings.filterwarnings("ignore", ".*number of training batches.*")
        # pytorch-lightning 2.6.6 with torch 2.13: https://github.com/Lightning-AI/pytorch-lightning/issues/21326
        warnings.filterwarnings("ignore", ".*LeafSpec.*", FutureWarning)
        yield
