"""The spectra a page shows are those the rule names, and come from the shard that was explained."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from preflare.data.shard import Shard
from preflare.errors import ShardError
from preflare.explain import cube
from preflare.explain.cube import Cube
from preflare.names import brief
from preflare.report import spectra
from preflare.sun.observation import Label

MakeShard = Callable[..., Path]
SHAPE = (4, 2, 10, 240)


def written(folder: Path, shard: Path, scores: dict[int, float], side: str = "test") -> Cube:
    """A cube whose explained spectra are at the keys of scores; attributions are score times (-1, 0, 1, 2, ...)."""
    index = np.array(sorted(scores))
    score = np.full(80, np.nan, dtype=np.float32)
    score[index] = [scores[i] for i in index]
    rows = score[index, None] * (np.arange(240, dtype=np.float32) - 1)
    opened = Shard.open(shard)
    attributes: dict[str, cube.Attribute] = {
        "observation": opened.name,
        "label": int(opened.header.label),
        "side": side,
        "shard": str(shard),
        "shard_digest": opened.digest,
    }
    path = folder / f"{opened.name}.h5"
    dense = {"score": score.reshape(SHAPE[:3]), "log_odds": score.reshape(SHAPE[:3])}
    sparse = {"expected_gradients": rows, "completeness": np.zeros(len(index), dtype=np.float32)}
    phase = opened.read("phase")
    cube.write(
        path,
        SHAPE,
        opened.header.wavelength,
        phase,
        phase[:, :, None],
        dense,
        [(index, sparse)],
        {},
        "float32",
        attributes,
    )
    return Cube.open(path)


@pytest.fixture
def shards(tmp_path: Path, make_shard: MakeShard) -> list[Path]:
    return [make_shard(tmp_path / "shards", Label.PF, number) for number in range(2)]


def test_the_highest_the_median_and_the_lowest_of_all_cubes(tmp_path: Path, shards: list[Path]) -> None:
    cubes = [
        written(tmp_path, shards[0], {3: 0.9, 21: 0.1, 50: 0.6}),
        written(tmp_path, shards[1], {7: 0.5, 78: 0.95}),
    ]
    shown = spectra.choose(cubes)
    assert [(one.rank, one.place, round(one.score, 3)) for one in shown] == [
        ("highest", (3, 1, 8), 0.95),
        ("median", (2, 1, 0), 0.6),
        ("lowest", (1, 0, 1), 0.1),
    ]
    assert [one.cube for one in shown] == [cubes[1], cubes[0], cubes[0]]
    np.testing.assert_allclose(shown[1].attributions["expected_gradients"][:3], [-0.6, 0, 0.6], rtol=1e-6)
    assert shown[0].title == f"{brief(shards[1].stem)}: repeat 3, step 1, pixel 8; highest score 0.950"


@pytest.mark.parametrize(("scores", "ranks"), [({3: 0.9}, ["lowest"]), ({3: 0.9, 4: 0.2}, ["highest", "lowest"])])
def test_fewer_than_three(tmp_path: Path, shards: list[Path], scores: dict[int, float], ranks: list[str]) -> None:
    assert [one.rank for one in spectra.choose([written(tmp_path, shards[0], scores)])] == ranks


def test_the_spectrum_is_the_shards(tmp_path: Path, shards: list[Path]) -> None:
    (shown,) = spectra.choose([written(tmp_path, shards[0], {53: 0.4})])
    expected = Shard.open(shards[0]).read("spectra").reshape(80, 240)[53]
    np.testing.assert_array_equal(spectra.read(shown, shards[0].parent), expected)


def test_a_foreign_spectrum_is_read_from_where_the_cube_says(tmp_path: Path, shards: list[Path]) -> None:
    (shown,) = spectra.choose([written(tmp_path, shards[0], {53: 0.4}, side="none")])
    assert np.isfinite(spectra.read(shown, tmp_path / "elsewhere")).all()
    shards[0].unlink()
    with pytest.raises(ShardError, match="is gone. Put it back, or delete the cube"):
        spectra.read(shown, tmp_path / "elsewhere")


def test_shards_that_moved_or_changed(tmp_path: Path, shards: list[Path]) -> None:
    (shown,) = spectra.choose([written(tmp_path, shards[0], {53: 0.4})])
    with pytest.raises(ShardError, match="is gone. Say where it is with data.root=DIR"):
        spectra.read(shown, tmp_path / "elsewhere")
    other = tmp_path / "other" / shards[0].name
    other.parent.mkdir()
    shutil.copy(shards[1], other)
    with pytest.raises(ShardError, match="has changed since it was explained. Run explain.py again"):
        spectra.read(shown, other.parent)


def test_one_scale_for_all_that_is_shown(tmp_path: Path, shards: list[Path]) -> None:
    shown = spectra.choose([written(tmp_path, shards[0], {3: 0.5, 4: 1.0})])
    values = np.concatenate([0.5 * np.abs(np.arange(240) - 1), np.abs(np.arange(240) - 1)])
    assert spectra.limits(shown) == {"expected_gradients": pytest.approx(np.percentile(values, 99))}


def test_where_attributions_are_strongest(tmp_path: Path, shards: list[Path]) -> None:
    cubes = [written(tmp_path, shards[0], {3: 0.5}), written(tmp_path, shards[1], {7: -1.0})]
    assert spectra.strongest(cubes, "expected_gradients") == (pytest.approx(2805.72), pytest.approx(238 * -0.5 / 2))
