"""What FlareClassifier logs after an epoch, for one member of a swarm."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

SCORES = ("tss", "hss", "accuracy", "precision", "recall", "auc", "brier", "ppv_npv")


def member_scores(log_odds: Mapping[str, Tensor], labels: Mapping[str, Tensor], choosing: str) -> dict[str, float]:
    """Losses and skill of each side, mean/loss and train/spread, named as FlareClassifier names them.

    log_odds: side -> (n,) float; labels: side -> (n,) int64. All skill is NaN where a log-odds is not finite.
    """
    scores = {}
    for side, answers in log_odds.items():
        true = labels[side]
        scores[f"{side}/loss"] = float(binary_cross_entropy_with_logits(answers.double(), true.double()))
        finite = bool(torch.isfinite(answers).all())
        found = skill(torch.sigmoid(answers).numpy(), true.numpy()) if finite else dict.fromkeys(SCORES, np.nan)
        scores |= {f"{side}/{name}": value for name, value in found.items()}
    scores["mean/loss"] = (scores["train/loss"] + scores[f"{choosing}/loss"]) / 2
    scores["train/spread"] = float(log_odds["train"].double().std())
    return scores


def skill(probability: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The scores of ``skill_scores``: of probabilities (n,) of PF and labels (n,), 0 or 1."""
    called, true = probability > 0.5, labels == 1
    count, positives, calls = len(true), int(true.sum()), int(called.sum())
    hits = int((called & true).sum())
    false_alarms = calls - hits
    rejections = count - positives - false_alarms
    by_chance = calls * positives + (count - calls) * (count - positives)
    recall = _ratio(hits, positives)
    return {
        "tss": recall - _ratio(false_alarms, count - positives),
        "hss": _ratio((hits + rejections) * count - by_chance, count**2 - by_chance),
        "accuracy": (hits + rejections) / count,
        "precision": hits / calls if calls else 0.0,
        "recall": recall,
        "auc": roc_auc(probability, true),
        "brier": float(np.mean((probability.astype(np.float64) - true) ** 2)),
        "ppv_npv": _ratio(hits, calls) + _ratio(rejections, count - calls) - 1,
    }


def roc_auc(probability: np.ndarray, true: np.ndarray) -> float:
    """The chance that a PF has the higher probability than an AR, ties counting half; NaN without both classes.

    probability: (n,) float32 or float64, 0 to 1.
    """
    positives = int(true.sum())
    pairs = positives * (len(true) - positives)
    if not pairs:
        return np.nan
    # Bits of floats that are not negative are in the order of the floats. The label goes below them: one sort of
    # integers, and within a tie the AR come first.
    integer = np.int32 if probability.dtype == np.float32 else np.int64
    keys: np.ndarray = np.left_shift(probability.view(integer), 1) | true
    keys.sort()
    labels = keys & 1
    negatives_below = np.cumsum(1 - labels, dtype=np.int64)
    won = int(negatives_below[labels.astype(bool)].sum())
    # Of these, pairs of a tie count half.
    tied = 0
    values = keys >> 1
    if ((values[1:] == values[:-1]) & (labels[1:] != labels[:-1])).any():
        starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
        sizes = np.diff(np.r_[starts, len(values)])
        of_pf = np.add.reduceat(labels.astype(np.int64), starts)
        tied = int((of_pf * (sizes - of_pf)).sum())
    return (won - tied / 2) / pairs


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else np.nan
