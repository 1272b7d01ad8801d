"""A member's scores against those of skill_scores and of FlareClassifier's formulas."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, roc_auc_score

from preflare.model.skill import skill_scores
from preflare.model.swarm.scores import member_scores, roc_auc, skill


def answers(seed: int, count: int = 700, ties: bool = False, dtype: torch.dtype = torch.float32):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 2, (count,), generator=generator)
    log_odds = torch.randn(count, generator=generator, dtype=torch.float64) * 3 + labels
    return (log_odds.round() if ties else log_odds).to(dtype), labels


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", ["usual", "saturated", "all PF", "all AR", "one class", "one class, right"])
def test_skill_is_that_of_torchmetrics(ties: bool, dtype: torch.dtype, case: str) -> None:
    log_odds, labels = answers(3, ties=ties, dtype=dtype)
    log_odds = {
        "saturated": log_odds * 30,
        "all PF": log_odds.abs() + 1,
        "all AR": -log_odds.abs(),
        "one class, right": -log_odds.abs() - 1,
    }.get(case, log_odds)
    if case.startswith("one class"):
        labels = torch.zeros_like(labels)
    expected = {name: float(value) for name, value in skill_scores()(torch.sigmoid(log_odds), labels).items()}
    found = skill(torch.sigmoid(log_odds).numpy(), labels.numpy())
    assert list(found) == ["tss", "hss", "accuracy", "precision", "recall", "auc", "brier", "ppv_npv"]
    assert found == pytest.approx(expected, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("places", [1, 2, 8])
def test_auc_is_scikit_learns_with_ties_or_without(places: int) -> None:
    rng = np.random.default_rng(places)
    labels = rng.random(400) < 0.4
    probability = np.clip(rng.normal(0.4 + 0.2 * labels, 0.3), 0, 1).round(places)
    for given in (probability, probability.astype(np.float32)):
        assert roc_auc(given, labels) == pytest.approx(roc_auc_score(labels, given), abs=1e-12)


def test_all_sides_are_named_and_losses_are_scikit_learns() -> None:
    log_odds, labels = {}, {}
    for seed, side in enumerate(("train", "validation", "test")):
        log_odds[side], labels[side] = answers(seed)
    scores = member_scores(log_odds, labels, "validation")
    for side in log_odds:
        expected = log_loss(labels[side].numpy(), torch.sigmoid(log_odds[side].double()).numpy())
        assert scores[f"{side}/loss"] == pytest.approx(expected, rel=1e-9)
    assert scores["mean/loss"] == pytest.approx((scores["train/loss"] + scores["validation/loss"]) / 2, rel=1e-12)
    assert scores["train/spread"] == pytest.approx(float(np.std(log_odds["train"].double().numpy(), ddof=1)), rel=1e-12)
    assert len(scores) == 3 * 9 + 2


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_member_that_diverged_has_no_skill(bad: float) -> None:
    log_odds, labels = answers(0)
    log_odds[5] = bad
    scores = member_scores({"train": log_odds, "test": log_odds}, {"train": labels, "test": labels}, "test")
    assert not math.isfinite(scores["test/loss"])
    assert math.isnan(scores["test/tss"]) and math.isnan(scores["train/brier"])
