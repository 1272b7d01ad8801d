"""The commands that make a page again, from what the run and its cubes say of themselves."""

import re
import shlex
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path

from omegaconf import OmegaConf

from preflare.command import CONF, folder_name
from preflare.explain.cube import Attribute, Cube
from preflare.explain.ensemble import Ensemble
from preflare.run import Run

# Attribute of a cube -> key of explain.py.
KEYS = {
    "quantity": "explained",
    "checkpoint": "checkpoint",
    "spectra": "spectra",
    "sample": "sample",
    "sample_seed": "seed",
    "members_choice": "members",
    "maps": "maps",
    "precision": "precision",
    "baselines": "expected_gradients.baselines",
    "positions": "expected_gradients.positions",
    "baselines_choice": "expected_gradients.choice",
    "baselines_seed": "expected_gradients.seed",
}


def history(by: Ensemble, cubes: Sequence[Cube], root: Path | None) -> str:
    """All of them, a line each. cubes: of the run or sweep.

    root: where report.py was told that the run's own shards are.
    """
    run, path = by.runs[0], by.folder.path
    # Only a cube of the run's own shards says where those were.
    homes = {Path(str(cube.attributes["shard"])).parent for cube in cubes if _own(cube)}
    other = root.resolve() if root else min(homes, default=None)
    lines = [_train(run)] if by.single else [_sweep(by)]
    own: dict[tuple[str, ...], list[str]] = {}
    for cube in filter(_own, cubes):
        home = root.resolve() if root else Path(str(cube.attributes["shard"])).parent
        settings = (*_moved(run, home), *_settings(cube))
        own.setdefault(settings, []).append(str(cube.attributes["observation"]))
    for settings, names in own.items():
        held_out = set(names) == set(by.held_out())
        lines.append(
            command("explain", path, [*settings, *([] if held_out else [f"observations=[{','.join(names)}]"])])
        )
    for cube in cubes:
        if not _own(cube):
            shard = f"shards={_value(str(cube.attributes['shard']))}"
            foreign = cube.attributes["origin"] != run.record["trained_on"]["origin"]
            allowed = ["allow_simulated=true"] if foreign else []
            lines.append(command("explain", path, [shard, *_moved(run, other), *_settings(cube), *allowed]))
    return "\n".join([*lines, command("report", path, _given(root))])


def next_steps(by: Ensemble, root: Path | None) -> str:
    """What fills a page that has no held-out observation yet."""
    return "\n".join(command(verb, by.folder.path, _given(root)) for verb in ("explain", "report"))


def command(verb: str, path: Path, settings: Iterable[str] = ()) -> str:
    """A verb on a run or sweep, as a shell takes it."""
    return shlex.join(["python", f"{verb}.py", f"run={_value(str(path))}", *settings])


def _sweep(by: Ensemble) -> str:
    """One command if the members are all combinations of what their overrides say, else one for each."""
    choices: dict[str, dict[str, None]] = {}
    for run in by.runs:
        for override in run.record["overrides"]:
            key, _, value = override.partition("=")
            choices.setdefault(key, {})[value] = None
    jobs = {frozenset(run.record["overrides"]) for run in by.runs}
    every = {frozenset(f"{k}={v}" for k, v in zip(choices, some, strict=True)) for some in product(*choices.values())}
    if jobs != every:
        return "\n".join(_train(run) for run in by.runs)
    path = by.folder.path.resolve()
    usual = path.parts[-2:] == ("runs", str(by.runs[0].config.name))
    where = [] if usual else [f"hydra.sweep.dir={_value(str(by.folder.path))}"]
    return shlex.join(
        ["python", "train.py", "-m", *(f"{key}={','.join(some)}" for key, some in choices.items()), *where]
    )


def _train(run: Run) -> str:
    overrides, path = list(run.record["overrides"]), run.folder.path.resolve()
    usual = Path("runs", str(run.config.name), folder_name(overrides)).parts
    there = path.parts[-len(usual) :] == usual
    return shlex.join(
        ["python", "train.py", *overrides, *([] if there else [f"hydra.run.dir={_value(str(run.folder.path))}"])]
    )


def _own(cube: Cube) -> bool:
    return cube.attributes["side"] != "none"


def _given(root: Path | None) -> list[str]:
    return [f"data.root={_value(str(root))}"] if root else []


def _moved(run: Run, home: Path | None) -> list[str]:
    return _given(home if home and home != Path(run.config.data.root).resolve() else None)


def _settings(cube: Cube) -> list[str]:
    """What the cube was made with, where that is not explain.py's default."""
    default = OmegaConf.load(CONF / "explain.yaml")
    found = []
    for attribute, key in KEYS.items():
        value = _typed(attribute, cube.attributes[attribute])
        if value != OmegaConf.select(default, key):
            found.append(f"{key}={_written(value)}")
    if cube.attributes["members_choice"] == "representative":
        found.append(f"representatives={cube.attributes['member_count']}")
    return found


def _typed(attribute: str, value: Attribute) -> Attribute | list[str] | None:
    """The value as the config has it."""
    if attribute == "maps":
        return str(value).split()
    return None if (attribute, value) == ("sample", "all") else value


def _written(value: Attribute | list[str] | None) -> str:
    if isinstance(value, list):
        return f"[{','.join(value)}]"
    return "null" if value is None else str(value)


def _value(text: str) -> str:
    """As Hydra's grammar takes it: quoted if there is more in it than a plain path."""
    if re.fullmatch(r"[\w./+-]+", text):
        return text
    escaped = text.replace("'", "\\'")
    return f"'{escaped}'"
