"""A toy observation under watch by a toy network."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pytest
import torch
from astropy.io import fits

from preflare.data.shard import Shard
from preflare.explain import ensemble
from preflare.explain.cube import Cube
from preflare.explain.engine import Differentiated
from preflare.figures.forecast import Watch
from preflare.report import explained, section
from preflare.sun.observation import Label, Phase

Verb = Callable[..., int]
PF, NEW = "PF_20140310_140000_3860258482", "NA_20140315_140000_3860258480"


@pytest.fixture
def home(own_run: Path, make_shard: Callable[..., Path], make_cube: Callable[..., Cube]) -> Path:
    """The toy run, as if it had seen none of six observations, whose cubes it has; and of two others, in folders of
    their own. PF rise."""
    home, stream = own_run.parent, np.random.default_rng(0)
    make_shard(home / "new", Label.UNKNOWN, 5)
    make_shard(home / "real", Label.UNKNOWN, 6, origin="level2")
    for path in sorted(home.glob("*/*.h5")):
        own = path.parent.name == "shards"
        rise = np.linspace(0.2, 0.8, 4) if path.name.startswith("PF") else np.full(4, 0.4)
        score = rise[:, None, None] + 0.01 * stream.standard_normal((4, 2, 10))
        score[0, 0, 0] = np.nan
        rows = stream.normal(size=(4, 2, 10, 240))
        cube = make_cube(own_run / "cubes", path, score, rows, "test" if own else "none").path
        with h5py.File(cube, "r+") as file:
            file.attrs.update(members=".", member_count=1, checkpoint="best")
        if not own:
            cube.rename(cube.with_name(f"{cube.stem}-{path.parent.name}.h5"))
    return home


def test_one_of_its_own_is_watched_without_itself(home: Path, tmp_path: Path, verb: Verb) -> None:
    arguments = (
        f"run={home / 'run'}",
        f"data.root={home / 'shards'}",
        f"shards={home / 'shards' / PF}.h5",
        f"output={tmp_path / 'x'}",
    )
    assert verb("experiments/forecast", *arguments) == 0

    record = section.read(tmp_path / "x")
    assert "Trained on the simulated Sun (IRIS)" in record["lead"]
    observations = [row[0] for row in record["tables"]["Observations of the sweep"]["rows"]]
    assert len(observations) == 5 and PF not in observations
    worth = {row[0]: row for row in record["tables"]["What alarms are worth"]["rows"]}
    assert worth["rise"][2] == "2 of 2"
    assert set(worth) == {"rise", "score itself"}
    assert "Its rise raises an alarm in minute 7.5, 18.5 minutes before its flare." in record["lead"]
    assert (tmp_path / "x" / "watch.pdf").is_file()
    # The toy places are all the same.
    assert "has no coordinates" in " ".join(record["warnings"])


def test_networks_of_the_simulated_sun_say_nothing_of_the_real_one(home: Path, tmp_path: Path, verb: Verb) -> None:
    arguments = (
        f"run={home / 'run'}",
        f"data.root={home / 'shards'}",
        f"shards={home / 'real'}",
        f"output={tmp_path / 'x'}",
    )
    assert verb("experiments/forecast", *arguments) == 0
    record = section.read(tmp_path / "x")
    assert record["origin"] == "level2"
    assert "says nothing about the Sun" in record["warnings"][0]
    assert {claim["verdict"] for claim in record["claims"]} == {"needs the real data"}


def test_the_scores_are_those_of_the_cube(home: Path, tmp_path: Path, verb: Verb) -> None:
    arguments = (
        f"run={home / 'run'}",
        f"data.root={home / 'shards'}",
        f"shards={home / 'new'}",
        f"output={tmp_path / 'x'}",
    )
    assert verb("experiments/forecast", *arguments) == 0
    cube = Cube.open(home / "run" / "cubes" / f"{NEW}-new.h5")
    score = cube.read("score")
    np.testing.assert_array_equal(fits.getdata(tmp_path / "x" / "scores.fits"), score)
    np.testing.assert_array_equal(fits.getdata(tmp_path / "x" / "scores.fits", "CLEAN"), cube.clean())
    assert "Of 78 clean spectra in its window" in section.read(tmp_path / "x")["lead"]
    rows = list(csv.DictReader((tmp_path / "x" / "scores.csv").read_text().splitlines()))
    assert len(rows) == np.isfinite(score).sum()
    assert len(section.read(tmp_path / "x")["tables"]["Observations of the sweep"]["rows"]) == 6


def test_members_and_score_are_of_the_same_exposures(
    home: Path, load_verb: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Shard.read

    def later(shard: Shard, name: str) -> np.ndarray:
        """The flare began during the third raster."""
        values = read(shard, name)
        if name == "phase" and shard.name == PF:
            values[2, 1] = Phase.FLARE
        return values

    monkeypatch.setattr(Shard, "read", later)
    by = ensemble.read(home / "run")
    (one,) = explained.open_all(home / "run" / "cubes", home / "shards", [PF])
    network = Differentiated(by.runs[0].network("best"))
    answers = torch.sigmoid(network.log_odds(torch.from_numpy(one.shard.read("spectra")[2, 0])))
    found = load_verb("experiments/forecast").members(by, one)
    assert found[0, 2] == pytest.approx(float(answers.mean()), rel=1e-6)

    watched = load_verb("experiments/forecast").watch(by, one, 10.0, 1.0, 1.0)
    assert watched.score[2] == pytest.approx(float(one.scores()[2, 0].mean()))
    assert watched.minutes[2] == pytest.approx(400 / 60) and watched.minutes[3] == pytest.approx(650 / 60)


def test_what_cannot_be_judged_raises_no_false_hope(load_verb: Callable[[str], ModuleType]) -> None:
    module, nothing = load_verb("experiments/forecast"), np.full(2, np.nan)
    few = Watch(np.arange(2.0), nothing, nothing, nothing, nothing, 1, 1, (np.nan, np.nan), np.nan, nothing, {})
    assert module._said(few, 10.0) == (
        "Its rise cannot be judged: a rise over 10 minutes takes 3 rasters or more over half that time."
    )
    assert module._said(replace(few, rise=np.zeros(2)), 10.0) == "Its rise raises no alarm."


def test_networks_of_other_epochs_are_not_compared(
    home: Path, tmp_path: Path, verb: Verb, capfd: pytest.CaptureFixture[str]
) -> None:
    with h5py.File(home / "run" / "cubes" / f"{NEW}-new.h5", "r+") as file:
        file.attrs["checkpoint"] = "last"
    arguments = (f"run={home / 'run'}", f"data.root={home / 'shards'}", f"shards={home / 'new'}")
    assert verb("experiments/forecast", *arguments, f"output={tmp_path / 'x'}") == 1
    assert f"{NEW} was explained with checkpoint=last, the sweep's own observations with best" in capfd.readouterr().err
    assert not (tmp_path / "x").exists()


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
    given = [
        f"run={home / 'run'}",
        f"data.root={home / 'shards'}",
        f"shards={home / 'new'}",
        *(text.format(home=home) for text in arguments),
    ]
    assert verb("experiments/forecast", *given, f"output={tmp_path / 'x'}") == 1
    assert said in capfd.readouterr().err
    assert not (tmp_path / "x").exists()


def test_what_was_not_explained_is_refused(
    home: Path, tmp_path: Path, verb: Verb, capfd: pytest.CaptureFixture[str], make_shard: Callable[..., Path]
) -> None:
    other = make_shard(tmp_path / "other", Label.UNKNOWN, 7)
    assert (
        verb(
            "experiments/forecast",
            f"run={home / 'run'}",
            f"data.root={home / 'shards'}",
            f"shards={other}",
            f"output={tmp_path / 'x'}",
        )
        == 1
    )
    said = capfd.readouterr().err
    assert "was not explained by" in said and "allow_simulated" not in said


def test_how_real_spectra_are_explained_by_the_simulated_sun_is_said(
    home: Path, tmp_path: Path, verb: Verb, capfd: pytest.CaptureFixture[str], make_shard: Callable[..., Path]
) -> None:
    other = make_shard(tmp_path / "other", Label.UNKNOWN, 7, origin="level2")
    arguments = (f"run={home / 'run'}", f"data.root={home / 'shards'}", f"shards={other}", f"output={tmp_path / 'x'}")
    assert verb("experiments/forecast", *arguments) == 1
    assert f"shards={other} checkpoint=best members=representative allow_simulated=true" in capfd.readouterr().err
