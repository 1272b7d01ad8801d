"""Members of a swarm: skill of one partition, means that miss, maps that are alike."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from omegaconf import OmegaConf

from preflare.errors import RunError
from preflare.report import swarm


def run(seed: int, partition: int, tss: float | None) -> SimpleNamespace:
    record = {
        "partition": {"seed": partition},
        "metrics": {"test": {"tss": tss, "ppv_npv": tss, "accuracy": 0.5}},
        "best_epoch": seed,
    }
    return SimpleNamespace(record=record, config=OmegaConf.create({"seed": seed}), folder=Path("x"))


def test_skill_is_in_the_order_of_the_runs() -> None:
    found = swarm.skill([run(3, 1, 0.5), run(1, 1, None), run(2, 1, 0.7)])  # type: ignore[list-item]
    np.testing.assert_array_equal(found.seeds, [3, 1, 2])
    np.testing.assert_array_equal(found.tss, [0.5, np.nan, 0.7])
    np.testing.assert_array_equal(found.best_epoch, [3, 1, 2])


@pytest.mark.parametrize(
    ("partitions", "said"), [((1, 2, 1), "have 2 partitions, expected one"), ((1, 1), "three living networks")]
)
def test_what_is_no_swarm_is_refused(partitions: tuple[int, ...], said: str) -> None:
    with pytest.raises(RunError, match=said):
        swarm.skill([run(seed, one, 0.5) for seed, one in enumerate(partitions)])  # type: ignore[misc]


def test_a_loss_rises_after_an_epoch() -> None:
    falling, rising = np.linspace(2, 1, 100), np.concatenate([np.full(60, 1.0), np.full(40, 1.5)])
    found = swarm.rises([falling, rising], 50)
    assert found[0] < 0
    assert found[1] == pytest.approx(0.5)


def test_the_mean_of_few_misses_that_of_all() -> None:
    said = np.random.default_rng(0).normal(size=(4, 5, 6))
    order = [2, 0, 3, 1]
    errors = swarm.misses(said, order)
    mean = said.mean(axis=0)
    for count in range(1, 5):
        some = said[order[:count]].mean(axis=0)
        assert errors[count - 1] == pytest.approx(np.sqrt(((some - mean) ** 2).sum() / (mean**2).sum()), abs=1e-12)
    assert errors[-1] == pytest.approx(0, abs=1e-12)


def test_averages_are_alike_where_single_members_are_not() -> None:
    stream = np.random.default_rng(1)
    truth = np.sin(np.linspace(0, 6, 60))[None, None]
    maps = 2 * truth + 5 + stream.normal(size=(40, 30, 60))
    gradients = truth + stream.normal(size=(40, 30, 60))
    found = swarm.likeness("map", maps, gradients)
    by_hand = np.median(
        [
            np.median([np.corrcoef(a, b)[0, 1] for a, b in zip(*pair, strict=True)])
            for pair in zip(maps, gradients, strict=True)
        ]
    )
    assert found.single == pytest.approx(by_hand, abs=1e-9)
    assert found.single < 0.7 < 0.9 < found.together < found.displayed


def test_the_smoothing_fits_into_short_spectra() -> None:
    assert swarm.fitting(np.zeros((2, 240))) == 41
    assert swarm.fitting(np.zeros((2, 40))) == 39
    assert swarm.fitting(np.zeros((2, 21))) == 21
