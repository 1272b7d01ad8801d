"""Slits as the files have them: overexposed is the brightest, and sums of attributions are the network's answer."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from preflare.command import CONF
from preflare.data import writing
from preflare.data.shard import Shard
from preflare.errors import RunError, ShardError
from preflare.explain.cube import Cube
from preflare.report import explained, slits
from preflare.report.explained import Explained
from preflare.sun.goes import Goes
from preflare.sun.line import Line
from preflare.sun.observation import Label, Observation
from preflare.sun.quality import Quality

MakeShard = Callable[..., Path]
MakeCube = Callable[..., Cube]


@pytest.fixture(scope="module")
def line() -> Line:
    return instantiate(OmegaConf.load(Path(CONF) / "line" / "mg_ii.yaml"))


@pytest.fixture
def one(tmp_path: Path, make_shard: MakeShard, make_cube: MakeCube) -> Explained:
    """A PF observation with positions, X-rays and truth, whose attributions sum to the log-odds less 0.5; but for one
    that is not clean."""
    opened = Shard.open(make_shard(tmp_path / "plain", Label.PF, 0))
    ((_, block),) = opened.blocks(10)
    position = np.zeros((4, 2, 10, 2), dtype=np.float32)
    position[..., 0] = 50 * np.arange(2)[:, None]
    position[..., 1] = 3 * np.arange(10)
    quality, intensity = block.quality.copy(), block.intensity.copy()
    quality[3, 1, 4] |= Quality.OVEREXPOSED.value
    intensity[3, 1, 4] = np.nan
    kind = np.zeros((4, 2, 10), dtype=np.uint8)
    kind[1, 0, 2] = 3
    truth = {"kind": kind, "footpoint": np.abs(position[..., 1] - 9).astype(np.float32)}
    made = replace(block, position=position, quality=quality, intensity=intensity, truth=truth)
    goes = Goes(np.array([0.0, 600.0]), np.array([1e-7, 1e-5]))
    path, _ = writing.write(tmp_path / "shards", Observation(opened.header, 4, 2, 10, lambda: iter([made]), goes))
    score = np.random.default_rng(0).uniform(0.1, 0.9, (4, 2, 10))
    log_odds = np.log(score / (1 - score))
    rows = np.repeat((log_odds - 0.5)[..., None] / 240, 240, axis=-1)
    rows[0, 0, 1] = 7
    make_cube(tmp_path / "cubes", path, score, rows)
    (made_one,) = explained.open_all(tmp_path / "cubes", tmp_path / "shards")
    return made_one


def test_every_step_is_a_slit(one: Explained, line: Line) -> None:
    first, second = slits.slits(one, line)
    assert (first.step, second.step) == (0, 1)
    np.testing.assert_allclose(first.along, 3 * np.arange(10))
    np.testing.assert_array_equal(first.before, [True, True, True, False])
    np.testing.assert_array_equal(second.flare, [False, False, False, True])
    np.testing.assert_array_equal(second.minutes, one.minutes()[:, 1])
    score = one.cube.read("score")
    score[3, 1, 4] = score[0, 0, :2] = np.nan  # not clean
    np.testing.assert_array_equal(first.score, score[:, 0])
    np.testing.assert_array_equal(second.score, score[:, 1])
    assert first.precursors is not None and first.precursors.sum() == 1 and first.precursors[1, 2]
    np.testing.assert_allclose(first.footpoint, np.abs(3 * np.arange(10) - 9.0))


def test_overexposed_spectra_are_the_brightest(one: Explained, line: Line) -> None:
    second = slits.slits(one, line)[1]
    # The camera's ceiling of 16183 DN in 8 s.
    assert second.intensity[3, 4] == pytest.approx(16183 / 8)
    assert np.isfinite(second.intensity).all() and (np.delete(second.intensity.ravel(), 34) == 100).all()


def test_the_brightest_is_above_what_is_measured_and_what_the_camera_can() -> None:
    intensity = np.array([[[5.0, 7000.0, 3.0]]])
    quality = np.array([[[0, 0, Quality.OVEREXPOSED]]], dtype=np.uint16)
    exposure = np.array([[4.0]])
    assert slits.brightness(intensity, quality, exposure, 16000.0)[0, 0, 2] == 7000
    assert slits.brightness(intensity, quality, exposure, 40000.0)[0, 0, 2] == 10000
    # Of an exposure that did not arrive nothing is known.
    assert slits.brightness(intensity, quality, np.zeros((1, 1)), 40000.0)[0, 0, 2] == 7000
    np.testing.assert_array_equal(slits.brightness(intensity, quality * 0, exposure, 1.0), intensity)


def test_by_completeness_gives_the_mean_of_what_was_explained(one: Explained) -> None:
    expected = one.cube.read("expected_gradients").mean(axis=-1)
    expected[3, 1, 4] = expected[0, 0, :2] = np.nan  # not clean
    np.testing.assert_allclose(slits.by_completeness(one), expected, rtol=1e-4, atol=1e-7)
    assert slits.agreement(one) == pytest.approx(1.0)


def test_what_was_not_explained_has_a_value_all_the_same(
    one: Explained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = slits.by_completeness(one)
    some = one.cube.explained()[::5]
    monkeypatch.setattr(Cube, "explained", lambda self: some)
    np.testing.assert_allclose(slits.by_completeness(one), whole, rtol=1e-4)
    monkeypatch.setattr(Cube, "explained", lambda self: some[:2])
    assert np.isnan(slits.agreement(one))


def test_each_side_of_the_onset_has_its_own_scale(one: Explained, line: Line) -> None:
    first = slits.slits(one, line)[0]
    values = np.array([[1.0, -4.0], [2.0, np.nan], [3.0, 0.0], [10.0, 20.0]])
    slit = replace(first, minutes=np.array([-3.0, -2.0, -1.0, 1.0]))
    np.testing.assert_allclose(slits.each_side(values, slit), [[0.25, -1], [0.5, np.nan], [0.75, 0], [0.5, 1]])
    # Without a flare there is one side.
    calm = replace(slit, phase=np.ones(4))
    np.testing.assert_allclose(slits.each_side(values, calm), values / 20)


def test_a_hit_does_not_set_the_scale(one: Explained, line: Line) -> None:
    calm = replace(slits.slits(one, line)[0], minutes=np.arange(-200.0, 0), phase=np.ones(200))
    values = np.ones((200, 2))
    values[7, 1] = 1000
    assert slits.each_side(values, calm)[0, 0] == 1
    # Where hardly anything is not 0, that is.
    assert slits.each_side(np.where(values > 1, values, 0), calm)[7, 1] == 1


def test_the_curve_is_on_the_clock_of_the_slits(one: Explained) -> None:
    curve = slits.goes(one)
    assert curve is not None
    # The onset comes 26 minutes after the start.
    np.testing.assert_allclose(curve.time, [-26, -16])


def test_without_places_nothing_is_along(
    tmp_path: Path, make_shard: MakeShard, make_cube: MakeCube, line: Line
) -> None:
    path = make_shard(tmp_path / "shards", Label.PF, 0)
    make_cube(tmp_path / "cubes", path, np.full((4, 2, 10), 0.5), np.zeros((4, 2, 10, 240)))
    (bare,) = explained.open_all(tmp_path / "cubes", tmp_path / "shards")
    with pytest.raises(ShardError, match="does not say where the pixels of its slit lie"):
        slits.slits(bare, line)
    assert slits.goes(bare) is None


@pytest.mark.parametrize(
    ("names", "quantity", "said"),
    [(("score",), "log_odds", "no expected gradients"), (None, "logit_pf", "does not explain log-odds")],
)
def test_a_cube_of_something_else_is_refused(
    one: Explained, names: tuple[str, ...] | None, quantity: str, said: str
) -> None:
    cube = replace(one.cube, names=names or one.cube.names, attributes={**one.cube.attributes, "quantity": quantity})
    with pytest.raises(RunError, match=said):
        slits.by_completeness(replace(one, cube=cube))
