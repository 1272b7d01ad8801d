"""The steps that a study was done in: what each took, and with which config it trained or explained."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from preflare.errors import RunError
from preflare.explain.cube import Cube
from preflare.run import RunFolder, flatten, has_effect

FILE = "steps.json"
# Of a cube, what tells how it was made, and is not of one observation alone.
HOW = (
    "quantity",
    "members_choice",
    "checkpoint",
    "spectra",
    "sample",
    "sample_seed",
    "precision",
    "maps",
    "samples",
    "baselines",
    "positions",
    "baselines_choice",
    "baselines_seed",
)


@dataclass(frozen=True)
class Spent:
    """What a step took. command: as it is given. minutes: its budget. done: whether it came to its end."""

    command: str
    minutes: float
    seconds: float
    done: bool


@dataclass(frozen=True)
class Made:
    """Runs, or their cubes, of a folder. title: what they are; config: as YAML."""

    title: str
    config: str


def read(output: Path) -> dict[str, Spent]:
    """Step -> what it took, as ``note`` wrote it; empty if there is nothing. Raises RunError."""
    path = output / FILE
    if not path.is_file():
        return {}
    try:
        return {name: Spent(**values) for name, values in json.loads(path.read_text(encoding="utf-8")).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise RunError(f"{path} cannot be read as the times of steps. Delete it to count anew.") from error


def note(output: Path, name: str, took: Spent) -> None:
    """Write down what a step took this time.

    To a step that did not come to its end what it takes to go on is added. One that did keeps its time unless it takes
    longer: given again, it does only what is missing, which is mostly nothing. Another command counts anew.
    """
    all = read(output)
    before = all.get(name)
    seconds = took.seconds
    if before is not None and before.command == took.command:
        seconds = max(before.seconds, seconds) if before.done else before.seconds + seconds
    all[name] = Spent(took.command, took.minutes, seconds, took.done)
    output.mkdir(parents=True, exist_ok=True)
    scratch = output / f".{FILE}.part"
    scratch.write_text(json.dumps({name: asdict(one) for name, one in all.items()}, indent=2) + "\n", encoding="utf-8")
    os.replace(scratch, output / FILE)


def made(output: Path) -> list[Made]:
    """How the runs and cubes in the folders of a study were made, in the order of their names."""
    found = []
    for folder in sorted(path for path in output.iterdir() if path.is_dir()) if output.is_dir() else []:
        runs = [RunFolder(path.parent) for path in sorted(folder.rglob("run.json"))]
        found += [_trained(folder, runs)] if runs else []
        cubes = [path for path in sorted((folder / "cubes").glob("*.h5")) if not path.name.startswith(".")]
        found += [_explained(folder, [Cube.open(path) for path in cubes])] if cubes else []
    return found


def _trained(folder: Path, runs: Sequence[RunFolder]) -> Made:
    """The config of the first run, and of each key in which others differ all values."""
    configs = [OmegaConf.to_container(OmegaConf.load(one.config_file), resolve=True) for one in runs]
    flat = [flatten(config) for config in configs]
    swept = {key: [one.get(key) for one in flat] for key in flat[0] if has_effect(key)}
    swept = {key: values for key, values in swept.items() if any(value != values[0] for value in values)}
    title = f"{folder.name}: {len(runs)} run{'s' * (len(runs) > 1)}"
    if swept:
        title += f", which differ in {', '.join(swept)}"
    lines = [f"# {key}: {', '.join(map(str, _ordered(values)))}" for key, values in swept.items()]
    lines += ["# The first of them:"] if swept else []
    return Made(title, "\n".join([*lines, OmegaConf.to_yaml(OmegaConf.create(configs[0]))]))


def _ordered(values: Sequence[Any]) -> list[Any]:
    unlike = list(dict.fromkeys(map(str, values)))
    try:
        return sorted(unlike, key=float)
    except ValueError:
        return sorted(unlike)


def _explained(folder: Path, cubes: Sequence[Cube]) -> Made:
    how: Mapping[str, list[Any]] = {
        key: list(dict.fromkeys(cube.attributes[key] for cube in cubes if key in cube.attributes)) for key in HOW
    }
    shown = {key: values[0] if len(values) == 1 else values for key, values in how.items() if values}
    return Made(f"{folder.name}/cubes: {len(cubes)} saliency cubes", OmegaConf.to_yaml(OmegaConf.create(shown)))
