"""Training in process, on toy shards."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from preflare.command import CONF
from preflare.sun.observation import Label

MakeConfig = Callable[..., DictConfig]


@pytest.fixture(scope="session")
def toy_shards(tmp_path_factory: pytest.TempPathFactory, make_shard: Callable[..., Path]) -> Path:
    """Toy shards of four AR and four PF observations."""
    root = tmp_path_factory.mktemp("shards")
    for number in range(4):
        make_shard(root, Label.AR, number)
        make_shard(root, Label.PF, number)
    return root


@pytest.fixture
def make_config(toy_shards: Path, load_verb: Callable[[str], ModuleType]) -> MakeConfig:
    """``make_config("seed=1")``: the config of train on the toy shards, three epochs, one observation held out."""
    load_verb("train")

    def make(*overrides: str) -> DictConfig:
        small = (f"data.root={toy_shards}", "partition.test_observations=1", "trainer.max_epochs=3")
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return compose("train", [*small, *overrides])

    return make
