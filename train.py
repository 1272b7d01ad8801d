"""Train a network to tell spectra of regions about to flare (PF) from spectra of regions that are not (AR).

python train.py                                    one run: the paper's ConvNet on partition 0
python train.py partition.seed=44 model=fnn        another partition, another network
python train.py -m 'seed=range(50)'                fifty seeds; the quotes keep the shell off the brackets
python train.py experiment=quiet_sun               the autoencoder that masks quiet Sun
python train.py --help                             every choice
"""

from collections.abc import Mapping, Sequence
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
        from preflare.model import quiet_training, training

        quiet = quiet_training.trains_quiet_sun(jobs[0].config)
        line = quiet_training.line if quiet else tables.line
        for job, outcome in zip(jobs, (quiet_training if quiet else training).train(jobs), strict=True):
            print(f"{job.folder}: {outcome if isinstance(outcome, Exception) else line(outcome)}")

    def value(self, job: Job) -> float | None:
        return _value(read(job.folder).record) if RunFolder(job.folder).finished else None


@verb("train", Config, together=Jobs())
def main(config: DictConfig) -> float | None:
    """Train one run; returns the test side's TSS, for sweepers that look for the best."""
    from preflare.model import quiet_training, training

    quiet = quiet_training.trains_quiet_sun(config)
    hydra = HydraConfig.get()
    job = Job(config, Path(hydra.runtime.output_dir), tuple(hydra.overrides.task))
    (outcome,) = (quiet_training if quiet else training).train([job])
    if isinstance(outcome, Exception):
        raise outcome
    if hydra.mode is RunMode.MULTIRUN:
        print(f"{job.folder}: {(quiet_training if quiet else tables).line(outcome)}")
    else:
        console = Console()
        console.print(quiet_training.table(outcome) if quiet else tables.skill(outcome))
        console.print(f"Run folder: {job.folder}", soft_wrap=True)
    return _value(outcome)


def _value(record: Mapping[str, Any]) -> float | None:
    """What a sweeper looks at: the test side's TSS, or the loss of an autoencoder."""
    test = record["metrics"]["test"]
    value: float | None = test["tss"] if "tss" in test else test["loss"]
    return value


if __name__ == "__main__":
    main()
