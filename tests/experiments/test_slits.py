"""The slits section on cubes whose attributions the test decides, and on a small simulated Sun."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from preflare.data import writing
from preflare.data.shard import Shard
from preflare.explain.cube import Cube
from preflare.report import section
from preflare.sun.observation import Observation

Verb = Callable[..., int]
MakeCube = Callable[..., Cube]


def place(source: Path, target: Path, bright: int) -> Path:
    """A copy of a toy shard whose pixels lie 3 arcsec apart and whose flare, if any, is brightest at one of them."""
    opened = Shard.open(source)
    ((_, block),) = opened.blocks(10)
    position, intensity = block.position.copy(), block.intensity.copy()
    position[..., 1] = 3 * np.arange(10)
    intensity[:3] += np.arange(10)  # brightest at the last pixel before the flare
    intensity[3, :, bright] = 900
    made = replace(block, position=position, intensity=intensity)
    return writing.write(target, Observation(opened.header, *opened.shape[:3], lambda: iter([made])))[0]


@pytest.fixture
def sweep(own_run: Path, make_cube: MakeCube) -> Path:
    """The toy run and shards with places in ``placed/`` beside it: in PF attribution leads where the flare will be."""
    stream = np.random.default_rng(0)
    for number, path in enumerate(sorted((own_run.parent / "shards").glob("*.h5"))):
        bright = 1 + number
        placed = place(path, own_run.parent / "placed", bright)
        score = stream.uniform(0.4, 0.5, (4, 2, 10))
        score[:3, :, bright] = 0.9
        log_odds = np.log(score / (1 - score))
        make_cube(own_run / "cubes", placed, score, np.repeat(log_odds[..., None] / 240, 240, axis=-1))
    return own_run


def arguments(sweep: Path, output: Path, *more: str) -> tuple[str, ...]:
    return (f"sweep={sweep}", f"data.root={sweep.parent / 'placed'}", f"output={output}", *more)


def test_aligned_slits_are_counted_and_every_slit_can_be_browsed(sweep: Path, tmp_path: Path, verb: Verb) -> None:
    assert verb("experiments/slits", *arguments(sweep, tmp_path / "x")) == 0

    record = section.read(tmp_path / "x")
    assert [plot["name"] for plot in record["plots"]] == ["aligned", "quiet", "alignment"]
    rows = {(row[0], row[1]): row for row in record["tables"]["Alignment"]["rows"]}
    assert rows["attribution", "5"][2] == "6 of 6"
    # Of ten pixels three lie within 5 arcsec of one.
    assert rows["attribution", "5"][5] == "30%"
    assert rows["intensity", "5"][2] == "0 of 6"
    assert len(record["tables"]["Observations"]["rows"]) == 3
    facts = [tuple(item["facts"][name] for name in ("label", "aligned")) for item in record["gallery"]]
    assert sorted(facts) == [("AR", "no flare seen")] * 6 + [("PF", "yes")] * 6
    # The toy shards do not say what was planted: nothing is recovered from them.
    assert [claim["verdict"] for claim in record["claims"]] == ["needs the real data"] * 2
    # Of ten pixels one has 0.9, the others 0.40 to 0.50.
    assert "Before the flare 0.5" in record["claims"][1]["found"]
    assert [plot["figures"] for plot in record["plots"]] == [["14"], ["D.1"], []]


def test_slits_that_are_too_short_are_not_called_aligned(sweep: Path, tmp_path: Path, verb: Verb) -> None:
    assert verb("experiments/slits", *arguments(sweep, tmp_path / "x", "tolerance=20")) == 0
    record = section.read(tmp_path / "x")
    assert record["lead"].startswith("None of 6 slits of 3 PF observations that saw the flare is 80 arcsec long")
    assert {item["facts"]["aligned"] for item in record["gallery"]} == {"no flare seen", "too short"}
    assert [plot["name"] for plot in record["plots"]] == ["quiet", "alignment"]
    assert "No slit is long enough for a tolerance of 20 arcsec." in record["plots"][1]["caption"]


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("tolerance=0", "tolerance is 0, expected a number of arcsec above 0"),
        ("data.root=nowhere", "is gone"),
    ],
)
def test_bad_input_is_refused(
    sweep: Path, tmp_path: Path, verb: Verb, capfd: pytest.CaptureFixture[str], argument: str, said: str
) -> None:
    assert verb("experiments/slits", *arguments(sweep, tmp_path / "x", argument)) == 1
    assert said in capfd.readouterr().err
    assert not (tmp_path / "x").exists()


def test_without_a_flare_there_is_nothing_to_align(
    sweep: Path, tmp_path: Path, verb: Verb, capfd: pytest.CaptureFixture[str]
) -> None:
    for path in (sweep / "cubes").glob("PF_*.h5"):
        path.unlink()
    assert verb("experiments/slits", *arguments(sweep, tmp_path / "x")) == 1
    assert "explains no PF observation whose slit saw the flare" in capfd.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_run_that_was_not_explained_is_refused(
    sweep: Path, tmp_path: Path, verb: Verb, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(sweep / "cubes")
    assert verb("experiments/slits", *arguments(sweep, tmp_path / "x")) == 1
    assert "holds no saliency cubes" in capfd.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("precursors", [1, 0])
def test_precursors_that_gather_at_the_footpoint_are_found_and_none_where_there_are_none(
    precursors: int, tmp_path: Path, verb: Verb
) -> None:
    """A Sun of 37 observations with slits of a minute of arc, whose precursors, unlike by default, are near the
    footpoint only. Five folds, so that each observation is judged by a network that did not see it."""
    sizes = ("simulation=tiny", "simulation.programme.size=560", "simulation.programme.rasters=0.3")
    gathered = ("simulation.gathering.reach=7", "simulation.gathering.everywhere=0")
    sun = (f"simulation.precursors={precursors}", f"data.root={tmp_path / 'sun'}")
    assert verb("ingest", *sizes, *gathered, *sun) == 0
    folds = ("partition=folds", "partition.seed=range(5)", "trainer.max_epochs=40", f"data.root={tmp_path / 'sun'}")
    assert verb("train", "-m", *folds, f"hydra.sweep.dir={tmp_path / 'folds'}") == 0
    less = ("sample=3", "faithfulness=0", "maps=[]", "expected_gradients.baselines=20")
    assert verb("explain", f"run={tmp_path / 'folds'}", "checkpoint=last", *less) == 0
    assert verb("experiments/slits", f"sweep={tmp_path / 'folds'}", "tolerance=10", f"output={tmp_path / 'x'}") == 0

    record = section.read(tmp_path / "x")
    rows = {row[0]: row for row in record["tables"]["Alignment"]["rows"] if row[1] == "10"}
    by_shift, by_pair = (float(rows["attribution"][column]) for column in (6, 8))
    claim = record["claims"][0]
    # How far the flare's brightest pixel is from where the simulation put it, of at least half of the observations.
    away = [float(row[-1]) for row in record["tables"]["Observations"]["rows"]]
    assert np.median(away) < 4
    if precursors:
        assert by_shift < 0.01 and by_pair < 0.01
        assert claim["verdict"] == "method recovers the planted truth"
        assert "precursors lead to the flare in" in claim["truth"]
    else:
        assert by_shift > 0.01 and by_pair > 0.01
        assert claim["verdict"] == "needs the real data" and claim["truth"] == "no precursors"
