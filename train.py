"""Train a network to tell spectra of regions about to flare (PF) from spectra of regions that are not (AR).

python train.py                                    one run: the paper's ConvNet on partition 0
python train.py partition.seed=44 model=fnn        another partition, another network
python train.py -m 'seed=range(50)'                fifty seeds; the quotes keep the shell off the brackets
python train.py --help                             every choice
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import MISSING, DictConfig
from rich.console import Console

from preflare.command import Job, verb
from preflare.model import tables
from preflare.run import RunFolder, read


@dataclass
class Swarm:
    """max_members: members of one swarm at most; None is as many as fit in memory, GiB, beside the spectra."""

    max_members: int | None = None
    memory: float = 2.0


@dataclass
class Config:
    """The keys of conf/train.yaml; any other is refused."""

    name: str = MISSING
    seed: int = MISSING
    threads: int | None = None
    line: Any = MISSING
    data: Any = MISSING
    partition: Any = MISSING
    model: Any = MISSING
    loss: Any = MISSING
    optimizer: Any = MISSING
    trainer: Any = MISSING
    callbacks: Any = None
    early_stopping: int | None = None
    logger: Any = None
    swarm: Swarm = field(default_factory=Swarm)


class Jobs:
    """How the jobs of a sweep train together (``hydra/launcher=swarm``)."""

    def groups(self, jobs: Sequence[Job]) -> list[list[Job]]:
        from preflare.model import training

        return training.groups(jobs)

    def run(self, jobs: Sequence[Job]) -> None:
        from preflare.model import training

        for job, outcome in zip(jobs, training.train(jobs), strict=True):
            print(f"{job.folder}: {outcome if isinstance(outcome, Exception) else tables.line(outcome)}")

    def value(self, job: Job) -> float | None:
        return read(job.folder).record["metrics"]["test"]["tss"] if RunFolder(job.folder).finished else None


@verb("train", Config, together=Jobs())
def main(config: DictConfig) -> float | None:
    """Train one run; returns the test side's TSS, for sweepers that look for the best."""
    from preflare.model import training

    hydra = HydraConfig.get()
    job = Job(config, Path(hydra.runtime.output_dir), tuple(hydra.overrides.task))
    (outcome,) = training.train([job])
    if isinstance(outcome, Exception):
        raise outcome
    if hydra.mode is RunMode.MULTIRUN:
        print(f"{job.folder}: {tables.line(outcome)}")
    else:
        console = Console()
        console.print(tables.skill(outcome))
        console.print(f"Run folder: {job.folder}", soft_wrap=True)
    return outcome["metrics"]["test"]["tss"]


if __name__ == "__main__":
    main()
