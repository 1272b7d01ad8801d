"""A shard's X-rays and places."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from preflare.data import writing
from preflare.data.shard import Shard
from preflare.names import brief
from preflare.report import collection
from preflare.sun.goes import Goes
from preflare.sun.observation import Label, Observation
from tests.sun.test_images import write as write_film


def test_the_raster_in_the_middle_of_the_window(make_shard: Callable[..., Path], tmp_path: Path) -> None:
    one = Shard.open(make_shard(tmp_path, Label.PF, 0))
    found = collection.collect(one, None)
    assert found.title == brief(one.name)
    assert found.curve is None and found.view is None
    assert found.cadence == 200 / 60  # two steps of 100 s
    assert found.cells.shape == (20, 4, 2)
    np.testing.assert_array_equal(found.intensity, np.full(20, 100))


def test_an_example_of_each_class(make_shard: Callable[..., Path], tmp_path: Path) -> None:
    shards = [Shard.open(make_shard(tmp_path, label, number)) for label in (Label.AR, Label.PF) for number in (0, 1)]
    assert [one.header.label for one in collection.examples(shards)] == [Label.PF, Label.AR]
    assert collection.examples([]) == []


@pytest.fixture
def known(make_shard: Callable[..., Path], tmp_path: Path) -> Shard:
    """A shard that knows its X-rays."""
    made = Shard.open(make_shard(tmp_path / "made", Label.PF, 0))
    goes = Goes(np.arange(-600.0, 3000.0, 60.0), np.full(60, 1e-6))
    blocks = [block for _, block in made.blocks(9)]
    path, _ = writing.write(tmp_path, Observation(made.header, *made.shape[:3], blocks=lambda: iter(blocks), goes=goes))
    return Shard.open(path)


def test_x_rays_are_on_the_observations_clock(known: Shard) -> None:
    found = collection.curve(known, [3.0])
    assert found is not None
    np.testing.assert_allclose(found.time, np.arange(-10.0, 50.0))
    assert (*found.window, found.onset, *found.marks) == (0, 25, 26, 3)


def test_a_film_lies_behind(known: Shard, tmp_path: Path) -> None:
    write_film(tmp_path / "films" / "iris_l2_20140310_140000_3860258482_SJI_2796_t000.fits")
    found = collection.collect(known, tmp_path / "films")
    assert found.view is not None and found.curve is not None
    # All places are at 0, 0: the image is as wide as its margins.
    assert found.view.extent == (-15, 15, -15, 15)
    assert len(found.curve.marks) == 1


def test_an_aia_image_is_beside_it(known: Shard, tmp_path: Path) -> None:
    for name in ("iris_l2_{}_SJI_1400_t000", "iris_l2_{}_SJI_2796_t000", "aia_l2_{}_171", "aia_l2_{}_1600"):
        write_film(tmp_path / "films" / f"{name.format(known.header.id)}.fits")
    found = collection.collect(known, tmp_path / "films")
    assert found.view is not None and len(found.more) == 1
    assert found.curve is not None and len(found.curve.marks) == 2
    assert len(collection.behind(known, tmp_path / "films", 1)[1]) == 1


def test_the_middle_of_the_window(known: Shard, tmp_path: Path) -> None:
    # Three of four repeats lie before the flare.
    assert collection.middle(known) == 1
    assert collection.behind(known, None, 1) == (None, [])
    assert collection.behind(known, tmp_path, 1) == (None, [])


def test_cells_reach_half_way_to_their_neighbours() -> None:
    x, y = np.meshgrid([0.0, 2.0, 4.0], [10.0, 11.0, 12.0, 13.0], indexing="ij")
    cells = collection.cells(np.stack([x, y], axis=2))
    assert cells.shape == (3, 4, 4, 2)
    np.testing.assert_allclose(cells[1, 2], [[1, 11.5], [1, 12.5], [3, 12.5], [3, 11.5]])
    # A single step is as wide as its pixels are long, and a turned slit stays turned.
    one = collection.cells(np.array([[[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]]))[0, 1]
    np.testing.assert_allclose(np.abs(one - [1, 1]).max(axis=1), [1, 1, 1, 1])
    np.testing.assert_allclose(np.linalg.norm(one[0] - one[1]), np.sqrt(2))
    np.testing.assert_allclose(np.linalg.norm(one[1] - one[2]), np.sqrt(2))


def test_an_image_is_drawn_between_nearly_its_ends() -> None:
    image = np.append(np.arange(1000.0), np.nan)
    low, high = collection.limits(image)
    assert 5 < low < 15 and 990 < high < 999
    assert collection.limits(np.full(3, np.nan)) == (0, 1)
