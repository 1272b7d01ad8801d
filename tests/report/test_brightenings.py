"""Brightenings: patches put into films, what the raster's field holds of them, and the simulation's own."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from astropy.io import fits
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from scipy import stats

from preflare.command import CONF
from preflare.explain.cube import Cube
from preflare.report import brightenings, explained
from preflare.sun.images import Film
from preflare.sun.observation import Label
from preflare.sun.simulation.precursor import Precursor
from preflare.sun.simulation.slit_jaw import film
from tests.sun.test_images import places, write

SHAPE = (20, 24, 30)


def noise(seed: int) -> np.ndarray:
    stream = np.random.default_rng(seed)
    return 100 + 50 * stream.random(SHAPE[1:]) + 3 * stream.standard_normal(SHAPE)


def test_patches_are_found_and_weighed() -> None:
    stack = noise(0)
    stack[5:8, 3:6, 4:7] += 200  # 27 pixels, inside
    stack[12:14, 18:20, 25:28] += 100  # 12 pixels, outside
    stack[15, 10, 10] += 500  # a hit
    stack[:, 0] = np.nan
    inside = np.zeros(SHAPE[1:], bool)
    inside[:, :10] = True
    found = brightenings.measure("PF_1", stack, inside)
    assert (found.name, found.images, found.count) == ("PF_1", 20, 2)
    assert found.inside == pytest.approx(27 * 200 / (27 * 200 + 12 * 100), abs=0.01)
    assert found.field == pytest.approx(1 / 3)
    excess, _ = brightenings.find(stack)
    assert (excess[5:8, 3:6, 4:7] > 150).all() and excess[15, 10, 10] == 0


def test_noise_does_not_brighten() -> None:
    assert [brightenings.find(noise(seed))[1] for seed in range(20)] == [0] * 20
    found = brightenings.measure("PF_1", np.full(SHAPE, np.nan), np.ones(SHAPE[1:], bool))
    assert found.count == 0 and np.isnan(found.inside) and np.isnan(found.field)


def test_images_are_made_coarse_and_fields_are_found() -> None:
    image = np.arange(5 * 7.0).reshape(5, 7)
    expected = [[image[2 * y : 2 * y + 2, 3 * x : 3 * x + 3].mean() for x in range(2)] for y in range(2)]
    np.testing.assert_allclose(brightenings.coarse(image, (0.33, -0.5)), expected)
    np.testing.assert_array_equal(brightenings.coarse(image, (2.0, 2.0)), image)
    inside = brightenings.within((2, 4), (0.0, 8.0, 10.0, 14.0), (2.5, 5.5, 9.0, 12.0))
    assert inside.tolist() == [[False, True, True, False], [False] * 4]


def test_the_whole_of_a_film(tmp_path: Path) -> None:
    one = Film.open(write(tmp_path / "iris_l2_20140329_140938_3860258481_SJI_2796_t000.fits"))
    assert one.size == (80, 60)
    all_places = places(one, 1, one.size)
    pixels = np.stack(np.meshgrid(np.arange(60), np.arange(80)), axis=-1)
    np.testing.assert_allclose(one.places(1, pixels), all_places, atol=1e-9)
    np.testing.assert_allclose(one.pixels(1, all_places), pixels, atol=1e-9)
    left, right, bottom, top = brightenings.whole(one, [1])
    assert (left, right) == pytest.approx((all_places[..., 0].min(), all_places[..., 0].max()))
    assert (bottom, top) == pytest.approx((all_places[..., 1].min(), all_places[..., 1].max()))


def test_without_films_or_places_there_is_nothing(
    tmp_path: Path, make_shard: Callable[..., Path], make_cube: Callable[..., Cube]
) -> None:
    make_cube(
        tmp_path / "cubes", make_shard(tmp_path, Label.PF, 0), np.full((4, 2, 10), 0.5), np.zeros((4, 2, 10, 240))
    )
    (one,) = explained.open_all(tmp_path / "cubes", tmp_path)
    assert brightenings.of(one, tmp_path) is None
    write(tmp_path / f"iris_l2_{one.shard.header.id}_SJI_2796_t000.fits")
    assert brightenings.of(one, tmp_path) is None  # its places are all alike


def test_a_film_is_looked_at_in_the_window_alone(
    tmp_path: Path,
    make_shard: Callable[..., Path],
    make_cube: Callable[..., Cube],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_cube(
        tmp_path / "cubes", make_shard(tmp_path, Label.PF, 0), np.full((4, 2, 10), 0.5), np.zeros((4, 2, 10, 240))
    )
    (one,) = explained.open_all(tmp_path / "cubes", tmp_path)
    read = type(one.shard).read
    # A raster of 10 by 6 arcsec in the middle of the film.
    place = np.stack(np.broadcast_arrays(np.array([495.0, 505.0])[:, None], np.linspace(277, 283, 10)), axis=-1)
    position = np.broadcast_to(place, (4, 2, 10, 2))
    monkeypatch.setattr(
        type(one.shard), "read", lambda self, name: position if name == "position" else read(self, name)
    )
    header = one.shard.header
    path = write(tmp_path / f"iris_l2_{header.id}_SJI_2796_t000.fits", roll=0.0, images=40, STARTOBS=header.start)
    with fits.open(path, mode="update") as hdus:
        hdus[1].data[:, 2:4] = 500.0, 280.0  # the same pointing in all
        hdus[0].data[:] = 100 + np.random.default_rng(0).standard_normal(hdus[0].data.shape)
        # One pixel is 0.4 by 0.5 arcsec; the middle of the field is at (29.5, 39.5) from 0.
        hdus[0].data[10:14, 36:44, 26:34] += 50
        hdus[0].data[10:14, 60:68, 26:34] += 50
        hdus[0].data[30:34, 60:68, 26:34] += 500  # after the onset, in the 27th minute
    found = brightenings.of(one, tmp_path)
    assert found is not None
    assert (found.name, found.images, found.count) == (one.name, 26, 2)
    assert found.inside == pytest.approx(0.5, abs=0.02)
    assert found.field == pytest.approx(12 * 8 / (24 * 40), abs=0.02)


def test_the_simulations_films_brighten_where_it_put_precursors(load_verb: Callable[[str], ModuleType]) -> None:
    load_verb("ingest")  # registers its schema
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("ingest", ["source=simulation", "simulation.precursors=0.2"])
    source, line = instantiate(config.source), instantiate(config.line)
    made = next(one for one in source.recordings(line) if one.entry.name == "PF_20140329_140938_3860258481")
    plan = made.schedule
    images = film(made, source.detector)
    before = images.time < plan.onset
    excess, count = brightenings.find(images.counts[before].astype(float))
    across = (np.arange(excess.shape[2]) - excess.shape[2] // 2) * plan.pixel
    x, y = (axis.ravel() for axis in np.meshgrid(across, made.along))
    kinds = np.stack([made.scene.shapes(x, y, np.full(len(x), time))[2] for time in images.time[before]])
    bright = kinds.reshape(excess.shape) == Precursor.BRIGHT_CORE
    assert count > 0
    # A core three times as bright is the precursor that a passband sees.
    assert bright[excess > 0].mean() > 3 * bright[excess == 0].mean()


def test_correlations_are_scipys_and_noise_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = np.random.default_rng(1)
    one = stream.random(12)
    other = one + 0.5 * stream.standard_normal(12)
    value, low, high, p, count = brightenings.correlation(np.append(one, np.nan), np.append(other, 1.0))
    theirs = stats.spearmanr(one, other)
    assert value == pytest.approx(theirs.statistic) and count == 12
    assert p == pytest.approx(theirs.pvalue, abs=0.02)
    assert low <= value <= high
    assert np.isnan(brightenings.correlation(one[:3], other[:3])[0])
    monkeypatch.setattr(brightenings, "interval", lambda *_: (np.nan, np.nan))
    chance = [brightenings.correlation(stream.random(10), stream.random(10))[3] for _ in range(200)]
    assert 0.01 < np.mean(np.array(chance) < 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)
