"""The section of the global explanation on cubes whose maxima the test decides."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from preflare.data import shard, writing
from preflare.data.shard import Shard
from preflare.explain.cube import Cube
from preflare.report import section
from preflare.sun.observation import Observation
from preflare.sun.simulation.precursor import Precursor

Verb = Callable[..., int]


def plant(path: Path, root: Path) -> Path:
    """A copy of a shard in which every spectrum has a precursor that changed the first tenth of its wavelengths."""
    one = Shard.open(path)
    ((_, block),) = one.blocks(99)
    changed = np.zeros((*one.shape[:3], 240), np.uint8)
    changed[..., :24] = 1
    kind = np.full(one.shape[:3], Precursor.RED_WING, np.uint8)
    truth = {"kind": kind, "changed": changed, "changed_normalised": changed}
    arrays = {name: getattr(block, name) for name in shard.LAYOUT}
    written, _ = writing.write(
        root, Observation(one.header, *one.shape[:3], blocks=lambda: iter([type(block)(**arrays, truth=truth)]))
    )
    return written


@pytest.fixture
def sweep(own_run: Path, make_cube: Callable[..., Cube], tmp_path: Path) -> Path:
    """The toy run with a cube of each observation: high scores of PF for the first tenth of the wavelengths."""
    stream = np.random.default_rng(0)
    for path in sorted((own_run.parent / "shards").glob("*.h5")):
        planted = plant(path, tmp_path / "planted")
        level = 0.95 if path.stem.startswith("PF") else 0.3
        score = level + 0.01 * stream.standard_normal((4, 2, 10))
        rows = 0.1 * stream.standard_normal((4, 2, 10, 240))
        rows[..., 10] += 3
        make_cube(own_run / "cubes", planted, score, rows)
    return own_run


def test_the_section_finds_what_was_planted(sweep: Path, tmp_path: Path, verb: Verb) -> None:
    arguments = (f"sweep={sweep}", f"data.root={tmp_path / 'planted'}", f"output={tmp_path / 'x'}", "score=0.5")
    assert verb("experiments/global_explanation", *arguments) == 0

    record = section.read(tmp_path / "x")
    assert [plot["name"] for plot in record["plots"]] == ["histogram", "kinds"]
    regions = {row[0]: row[2] for row in record["tables"]["Where the maxima are"]["rows"]}
    assert regions["elsewhere"].startswith("100.0%")
    assert regions["triplet"].startswith("0.0%")
    whole = record["tables"]["Maxima and planted precursors"]["rows"][0]
    assert whole[:5] == ["all", "174", "3", "100%", "10%"]
    assert "100% of maxima are on wavelengths" in record["claims"][0]["found"]
    # Of one kind alone nothing can be told from the others.
    assert [claim["verdict"] for claim in record["claims"]][0] == "needs the real data"
    assert len(record["claims"]) == 2


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("score=0.999", "No explained PF spectrum has a score of 0.999 or more; the highest is 0.9"),
        ("score=2", "score is 2"),
        ("method=lime", "method"),
        ("method=gradcam", "holds no gradcam. Explain again with 'maps=[gradcam]'"),
        ("metals=[He I]", "metals is ['He I'], expected one or more of line.features"),
    ],
)
def test_bad_input_is_refused(
    sweep: Path, tmp_path: Path, verb: Verb, capfd: pytest.CaptureFixture[str], argument: str, said: str
) -> None:
    arguments = (f"sweep={sweep}", f"data.root={tmp_path / 'planted'}", f"output={tmp_path / 'x'}", argument)
    assert verb("experiments/global_explanation", *arguments) == 1
    assert said in capfd.readouterr().err
    assert not (tmp_path / "x").exists()


def test_one_class_alone_is_refused(sweep: Path, tmp_path: Path, verb: Verb, capfd: pytest.CaptureFixture[str]) -> None:
    for path in (sweep / "cubes").glob("AR_*.h5"):
        path.unlink()
    arguments = (f"sweep={sweep}", f"data.root={tmp_path / 'planted'}", f"output={tmp_path / 'x'}")
    assert verb("experiments/global_explanation", *arguments) == 1
    assert "The cubes are of one class" in capfd.readouterr().err
