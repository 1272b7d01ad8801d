"""Make one self-contained HTML page about a run or sweep: skill, spectra coloured by attribution, how far to trust it.

python report.py run=runs/default                 to runs/default/report.html
python report.py run=runs/seeds                   a sweep: the distribution of skill, its members, what they say
python report.py run=runs/default data.root=DIR   the run's own shards have moved to DIR
python report.py shards=data/simulation           the data: a row per observation, examples of every flag, what differs
python report.py --help                           every choice
"""

from dataclasses import dataclass, field

from omegaconf import DictConfig

from preflare.command import Drawn, verb


@dataclass
class Data:
    """Where the run's own shards are."""

    root: str | None = None


@dataclass
class Line:
    """Flags of shards that do not make a spectrum unclean."""

    tolerated: list[str] | None = None


@dataclass
class Config(Drawn):
    """The keys of conf/report.yaml; any other is refused."""

    run: str | None = None
    shards: str | None = None
    images: str | None = None
    line: Line = field(default_factory=Line)
    data: Data = field(default_factory=Data)


@verb("report", Config)
def main(config: DictConfig) -> None:
    """Write the page and print its path."""
    from pathlib import Path

    from preflare.errors import ConfigError

    if (config.run is None) == (config.shards is None):
        raise ConfigError("A report is about a run or about shards: give run=runs/default, or shards=data/simulation.")
    if config.shards is not None:
        from preflare.report import data_report

        films, tolerated = config.images, config.line.tolerated
        path = data_report.write(
            Path(config.shards), Path(films) if films else None, None if tolerated is None else list(tolerated)
        )
        print(path)
        return
    if config.line.tolerated is not None:
        raise ConfigError("line.tolerated belongs to a report about shards; a run has its own. Leave it out.")
    if config.images is not None:
        raise ConfigError("images=DIR belongs to a report about shards. Add shards=DIR, or leave it out.")

    from preflare.explain import ensemble
    from preflare.report import page

    print(page.write(ensemble.read(Path(config.run)), Path(config.data.root) if config.data.root else None))


if __name__ == "__main__":
    main()
