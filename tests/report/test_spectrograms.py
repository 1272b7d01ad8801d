"""Spectrograms: ranked by the mean of their window, cut from the right places, read in blocks."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from preflare.explain.cube import Cube
from preflare.report import explained, spectrograms
from preflare.report.explained import Explained
from preflare.sun.observation import Label

MakeCube = Callable[..., Cube]


@pytest.fixture
def one(tmp_path: Path, make_shard: Callable[..., Path], make_cube: MakeCube) -> Explained:
    """A PF observation of 4 repeats, the last in the flare; the pixels (0, 3) and (1, 7) score highest."""
    shard = make_shard(tmp_path / "shards", Label.PF, 0)
    stream = np.random.default_rng(0)
    score = stream.uniform(0.2, 0.4, (4, 2, 10))
    score[:, 0, 3], score[:, 1, 7] = 0.9, 0.8
    score[0, 1, 7] = np.nan
    score[:2, 1, 0] = np.nan
    score[3] = 0.99
    make_cube(tmp_path / "cubes", shard, score, stream.standard_normal((4, 2, 10, 240)))
    (made,) = explained.open_all(tmp_path / "cubes", tmp_path / "shards")
    return made


def test_the_highest_mean_of_the_window_comes_first(one: Explained) -> None:
    ranked = spectrograms.rank([one])
    assert [(place.step, place.pixel) for place in ranked[:2]] == [(0, 3), (1, 7)]
    # The flare does not count, and a spectrum without a score is left out of the mean.
    assert [place.score for place in ranked[:2]] == pytest.approx([0.9, 0.8], rel=1e-6)
    scores = [place.score for place in ranked]
    assert scores == sorted(scores, reverse=True)
    # One of three spectra is too few.
    assert len(ranked) == 19 and (1, 0) not in {(place.step, place.pixel) for place in ranked}


def test_what_is_cut_is_what_the_files_hold(one: Explained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectrograms, "BLOCK", 3)
    places = spectrograms.rank([one])[1::-1]
    second, first = spectrograms.cut(places)
    spectra, rows = one.shard.read("spectra"), one.cube.read("expected_gradients")
    for made, step, pixel in ((first, 0, 3), (second, 1, 7)):
        assert (made.place.step, made.place.pixel) == (step, pixel)
        np.testing.assert_array_equal(made.spectra, spectra[:3, step, pixel])
        np.testing.assert_array_equal(made.attribution, rows[:3, step, pixel])
        np.testing.assert_array_equal(made.score, one.cube.read("score")[:3, step, pixel])
        np.testing.assert_array_equal(made.minutes, one.minutes()[:3, step])
        assert made.kind is None
    assert np.isnan(second.attribution[0]).all() and np.isfinite(second.attribution[1:]).all()
    assert second.highest in (1, 2) and first.highest == 0


def test_what_is_not_clean_does_not_count(one: Explained) -> None:
    # Neither the first pixel of the first exposure, which is missing here and has a score all the same, nor its second.
    ranked = {(place.step, place.pixel): place for place in spectrograms.rank([one])}
    score = one.cube.read("score")
    for pixel in (0, 1):
        place = ranked[0, pixel]
        assert place.score == pytest.approx(score[1:3, 0, pixel].mean())
        (made,) = spectrograms.cut([place])
        np.testing.assert_array_equal(made.score[1:], score[1:3, 0, pixel])
        assert np.isnan(made.score[0]) and np.isnan(made.attribution[0]).all()
        assert np.isfinite(made.attribution[1:]).all()


def test_the_mean_attribution_is_weighted_by_the_score(one: Explained) -> None:
    (made,) = spectrograms.cut(spectrograms.rank([one])[:1])
    expected = sum(s * row for s, row in zip(made.score, made.attribution, strict=True)) / made.score.sum()
    np.testing.assert_allclose(made.mean, expected, rtol=1e-5, atol=1e-6)


def test_without_explanations_there_is_no_mean(one: Explained) -> None:
    (made,) = spectrograms.cut(spectrograms.rank([one])[:1])
    made.attribution[:] = np.nan
    assert np.isnan(made.mean).all() and made.highest == -1
