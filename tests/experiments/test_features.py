"""The features section on cubes whose scores the test decides."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from preflare.explain.cube import Cube
from preflare.report import section

Verb = Callable[..., int]


@pytest.fixture
def sweep(own_run: Path, make_cube: Callable[..., Cube]) -> Path:
    """The toy run with a cube of each observation: PF have the triplet in emission, and high scores."""
    stream = np.random.default_rng(0)
    for path in sorted((own_run.parent / "shards").glob("*.h5")):
        level = 0.95 if path.stem.startswith("PF") else 0.3
        score = level + 0.01 * stream.standard_normal((4, 2, 10))
        make_cube(own_run / "cubes", path, score, np.zeros((4, 2, 10, 240)))
    return own_run


def test_the_section_says_what_high_scores_look_like(sweep: Path, tmp_path: Path, verb: Verb) -> None:
    arguments = (f"sweep={sweep}", f"data.root={sweep.parent / 'shards'}", f"output={tmp_path / 'x'}", "score=0.5")
    assert verb("experiments/features", *arguments) == 0

    record = section.read(tmp_path / "x")
    assert [plot["name"] for plot in record["plots"]] == ["features", "if_and_when"]
    shown = {row[0]: row for row in record["tables"]["Features"]["rows"]}
    assert shown["triplet emission"][1].startswith("100.0%")
    assert shown["triplet emission"][3].startswith("8")
    says = {row[0]: row for row in record["tables"]["If and when"]["rows"]}
    assert says["triplet"][1] == says["score"][1] == "1.00 [1.00, 1.00]"
    assert says["triplet"][2] == "0.100"  # three above three: one order of twenty, on either side
    assert says["triplet"][3:] == ["", "", ""]  # too few rasters to say when, and nothing planted
    assert "Of 174 clean PF spectra 174, in 3 of 3 observations" in record["lead"]
    flows, high, *others = record["claims"]
    assert [claim["verdict"] for claim in others] == ["needs the real data"] * 2
    assert "triplet emission 100% against 89%;" in high["found"]
    assert "single peak 95% against 95% (no more)" in high["found"]
    assert high["verdict"] == "method does not recover the planted truth"


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("score=0.999", "No PF spectrum has a score of 0.999 or more; the highest is 0.9"),
        ("score=2", "score is 2"),
        ("emission.feature=He", "emission.feature is 'He'"),
        ("emission.wing=1", "emission.wing is 1, expected 2794.14 to 2805.72 Å"),
    ],
)
def test_bad_input_is_refused(
    sweep: Path, tmp_path: Path, verb: Verb, capfd: pytest.CaptureFixture[str], argument: str, said: str
) -> None:
    arguments = (f"sweep={sweep}", f"data.root={sweep.parent / 'shards'}", f"output={tmp_path / 'x'}", argument)
    assert verb("experiments/features", *arguments) == 1
    assert said in capfd.readouterr().err
    assert not (tmp_path / "x").exists()


def test_one_class_alone_is_refused(sweep: Path, tmp_path: Path, verb: Verb, capfd: pytest.CaptureFixture[str]) -> None:
    for path in (sweep / "cubes").glob("AR_*.h5"):
        path.unlink()
    arguments = (f"sweep={sweep}", f"data.root={sweep.parent / 'shards'}", f"output={tmp_path / 'x'}")
    assert verb("experiments/features", *arguments) == 1
    assert "The cubes are of one class" in capfd.readouterr().err
