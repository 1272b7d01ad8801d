"""The networks along a training are those that its run had."""

from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from torch import nn

from preflare import run
from preflare.data.datamodule import FlareDataModule
from preflare.model import stages


@pytest.fixture
def done(toy_run: Path) -> run.Run:
    return run.read(toy_run)


@pytest.fixture
def data(done: run.Run) -> FlareDataModule:
    return instantiate(done.config.data)


def same(network: nn.Module, other: nn.Module) -> bool:
    theirs = other.state_dict()
    return all(torch.allclose(value, theirs[name], atol=1e-7) for name, value in network.state_dict().items())


def test_they_are_those_of_the_run(done: run.Run, data: FlareDataModule) -> None:
    seed = done.record["attempts"][-1]["seed"]
    data.setup()
    epoch = -(-len(data.datasets["train"]) // data.batch_size)
    found = stages.train(done.config, seed, data, [0, 1, 2 * epoch, 900])
    assert sorted(found) == [0, 1, 2 * epoch]
    assert same(found[2 * epoch], done.network("last")) and not same(found[1], found[2 * epoch])
    torch.manual_seed(seed)
    assert same(found[0], instantiate(done.config.model).eval())
