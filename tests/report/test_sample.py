"""Samples hold the same spectra as the files, in order."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from preflare.errors import RunError
from preflare.explain.cube import Cube
from preflare.report import explained, sample
from preflare.sun.line import Line
from preflare.sun.observation import Label


@pytest.fixture(scope="module")
def line() -> Line:
    with initialize_config_dir(str(Path(__file__).resolve().parents[2] / "conf"), version_base="1.3"):
        return instantiate(compose(overrides=["+line=mg_ii"]).line)


@pytest.fixture
def them(tmp_path: Path, make_shard: Callable[..., Path], make_cube: Callable[..., Cube]) -> list[explained.Explained]:
    stream = np.random.default_rng(0)
    for label in (Label.AR, Label.PF):
        shard = make_shard(tmp_path / "shards", label, 0)
        score = stream.uniform(0.1, 0.9, (4, 2, 10))
        score[1, 1, 3] = np.nan
        make_cube(tmp_path / "cubes", shard, score, stream.normal(size=(4, 2, 10, 240)))
    return explained.open_all(tmp_path / "cubes", tmp_path / "shards")


def test_it_holds_clean_spectra_of_the_windows(them: list[explained.Explained], line: Line) -> None:
    found = sample.gather(them, line, "expected_gradients")
    # Of 80, one is not scored and two are flagged; the last repeat of PF lies in the flare.
    assert np.bincount(found.owner).tolist() == [77, 57]
    assert found.pf.tolist() == [False, True]
    assert found.flaring.sum() == 57
    spectra, score = them[1].shard.read("spectra"), them[1].cube.read("score")
    np.testing.assert_array_equal(found.spectra[77], spectra[0, 0, 2])
    assert found.score[-1] == pytest.approx(score[2, 1, 9])
    place = np.ravel_multi_index((2, 1, 9), (4, 2, 10))
    np.testing.assert_array_equal(found.attributions[-1], them[1].cube.rows("expected_gradients", np.array([place]))[0])
    assert found.truth is None


def test_a_part_keeps_its_observations(them: list[explained.Explained], line: Line) -> None:
    found = sample.gather(them, line, "expected_gradients")
    part = found.where(found.score > 0.5)
    assert (part.score > 0.5).all()
    assert part.pf is found.pf
    np.testing.assert_allclose(
        part.sums(part.score), [found.score[(found.score > 0.5) & (found.owner == place)].sum() for place in (0, 1)]
    )


def test_a_map_that_was_not_made_is_asked_for(them: list[explained.Explained], line: Line) -> None:
    with pytest.raises(RunError, match="holds no hirescam. Explain again with 'maps=\\[hirescam\\]'"):
        sample.gather(them, line, "hirescam")
