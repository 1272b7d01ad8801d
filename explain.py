"""Say which wavelengths made a trained network call a spectrum PF or AR.

python explain.py run=runs/default                        the observations that the run held out
python explain.py run=runs/default shards=data/folder allow_simulated=true
                                                          other shards; real ones, by a network of the simulated Sun
python explain.py run=runs/seeds                          a sweep: mean and spread over its members
python explain.py --help                                  every choice
"""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING, DictConfig

from preflare.command import verb


@dataclass
class Data:
    """Where the run's own shards are."""

    root: str | None = None


@dataclass
class Config:
    """The keys of conf/explain.yaml; any other is refused."""

    run: str | None = None
    shards: str | None = None
    observations: list[Any] | None = None
    data: Data = field(default_factory=Data)
    explained: str = MISSING
    checkpoint: str = MISSING
    spectra: str = MISSING
    sample: int | None = None
    seed: int = MISSING
    members: str = MISSING
    representatives: int = MISSING
    maps: list[str] = MISSING
    precision: str = MISSING
    workers: int | None = None
    faithfulness: int = MISSING
    expected_gradients: Any = MISSING
    allow_simulated: bool = MISSING


@verb("explain", Config)
def main(config: DictConfig) -> None:
    """Explain the run's held-out observations, or the shards named."""
    from pathlib import Path

    from hydra.utils import instantiate
    from rich.console import Console

    from preflare.errors import ConfigError

    if config.run is None:
        raise ConfigError("An explanation is of a run or a sweep: give run=runs/default.")

    from preflare.explain import assessment, ensemble, rows, summary, trial
    from preflare.explain.explanation import Explanation

    by = ensemble.read(Path(config.run))
    explanation = Explanation(
        config.explained,
        config.checkpoint,
        config.spectra,
        config.sample,
        config.seed,
        config.members,
        config.representatives,
        config.maps,
        config.precision,
        config.workers,
        config.faithfulness,
        instantiate(config.expected_gradients),
        config.allow_simulated,
    )
    root, where = (Path(path) if path else None for path in (config.data.root, config.shards))
    cubes = explanation(by, root, where, config.observations)
    console = Console()
    console.print(summary.table([summary.summarise(cube) for cube in cubes]))
    if where is None and config.faithfulness:
        tested = rows.read(by.folder.cubes / trial.FAITHFULNESS, assessment.Row)
        console.print(assessment.table(tested, config.explained))
    console.print(f"Saliency cubes: {by.folder.cubes}", soft_wrap=True)


if __name__ == "__main__":
    main()
