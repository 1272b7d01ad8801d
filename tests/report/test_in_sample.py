"""Two ways to explain the same toy observations."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from preflare.data.shard import Shard
from preflare.explain.cube import Cube
from preflare.report import in_sample
from preflare.report.explained import Explained
from preflare.report.in_sample import Beside
from preflare.sun.observation import Label

SHAPE = (4, 2, 10)


@pytest.fixture
def both(
    make_shard: Callable[..., Path], make_cube: Callable[..., Cube], tmp_path: Path
) -> tuple[Explained, Explained]:
    """A PF observation by members that did not see it, and by others that did, on fewer spectra."""
    stream = np.random.default_rng(0)
    path = make_shard(tmp_path / "shards", Label.PF, 0)
    shard = Shard.open(path)
    rows = stream.normal(size=(*SHAPE, 240))
    score = stream.uniform(0.1, 0.9, SHAPE)
    score[0, 0, 0] = np.nan
    rows[0, 0, 1] = 0  # not clean
    fewer = np.where(np.arange(10) < 8, score**2, np.nan)
    one = make_cube(tmp_path / "one", path, score, rows)
    other = make_cube(tmp_path / "other", path, fewer, 3 * rows + 1, side="train")
    return Explained(shard, one), Explained(shard, other)


def test_only_spectra_explained_both_ways_are_compared(both: tuple[Explained, Explained]) -> None:
    (pair,) = in_sample.pairs([both[0]], [both[1]])
    # Three repeats of the window, eight pixels of each step; one has no score, one is not clean.
    assert len(pair.index) == 3 * 2 * 8 - 2
    found = in_sample.beside(pair)
    assert (found.seen, found.spectra, found.label) == (True, 46, Label.PF)
    assert found.alike == pytest.approx(1)
    assert found.ranks == pytest.approx(1)
    score, other = (one.cube.read("score") for one in both)
    window = np.isfinite(other) & (np.arange(4) < 3)[:, None, None]
    window[0, 0, 1] = False
    assert found.unseen_score == pytest.approx(score[window].mean(), abs=1e-6)
    assert found.other_score == pytest.approx(other[window].mean(), abs=1e-6)
    assert found.ranks == pytest.approx(spearmanr(score[window], other[window]).statistic)
    assert np.isnan(found.unseen_share)


def test_who_has_seen_it_cannot_speak_for_the_unseen(both: tuple[Explained, Explained]) -> None:
    assert in_sample.pairs([both[1]], [both[0]]) == []
    assert in_sample.pairs([both[0]], []) == []


def test_shares_are_those_on_what_was_changed(
    both: tuple[Explained, Explained], monkeypatch: pytest.MonkeyPatch
) -> None:
    (pair,) = in_sample.pairs([both[0]], [both[1]])
    mask = np.zeros((46, 240), dtype=bool)
    mask[:10, 100:112] = True
    monkeypatch.setattr(in_sample.Pair, "changed", lambda self: mask)
    found = in_sample.beside(pair)
    own, theirs = pair.rows()
    assert found.unseen_share == pytest.approx(
        np.mean([np.abs(row[100:112]).sum() / np.abs(row).sum() for row in own[:10]]), abs=1e-6
    )
    assert found.other_share != found.unseen_share
    assert found.chance == pytest.approx(12 / 240)
    first, second, changed = in_sample.profile([pair, pair])
    np.testing.assert_allclose(first, np.abs(own).mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(second, np.abs(theirs).mean(axis=0), rtol=1e-5)
    assert changed is not None and changed[105] == pytest.approx(10 / 46) and changed[0] == 0


def test_above_chance_needs_several_observations() -> None:
    one = Beside("x", Label.PF, False, 9, 0.5, 0.5, 0.5, 0.5, 0.2, 0.2, 0.1)
    ratio, p = in_sample.above_chance([one] * 8)
    assert ratio == pytest.approx(2) and p < 0.01
    _, p = in_sample.above_chance([one, replace(one, unseen_share=0.02), one, replace(one, unseen_share=0.01)])
    assert p > 0.05
    assert np.isnan(in_sample.above_chance([one, one])).all()
    assert np.isnan(in_sample.above_chance([replace(one, unseen_share=np.nan)] * 5)).all()
