"""Shards and their cubes side by side."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from preflare.errors import RunError, ShardError
from preflare.explain.cube import Cube
from preflare.report import explained
from preflare.sun.observation import Label

MakeShard = Callable[..., Path]
MakeCube = Callable[..., Cube]


@pytest.fixture
def cubes(tmp_path: Path, make_shard: MakeShard, make_cube: MakeCube) -> Path:
    for number, label in ((0, Label.PF), (1, Label.AR)):
        shard = make_shard(tmp_path / "shards", label, number)
        score = np.full((4, 2, 10), 0.5)
        score[0, 0, 0] = np.nan
        make_cube(tmp_path / "cubes", shard, score, np.zeros((4, 2, 10, 240)))
    return tmp_path / "cubes"


def test_minutes_count_from_the_onset_and_else_from_the_end(tmp_path: Path, cubes: Path) -> None:
    calm, flaring = explained.open_all(cubes, tmp_path / "shards")
    assert (calm.label, flaring.label) == (Label.AR, Label.PF)
    # The window ends after 25 minutes, the flare begins after 26; an exposure is 100 s after the one before.
    assert calm.minutes()[0].tolist() == pytest.approx([-25, -25 + 5 / 3])
    assert flaring.minutes()[0].tolist() == pytest.approx([-26, -26 + 5 / 3])


def test_what_was_explained_in_the_window(tmp_path: Path, cubes: Path) -> None:
    calm, flaring = explained.open_all(cubes, tmp_path / "shards")
    # The last repeat of PF lies in the flare; the first spectrum has no score, the second is not clean.
    assert flaring.in_window().tolist() == list(range(2, 60))
    assert calm.in_window().tolist() == list(range(2, 80))
    assert flaring.explained().tolist() == list(range(2, 80))
    assert flaring.in_window(np.ones((4, 2, 10), dtype=bool)).tolist() == list(range(1, 60))
    assert flaring.window().sum() == 6


def test_scores_are_of_clean_spectra_and_the_cube_has_those_of_all(tmp_path: Path, cubes: Path) -> None:
    one, _ = explained.open_all(cubes, tmp_path / "shards")
    assert np.flatnonzero(np.isfinite(one.scores())).tolist() == list(range(2, 80))
    assert np.flatnonzero(np.isfinite(one.cube.read("score"))).tolist() == list(range(1, 80))


def test_only_those_asked_for(tmp_path: Path, cubes: Path) -> None:
    (only,) = explained.open_all(cubes, tmp_path / "shards", ["PF_20140310_140000_3860258482"])
    assert only.name == "PF_20140310_140000_3860258482"
    with pytest.raises(RunError, match="no cube of PF_2"):
        explained.open_all(cubes, tmp_path / "shards", ["PF_2"])


def test_the_digest_tells_who_explained(
    tmp_path: Path, cubes: Path, make_shard: MakeShard, make_cube: MakeCube
) -> None:
    calm, flaring = explained.open_all(cubes, tmp_path / "shards")
    assert calm.digest != flaring.digest
    assert explained.open_all(cubes, tmp_path / "shards")[0].digest == calm.digest
    make_cube(cubes, calm.shard.path, np.full((4, 2, 10), 0.5), np.zeros((4, 2, 10, 240)), side="train")
    assert explained.open_all(cubes, tmp_path / "shards")[0].digest != calm.digest


def test_cubes_of_other_shards_are_passed_over(
    tmp_path: Path, cubes: Path, make_shard: MakeShard, make_cube: MakeCube
) -> None:
    other = make_shard(tmp_path / "others", Label.PF, 5)
    make_cube(cubes, other, np.full((4, 2, 10), 0.5), np.zeros((4, 2, 10, 240)), side="none")
    names = [one.name for one in explained.open_all(cubes, tmp_path / "shards")]
    assert names == ["AR_20140311_140000_3860258481", "PF_20140310_140000_3860258482"]


def test_what_is_gone_or_another_is_refused(tmp_path: Path, cubes: Path, make_shard: MakeShard) -> None:
    with pytest.raises(RunError, match="no saliency cubes"):
        explained.open_all(tmp_path, tmp_path / "shards")
    with pytest.raises(ShardError, match="is gone"):
        explained.open_all(cubes, tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "shards")
    make_shard(tmp_path / "shards", Label.PF, 0, clean=False)
    make_shard(tmp_path / "shards", Label.AR, 1, clean=False)
    with pytest.raises(ShardError, match="has changed"):
        explained.open_all(cubes, tmp_path / "shards")


def test_a_sweep_says_its_line_and_where_its_shards_were(own_run: Path, make_cube: MakeCube) -> None:
    shards = own_run.parent / "shards"
    for path in sorted(shards.glob("*.h5"))[:2]:
        make_cube(own_run / "cubes", path, np.full((4, 2, 10), 0.5), np.zeros((4, 2, 10, 240)))
    line, found = explained.of_sweep(own_run, str(shards))
    assert line.name == "mg_ii"
    assert [one.name for one in found] == [path.stem for path in sorted(shards.glob("*.h5"))[:2]]
    (own_run.parent / "shards").rename(own_run.parent / "moved")
    with pytest.raises(ShardError, match="is gone"):
        explained.of_sweep(own_run, str(shards))


def test_only_precursors_that_are_there_can_rise(cubes: Path, tmp_path: Path) -> None:
    (one, *_) = explained.open_all(cubes, tmp_path / "shards")
    assert one.rises is None

    def told(label: Label, precursors: float, rising: int) -> bool | None:
        header = replace(
            one.shard.header,
            label=label,
            onset="2014-03-29T17:35:00",
            settings={"rising": rising},
            recipe={"simulation.precursors": precursors},
        )
        return replace(one, shard=replace(one.shard, header=header)).rises

    assert told(Label.PF, 1.0, 1) is True
    assert not any((told(Label.PF, 0.0, 1), told(Label.PF, 1.0, 0), told(Label.AR, 1.0, 1)))
