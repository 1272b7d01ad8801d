"""The whole study, section by section: every step is a command of its own, and the report shows what they left.

python experiments/paper.py                                     on the simulated Sun, into runs/paper/
python experiments/paper.py shards=DIR output=runs/real         on other shards
python experiments/paper.py 'only=[timelines]'                  one step

What is done is not done again. A step whose input failed is left out. Ends with the path of the report, and exits with
1 if a step failed.
"""

import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import MISSING, DictConfig
from rich.console import Console

from preflare.command import Drawn, verb
from preflare.data.shard import Shard
from preflare.errors import ConfigError
from preflare.report import index, section
from preflare.report import steps as times
from preflare.report.steps import Spent

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Step:
    """A command of the study. script: from the root. minutes: its budget on two cores. needs: the steps whose output it
    reads. simulated: whether it is to be done only on simulated shards, or where there are none yet."""

    name: str
    script: str
    arguments: list[str]
    minutes: float
    needs: list[str] = field(default_factory=list)
    simulated: bool = False


@dataclass
class Config(Drawn):
    """The keys of conf/paper.yaml; any other is refused."""

    output: str = MISSING
    shards: str = MISSING
    images: str | None = None
    only: Any = None
    steps: Any = MISSING


@verb("paper", Config)
def main(config: DictConfig) -> None:
    """Do the steps in turn, each in a process of its own, and build the report."""
    is_real = real(Path(config.shards))
    # As the steps take it; the simulated Sun's films lie where ingest.py puts them.
    config.images = config.images or ("null" if is_real else f"{config.shards}/fits")
    steps = [Step(**step) for step in config.steps]
    wanted = [step for step in chosen(steps, config.only) if not (step.simulated and is_real)]
    output = Path(config.output)
    console = Console()
    console.print(f"{len(wanted)} steps, {sum(step.minutes for step in wanted):g} minutes by their budgets.")
    failed: dict[str, str] = {}
    for step in wanted:
        command = [sys.executable, str(ROOT / step.script), *step.arguments]
        told = shlex.join(["python", step.script, *step.arguments])
        missing = [name for name in step.needs if name in failed]
        if missing:
            failed[step.name] = f"{step.name} was not done because {' and '.join(missing)} failed."
            console.print(failed[step.name], soft_wrap=True, markup=False)
            continue
        console.print(f"[bold]{step.name}[/bold] (budget {step.minutes:g} min): ", end="")
        console.print(told, soft_wrap=True, markup=False)
        began, done = time.perf_counter(), False
        try:
            done = subprocess.run(command, check=False).returncode == 0
        finally:
            seconds = time.perf_counter() - began
            times.note(output, step.name, Spent(told, step.minutes, seconds, done))
        if not done:
            failed[step.name] = f"{step.name} failed; to see why: {told}"
        over = ", over its budget" if seconds > 60 * step.minutes else ""
        console.print(f"{step.name}: {seconds / 60:.1f} of {step.minutes:g} min{over}.")
    sections = [output / step.name for step in steps if (output / step.name / section.FILE).is_file()]
    page = _report(steps, sections, output, list(failed.values())) if sections else None
    for sentence in failed.values():
        console.print(sentence, soft_wrap=True, markup=False)
    if page:
        console.print(f"The report: {page}", soft_wrap=True, markup=False)
    if failed:
        sys.exit(1)


def _report(steps: list[Step], sections: list[Path], output: Path, failed: list[str]) -> Path:
    spent = times.read(output)
    ordered = {step.name: spent[step.name] for step in steps if step.name in spent}
    return index.write(sections, output / "report", failed, ordered, times.made(output))


def real(shards: Path) -> bool:
    """Whether this folder holds shards of real observations."""
    if not shards.is_dir():
        return False
    found = sorted(shards.glob("*.h5"))
    return bool(found) and Shard.open(found[0]).header.origin != "simulation"


def chosen(steps: list[Step], only: Any) -> list[Step]:
    """The steps named in only, in their own order; all for None. Raises ConfigError for a name that is no step's."""
    if only is None:
        return steps
    names = [only] if isinstance(only, str) else list(only)
    unknown = sorted(set(names) - {step.name for step in steps})
    if unknown:
        known = ", ".join(step.name for step in steps)
        raise ConfigError(f"There is no step {', '.join(unknown)} (only={only}). Known are {known}.")
    return [step for step in steps if step.name in names]


if __name__ == "__main__":
    main()
