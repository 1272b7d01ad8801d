"""Averages of rasters by hand, trends between classes by permutation, regimes against a known truth."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy import stats
from sklearn.cluster import KMeans

from preflare.explain.cube import Cube
from preflare.report import explained, timelines
from preflare.report.timelines import Timeline
from preflare.report.trends import Trend
from preflare.sun.observation import Label, Phase

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def one(tmp_path: Path, make_shard: Callable[..., Path], make_cube: Callable[..., Cube]) -> explained.Explained:
    shard = make_shard(tmp_path / "shards", Label.PF, 0)
    score = np.random.default_rng(0).uniform(0.1, 0.9, (4, 2, 10))
    score[0, 0, 0] = np.nan  # missing; the second spectrum is flagged, and has a score
    make_cube(tmp_path / "cubes", shard, score, np.zeros((4, 2, 10, 240)))
    (found,) = explained.open_all(tmp_path / "cubes", tmp_path / "shards")
    return found


def test_averages_are_those_by_hand(one: explained.Explained) -> None:
    score = one.cube.read("score").astype(float)
    everything = timelines.timeline(one, "all")
    np.testing.assert_allclose(everything.score, np.nanmean(score, axis=(1, 2)), rtol=1e-6)
    assert everything.spectra.tolist() == [19, 20, 20, 20]
    clean = timelines.timeline(one)
    score[0, 0, 1] = np.nan
    np.testing.assert_allclose(clean.score, np.nanmean(score, axis=(1, 2)), rtol=1e-6)
    # Two exposures a raster, 100 s apart; the onset is 26 minutes after the first.
    np.testing.assert_allclose(clean.minutes, np.array([50, 250, 450, 650]) / 60 - 26)
    assert (clean.name, clean.mode) == (one.name, "raster")


def test_exposures_of_the_flare_do_not_count_before_it(
    one: explained.Explained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flare begins between the two steps of the third raster; the fourth is all flare, and keeps its score."""
    phase = np.array([[Phase.PREFLARE] * 2, [Phase.PREFLARE] * 2, [Phase.PREFLARE, Phase.FLARE], [Phase.FLARE] * 2])
    read = type(one.shard).read
    monkeypatch.setattr(type(one.shard), "read", lambda self, name: phase if name == "phase" else read(self, name))
    found, score = timelines.timeline(one, "all"), one.cube.read("score").astype(float)
    assert found.spectra.tolist() == [19, 20, 10, 20]
    np.testing.assert_allclose(found.score[2:], [score[2, 0].mean(), score[3].mean()], rtol=1e-6)
    np.testing.assert_allclose(found.minutes[2:], np.array([400, 650]) / 60 - 26)


def test_enhanced_are_the_brighter_half(one: explained.Explained, monkeypatch: pytest.MonkeyPatch) -> None:
    intensity = np.random.default_rng(1).uniform(50, 500, (4, 2, 10))
    read = type(one.shard).read
    monkeypatch.setattr(
        type(one.shard), "read", lambda self, name: intensity if name == "intensity" else read(self, name)
    )
    enhanced = timelines.timeline(one, "enhanced")
    score = one.cube.read("score")
    bright = intensity[2] >= np.median(intensity[2])
    assert enhanced.spectra[2] == 10
    assert enhanced.score[2] == pytest.approx(score[2][bright].mean(), rel=1e-6)


def test_enhanced_are_of_the_exposures_that_count(one: explained.Explained, monkeypatch: pytest.MonkeyPatch) -> None:
    """The flare, which begins between the two steps of the third raster, is brighter than all before it."""
    phase, read = one.shard.read("phase"), type(one.shard).read
    phase[2, 1] = Phase.FLARE
    intensity = np.random.default_rng(1).uniform(50, 500, (4, 2, 10))
    intensity[2, 1] += 1000
    given = {"phase": phase, "intensity": intensity}
    monkeypatch.setattr(type(one.shard), "read", lambda self, name: given[name] if name in given else read(self, name))
    assert timelines.timeline(one, "enhanced").spectra[2] == 5


def test_a_raster_without_a_score_has_none(tmp_path: Path, one: explained.Explained) -> None:
    with h5py.File(one.cube.path, "r+") as file:
        file["score"][1] = np.nan
    found = timelines.timeline(one)
    assert np.isnan(found.score[1])
    assert found.spectra[1] == 0
    assert np.isfinite(timelines.on_grid(found, np.linspace(-26, -15, 100))).all()


def series(name: str, label: Label, score: np.ndarray) -> Timeline:
    minutes = np.linspace(-30, 0, len(score))
    return Timeline(name, label, "M1.0", 4, minutes, score, np.full(len(score), 9), name)


def test_the_window_and_the_grid() -> None:
    line = series("PF_1", Label.PF, np.arange(7.0))
    assert line.within(-25).minutes.tolist() == [-25, -20, -15, -10, -5, 0]
    np.testing.assert_allclose(timelines.on_grid(line, np.array([-40, -27.5, 0, 3])), [0, 0.5, 6, 6])


def trends(taus: np.ndarray, p: np.ndarray) -> list[Trend]:
    return [Trend(float(tau), float(one), 0.0, 0.0, 10) for tau, one in zip(taus, p, strict=True)]


def test_classes_are_compared_as_scipy_does() -> None:
    stream = np.random.default_rng(2)
    taus = np.concatenate([stream.normal(0.0, 0.3, 18), stream.normal(0.25, 0.3, 19)])
    labels = [Label.AR] * 18 + [Label.PF] * 19
    gap, p = timelines.difference(trends(taus, taus), labels)
    theirs = stats.permutation_test(
        (taus[18:], taus[:18]), lambda a, b: a.mean() - b.mean(), alternative="greater", n_resamples=9999, rng=3
    )
    assert gap == pytest.approx(theirs.statistic)
    assert p == pytest.approx(theirs.pvalue, abs=0.01)
    assert np.isnan(timelines.difference(trends(taus[:18], taus[:18]), labels[:18])).all()


def test_false_discoveries_are_limited_as_scipy_does() -> None:
    stream = np.random.default_rng(4)
    p = np.concatenate([stream.uniform(0, 0.005, 6), stream.uniform(0, 1, 12), [np.nan]])
    found = timelines.rising(p)
    adjusted = stats.false_discovery_control(p[:-1])
    np.testing.assert_array_equal(found[:-1], adjusted <= 0.05)
    assert not found[-1]
    assert not timelines.rising(np.ones(3)).any()


def test_regimes_are_scikit_learns_two_means() -> None:
    stream = np.random.default_rng(5)
    levels = np.concatenate([stream.normal(0.3, 0.08, 6), stream.normal(0.7, 0.1, 13)])
    strong, share = timelines.regimes(levels)
    theirs = KMeans(2, n_init=10, random_state=0).fit(levels[:, None])
    higher = theirs.labels_ == np.argmax(theirs.cluster_centers_[:, 0])
    np.testing.assert_array_equal(strong, higher)
    assert share == pytest.approx(1 - theirs.inertia_ / (levels.var() * len(levels)))
    assert timelines.regimes(np.array([np.nan, 0.2, 0.9]))[0].tolist() == [False, False, True]
    assert np.isnan(timelines.regimes(np.array([0.5, 0.5]))[1])


def test_one_group_parts_in_two_as_well() -> None:
    stream = np.random.default_rng(6)
    slow = [timelines.regimes(stream.normal(size=19))[1] for _ in range(200)]
    normal, uniform, _ = timelines.one_group(19, 0.73)
    assert normal == pytest.approx(np.median(slow), abs=0.02)
    assert uniform == pytest.approx(np.median([timelines.regimes(stream.random(19))[1] for _ in range(200)]), abs=0.02)
    assert timelines.one_group(19, 0.73)[2] > 0.5
    groups = np.concatenate([stream.normal(0.2, 0.05, 6), stream.normal(0.8, 0.05, 13)])
    assert timelines.one_group(19, timelines.regimes(groups)[1])[2] < 0.01


@pytest.mark.parametrize("draw", ["normal", "uniform", "beta"])
def test_one_group_is_rarely_called_two(draw: str) -> None:
    stream = np.random.default_rng(7)
    arguments = {"normal": (0.5, 0.1), "uniform": (0, 1), "beta": (2, 5)}[draw]
    shares = [timelines.regimes(getattr(stream, draw)(*arguments, 19))[1] for _ in range(300)]
    limit = min(share for share in np.linspace(0.7, 1, 61) if timelines.one_group(19, share)[2] <= 0.05)
    assert np.mean(np.array(shares) >= limit) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 300)


def test_groups_are_compared_as_scipy_does() -> None:
    stream = np.random.default_rng(8)
    group, holds = np.arange(19) < 12, stream.random(19) < 0.5
    table = [[(holds & group).sum(), (~holds & group).sum()], [(holds & ~group).sum(), (~holds & ~group).sum()]]
    assert timelines.apart(holds, group) == pytest.approx(stats.fisher_exact(table).pvalue)
    assert np.isnan(timelines.apart(holds, np.ones(19, bool)))
    values = np.append(stream.normal(size=19) + 0.8 * group, np.nan)
    gap, p = timelines.shifted(values, np.append(group, True))
    theirs = stats.permutation_test(
        (values[:12], values[12:19]), lambda a, b: abs(a.mean() - b.mean()), alternative="greater", rng=9
    )
    assert abs(gap) == pytest.approx(theirs.statistic)
    assert p == pytest.approx(theirs.pvalue, abs=0.015)


def test_windows_are_named_after_what_they_hold() -> None:
    lines = [series("PF_1", Label.PF, np.arange(7.0)), series("AR_1", Label.AR, np.arange(31.0))]
    assert timelines.windows(lines, (25, 60)) == [("25 min", -25), ("30.0 min, all there is", -60)]
    assert timelines.windows(lines, (10, 25)) == [("10 min", -10), ("25 min", -25), ("30.0 min, all there is", -np.inf)]
    assert timelines.windows([one.within(-20) for one in lines], (25, 60)) == [("20.0 min, all there is", -25)]
    assert timelines.alike(lines, lines) and not timelines.alike(lines, lines[::-1])


def test_agreement_with_the_truth() -> None:
    truth = np.arange(19) < 13
    hits, others, p = timelines.agreement(truth.copy(), truth)
    assert (hits, others) == (13, 0)
    assert p == pytest.approx(1 / 27132)  # one of 19 over 13 ways
    assert timelines.agreement(np.ones(19, bool), truth)[2] == pytest.approx(1.0)


def test_each_row_by_its_own_maximum() -> None:
    scores = np.array([[0.1, 0.2, 0.4], [0, 0, 0], [np.nan, 0.5, 0.25], [np.nan] * 3])
    scaled = timelines.over_own_maximum(scores)
    np.testing.assert_allclose(scaled, [[0.25, 0.5, 1], [0, 0, 0], [np.nan, 1, 0.5], [np.nan] * 3])
