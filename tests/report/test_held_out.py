"""Pooled skill against scikit-learn's confusion matrix, and what one observation carries."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from preflare import run
from preflare.errors import ShardError
from preflare.explain.cube import Cube
from preflare.report import explained
from preflare.report.held_out import Called, call, rescore, tss, tss_interval, without_each
from preflare.sun.observation import Label

CALLED = [
    Called("AR_1", Label.AR, 100, 20, "AR_1"),
    Called("AR_2", Label.AR, 300, 30, "AR_2"),
    Called("PF_1", Label.PF, 50, 40, "PF_1"),
    Called("PF_2", Label.PF, 150, 60, "PF_2"),
]


def test_pooled_skill_is_scikit_learns() -> None:
    truth = np.concatenate([np.full(one.spectra, one.label == Label.PF) for one in CALLED])
    answers = np.concatenate([np.arange(one.spectra) < one.called for one in CALLED])
    assert tss(CALLED) == pytest.approx(balanced_accuracy_score(truth, answers, adjusted=True))


def test_each_one_left_out() -> None:
    assert without_each(CALLED) == pytest.approx([100 / 200 - 30 / 300, 100 / 200 - 20 / 100, 0.275, 0.675])
    assert [one.correct for one in CALLED] == pytest.approx([0.8, 0.9, 0.8, 0.4])


def test_one_class_has_no_skill() -> None:
    assert np.isnan(tss(CALLED[:2]))
    assert np.isnan(Called("AR_3", Label.AR, 0, 0, "AR_3").correct)


def test_the_interval_holds_the_value_and_is_wide_with_few_observations() -> None:
    low, high = tss_interval(CALLED)
    # The worst draw of PF is PF_2 twice, of AR AR_1 twice.
    assert (low, high) == pytest.approx((0.4 - 0.2, 0.8 - 0.1), abs=0.01)
    assert low < tss(CALLED) < high
    assert (low, high) == tss_interval(CALLED)


def test_the_interval_is_over_regions() -> None:
    """What is one region twice says nothing new, and a draw takes all of a region or nothing."""
    twice = [*CALLED, *(replace(one, name=f"{one.name}+") for one in CALLED)]
    assert tss_interval(twice) == tss_interval(CALLED)
    apart = [replace(one, region=one.name) for one in twice]
    assert np.ptp(tss_interval(apart)) < 0.9 * np.ptp(tss_interval(CALLED))
    one = [replace(each, region="R") for each in CALLED]
    assert tss_interval(one) == pytest.approx((tss(CALLED), tss(CALLED)))


def test_only_clean_spectra_of_the_window_count(
    tmp_path: Path, make_shard: Callable[..., Path], make_cube: Callable[..., Cube]
) -> None:
    shard = make_shard(tmp_path / "shards", Label.PF, 0)
    score = np.full((4, 2, 10), 0.2)
    score[1] = 0.7
    score[0, 0, 0] = np.nan
    score[0, 0, 1] = 0.99  # not clean
    score[3] = 0.99  # the flare
    make_cube(tmp_path / "cubes", shard, score, np.zeros((4, 2, 10, 240)))
    (one,) = explained.open_all(tmp_path / "cubes", tmp_path / "shards")
    found = call(one)
    assert (found.spectra, found.called) == (58, 20)


def test_what_is_rescored_has_the_skill_that_the_run_recorded(toy_run: Path) -> None:
    done = run.read(toy_run)
    ((*called,),) = rescore([done], toy_run.parent / "shards")
    assert {one.name: one.spectra for one in called} == done.record["partition"]["sides"]["test"]
    assert tss(called) == pytest.approx(done.record["metrics"]["test"]["tss"])


def test_other_shards_are_not_rescored(own_run: Path, make_shard: Callable[..., Path]) -> None:
    make_shard(own_run.parent / "shards", Label.PF, 7)
    with pytest.raises(ShardError, match="not those that"):
        rescore([run.read(own_run)], own_run.parent / "shards")
