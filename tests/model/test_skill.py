"""Skill scores against scikit-learn, hand cases and a slow loop."""

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as oracle

from preflare.model.skill import BrierScore, Markedness, TrueSkillStatistic, skill_scores


def case(true_positive: int, false_negative: int, false_positive: int, true_negative: int):
    """Probabilities and labels with this contingency table."""
    probability = torch.tensor(
        [0.9] * true_positive + [0.1] * false_negative + [0.8] * false_positive + [0.2] * true_negative
    )
    labels = torch.tensor([1] * (true_positive + false_negative) + [0] * (false_positive + true_negative))
    return probability, labels


def random_case(seed: int, count: int = 501):
    rng = np.random.default_rng(seed)
    labels = rng.random(count) < rng.uniform(0.2, 0.8)
    # Rounded, so that there are ties and some exact halves.
    probability = np.clip(rng.normal(0.4 + 0.25 * labels, 0.3), 0, 1).round(2)
    return torch.from_numpy(probability.astype(np.float32)), torch.from_numpy(labels.astype(np.int64))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("batch", [1000, 64, 1])
def test_scores_agree_with_scikit_learn_however_they_are_batched(seed: int, batch: int) -> None:
    probability, labels = random_case(seed)
    scores = skill_scores()
    for part, truth in zip(probability.split(batch), labels.split(batch), strict=True):
        scores.update(part, truth)
    found = {name: float(value) for name, value in scores.compute().items()}

    p, y = probability.numpy(), labels.numpy()
    called = p > 0.5
    (tn, fp), (fn, tp) = oracle.confusion_matrix(y, called, labels=[False, True])
    expected = {
        "tss": oracle.balanced_accuracy_score(y, called, adjusted=True),
        "hss": oracle.cohen_kappa_score(y, called),
        "accuracy": oracle.accuracy_score(y, called),
        "precision": oracle.precision_score(y, called),
        "recall": oracle.recall_score(y, called),
        "auc": oracle.roc_auc_score(y, p),
        "brier": oracle.brier_score_loss(y, p),
        "ppv_npv": tp / (tp + fp) + tn / (tn + fn) - 1,
    }
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("sensitivity", "specificity", "tss", "markedness"),
    [(0.95, 0.87, 0.82, 0.827), (0.99, 0.50, 0.49, 0.644), (0.30, 0.90, 0.20, 0.314)],
)
def test_what_the_authors_print_as_tss_is_not_the_true_one(
    sensitivity: float, specificity: float, tss: float, markedness: float
) -> None:
    hits, rejected = round(100 * sensitivity), round(100 * specificity)
    probability, labels = case(hits, 100 - hits, 100 - rejected, rejected)
    assert float(TrueSkillStatistic()(probability, labels)) == pytest.approx(tss, abs=1e-9)
    assert float(Markedness()(probability, labels)) == pytest.approx(markedness, abs=2e-3)


@pytest.mark.parametrize("called", ["AR", "PF"])
def test_a_class_that_is_never_predicted_gives_no_skill(called: str) -> None:
    probability, labels = case(0, 7, 0, 5) if called == "AR" else case(7, 0, 5, 0)
    scores = {name: float(value) for name, value in skill_scores()(probability, labels).items()}
    assert scores["tss"] == 0 and scores["hss"] == 0
    assert math.isnan(scores["ppv_npv"])
    assert scores["precision"] == pytest.approx(0 if called == "AR" else 7 / 12)


@pytest.mark.parametrize(
    ("label", "undefined"), [("AR", {"tss", "auc", "recall"}), ("PF", {"tss", "auc"})], ids=["AR", "PF"]
)
def test_a_truth_of_one_class_leaves_scores_undefined_without_a_warning(label: str, undefined: set[str]) -> None:
    probability, labels = case(0, 0, 3, 9) if label == "AR" else case(3, 9, 0, 0)
    scores = {name: float(value) for name, value in skill_scores()(probability, labels).items()}
    assert {name for name, value in scores.items() if math.isnan(value)} == undefined
    assert scores["hss"] == 0


def test_one_class_right_throughout_is_still_undefined() -> None:
    scores = {name: float(value) for name, value in skill_scores()(*case(0, 0, 0, 9)).items()}
    assert math.isnan(scores["tss"]) and math.isnan(scores["hss"]) and scores["accuracy"] == 1


def test_exactly_one_half_is_called_ar() -> None:
    scores = skill_scores()(torch.tensor([0.5, 0.5, 0.51]), torch.tensor([0, 1, 1]))
    assert float(scores["tss"]) == pytest.approx(0.5)
    assert float(scores["accuracy"]) == pytest.approx(2 / 3)


def test_reset_forgets() -> None:
    scores = skill_scores()
    scores.update(*random_case(1))
    scores.reset()
    scores.update(*random_case(2))
    fresh = skill_scores()(*random_case(2))
    assert {k: float(v) for k, v in scores.compute().items()} == {k: float(v) for k, v in fresh.items()}


def test_brier_of_always_one_half_is_a_quarter() -> None:
    assert float(BrierScore()(torch.full((8,), 0.5), torch.tensor([0, 1] * 4))) == 0.25


@pytest.mark.parametrize(
    ("probability", "labels", "message"),
    [
        ([0.5, math.nan], [0, 1], "A probability of PF is nan, expected 0 to 1."),
        ([0.5, 1.5], [0, 1], "A probability of PF is 1.5, expected 0 to 1."),
        ([0.5, 0.5], [0, 2], r"Labels are \[0, 2\], expected 0 \(AR\) and 1 \(PF\)."),
        ([0.5], [0, 1], r"Probabilities have shape \(1,\), labels \(2,\)."),
    ],
)
@pytest.mark.parametrize("metric", [TrueSkillStatistic, BrierScore])
def test_what_is_no_probability_or_label_is_refused(metric, probability, labels, message) -> None:
    with pytest.raises(ValueError, match=message):
        metric().update(torch.tensor(probability), torch.tensor(labels))
