"""Labels shuffled by observation say nothing, and a network that learns them is another one, but a living one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.utils import instantiate

from preflare import run
from preflare.data.datamodule import Pool
from preflare.explain import shuffled
from preflare.explain.shuffled import shuffle
from preflare.explain.side import Side
from preflare.explain.target import log_odds


def test_half_of_each_class_is_turned() -> None:
    labels = np.repeat([0, 1], [14, 10])
    for seed in range(5):
        other = shuffle(labels, seed)
        assert (other[:14] == 1).sum() == 7 and (other[14:] == 0).sum() == 5
    assert not np.array_equal(shuffle(labels, 0), shuffle(labels, 1))
    assert shuffle(np.array([0, 1]), 0).tolist() == [1, 0] and labels.sum() == 10


@pytest.mark.slow
def test_what_is_learned_is_the_shuffled_labels(own_run: Path) -> None:
    finished = run.read(own_run)
    finished.record["best_epoch"] = 39
    side = Side.of(finished, Pool(own_run.parent / "shards", instantiate(finished.config.line)), 0)
    before = torch.random.get_rng_state()
    network = shuffled.trained(finished, side, seed=0)
    assert torch.equal(torch.random.get_rng_state(), before) and not network.training
    train = side.data.datasets["train"]
    truth = np.array([int(side.data.shards[name].header.label) for name in train.names])
    taught = shuffle(truth, 0)[train.observation.numpy()]
    with torch.no_grad():
        odds = log_odds(network)(train.spectra[torch.arange(len(train))]).numpy()
    assert odds.std() > 1e-4
    assert odds[train.labels.numpy() == 1].mean() - odds[train.labels.numpy() == 0].mean() < 2
    assert ((odds > 0) == train.labels.numpy()).mean() < 0.8 and len(set(taught)) == 2
