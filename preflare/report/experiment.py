"""What experiments that make a section share: nothing is made twice, and what was found is told."""

import hashlib
import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table as Grid

from preflare.checks import check_path
from preflare.command import CONF
from preflare.report import section
from preflare.report.section import Section, Trace
from preflare.report.tables import Table

# Of tables that are not printed to a terminal, in characters: as wide as it takes.
WIDTH = 250
PACKAGE = Path(__file__).resolve().parents[1]


def conclude(config: DictConfig, inputs: Mapping[str, str], make: Callable[[], Section]) -> Path:
    """Make a section and write it to ``config.output``, unless the same is there, and print its tables and claims.

    The same: of this config, these inputs and this code.
    inputs: name -> digest, or when it was finished, of all that the section is made from. Returns its section.json.
    """
    folder = check_path("output", config.output)
    job = HydraConfig.get()
    # Its own name for the job is that of the module where the verb is made.
    script = f"experiments/{job.job.config_name}.py"
    settings = OmegaConf.to_container(config, resolve=True)
    assert isinstance(settings, dict)
    plain = {str(key): value for key, value in settings.items()}
    code = digest(CONF.parent / script)
    there = section.is_same(folder, plain, inputs, code)
    if not there:
        began = time.perf_counter()
        made = make()
        command = shlex.join(["python", script, *job.overrides.task])
        section.write(made, Trace(command, plain, dict(inputs), time.perf_counter() - began, code), folder)
    _tell(section.read(folder), folder, there)
    return folder / section.FILE


def digest(script: Path) -> str:
    """SHA-256 of the code that makes a section: the source of its script and of the package."""
    code = hashlib.sha256(script.read_bytes())
    for path in sorted(PACKAGE.rglob("*.py")):
        code.update(path.relative_to(PACKAGE).as_posix().encode())
        code.update(path.read_bytes())
    return code.hexdigest()


def _tell(record: Mapping[str, Any], folder: Path, there: bool) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    console.print(f"[bold]{record['title']}[/bold] ({record['paper']})")
    console.print(str(record["lead"]), soft_wrap=True, markup=False)
    for warning in record["warnings"]:
        console.print(f"Note: {warning}", soft_wrap=True, markup=False)
    for title, table in record["tables"].items():
        console.print(_grid(title, Table(tuple(table["head"]), tuple(tuple(row) for row in table["rows"]))))
    for claim in record["claims"]:
        truth = f" (put in: {claim['truth']})" if claim["truth"] else ""
        console.print(
            f"{claim['paper']}: {claim['claim']} Found: {claim['found']}{truth}: {claim['verdict']}.",
            soft_wrap=True,
            markup=False,
        )
    made = f", as made before ({record['finished']}; delete {section.FILE} there to make it anew)" if there else ""
    console.print(f"Figures and tables: {folder}{made}", soft_wrap=True, markup=False)


def _grid(title: str, table: Table) -> Grid:
    grid = Grid(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for place, head in enumerate(table.head):
        grid.add_column(head, justify="right" if place else "left")
    for row in table.rows:
        grid.add_row(*row)
    return grid
