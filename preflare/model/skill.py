"""Skill scores as torchmetrics Metrics of (probability of PF, labels), accumulated over batches.

A spectrum is called PF where its probability exceeds 0.5. PF is the positive class everywhere.
"""

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import BinaryAccuracy, BinaryAUROC, BinaryCohenKappa, BinaryPrecision
from torchmetrics.utilities.data import dim_zero_cat


class _Counts(Metric):
    """The contingency table, counted over batches."""

    full_state_update = False
    higher_is_better = True
    true_positive: Tensor
    false_positive: Tensor
    true_negative: Tensor
    false_negative: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("true_positive", "false_positive", "true_negative", "false_negative"):
            self.add_state(name, torch.tensor(0, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, probability: Tensor, labels: Tensor) -> None:
        """Count a batch. probability: (batch,), of PF; labels: (batch,), 0 or 1.

        Raises ValueError for anything else.
        """
        _check(probability, labels)
        called, true = probability > 0.5, labels == 1
        self.true_positive += (called & true).sum()
        self.false_positive += (called & ~true).sum()
        self.true_negative += (~called & ~true).sum()
        self.false_negative += (~called & true).sum()


class TrueSkillStatistic(_Counts):
    """TSS = TP / (TP + FN) - FP / (FP + TN), in [-1, 1].

    0 when one class is never predicted; NaN when the truth lacks a class.
    """

    def compute(self) -> Tensor:
        hit_rate = _ratio(self.true_positive, self.true_positive + self.false_negative)
        return hit_rate - _ratio(self.false_positive, self.false_positive + self.true_negative)


class Recall(_Counts):
    """TP / (TP + FN); NaN when the truth has no PF."""

    def compute(self) -> Tensor:
        return _ratio(self.true_positive, self.true_positive + self.false_negative)


class Markedness(_Counts):
    """PPV + NPV - 1 = TP / (TP + FP) + TN / (TN + FN) - 1: what the authors' code computes and prints as TSS.

    NaN when one class is never predicted, as theirs. For balanced classes |markedness| >= |TSS|.
    """

    def compute(self) -> Tensor:
        positive = _ratio(self.true_positive, self.true_positive + self.false_positive)
        return positive + _ratio(self.true_negative, self.true_negative + self.false_negative) - 1


class BrierScore(Metric):
    """Mean squared difference between probability and label, in [0, 1]; 0 is best, 0.25 is always saying 0.5."""

    full_state_update = False
    higher_is_better = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, probability: Tensor, labels: Tensor) -> None:
        """Add a batch; see ``TrueSkillStatistic``."""
        _check(probability, labels)
        self.total += (probability.double() - labels).square().sum()
        self.count += labels.numel()

    def compute(self) -> Tensor:
        return self.total / self.count


class RocAuc(BinaryAUROC):
    """Area under the ROC curve, exact (every threshold); NaN when the truth lacks a class."""

    def compute(self) -> Tensor:  # type: ignore[override]  # torchmetrics overrides its own parent so, too
        labels = dim_zero_cat(self.target)
        if labels.min() == labels.max():
            return torch.full((), torch.nan, device=labels.device)
        return super().compute()


def skill_scores() -> MetricCollection:
    """The scores of every table: tss, hss, accuracy, precision, recall, auc, brier, ppv_npv.

    HSS of two classes is Cohen's kappa. Precision is 0 when PF is never predicted. A score that is undefined is
    NaN; a table leaves it empty.
    """
    return MetricCollection(
        {
            "tss": TrueSkillStatistic(),
            "hss": BinaryCohenKappa(),
            "accuracy": BinaryAccuracy(),
            "precision": BinaryPrecision(),
            "recall": Recall(),
            "auc": RocAuc(),
            "brier": BrierScore(),
            "ppv_npv": Markedness(),
        }
    )


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    return part.double() / whole


def _check(probability: Tensor, labels: Tensor) -> None:
    if probability.shape != labels.shape:
        raise ValueError(f"Probabilities have shape {tuple(probability.shape)}, labels {tuple(labels.shape)}.")
    outside = ~((probability >= 0) & (probability <= 1))
    if outside.any():
        raise ValueError(f"A probability of PF is {float(probability[outside][0])}, expected 0 to 1.")
    if ((labels != 0) & (labels != 1)).any():
        raise ValueError(f"Labels are {labels.unique().tolist()}, expected 0 (AR) and 1 (PF).")
