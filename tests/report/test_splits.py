"""A sweep read back: in the order of partitions, undefined skill kept undefined."""

from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from preflare.errors import RunError
from preflare.report.splits import Splits, quartiles
from preflare.run import Run, RunFolder


def run(seed: int, tss: float, ppv_npv: float | None) -> Run:
    record = {
        "partition": {"seed": seed, "sides": {"train": {"AR_1": 50, "PF_1": 50}, "test": {"AR_2": 15, "PF_2": 15}}},
        "metrics": {"test": {"tss": tss, "ppv_npv": ppv_npv, "accuracy": 0.5 + tss / 2}},
        "best_epoch": seed + 1,
        "dead": ppv_npv is None,
    }
    return Run(RunFolder(Path("nowhere")), record, OmegaConf.create({}), [])


def test_arrays_are_in_the_order_of_partitions() -> None:
    found = Splits.of([run(7, 0.5, 0.4), run(2, 0.0, None)])
    assert found.seeds.tolist() == [2, 7]
    assert found.tss.tolist() == [0.0, 0.5]
    np.testing.assert_array_equal(found.ppv_npv, [np.nan, 0.4])
    assert found.dead.tolist() == [True, False]
    assert found.ratio.tolist() == [0.3, 0.3]
    assert found.best_epoch.tolist() == [3, 8]
    assert found.place(7) == 1


def test_what_is_no_sweep_over_partitions_is_refused() -> None:
    with pytest.raises(RunError, match="share a partition"):
        Splits.of([run(1, 0.5, 0.5), run(1, 0.6, 0.6)])
    with pytest.raises(RunError, match="no partition 44; it has 1, 2"):
        Splits.of([run(1, 0.5, 0.5), run(2, 0.6, 0.6)]).place(44)


def test_quartiles_with_and_without_the_undefined() -> None:
    values = np.array([np.nan, 0.2, 0.4, 0.6, 0.8])
    assert quartiles(values) == pytest.approx((0.35, 0.5, 0.65))
    assert quartiles(values, 0.0) == pytest.approx((0.2, 0.4, 0.6))
    assert np.isnan(quartiles(np.array([np.nan, np.nan]))).all()
