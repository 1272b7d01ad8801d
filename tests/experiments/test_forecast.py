"""A toy observation under watch by toy networks that did not see it."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from preflare.explain.cube import Cube
from preflare.report import section
from preflare.sun.observation import Label

Verb = Callable[..., int]
PF, NEW = "PF_20140310_140000_3860258482", "NA_20140315_140000_3860258480"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, make_shard: Callable[..., Path], run_verb: Verb) -> Path:
    home = tmp_path_factory.mktemp("forecast")
    for number in range(3):
        make_shard(home / "shards", Label.AR, number)
        make_shard(home / "shards", Label.PF, number)
    make_shard(home / "new", Label.UNKNOWN, 5)
    common = (f"data.root={home / 'shards'}", "trainer.max_epochs=2", "optimizer.lr=0.03")
    left = ("-m", *common, "partition=leave_one_out", "partition.seed=range(6)", f"hydra.sweep.dir={home / 'sweep'}")
    assert run_verb("train", *left) == 0
    little = ("sample=4", "faithfulness=0", "maps=[]", "checkpoint=last", "expected_gradients.baselines=4")
    assert run_verb("explain", f"run={home / 'sweep'}", *little) == 0
    assert run_verb("explain", f"run={home / 'sweep'}", f"shards={home / 'new'}", *little) == 0
    return home


def test_one_of_its_own_is_watched_without_itself(home: Path, tmp_path: Path, verb: Verb) -> None:
    arguments = (f"run={home / 'sweep'}", f"shards={home / 'shards' / PF}.h5", f"output={tmp_path / 'x'}")
    assert verb("experiments/forecast", *arguments) == 0

    record = section.read(tmp_path / "x")
    assert "Trained on the simulated Sun (IRIS)" in record["lead"]
    observations = [row[0] for row in record["tables"]["Observations of the sweep"]["rows"]]
    assert len(observations) == 5 and PF not in observations
    assert [row[0] for row in record["tables"]["What alarms are worth"]["rows"]] == ["rise", "score itself"]
    assert (tmp_path / "x" / "watch.pdf").is_file()
    # The toy places are all the same.
    assert "has no coordinates" in " ".join(record["warnings"])


def test_the_scores_are_those_of_the_cube(home: Path, tmp_path: Path, verb: Verb) -> None:
    arguments = (f"run={home / 'sweep'}", f"shards={home / 'new'}", f"output={tmp_path / 'x'}")
    assert verb("experiments/forecast", *arguments) == 0
    cube = Cube.open(home / "sweep" / "cubes" / f"{NEW}-new.h5")
    score = cube.read("score")
    np.testing.assert_array_equal(fits.getdata(tmp_path / "x" / "scores.fits"), score)
    rows = list(csv.DictReader((tmp_path / "x" / "scores.csv").read_text().splitlines()))
    assert len(rows) == np.isfinite(score).sum()
    assert len(section.read(tmp_path / "x")["tables"]["Observations of the sweep"]["rows"]) == 6


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("shards={home}/shards",), "holds 6 shards, expected one observation"),
        (("shards={home}/else",), "No shards at"),
        (("minutes=0",), "minutes is 0, expected a number above 0"),
        (("images=nowhere",), "There is no folder nowhere of images"),
        (("minutes=500",), "No AR observation of the sweep has enough rasters"),
    ],
)
def test_bad_input_is_refused(
    home: Path, tmp_path: Path, verb: Verb, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    given = [f"run={home / 'sweep'}", f"shards={home / 'new'}", *(text.format(home=home) for text in arguments)]
    assert verb("experiments/forecast", *given, f"output={tmp_path / 'x'}") == 1
    assert said in capfd.readouterr().err
    assert not (tmp_path / "x").exists()


def test_what_was_not_explained_is_refused(
    home: Path, tmp_path: Path, verb: Verb, capfd: pytest.CaptureFixture[str], make_shard: Callable[..., Path]
) -> None:
    other = make_shard(tmp_path / "other", Label.UNKNOWN, 7)
    assert verb("experiments/forecast", f"run={home / 'sweep'}", f"shards={other}", f"output={tmp_path / 'x'}") == 1
    assert "was not explained by" in capfd.readouterr().err
