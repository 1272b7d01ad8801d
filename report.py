"""Make one self-contained HTML page about a run: skill, learning curve, spectra coloured by attribution.

python report.py run=runs/default                 to runs/default/report.html
python report.py run=runs/default data.root=DIR   the run's own shards have moved to DIR
python report.py --help                           every choice
"""

from dataclasses import dataclass, field

from omegaconf import MISSING, DictConfig

from preflare.command import verb


@dataclass
class Data:
    """Where the run's own shards are."""

    root: str | None = None


@dataclass
class Config:
    """The keys of conf/report.yaml; any other is refused."""

    run: str = MISSING
    data: Data = field(default_factory=Data)


@verb("report", Config)
def main(config: DictConfig) -> None:
    """Write the page and print its path."""
    from pathlib import Path

    from preflare import run
    from preflare.report import page

    print(page.write(run.read(config.run), Path(config.data.root) if config.data.root else None))


if __name__ == "__main__":
    main()
