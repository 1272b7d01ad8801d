"""Train a network to tell spectra of regions about to flare (PF) from spectra of regions that are not (AR).

    python train.py                                    one run: the paper's ConvNet on partition 0
    python train.py partition.seed=44 model=fnn        another partition, another network
    python train.py -m 'seed=range(50)'                fifty seeds; the quotes keep the shell off the brackets
    python train.py --help                             every choice
"""

from dataclasses import dataclass
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import MISSING, DictConfig

from preflare.command import verb


@dataclass
class Config:
    """The keys of conf/train.yaml; any other is refused."""

    name: str = MISSING
    seed: int = MISSING
    threads: int = MISSING
    line: Any = MISSING
    data: Any = MISSING
    partition: Any = MISSING
    model: Any = MISSING
    loss: Any = MISSING
    optimizer: Any = MISSING
    trainer: Any = MISSING
    logger: Any = None


@verb("train", Config)
def main(config: DictConfig) -> float | None:
    """Train one run; returns the test side's TSS, for sweepers that look for the best."""
    from pathlib import Path

    from rich.console import Console

    from preflare.model import tables
    from preflare.model.training import train
    from preflare.run import RunFolder

    hydra = HydraConfig.get()
    folder = RunFolder(Path(hydra.runtime.output_dir))
    record = train(config, folder, hydra.overrides.task)
    tss = record["metrics"]["test"]["tss"]
    if hydra.mode is RunMode.MULTIRUN:
        print(f"{folder.path}: TSS {tables.number(tss)} at epoch {record['best_epoch']}, {record['seconds']} s")
    else:
        console = Console()
        console.print(tables.skill(record))
        console.print(f"Run folder: {folder.path}", soft_wrap=True)
    return tss


if __name__ == "__main__":
    main()
