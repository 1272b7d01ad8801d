"""The timelines section on cubes whose scores the test decides."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from preflare.data.shard import Shard
from preflare.explain.cube import Cube
from preflare.report import brightenings, section
from preflare.report.brightenings import Brightenings

Verb = Callable[..., int]


@pytest.fixture
def sweep(own_run: Path, make_cube: Callable[..., Cube]) -> Path:
    """The toy run with a cube of each of its observations: PF rise."""
    stream = np.random.default_rng(0)
    for path in sorted((own_run.parent / "shards").glob("*.h5")):
        rise = np.linspace(0.2, 0.9, 4) if Shard.open(path).name.startswith("PF") else np.full(4, 0.4)
        score = rise[:, None, None] + 0.01 * stream.standard_normal((4, 2, 10))
        make_cube(own_run / "cubes", path, score, np.zeros((4, 2, 10, 240)))
    return own_run


def test_the_section_says_who_rises(sweep: Path, tmp_path: Path, verb: Verb) -> None:
    shards = sweep.parent / "shards"
    arguments = (f"sweep={sweep}", f"data.root={shards}", f"output={tmp_path / 'x'}", "minutes=60")
    assert verb("experiments/timelines", *arguments) == 0

    record = section.read(tmp_path / "x")
    table = record["tables"]["Observations"]
    tau = {row[0][:2]: row[table["head"].index("tau")] for row in table["rows"]}
    assert tau["PF"] == "1.00"
    assert len(table["rows"]) == 6
    # All spectra of the toy are as bright, and its rasters lie in the last half hour.
    rows = record["tables"]["Averages and windows"]["rows"]
    assert [row[0] for row in rows] == ["clean and enhanced"] * 2 + ["all"] * 2
    assert [row[1] for row in rows[:2]] == ["25 min", "25.2 min, all there is"]
    assert any("no slit-jaw films were given" in warning for warning in record["warnings"])
    outside = [row[table["head"].index("outside")] for row in table["rows"]]
    assert outside[:3] == ["0%"] * 3 and all(1 < int(one.rstrip("%")) < 20 for one in outside[3:])
    assert [plot["name"] for plot in record["plots"]] == ["scores", "trends"]
    # The toy shards do not say what was planted: nothing is recovered from them.
    assert record["claims"][0]["truth"] == ""


def test_the_section_says_what_the_raster_saw(
    sweep: Path, tmp_path: Path, verb: Verb, monkeypatch: pytest.MonkeyPatch
) -> None:
    films = tmp_path / "films"
    films.mkdir()
    arguments = (f"sweep={sweep}", f"data.root={sweep.parent / 'shards'}", f"images={films}", "minutes=60")
    assert verb("experiments/timelines", *arguments, f"output={tmp_path / 'none'}") == 0
    record = section.read(tmp_path / "none")
    assert any("Slit-jaw films show 0 of 3 PF observations" in warning for warning in record["warnings"])
    monkeypatch.setattr(brightenings, "of", lambda one, _: Brightenings(one.name, 20, 7, 0.25, 0.1))
    assert verb("experiments/timelines", *arguments, f"output={tmp_path / 'x'}") == 0
    record = section.read(tmp_path / "x")
    rows = record["tables"]["Brightenings in slit-jaw films"]["rows"]
    assert [row[1:5] for row in rows] == [["20", "7", "25%", "10%"]] * 3
    assert "Only 3 PF observations have brightenings" in record["claims"][-1]["found"]
    assert record["claims"][-1]["verdict"] == "needs the real data"


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("average=mean", "average"),
        ("minutes=0", "minutes is 0, expected a number above 0"),
        ("data.root=nowhere", "is gone"),
        ("images=nowhere", "There is no folder nowhere of images"),
    ],
)
def test_bad_input_is_refused(
    sweep: Path, tmp_path: Path, verb: Verb, capfd: pytest.CaptureFixture[str], argument: str, said: str
) -> None:
    arguments = (f"sweep={sweep}", f"data.root={sweep.parent / 'shards'}", f"output={tmp_path / 'x'}", argument)
    assert verb("experiments/timelines", *arguments) == 1
    assert said in capfd.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_run_that_was_not_explained_is_refused(
    sweep: Path, tmp_path: Path, verb: Verb, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(sweep / "cubes")
    assert verb("experiments/timelines", f"sweep={sweep}", f"output={tmp_path / 'x'}") == 1
    assert "holds no saliency cubes" in capfd.readouterr().err
