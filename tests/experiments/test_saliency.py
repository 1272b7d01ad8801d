"""The saliency section on cubes that the test made."""

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from preflare.explain.cube import Cube
from preflare.report import section

Verb = Callable[..., int]


@pytest.fixture
def ways(own_run: Path, make_cube: Callable[..., Cube]) -> tuple[Path, Path]:
    """The toy run with cubes of six observations, and a copy of it whose cubes say the same of three of them, which it
    had seen, and otherwise of the rest."""
    stream = np.random.default_rng(0)
    other = own_run.parent / "other"
    shutil.copytree(own_run, other)
    for place, path in enumerate(sorted((own_run.parent / "shards").glob("*.h5"))):
        score, rows = stream.uniform(0.1, 0.9, (4, 2, 10)), stream.normal(size=(4, 2, 10, 240))
        make_cube(own_run / "cubes", path, score, rows)
        seen = place % 2 == 0
        make_cube(
            other / "cubes", path, score, rows if seen else stream.normal(size=rows.shape), "train" if seen else "test"
        )
    return own_run, other


def test_both_ways_are_told(ways: tuple[Path, Path], tmp_path: Path, verb: Verb) -> None:
    root = ways[0].parent / "shards"
    arguments = (f"sweep={ways[0]}", f"in_sample={ways[1]}", f"data.root={root}", f"output={tmp_path / 'x'}")
    assert verb("experiments/saliency", *arguments) == 0

    record = section.read(tmp_path / "x")
    both = record["tables"]["Both ways"]
    alike = {row[1]: float(row[both["head"].index("attributions")]) for row in both["rows"]}
    assert alike["yes"] == 1.0
    assert abs(alike["no"]) < 0.1
    assert len(record["tables"]["Cubes"]["rows"]) == 6
    assert record["tables"]["What it changes"]["rows"][0][1:] == ["3", "3"]
    assert [plot["name"] for plot in record["plots"]] == ["both_ways", "profiles"]
    # The toy shards do not say what was planted: that attributions are complete is all that is recovered.
    stands = {claim["key"]: claim["verdict"] for claim in record["claims"]}
    assert stands == {
        "data": "needs the real data",
        "completeness": "method recovers the planted truth",
        "": "needs the real data",
    }
    assert record["claims"][0]["found"] == "3 PF and 3 AR observations, 240 and 240 spectra, flares included."
    assert record["claims"][-1]["paper"] == "ours"
    assert "having seen them changes no more than other networks do (difference -1.0" in record["claims"][-1]["found"]
    assert "(by rank; 95%" in record["lead"]
    assert "did not train with them (checkpoint best)" in record["lead"]
    first, own, theirs = record["warnings"]
    assert first.startswith("Other networks speak in either way: ")
    assert own.startswith("6 of 6 observations explained by members that did not train with them were on the side")
    assert theirs.startswith("3 of 6 observations explained by the networks of one partition")


def test_of_the_last_epoch_nothing_is_to_be_feared(ways: tuple[Path, Path], tmp_path: Path, verb: Verb) -> None:
    for path in (ways[0] / "cubes").glob("*.h5"):
        with h5py.File(path, "r+") as file:
            file.attrs.update(checkpoint="last", chose=False)
    root = ways[0].parent / "shards"
    arguments = (f"sweep={ways[0]}", f"in_sample={ways[1]}", f"data.root={root}", f"output={tmp_path / 'x'}")
    assert verb("experiments/saliency", *arguments) == 0
    record = section.read(tmp_path / "x")
    assert (
        "(checkpoint last). 6 were also explained by the networks of one partition (checkpoint best)" in record["lead"]
    )
    first, theirs = record["warnings"]
    assert first.startswith("Other networks speak in either way, of another checkpoint: ") and "3 of 6" in theirs


@pytest.mark.parametrize(
    ("remove", "said"),
    [("*", "holds no saliency cubes"), ("PF*", "explained 0 observations in common")],
)
def test_what_is_missing_is_said(
    ways: tuple[Path, Path], tmp_path: Path, verb: Verb, capfd: pytest.CaptureFixture[str], remove: str, said: str
) -> None:
    for path in (ways[0] / "cubes").glob(remove):
        path.unlink()
    for path in (ways[1] / "cubes").glob("AR*"):
        path.unlink()
    arguments = (f"sweep={ways[0]}", f"in_sample={ways[1]}", f"data.root={ways[0].parent / 'shards'}")
    assert verb("experiments/saliency", *arguments, f"output={tmp_path / 'x'}") == 1
    assert said in capfd.readouterr().err
    assert not (tmp_path / "x").exists()
