"""Slopes against SciPy, drift in closed form, and how often noise of any memory is called a rise."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from preflare.report import drift
from preflare.report.drift import Slope
from preflare.report.timelines import Timeline
from preflare.report.trends import trend
from preflare.sun.observation import Label

# Seconds from raster to raster.
CADENCES = (37, 75, 125, 250)


def line(name: str, label: Label, minutes: np.ndarray, score: np.ndarray, region: str = "") -> Timeline:
    return Timeline(name, label, "", 1, minutes, score, np.ones(len(score)), region or name)


def noise(stream: np.random.Generator, kind: str, minutes: np.ndarray) -> np.ndarray:
    """Of unit variance: a memory from one raster to the next; or smooth over so many seconds, with a little noise, or,
    rough, with as much again."""
    count, how = len(minutes), float(kind.rsplit(" ", maxsplit=1)[-1])
    if kind.startswith("memory"):
        return lfilter([np.sqrt(1 - how**2)], [1, -how], stream.standard_normal(count + 200))[200:]
    apart = 60 * (minutes[:, None] - minutes) / how
    smooth = np.linalg.cholesky(np.exp(-(apart**2) / 2) + 1e-8 * np.eye(count)) @ stream.standard_normal(count)
    return smooth + (0.1 if kind.startswith("smooth") else 1.0) * stream.standard_normal(count)


def made(
    seed: int, kind: str, rise: float = 0.0, lively: float = 1.0, ar: str | None = None, count: int = 37
) -> list[Timeline]:
    """Half PF, half AR, of windows of 25 minutes. rise: of PF over the window. lively: a factor on all that PF do. ar:
    another noise for AR."""
    stream = np.random.default_rng(seed)
    found = []
    for place in range(count):
        label = Label.PF if 2 * place < count else Label.AR
        cadence = stream.choice(CADENCES)
        minutes = (np.arange(1500 // cadence) + 0.5) * cadence / 60 - 25
        score = noise(stream, kind if label is Label.PF else ar or kind, minutes)
        if label is Label.PF:
            score = lively * score + rise * np.linspace(0, 1, len(score))
        found.append(line(f"{label.name}_{place}", label, minutes, score))
    return found


def p_values(sets: int, kind: str, pf_only: bool = False, **how: float | str) -> np.ndarray:
    lines = [made(seed, kind, **how) for seed in range(sets)]  # type: ignore[arg-type]
    return np.array(
        [
            found.p
            for mine in lines
            for one, found in zip(mine, drift.rises(mine), strict=True)
            if one.label is Label.PF or not pf_only
        ]
    )


def test_slopes_are_scipys_and_noise_about_them_has_their_variance() -> None:
    stream, minutes = np.random.default_rng(0), np.arange(30.0)
    values = stream.normal(size=(400, 30)) + 0.1 * minutes
    found = [drift.slope(minutes, one) for one in values]
    assert all(one is not None for one in found)
    known = [one for one in found if one is not None]
    assert known[0].value == pytest.approx(stats.theilslopes(values[0], minutes).slope)
    left = values[0] - known[0].value * minutes
    assert known[0].scatter == pytest.approx(np.sqrt(((left - left.mean()) ** 2).sum() / 28))
    assert np.mean([one.variance for one in known]) == pytest.approx(np.var([one.value for one in known]), rel=0.15)
    missing = np.where(np.arange(30) < 26, np.nan, values[0])
    assert known[0].count == 30 and drift.slope(minutes[:3], values[0, :3]) is None
    assert drift.slope(minutes, missing) == drift.slope(minutes[26:], values[0, 26:])
    long = drift.slope(np.arange(360.0), np.arange(360.0) ** 2)
    assert long is not None and long.count == 120


def test_drift_is_what_squares_are_beyond_their_own_variance() -> None:
    slopes, equal = np.array([1.0, -2.0, 3.0, 0.5]), np.full(4, 0.7)
    assert drift.drift(slopes, equal, np.ones(4)) == pytest.approx((slopes**2).mean() - 0.7)
    assert drift.drift(slopes, np.full(4, 9.0), np.ones(4)) == 0
    assert drift.drift(slopes, np.zeros(4), np.ones(4)) == pytest.approx((slopes**2).mean())
    assert drift.drift(np.zeros(4), np.zeros(4), np.ones(4)) == 0
    random = np.random.default_rng(0)
    for _ in range(50):  # in some of which rounding ends above one
        assert drift.drift(np.full(5, 0.7), np.zeros(5), random.uniform(size=5)) == pytest.approx(0.49)
    # Of unequal variances the largest likelihood has about the same, which here is found by trying.
    stream = np.random.default_rng(1)
    variances = stream.uniform(0.1, 4, 4000)
    drawn = stream.normal(size=4000) * np.sqrt(variances + 1.5)
    tried = np.linspace(0.5, 3, 251)
    fits = [stats.norm.logpdf(drawn, scale=np.sqrt(variances + one)).sum() for one in tried]
    assert drift.drift(drawn, variances, np.ones(4000)) == pytest.approx(tried[np.argmax(fits)], rel=0.1)
    twice = np.array([1.0, 1.0, -2.0, 3.0, 0.5])
    assert drift.drift(twice, np.full(5, 0.7), np.array([0.5, 0.5, 1, 1, 1])) == pytest.approx((slopes**2).mean() - 0.7)


def test_without_noise_a_slope_is_judged_by_students_t_as_scipy_does() -> None:
    others = [(str(place), Slope(value, 0.0, 0.0, 50)) for place, value in enumerate((0.3, -0.5, 0.1, 0.9, -0.7))]
    size = np.sqrt(np.mean([one.value**2 for _, one in others]))
    found = drift.judge(Slope(0.8, 0.0, 0.0, 50), others)
    assert found.expected == pytest.approx(size)
    assert found.p == pytest.approx(stats.t.sf(0.8 / size, 5))
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.9, 5, 0.8, size))
    # One region counts once, and few values leave few degrees of freedom.
    again = drift.judge(Slope(0.8, 0.0, 0.0, 50), [*others, ("0", Slope(0.3, 0.0, 0.0, 50))])
    assert again == found
    assert drift.judge(Slope(0.8, 0.0, 0.0, 4), others).p == pytest.approx(stats.t.sf(0.8 / size, 2))
    # As much drift in units of scatter as others have counts, where it is more.
    noisy = [(region, replace(one, scatter=0.01)) for region, one in others]
    assert drift.judge(Slope(0.8, 0.0, 0.02, 50), noisy).expected == pytest.approx(2 * size)
    assert drift.judge(Slope(0.8, 0.0, 0.005, 50), noisy).expected == pytest.approx(size)


def test_own_region_and_other_classes_do_not_judge() -> None:
    minutes = np.arange(-24.0, 0)
    stream = np.random.default_rng(2)
    them = [line(f"AR_{n}", Label.AR, minutes, stream.normal(size=24).cumsum()) for n in range(6)]
    target = line("PF_1", Label.PF, minutes, 2 * minutes + stream.normal(size=24), "shared")
    alone = drift.rises([target, *them])[0]
    extra = [
        line("PF_2", Label.PF, minutes, 9 * minutes + stream.normal(size=24)),
        line("AR_9", Label.AR, minutes, 9 * minutes + stream.normal(size=24), "shared"),
        line("AR_8", Label.AR, minutes[:3], stream.normal(size=3)),
    ]
    assert drift.rises([target, *them, *extra])[0] == alone
    assert drift.rises([target, *them, replace(extra[1], region="another")])[0].p > alone.p
    nobody = drift.rises([target, extra[0], extra[1]])[0]
    assert np.isnan([nobody.p, nobody.low, nobody.expected]).all() and nobody.slope == alone.slope
    flat = line("PF_3", Label.PF, minutes, np.ones(24))
    assert np.isnan([drift.rises([one, *them])[0].slope for one in (flat, extra[2])]).all()


def test_others_are_judged_over_as_long_a_time() -> None:
    """Random walks of hours are flat beside those of minutes."""
    stream = np.random.default_rng(3)
    long = [line(f"AR_{n}", Label.AR, np.arange(-199.0, 1), stream.normal(size=200).cumsum()) for n in range(8)]
    target = line("PF_1", Label.PF, np.arange(-19.0, 1), stream.normal(size=20).cumsum())
    found = drift.rises([target, *long])[0]
    assert found == drift.rises([target, *(one.within(-19) for one in long)])[0]
    slopes = [drift.slope(one.minutes, one.score) for one in long]
    whole = np.sqrt(np.mean([one.value**2 for one in slopes if one is not None]))
    assert found.expected > 1.5 * whole


def test_an_interval_is_above_zero_where_p_is_small() -> None:
    found = [one for seed in range(4) for one in drift.rises(made(seed, "memory 0.5", rise=1.5))]
    small = np.array([one.p < 0.05 for one in found])
    assert 10 < small.sum() < len(small) - 10
    np.testing.assert_array_equal(np.array([one.low > 0 for one in found]), small)
    assert all(one.low < one.slope < one.high for one in found)


@pytest.mark.parametrize(
    "kind",
    [
        *("memory 0", "memory 0.8", "memory 0.95", "smooth 480", "smooth 1200"),
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("memory 0.5", "smooth 120")),
    ],
)
def test_what_drifts_is_no_rise(kind: str) -> None:
    p = p_values(16, kind)
    # As many as exact p-values may have, once in forty times: no standard error is added for what sets share.
    assert (p < 0.05).sum() <= stats.binom.ppf(0.975, len(p), 0.05)


@pytest.mark.parametrize("how", [{"lively": 2.0}, {"lively": 0.5}, {"ar": "rough 480"}], ids=["more", "less", "rough"])
def test_the_classes_may_be_more_or_less_lively_or_noisy(how: dict[str, float | str]) -> None:
    p = p_values(16, "smooth 480", pf_only=True, **how)
    assert (p < 0.05).sum() <= stats.binom.ppf(0.975, len(p), 0.05)


def test_drift_of_pf_alone_is_taken_for_rises() -> None:
    """What is supposed: that AR drift as PF do."""
    p = p_values(6, "smooth 1200", pf_only=True, ar="memory 0")
    assert np.mean(p < 0.05) > 0.15


def test_a_single_series_knows_nothing_of_slow_drifts() -> None:
    """Why AR observations judge: by the memory that it shows of itself, a smooth series rises far too often."""
    p = [trend(one.minutes, one.score).p for seed in range(4) for one in made(seed, "smooth 1200")]
    assert np.mean(np.array(p) < 0.05) > 0.15


@pytest.mark.parametrize(("kind", "share"), [("memory 0", 0.6), ("memory 0.8", 0.25), ("smooth 1200", 0.6)])
def test_rises_of_several_times_the_drift_are_found(kind: str, share: float) -> None:
    assert np.mean(p_values(6, kind, pf_only=True, rise=3.0) < 0.05) > share
