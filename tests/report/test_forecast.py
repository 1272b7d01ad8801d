"""Alarms from a rise: nothing of the future, thresholds that keep their promise, leads as planted."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from preflare.errors import RunError
from preflare.explain.cube import Cube
from preflare.report import explained, forecast
from preflare.report.forecast import Outcome, Watched
from preflare.report.timelines import Timeline
from preflare.sun.observation import Label


def timeline(label: Label, score: np.ndarray, name: str = "x") -> Timeline:
    minutes = np.arange(len(score)) - float(len(score))
    return Timeline(name, label, "", 4, minutes, score, np.ones(len(score)), name)


def test_the_rise_of_a_line_is_its_slope() -> None:
    minutes = np.arange(30.0)
    found = forecast.rise(minutes, 0.2 + 0.01 * minutes, 10)
    np.testing.assert_allclose(found[5:], 0.1)
    assert np.isnan(found[:5]).all()


def test_the_rise_knows_nothing_of_the_future() -> None:
    stream = np.random.default_rng(0)
    minutes, score = np.arange(40.0), stream.normal(size=40)
    whole = forecast.rise(minutes, score, 8)
    other = score.copy()
    other[25:] = 100
    np.testing.assert_array_equal(forecast.rise(minutes, other, 8)[:25], whole[:25])


def test_what_is_missing_is_passed_over() -> None:
    minutes = np.arange(20.0)
    score = 0.01 * minutes
    score[7] = np.nan
    assert np.isfinite(forecast.rise(minutes, score, 10)[7:]).all()
    assert np.isnan(forecast.rise(minutes, np.full(20, np.nan), 10)).all()
    assert np.isnan(forecast.rise(np.array([0.0, 8.0]), np.array([0.1, 0.2]), 10)).all()


def test_the_watch_ends_with_the_alarm() -> None:
    one = Watched("x", Label.AR, np.arange(-60.0, 1.0), np.r_[np.nan, np.linspace(0, 1, 60)])
    assert one.alarm(0.5) == pytest.approx(-29)  # 30 of 59 steps from minute -59
    assert one.hours(0.5) == pytest.approx(30 / 60)
    assert np.isnan(one.alarm(2)) and one.hours(2) == pytest.approx(59 / 60)


def test_the_threshold_is_the_lowest_that_keeps_the_rate() -> None:
    stream = np.random.default_rng(1)
    watched = [Watched(str(n), Label.AR, np.arange(-60.0, 0.0), stream.normal(size=60)) for n in range(12)]
    for rate in (0.0, 0.3, 1.0):
        threshold = forecast.calibrate(watched, rate)
        assert forecast.false_alarms(watched, threshold) <= rate
        values = np.unique(np.concatenate([one.values for one in watched]))
        lower = values[values < threshold]
        assert len(lower) == 0 or forecast.false_alarms(watched, float(lower[-1])) > rate


def test_pf_that_rise_are_seen_in_time_and_ar_cost_their_rate() -> None:
    stream = np.random.default_rng(2)
    quiet = [timeline(Label.AR, 0.5 + 0.02 * stream.normal(size=50), f"AR{n}") for n in range(20)]
    ramp = np.r_[np.zeros(25), np.linspace(0, 0.5, 25)]
    flaring = [timeline(Label.PF, 0.2 + ramp + 0.02 * stream.normal(size=50), f"PF{n}") for n in range(10)]
    by_rise, by_score = forecast.watch([*quiet, *flaring], 10)
    rises = forecast.leave_one_out(by_rise, 0.1)
    leads = [one.lead for one in rises if one.label is Label.PF]
    assert np.isfinite(leads).all() and 15 < np.median(leads) < 25
    assert sum(np.isfinite(one.lead) for one in rises if one.label is Label.AR) <= 5
    # Of its watch, what an alarm ends is left out of hours alone.
    assert all(one.hours < one.there for one in rises if np.isfinite(one.lead))
    assert {round(one.there, 9) for one in rises} == {round(one.hours(np.inf), 9) for one in by_rise}
    # Scores themselves: the AR have higher ones than most of the ramp.
    scores = forecast.leave_one_out(by_score, 0.1)
    assert np.nanmedian([one.lead for one in scores if one.label is Label.PF]) < np.median(leads)


def test_without_ar_there_is_no_threshold() -> None:
    with pytest.raises(RunError, match="No AR observation"):
        forecast.calibrate([Watched("x", Label.PF, np.arange(3.0), np.arange(3.0))], 0.5)


def test_what_is_known_counts_every_observation_alike(
    tmp_path: Path, make_shard: Callable[..., Path], make_cube: Callable[..., Cube]
) -> None:
    # The toy's distances are its log-odds without their sign; the last repeat lies in the flare.
    for number, score in enumerate((0.5, 0.9)):
        shard = make_shard(tmp_path / "shards", Label.PF, number)
        level = np.full((4, 2, 10), score)
        level[3] = 0.999
        level[0, 0, 1] = 0.999  # not clean
        make_cube(tmp_path / "cubes", shard, level, np.zeros((4, 2, 10, 240)))
    near, far = explained.open_all(tmp_path / "cubes", tmp_path / "shards")
    assert forecast.known([near]) == pytest.approx(0)
    assert forecast.known([near, far]) == pytest.approx(np.log(9), rel=1e-5)
    assert forecast.outside(far, 2.0) == 1
    assert forecast.outside(far, 2.2) == 0 == forecast.outside(near, 0.1)


def test_alarms_are_compared_among_those_that_were_watched() -> None:
    def outcome(label: Label, lead: float, hours: float = 1.0) -> Outcome:
        return Outcome("x", label, 0.5, lead, hours, hours)

    alarmed = [outcome(Label.PF, 5.0)] * 4 + [outcome(Label.AR, np.nan)] * 4
    assert forecast.more_alarms(alarmed) == pytest.approx(1 / 70)  # one way of choosing four of eight
    assert forecast.more_alarms([*alarmed, outcome(Label.PF, np.nan, 0.0)]) == pytest.approx(1 / 70)
    assert forecast.more_alarms(alarmed[:4]) == 1.0
