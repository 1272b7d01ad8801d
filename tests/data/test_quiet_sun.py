"""Quiet-Sun spectra are served by observation, clean ones only, whatever an autoencoder said before."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from preflare.command import CONF
from preflare.data.quiet_sun import QuietSunDataModule, quiet
from preflare.data.shard import Shard
from preflare.data.writing import remask
from preflare.errors import PartitionError, ShardError
from preflare.sun.line import Line
from preflare.sun.observation import Label

MakeShard = Callable[..., Path]


@pytest.fixture(scope="module")
def line() -> Line:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return instantiate(compose(overrides=["+line=mg_ii"]).line)


@pytest.fixture
def root(tmp_path: Path, make_shard: MakeShard) -> Path:
    for number in range(5):
        make_shard(tmp_path, Label.QS, number)
    make_shard(tmp_path, Label.AR, 9)
    return tmp_path


def test_sides_are_observations_of_quiet_sun(root: Path, line: Line) -> None:
    data = QuietSunDataModule(str(root), None, line, 16, 0, 0.4)
    data.setup()
    assert len(data.sides["train"]) == 3 and len(data.sides["test"]) == 2
    assert not set(data.sides["train"]) & set(data.sides["test"]) and all(
        name.startswith("QS_") for name in data.shards
    )
    served = np.concatenate([spectra[:, 0].numpy() for spectra, _ in data.train_dataloader()])
    expected = [Shard.open(root / f"{name}.h5") for name in data.sides["train"]]
    clean = np.concatenate([one.read("spectra")[one.read("quality") == 0] for one in expected])
    assert np.array_equal(np.sort(served.ravel()), np.sort(clean.ravel()))
    assert [sum(len(batch) for batch, _ in loader) for loader in data.val_dataloader()] == [len(served), 2 * 78]
    sides = set()
    for seed in range(6):
        other = QuietSunDataModule(str(root), None, line, 16, seed, 0.4)
        other.setup()
        sides.add(other.sides["test"])
    assert len(sides) > 1


def test_the_flag_of_an_autoencoder_is_overlooked(root: Path, line: Line) -> None:
    shard = Shard.open(next(root.glob("QS_*.h5")))
    before = quiet(shard, line)
    flagged = remask(shard, shard.read("quality") | np.uint16(256), np.zeros(shard.shape[:3], np.float32), {})
    assert np.array_equal(quiet(flagged, line), before) and before.any() and not before.all()


def test_without_shards_the_command_that_makes_them_is_named(tmp_path: Path, line: Line) -> None:
    data = QuietSunDataModule(str(tmp_path / "none"), None, line, 16, 0, 0.4)
    with pytest.raises(ShardError, match="Make some with: python ingest.py source=quiet_sun$"):
        data.setup()


def test_one_observation_is_too_few(tmp_path: Path, make_shard: MakeShard, line: Line) -> None:
    make_shard(tmp_path, Label.QS, 0)
    make_shard(tmp_path, Label.QS, 1, clean=False)
    data = QuietSunDataModule(str(tmp_path), None, line, 16, 0, 0.4)
    with pytest.raises(PartitionError, match="holds 1 observations of quiet Sun with clean spectra, .* needs two"):
        data.setup()
