"""Shares of p-values whose distribution is known, and the p-values of toy cubes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from scipy import stats

from preflare.command import CONF
from preflare.data.shard import Shard
from preflare.errors import RunError
from preflare.explain.cube import Cube
from preflare.report import alignment, drift, explained, features, null, slits, timelines
from preflare.report.features import Emission
from preflare.report.null import Choices
from preflare.sun.line import Line
from preflare.sun.observation import Label


@pytest.fixture(scope="module")
def line() -> Line:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return instantiate(compose(overrides=["+line=mg_ii"]).line)


def suns(count: int, power: float = 1.0) -> list[dict[str, list[float]]]:
    """One p-value of a kind that is fair, one of a kind raised to a power, and ten of a third, alike in a Sun."""
    stream = np.random.default_rng(1)
    found = []
    for _ in range(count):
        common = stream.normal()
        alike = stats.norm.sf(0.7 * common + np.sqrt(0.51) * stream.normal(size=10))
        found.append({"x: fair": [stream.uniform()], "x: raised": [stream.uniform() ** power], "y: alike": list(alike)})
    return found


def test_a_share_of_one_each_is_binomial() -> None:
    one = null.measure("x", [[0.01], [0.2], [np.nan], [0.04], [0.05]])
    assert (one.count, one.small, one.share) == (4, 2, 0.5)
    assert one.excess == pytest.approx(stats.binom.sf(1, 4, 0.05))
    assert (one.low, one.high) == pytest.approx(stats.binomtest(2, 4).proportion_ci(0.95))
    nothing = null.measure("x", [[np.nan], []])
    assert nothing.count == 0 and np.isnan(nothing.share) and np.isnan(nothing.excess)


def test_what_a_sun_has_in_common_is_allowed_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(null, "share", lambda *_: (np.nan,) * 3)  # intervals take long
    called, naive = [], []
    for seed in range(300):
        stream = np.random.default_rng(seed)
        common = stream.normal(size=(20, 1))
        p = stats.norm.sf(0.7 * common + np.sqrt(0.51) * stream.normal(size=(20, 10)))
        called.append(null.measure("x", list(p)).excess < 0.05)
        naive.append(stats.binom.sf((p < 0.05).sum() - 1, 200, 0.05) < 0.05)
    assert np.mean(called) <= stats.binom.ppf(0.99, 300, 0.05) / 300 < np.mean(naive)


def test_few_suns_without_spread_are_binomial() -> None:
    assert null.measure("x", [[0.01, 0.2]]).excess == pytest.approx(stats.binom.sf(0, 2, 0.05))
    assert null.measure("x", [[0.3, 0.2], [0.6, 0.7]]).excess == 1


def test_kinds_that_are_too_liberal_are_named() -> None:
    assert null.too_many(null.by_kind(suns(20))) == []
    (found,) = null.too_many(null.by_kind(suns(20, power=4.0)))
    assert found.kind == "x: raised"
    whole = null.together("x", suns(20), "x:")
    assert whole.count == 40


def test_what_is_small_by_construction_is_passed_over() -> None:
    left = ["slits: attribution leads within 5 arcsec", "slits: attribution beyond intensity leads"]
    sun = {kind: [0.001] for kind in ("slits: intensity's rank at the flare", *left)}
    assert [bool(null.why(kind)) for kind in sun] == [True, False, False]
    assert list(null.of_chance(sun)) == left
    assert [one.kind for one in null.too_many(null.by_kind([sun] * 9))] == left


def explain(own_run: Path, make_cube: Callable[..., Cube], side: str) -> list[explained.Explained]:
    stream = np.random.default_rng(0)
    for path in sorted((own_run.parent / "shards").glob("*.h5")):
        score = stream.uniform(0.2, 0.8, (4, 2, 10))
        make_cube(own_run / "cubes", path, score, np.zeros((4, 2, 10, 240)), side)
    return explained.open_all(own_run / "cubes", own_run.parent / "shards")


def test_every_feature_says_if_and_when(own_run: Path, make_cube: Callable[..., Cube], line: Line) -> None:
    them = explain(own_run, make_cube, "test")
    found = null.of_features(them, line, Emission("triplet", 2799.32))
    kinds = [f"features: {name} says {what}" for name in (*features.UNITS, "score") for what in ("if", "when")]
    assert list(found)[: len(kinds)] == kinds
    assert all(len(mine) == 1 for mine in found.values())
    # Three observations of each class; four rasters are too few to say when.
    assert found["features: score says if"][0] >= 0.1
    assert np.isnan(found["features: score says when"][0])


def test_timelines_have_a_trend_of_each_observation(own_run: Path, make_cube: Callable[..., Cube], line: Line) -> None:
    them = explain(own_run, make_cube, "test")
    found = null.of_timelines(them, 60.0)
    assert len(found["timelines: PF observations rise"]) == len(found["timelines: AR observations rise"]) == 3
    assert found["timelines: strong are those that would rise"] == [1.0]  # toys do not say
    assert 0 < found["timelines: PF are of two regimes"][0] <= 1
    slopes = drift.rises([timelines.timeline(one).within(-60) for one in them])
    assert found["timelines: AR observations rise"] == [
        one.p for one, other in zip(slopes, them, strict=True) if other.label is Label.AR
    ]
    assert not null.would_rise(them).any()
    assert 0 < found["timelines: PF rise more than AR, clean, 60 min"][0] <= 1


def test_scores_of_what_was_trained_on_are_refused(own_run: Path, make_cube: Callable[..., Cube], line: Line) -> None:
    them = explain(own_run, make_cube, "train")
    name = Shard.open(next(iter(sorted((own_run.parent / "shards").glob("*.h5"))))).name
    with pytest.raises(RunError, match=f"{name}.* explained by networks that trained"):
        null.p_values(them, line, Choices(Emission("triplet", 2799.32), 25.0, 10.0, 0.3, (5.0,)))


def test_every_tolerance_has_a_rank_of_its_own(
    own_run: Path, make_cube: Callable[..., Cube], line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of slits of 20 arcsec none is long for 10, and the rank that is known for 2 stays."""
    stream = np.random.default_rng(0)
    away = np.abs(np.arange(11.0) * 2 - 6)
    made = {
        name: [alignment.Pair(stream.normal(size=11), away)]
        for name in (alignment.ATTRIBUTION, alignment.INTENSITY, alignment.BEYOND)
    }
    monkeypatch.setattr(slits, "slits", lambda *_: [])
    monkeypatch.setattr(alignment, "pairs", lambda _: made)
    found = null.of_slits(explain(own_run, make_cube, "test"), line, (2.0, 10.0))
    ranks = {kind: mine[0] for kind, mine in found.items() if "rank" in kind}
    assert len(ranks) == 6
    assert [np.isfinite(p) for p in ranks.values()] == [True, False] * 3
