"""Turn observations into shards, one HDF5 file each.

python ingest.py                                   the simulated Sun: 18 AR and 19 PF observations
python ingest.py source=folder source.path=DIR     real IRIS level-2 rasters of one observation
python ingest.py source=folder source.path=DIR window=all      ... all of it, whatever it shows
python ingest.py source=archive 'observations=[PF_20140329_140938_3860258481]'     ... from the IRIS archive
python ingest.py simulation.format=fits            the simulated Sun as level-2 files, for ingest or other tools
python ingest.py quiet_sun=runs/quiet_sun          flag quiet Sun in the shards that are there
python ingest.py --help                            every choice
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import MISSING, DictConfig, ListConfig
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, track
from rich.table import Table

from preflare.checks import check_integer, check_path
from preflare.command import verb
from preflare.data import shard
from preflare.data.parallel import write_all
from preflare.errors import ConfigError
from preflare.sun.archive import Archive
from preflare.sun.line import Line
from preflare.sun.observation import Label, Observation, check_identities
from preflare.sun.quality import Quality, tally
from preflare.sun.simulation import files, multi_slit
from preflare.sun.simulation.source import Simulation

# How the table heads the flags; percentages below.
HEADS = {
    Quality.MISSING: "miss-\ning",
    Quality.OVEREXPOSED: "over-\nexp.",
    Quality.LOW_SIGNAL: "low\nsignal",
    Quality.PEAK_OUTSIDE_CORES: "peak\nout",
    Quality.CORE_RATIO: "core\nratio",
    Quality.ZERO_EXPOSURE: "zero\nexp.",
    Quality.HIGH_CONTINUUM: "high\ncont.",
    Quality.OFF_LIMB: "off\nlimb",
    Quality.QUIET_SUN: "quiet\nSun",
    Quality.SAA: "SAA",
}


@dataclass
class Data:
    """root: the folder for the shards."""

    root: str = MISSING


@dataclass
class Config:
    """The keys of conf/ingest.yaml; any other is refused."""

    line: Any = MISSING
    source: Any = MISSING
    simulation: Any = MISSING
    window: Any = MISSING
    catalog: str | None = None
    observations: Any = None
    workers: Any = 1
    data: Data = field(default_factory=Data)
    quiet_sun: Any = None
    quiet_threshold: Any = None
    allow_simulated: bool = False


@verb("ingest", Config)
def main(config: DictConfig) -> None:
    """Write the shards that are not there yet, and print what all of them hold."""
    wanted = _wanted(config.observations)
    root = check_path("data.root", config.data.root)
    workers = check_integer("workers", config.workers, 1)
    if config.catalog is not None and "catalog" not in config.source:
        raise ConfigError(
            f"catalog={config.catalog} is given, but this source does not read a catalog. "
            "Leave it out, or choose source=folder or source=archive."
        )
    console = Console()
    _check_quiet_sun(config)
    if config.quiet_sun is not None:
        _flag_quiet_sun(config, root, wanted, console)
        return
    line, source = instantiate(config.line), instantiate(config.source)
    if isinstance(source, Simulation) and source.format != "shards" and workers > 1:
        raise ConfigError(
            f"workers={workers} is given, but files of simulation.format={source.format} are written by one process. "
            "Leave it out."
        )
    if isinstance(source, Simulation) and source.format == "fits":
        # Also where somebody names that folder itself.
        _write_files(source, line, root if root.name == "fits" else root / "fits", console)
        return
    if isinstance(source, Simulation) and source.format == "muse":
        _write_multi_slit(source, line, root if root.name == "muse" else root / "muse", console)
        return
    found: dict[str, bool] = {}
    paths: dict[str, Path] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # A bar's own thread would be in the way of the forks that more workers take.
    progress = Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal, auto_refresh=workers == 1
    )
    with progress:
        if isinstance(source, Archive):
            source.watch = partial(_downloading, progress)
        chosen = (one for one in source.observations(line) if not wanted or one.header.name in wanted)
        for observation, path, written in write_all(root, chosen, workers, _advance(progress)):
            found[observation.header.name] = written
            paths[observation.header.name] = path
    absent = [name for name in wanted or () if name not in found]
    if absent:
        raise ConfigError(f"The source has no observation {', '.join(absent)}. Correct observations=[...].")
    if not found:
        raise ConfigError("No observation is left to ingest. Mend what is said above, or name others.")
    _flag_by_default([shard.Shard.open(path) for path in paths.values()], console)
    names = sorted(paths) if workers > 1 else list(paths)
    console.print(
        _table({name: tally(shard.Shard.open(paths[name]).read("quality"), line) for name in names}), crop=False
    )
    new = sum(found.values())
    old = f", {len(found) - new} already there" if new < len(found) else ""
    console.print(f"{new} written{old}: {root}", soft_wrap=True)
    if isinstance(source, Simulation) and source.spectra is not None:
        held, asked = (
            " and ".join(f"{count} {name}" for name, count in x.items()) for x in (source.held(), source.spectra)
        )
        console.print(f"The windows of the whole data set hold {held} spectra; {asked} were asked for.", soft_wrap=True)
    if isinstance(source, Archive):
        source.check_complete()


def _check_quiet_sun(config: DictConfig) -> None:
    """Raise ConfigError for keys that would be passed over with quiet_sun=, or without it."""
    if config.quiet_sun is None:
        for key in ("quiet_threshold", "allow_simulated"):
            if config[key] not in (None, False):
                raise ConfigError(f"{key} is given, but no quiet_sun=RUN that would use it. Add one, or leave it out.")
        return
    path = config.source.get("path")
    if path is not None:
        raise ConfigError(
            f"source.path={path} is given beside quiet_sun=, which flags the shards in data.root={config.data.root} "
            "and ingests nothing. Leave it out, or ingest first."
        )
    if config.workers != 1:
        raise ConfigError(f"workers={config.workers} is given, but quiet Sun is flagged by one process. Leave it out.")


def _write_files(source: Simulation, line: Line, root: Path, console: Console) -> None:
    found = {}
    for recording in track(source.recordings(line), console=console, transient=True, disable=not console.is_terminal):
        folder, found[recording.entry.id] = files.write(recording, line, source.atom, source.detector, root)
    files.write_catalog(source.entries(line), root / "catalog.csv")
    new = sum(found.values())
    old = f", {len(found) - new} already there" if new < len(found) else ""
    console.print(
        f"{new} written as level-2 files{old}: {root}. To ingest the last: "
        f"python ingest.py source=folder source.path={folder} catalog={root / 'catalog.csv'} data.root=DIR",
        soft_wrap=True,
    )


def _write_multi_slit(source: Simulation, line: Line, root: Path, console: Console) -> None:
    new = 0
    for recording in track(source.recordings(line), console=console, transient=True, disable=not console.is_terminal):
        path, written = multi_slit.write(recording, source.detector.fill, root)
        new += written
    entry = recording.entry
    label = f"window.label={entry.label.name}" + (f" window.onset={entry.onset}" if entry.onset else "")
    console.print(
        f"{new} written as files of {multi_slit.SLITS} slits: {root}. To ingest the last: "
        f"python ingest.py source=muse source.path={path} {label} data.root=DIR",
        soft_wrap=True,
    )


def _flag_quiet_sun(config: DictConfig, root: Path, wanted: tuple[str, ...] | None, console: Console) -> None:
    """Apply the run that quiet_sun= names to the shards that are there."""
    from preflare.model.quiet_mask import QuietMask, apply_all

    line, path = instantiate(config.line), check_path("quiet_sun", config.quiet_sun)
    mask = QuietMask.read(path, config.quiet_threshold, config.allow_simulated)
    # Whether they are of its line and grid the mask says better.
    shards = [shard.Shard.open(path) for path in shard.find(root)]
    shards = [one for one in shards if wanted is None or one.name in wanted]
    absent = sorted(set(wanted or ()) - {one.name for one in shards})
    if absent:
        raise ConfigError(f"{root} has no shard of {', '.join(absent)}. Correct observations=[...].")
    with _bar(console) as progress:
        task = progress.add_task("quiet Sun", total=len(shards))
        written = apply_all(mask, shards, lambda: progress.advance(task))
    console.print(_table({one.name: tally(one.read("quality"), line) for one in shards}), crop=False)
    console.print(
        f"{written} flagged by an error of at most {mask.threshold:.3g}, {len(shards) - written} left as they were: "
        f"{root}",
        soft_wrap=True,
    )


def _flag_by_default(shards: list[shard.Shard], console: Console) -> None:
    """Flag quiet Sun in simulated shards by the autoencoder that ships, where no other has; say where none can."""
    from preflare.model.quiet_mask import SHIPPED, QuietMask

    unflagged = [one for one in shards if not one.quiet_sun and one.header.label is not Label.QS]
    if not unflagged:
        return
    mask = QuietMask.read(SHIPPED)
    with _bar(console) as progress:
        task = progress.add_task("quiet Sun", total=len(unflagged))
        done = 0
        for one in unflagged:
            done += mask.fits(one) and mask.apply(one)
            progress.advance(task)
    if done < len(unflagged):
        console.print(
            "QUIET_SUN is not set: the autoencoder that ships knows the simulated Sun, as IRIS sees it in one line and "
            "grid, only. Train one on quiet Sun (window.label=QS), then: python ingest.py quiet_sun=RUN data.root=DIR",
            soft_wrap=True,
        )


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _wanted(names: object) -> tuple[str, ...] | None:
    if names is None:
        return None
    return check_identities(list(names) if isinstance(names, ListConfig) else [names])


def _advance(progress: Progress) -> Callable[[Observation, int], None]:
    """A bar for each observation that is being written."""
    left: dict[str, tuple[TaskID, int]] = {}

    def advance(observation: Observation, taken: int) -> None:
        name = observation.header.name
        task, rest = left.get(name) or (progress.add_task(name, total=observation.repeats), observation.repeats)
        left[name] = task, rest - taken
        progress.advance(task, taken)
        if rest == taken:
            progress.remove_task(task)
        if not progress.live.auto_refresh:
            progress.refresh()

    return advance


@contextmanager
def _downloading(progress: Progress, name: str, size: int) -> Iterator[Callable[[int], None]]:
    """A bar in megabytes while a file comes."""
    task = progress.add_task(f"{name}, MB", total=-(-size // 10**6))
    came = 0

    def advance(count: int) -> None:
        nonlocal came
        came += count
        progress.update(task, completed=came // 10**6)

    try:
        yield advance
    finally:
        progress.remove_task(task)


def _table(counts: dict[str, dict[str, int]]) -> Table:
    table = Table(
        title="Spectra, and percent of them clean or flagged",
        title_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    # On a narrow terminal lines break; a name that is cut off would be of no use.
    table.add_column("observation", no_wrap=True, min_width=max(len(name) for name in counts))
    # Flags that no spectrum carries would only take room.
    seen = [flag for flag in HEADS if any(count[str(flag.name)] for count in counts.values())]
    for head in ("spectra", "clean", *(HEADS[flag] for flag in seen)):
        table.add_column(head, justify="right", min_width=5)
    for name, count in counts.items():
        shares = (100 * count[key] / count["spectra"] for key in ("clean", *(str(flag.name) for flag in seen)))
        table.add_row(name, str(count["spectra"]), *(f"{share:.1f}" for share in shares))
    return table


if __name__ == "__main__":
    main()
