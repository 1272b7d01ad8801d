"""Coordinates as astropy reads them back, rows as the cube has them."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from preflare.data.shard import Shard
from preflare.explain.cube import Cube
from preflare.report import scores
from preflare.report.explained import Explained
from preflare.sun.observation import Label

ORIGIN, ALONG, ACROSS = np.array([120.0, -300.0]), np.array([0.05, 0.33]), np.array([2.0, -0.3])


def grid(repeats: int, steps: int, pixels: int) -> np.ndarray:
    """Rolled, with a drift over repeats whose median is 0."""
    step, pixel = np.indices((steps, pixels))[..., None]
    drift = np.linspace(-1, 1, repeats)[:, None, None, None]
    return ORIGIN + pixel * ALONG + step * ACROSS + drift


@pytest.fixture
def one(make_shard: Callable[..., Path], make_cube: Callable[..., Cube], tmp_path: Path) -> Explained:
    path = make_shard(tmp_path / "shards", Label.PF, 0)
    score = np.random.default_rng(0).uniform(0.1, 0.9, (4, 2, 10))
    score[0, 0, 0] = np.nan
    return Explained(Shard.open(path), make_cube(tmp_path / "cubes", path, score, np.zeros((4, 2, 10, 240))))


@pytest.mark.parametrize("shape", [(3, 4, 12), (3, 1, 12), (3, 4, 1)])
def test_places_are_found_again(shape: tuple[int, int, int]) -> None:
    position = grid(*shape)
    position[0, 0, 0] = np.nan
    found = scores.places(position)
    assert found is not None
    origin, matrix = found
    step, pixel = np.indices(shape[1:])
    again = origin + pixel[..., None] * matrix[:, 0] + step[..., None] * matrix[:, 1]
    # A place without one repeat has the median of the others.
    np.testing.assert_allclose(again, grid(*shape)[1], atol=0.6)
    np.testing.assert_allclose(again[-1, -1], grid(*shape)[1, -1, -1], atol=0.4)
    assert abs(np.linalg.det(matrix)) > 0


def test_places_that_say_nothing() -> None:
    assert scores.places(np.full((2, 3, 4, 2), np.nan)) is None
    assert scores.places(np.zeros((2, 3, 4, 2))) is None


def test_astropy_reads_the_coordinates(one: Explained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Shard.read
    monkeypatch.setattr(Shard, "read", lambda self, name: grid(4, 2, 10) if name == "position" else read(self, name))
    score, distance = one.cube.read("score"), one.cube.read("distance")
    arrays = {"score": score, "distance": distance}
    assert scores.write_fits(tmp_path / "s.fits", one, arrays, {"TRAINED": "simulation"})
    with fits.open(tmp_path / "s.fits") as hdus:
        hdus.verify("exception")
        np.testing.assert_array_equal(hdus[0].data, score)
        np.testing.assert_array_equal(hdus["DISTANCE"].data, distance)
        np.testing.assert_array_equal(hdus["TIMES"].data["SECONDS"], one.shard.read("time"))
        assert hdus[0].header["TRAINED"] == "simulation"
        world = WCS(hdus[0].header)
    assert list(world.wcs.ctype)[:2] == ["HPLN-TAN", "HPLT-TAN"]
    middle = ORIGIN + 9 * ALONG + 1 * ACROSS
    x, y, seconds = world.all_pix2world([[9, 1, 2]], 0)[0]
    np.testing.assert_allclose(np.array([(x + 180) % 360 - 180, y]) * 3600, middle, atol=1e-2)
    assert seconds == pytest.approx(one.shard.read("time")[2].mean())


def test_without_places_the_images_are_still_there(one: Explained, tmp_path: Path) -> None:
    assert not scores.write_fits(tmp_path / "s.fits", one, {"score": one.cube.read("score")}, {})
    assert "CTYPE1" not in fits.getheader(tmp_path / "s.fits")


def test_every_score_is_a_row(one: Explained, tmp_path: Path) -> None:
    distance = one.cube.read("distance")
    limit = float(np.nanmedian(distance))
    assert scores.write_csv(tmp_path / "s.csv", one, limit) == 79
    rows = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
    assert len(rows) == 79
    last = rows[-1]
    assert (last["repeat"], last["step"], last["pixel"]) == ("3", "1", "9")
    assert last["time"] == "2014-03-10T14:11:40.000"
    assert float(last["score"]) == pytest.approx(one.cube.read("score")[3, 1, 9], abs=1e-5)
    assert sum(int(row["outside"]) for row in rows) == int((distance[np.isfinite(distance)] > limit).sum())
    # The second pixel of the first exposure has a score, and is not clean.
    assert [row["clean"] for row in rows] == ["0"] + 78 * ["1"]
    assert (rows[0]["repeat"], rows[0]["step"], rows[0]["pixel"]) == ("0", "0", "1")
    assert [path.name for path in tmp_path.glob(".*")] == []
