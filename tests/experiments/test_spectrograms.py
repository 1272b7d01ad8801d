"""The spectrograms section on cubes whose scores and attributions the test decides."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from preflare.data.shard import Shard
from preflare.explain.cube import Cube
from preflare.report import explained, section, spectrograms
from preflare.report.kinds import Kinds
from preflare.sun.observation import Label

Verb = Callable[..., int]


@pytest.fixture
def sweep(own_run: Path, make_cube: Callable[..., Cube]) -> Path:
    """The toy run with a cube of each of its observations: PF score high, attributed at the triplet or beside k."""
    stream = np.random.default_rng(0)
    wavelength = np.linspace(2794.14, 2805.72, 240)
    kinds = [np.exp(-(((wavelength - place) / 0.15) ** 2)) for place in (2798.77, 2797.0)]
    for path in sorted((own_run.parent / "shards").glob("*.h5")):
        pf = Shard.open(path).name.startswith("PF")
        score = np.clip((0.8 if pf else 0.2) + 0.1 * stream.standard_normal((4, 2, 10)), 0.01, 0.99)
        rows = 0.02 * stream.standard_normal((4, 2, 10, 240))
        rows += np.array(kinds)[np.arange(10) % 2]
        make_cube(own_run / "cubes", path, score, rows)
    return own_run


def arguments(sweep: Path, output: Path, *more: str) -> tuple[str, ...]:
    return (f"sweep={sweep}", f"data.root={sweep.parent / 'shards'}", f"output={output}", "gallery=8", *more)


def test_kinds_are_shown_and_the_highest_can_be_browsed(sweep: Path, tmp_path: Path, verb: Verb) -> None:
    assert verb("experiments/spectrograms", *arguments(sweep, tmp_path / "x", "kinds=2")) == 0

    record = section.read(tmp_path / "x")
    assert [plot["name"] for plot in record["plots"]] == ["spectrograms", "single_spectra"]
    kinds = record["tables"]["Kinds by attribution"]["rows"]
    assert {row[0] for row in kinds} == {"triplet", "k red wing"}
    shown = record["tables"]["Spectrograms shown"]["rows"]
    assert {row[4] for row in shown} == {"triplet", "k red wing"}
    assert [item["facts"]["label"] for item in record["gallery"]] == ["PF"] * 8
    assert all((tmp_path / "x" / item["image"]).is_file() for item in record["gallery"])
    # The toy shards do not say what was planted: nothing is recovered from them.
    assert [claim["verdict"] for claim in record["claims"]] == ["needs the real data"]


def test_where_nothing_is_called_pf_the_highest_are_shown(
    sweep: Path, tmp_path: Path, verb: Verb, make_cube: Callable[..., Cube]
) -> None:
    for path in sorted((sweep.parent / "shards").glob("*.h5")):
        make_cube(sweep / "cubes", path, np.full((4, 2, 10), 0.1), np.zeros((4, 2, 10, 240)))
    assert verb("experiments/spectrograms", *arguments(sweep, tmp_path / "x")) == 0
    record = section.read(tmp_path / "x")
    assert record["tables"]["Kinds by attribution"]["rows"] == []
    assert {row[4] for row in record["tables"]["Spectrograms shown"]["rows"]} == {"nothing explained"}


def test_those_shown_are_of_different_places_in_the_spectrum(
    sweep: Path, load_verb: Callable[[str], ModuleType]
) -> None:
    script = load_verb("experiments/spectrograms")
    _, them = explained.of_sweep(sweep, str(sweep.parent / "shards"))
    pf = [one for one in them if one.label is Label.PF]
    ranked = spectrograms.rank(them)
    found = Kinds(("triplet", "triplet, second kind", "k red wing and h red wing", "k core"), np.eye(4, 240))
    adds = {one.name: np.zeros((4, 2, 10)) for one in pf}
    for number, (one, amounts) in enumerate(
        zip(pf, ([0.9, 0.1, 0.2, 0], [0.8, 0.7, 0.3, 0], [0.5, 0, 0.1, 0]), strict=True)
    ):
        adds[one.name][:, 1, number] = amounts
    shown = script.choose(ranked, adds, found, 4)
    said = {(ranked[rank].one.name, ranked[rank].step, ranked[rank].pixel): found.names[kind] for rank, kind in shown}
    # The triplet adds most in the second (0.8 and 0.7); the wing, of those left, in the first; the core nowhere.
    assert said[pf[1].name, 1, 1] == "triplet"
    assert said[pf[0].name, 1, 0] == "k red wing and h red wing"
    assert len(shown) == 2 and [rank for rank, _ in shown] == sorted(rank for rank, _ in shown)
    nothing = {name: 0 * one for name, one in adds.items()}
    assert script.choose(ranked, nothing, found, 4) == [(number, -1) for number in range(4)]


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("gallery=0", "gallery is 0, expected a whole number of 4 or more"),
        ("kinds=1", "kinds is 1, expected a whole number of 2 or more"),
        ("data.root=nowhere", "is gone"),
    ],
)
def test_bad_input_is_refused(
    sweep: Path, tmp_path: Path, verb: Verb, capfd: pytest.CaptureFixture[str], argument: str, said: str
) -> None:
    assert verb("experiments/spectrograms", *arguments(sweep, tmp_path / "x"), argument) == 1
    assert said in capfd.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_run_that_was_not_explained_is_refused(
    sweep: Path, tmp_path: Path, verb: Verb, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(sweep / "cubes")
    assert verb("experiments/spectrograms", *arguments(sweep, tmp_path / "x")) == 1
    assert "holds no saliency cubes" in capfd.readouterr().err
