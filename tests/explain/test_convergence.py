"""The curve of completeness is the engine's own residuals, number by number."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from preflare.explain.committee import Committee
from preflare.explain.convergence import BASELINES, against_samples
from preflare.explain.expected_gradients import ExpectedGradients, Paths
from preflare.model.convnet import ConvNet

TRAINING = torch.rand(60, 1, 240, generator=torch.Generator().manual_seed(1))
METHOD = ExpectedGradients(30, 2, "random", 0)


def paths(method: ExpectedGradients) -> list[Paths]:
    return [method.paths(TRAINING, np.arange(60) % 2, np.ones(60, dtype=bool))]


def test_each_row_is_what_that_many_samples_give() -> None:
    torch.manual_seed(0)
    network, some = ConvNet(240).eval(), TRAINING[:7, 0] / 2
    committee = Committee([network], paths(METHOD), [], [], 1)
    rows = against_samples(committee, paths, METHOD, some)
    # 60 spectra give 30 of a class at most: 100 baselines and more are left out, and the method's own are there.
    assert [row.samples for row in rows] == [2 * count for count in (4, 10, 20, 30, 50)] and 100 in BASELINES
    best = Committee([network], paths(ExpectedGradients(50, 2, "random", 0)), [], [], 1).attribute(some)
    own = committee.attribute(some)
    row = rows[3]
    missed = np.abs(own["completeness"].astype(np.float64))
    assert (row.residual, row.residual_90) == pytest.approx((np.median(missed), np.quantile(missed, 0.9)))
    off = own["expected_gradients"] - best["expected_gradients"]
    scale = np.sqrt((best["expected_gradients"] ** 2).mean())
    assert row.difference == pytest.approx(np.sqrt((off**2).mean()) / scale, rel=1e-4) and rows[-1].difference == 0
    due = own["expected_gradients"].sum(axis=1, dtype=np.float64) - own["completeness"]
    assert row.relative == pytest.approx(np.median(missed) / np.median(np.abs(due))) and row.spectra == 7


def test_other_mistakes_are_not_taken_for_the_end() -> None:
    def broken(method: ExpectedGradients) -> Sequence[Paths]:
        raise ZeroDivisionError

    committee = Committee([ConvNet(240).eval()], paths(METHOD), [], [], 1)
    with pytest.raises(ZeroDivisionError):
        against_samples(committee, broken, METHOD, TRAINING[:2, 0])
