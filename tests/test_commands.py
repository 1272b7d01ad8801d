"""Every verb command of the README, in order, on tiny data: what it promises works."""

import csv
import json
import re
import shlex
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.sun.archive_server import serve
from tests.sun.level2_files import Level2File, two_peaks

ROOT = Path(__file__).resolve().parents[1]
# Eight observations of each class: of 37 the same is said, and every command opens all shards.
with (ROOT / "preflare" / "sun" / "catalog.csv").open() as _catalog:
    NAMES = [f"{row['label']}_{row['id']}" for row in csv.DictReader(_catalog) if int(row["number"]) < 8]


def commands() -> list[list[str]]:
    """The README's ``python <verb>.py ...`` lines as words, comments left out."""
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("python ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


def tiny(words: list[str], rasters: Path, archive: str) -> list[str]:
    """The same command on less: fewer observations and spectra, one epoch, two jobs, two observations explained,
    rasters and an archive made for the test."""
    verb, *arguments = words
    folder = rasters / ("own" if "window.label=PF" in arguments else "paper")
    arguments = [word.replace("range(50)", "range(2)").replace("DIR", str(folder)) for word in arguments]
    if verb == "ingest.py" and "source=folder" not in arguments:
        arguments.append("simulation=tiny")
        if not any(word.startswith(("source=", "observations=")) for word in arguments):
            arguments.append(f"observations=[{','.join(NAMES)}]")
    if "source=archive" in arguments:
        arguments += [f"source.base={archive}", "source.pause=0"]
    if verb == "train.py":
        arguments.append("trainer.max_epochs=1")
    if verb == "explain.py":
        arguments += ["sample=2", "expected_gradients.baselines=4", "faithfulness=4"]
        if not any(word.startswith("shards=") for word in arguments):
            arguments.append(f"observations=[{','.join(two_held_out(arguments[0].removeprefix('run=')))}]")
    if any(word.startswith("quiet_sun=") for word in arguments):
        # After one epoch it would call all there is quiet, and leave nothing for what follows.
        arguments.append("quiet_threshold=1e-6")
    # One epoch leaves the plain run's folder to its name.
    for name in ("runs/default", "runs/quiet_sun"):
        arguments = [word.replace(name, f"{name}/trainer.max_epochs-1") for word in arguments]
    return arguments


def two_held_out(folder: str) -> list[str]:
    """An AR and a PF observation that no network of a run or sweep trained on; pages of all ten take long to draw."""
    record = json.loads(next(Path(folder).rglob("run.json")).read_text())
    names = sorted(record["partition"]["sides"]["test"])
    return [names[0], names[-1]]


def write_rasters(root: Path) -> Path:
    """Four repeats before the flare of 2014-03-29 and four before one that no catalog has."""
    starts = {"paper": ("2014-03-29T14:09:38.830", 10800.0), "own": ("2024-05-10T06:00:00.000", 0.0)}
    for name, (start, first) in starts.items():
        for number in range(4):
            time = first + 300.0 * number + np.array([0.0, 9.4])
            Level2File(two_peaks(2, 4, seed=number), time, start).write(root / name / f"{number}.fits")
    return root


def pack(rasters: Path, root: Path) -> Path:
    """The rasters of 2014-03-29 where the IRIS archive has them."""
    name = "20140329_140938_3860258481"
    folder = root / "level2_compressed" / "2014" / "03" / "29" / name
    folder.mkdir(parents=True)
    with tarfile.open(folder / f"iris_l2_{name}_raster.tar.gz", "w:gz", compresslevel=1) as tar:
        for path in sorted((rasters / "paper").iterdir()):
            tar.add(path, path.name)
    return root


def test_the_readme_has_every_verb() -> None:
    assert {words[0] for words in commands()} == {"ingest.py", "train.py", "explain.py", "report.py"}


def test_every_link_of_the_readme_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    inside = [link for link in links if not link.startswith("http")]
    assert inside and all((ROOT / link).is_file() for link in inside), inside


def test_every_command_of_the_readme(verb: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    rasters = write_rasters(tmp_path / "rasters")
    with serve(pack(rasters, tmp_path / "archive")) as server:
        for words in commands():
            arguments = tiny(words, rasters, server.url)
            code = verb(words[0].removesuffix(".py"), *arguments)
            assert code == 0, " ".join([words[0], *arguments])
    assert (tmp_path / "data/archive/PF_20140329_140938_3860258481.h5").is_file()
    assert (tmp_path / "runs/default/trainer.max_epochs-1/report.html").is_file()
    assert len(list((tmp_path / "runs/paper_splits").rglob("run.json"))) == 2
