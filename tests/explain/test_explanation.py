"""What explain does with runs and shards: its sample, its scores in blocks, what it refuses, what it leaves alone."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from preflare import run
from preflare.data.shard import Shard
from preflare.errors import ConfigError, RunError, ShardError
from preflare.explain import explanation
from preflare.explain.expected_gradients import ExpectedGradients
from preflare.explain.explanation import Explanation
from preflare.explain.target import log_odds
from preflare.run import Run
from preflare.sun.observation import Label

MakeShard = Callable[..., Path]


def settings(
    checkpoint: str = "best",
    spectra: str = "clean",
    sample: int | None = 5,
    seed: int = 0,
    maps: Sequence[str] = ("gradcam", "hirescam"),
    method: ExpectedGradients | None = None,
) -> Explanation:
    return Explanation(checkpoint, spectra, sample, seed, maps, method or ExpectedGradients(4, 8, 0))


def arrays(path: Path) -> dict[str, np.ndarray]:
    with h5py.File(path) as file:
        return {name: file[name][()] for name in file}


@pytest.fixture
def finished(own_run: Path) -> Run:
    return run.read(own_run)


@pytest.fixture
def home(own_run: Path) -> Path:
    return own_run.parent / "shards"


def one_test_observation(finished: Run) -> str:
    return sorted(finished.record["partition"]["sides"]["test"])[-1]


def test_the_same_command_twice_gives_the_same_cube(finished: Run, home: Path) -> None:
    name = one_test_observation(finished)
    (first,) = settings()(finished, home, None, [name])
    before = arrays(first.path)
    first.path.unlink()
    settings()(finished, home, None, [name])
    for key, value in arrays(first.path).items():
        np.testing.assert_array_equal(value, before[key])


def test_a_cube_that_is_there_is_left_and_another_setting_replaces_it(
    finished: Run, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    name = one_test_observation(finished)
    path = settings()(finished, home, None, [name])[0].path
    written = path.stat().st_mtime_ns
    settings()(finished, home, None, [name])
    assert path.stat().st_mtime_ns == written
    assert "1 of 1 observations were already explained" in caplog.text
    settings(sample=3)(finished, home, None, [name])
    assert f"{name}.h5 was made in another way; it is replaced." in caplog.text
    assert np.isfinite(arrays(path)["completeness"]).sum() == 3


def test_blocks_do_not_change_the_answer(finished: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = one_test_observation(finished)
    whole = arrays(settings()(finished, home, None, [name])[0].path)
    monkeypatch.setattr(explanation, "READ", 20)  # one repeat at a time
    finished.folder.cube(name).unlink()
    parts = arrays(settings()(finished, home, None, [name])[0].path)
    for key in whole:
        np.testing.assert_allclose(parts[key], whole[key], rtol=1e-5, atol=1e-6)


def test_all_spectra_that_miss_nothing_may_be_asked_for(finished: Run, home: Path) -> None:
    name = one_test_observation(finished)
    found = arrays(settings(spectra="all", sample=None)(finished, home, None, [name])[0].path)
    quality = Shard.open(home / f"{name}.h5").read("quality")
    expected = (quality & 1) == 0
    np.testing.assert_array_equal(np.isfinite(found["score"]), expected)
    np.testing.assert_array_equal(np.isfinite(found["completeness"]), expected)


def test_what_trained_is_marked_as_seen(finished: Run, home: Path) -> None:
    name = next(iter(finished.record["partition"]["sides"]["train"]))
    (cube,) = settings()(finished, home, None, [name])
    assert cube.attributes["seen"] is True and cube.attributes["side"] == "train"


def test_the_completeness_residual_belongs_to_its_spectrum(finished: Run, home: Path) -> None:
    method = ExpectedGradients(4, 8, 0)
    (cube,) = settings(method=method)(finished, home, None, [one_test_observation(finished)])
    config = finished.config.data.copy()
    config.root = str(home)
    data = instantiate(config)
    data.setup()
    baselines = method.choose_baselines(data.datasets["train"].spectra, data.datasets["train"].labels)
    with torch.no_grad():
        reference = float(log_odds(finished.network())(baselines).double().mean())
    index = cube.explained()
    expected = cube.rows("log_odds", index) - reference
    found = cube.rows("expected_gradients", index).sum(axis=1) - cube.rows("completeness", index)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(cube.rows("completeness", index)).max() > 1e-6


def test_shards_of_another_origin_are_explained_with_a_warning(
    finished: Run, home: Path, tmp_path: Path, make_shard: MakeShard, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_shard(tmp_path / "real", Label.UNKNOWN, 9, origin="level2")
    (cube,) = settings()(finished, home, path, None)
    assert "These shards are real IRIS data; the model was trained on the simulated Sun" in caplog.text
    assert cube.attributes["origin"] == "level2" and cube.attributes["trained_on_origin"] == "simulation"
    assert cube.attributes["side"] == "none" and cube.attributes["seen"] is False


def test_shards_of_one_observation_do_not_replace_each_others_cubes(
    finished: Run, home: Path, tmp_path: Path, make_shard: MakeShard
) -> None:
    name = one_test_observation(finished)
    own = settings()(finished, home, None, [name])[0].path
    # The same observation from elsewhere: real, and in another folder again.
    number, label = int(name[9:11]) - 10, Label[name[:2]]
    folders = (tmp_path / "level 2", tmp_path / "coarse")
    for folder in folders:
        make_shard(folder, label, number, origin="level2")
    others = [settings()(finished, home, folder, None)[0].path for folder in folders]
    assert [path.name for path in (own, *others)] == [f"{name}.h5", f"{name}-level_2.h5", f"{name}-coarse.h5"]
    assert all(path.is_file() for path in (own, *others))


def test_only_the_maps_asked_for(finished: Run, home: Path) -> None:
    (cube,) = settings(maps=["gradcam_reference"])(finished, home, None, [one_test_observation(finished)])
    assert {"gradcam_reference", "expected_gradients"} <= set(cube.names)
    assert not {"gradcam", "hirescam"} & set(cube.names)
    assert cube.attributes["map_cells"] == "layer features.3, cell j at point 23 + 9 j, linear between centres, no ReLU"


def test_a_network_without_convolution_has_no_maps(
    finished: Run, home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    torch.manual_seed(0)
    dense = nn.Sequential(nn.Flatten(), nn.Linear(240, 2)).eval()
    monkeypatch.setattr(Run, "network", lambda self, which: dense)
    (cube,) = settings()(finished, home, None, [one_test_observation(finished)])
    assert not {"gradcam", "hirescam"} & set(cube.names) and cube.attributes["maps"] == ""
    assert "has no convolution" in caplog.text


def test_nothing_that_may_be_explained(finished: Run, home: Path, tmp_path: Path, make_shard: MakeShard) -> None:
    path = make_shard(tmp_path / "real", Label.UNKNOWN, 9, clean=False)
    with pytest.raises(ShardError, match="has no clean spectrum in its analysis window.*spectra=all"):
        settings()(finished, home, path, None)
    assert not finished.folder.cubes.exists() or not list(finished.folder.cubes.iterdir())


def test_a_shard_on_another_grid(finished: Run, home: Path, tmp_path: Path, make_shard: MakeShard) -> None:
    path = make_shard(tmp_path / "other", Label.UNKNOWN, 9, points=120)
    with pytest.raises(ShardError, match="has 120 wavelengths, the line Mg II h&k expects 240"):
        settings()(finished, home, path, None)


@pytest.mark.parametrize(("observations", "message"), [([20140310], "integer"), (["PF_x"], "is not a name")])
def test_observations_that_are_no_names(finished: Run, home: Path, observations: list[object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings()(finished, home, None, observations)


def test_observations_that_are_not_there(finished: Run, home: Path) -> None:
    with pytest.raises(ShardError, match="holds no shard of PF_20200101_000000_3860258482"):
        settings()(finished, home, None, ["PF_20200101_000000_3860258482"])


def test_training_shards_that_are_gone(finished: Run, tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="There is no folder .*nowhere.*data.root=DIR"):
        settings()(finished, tmp_path / "nowhere", None, None)


def test_a_shard_that_changed_since_training(finished: Run, home: Path, make_shard: MakeShard) -> None:
    name = one_test_observation(finished)
    finished.record["data"][name] = "another"
    with pytest.raises(ShardError, match=f"{name} has changed.*train again"):
        settings()(finished, home, None, None)


def test_a_training_shard_that_is_missing_or_new(finished: Run, home: Path, make_shard: MakeShard) -> None:
    new = make_shard(home, Label.AR, 7)
    with pytest.raises(ShardError, match=f"{new.stem} is new"):
        settings()(finished, home, None, None)
    new.unlink()
    old = next(iter(finished.record["partition"]["sides"]["train"]))
    (home / f"{old}.h5").unlink()
    with pytest.raises(ShardError, match=f"{old} is missing"):
        settings()(finished, home, None, None)


def test_a_checkpoint_of_another_architecture(finished: Run, home: Path) -> None:
    OmegaConf.update(finished.config, "model.hidden", 7)
    with pytest.raises(RunError, match="another architecture"):
        settings()(finished, home, None, None)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"spectra": "some"}, "clean or all"), ({"sample": 0}, "1 or more"), ({"maps": ["cam"]}, "maps names 'cam'")],
)
def test_settings_that_cannot_be_meant(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings(**wrong)  # type: ignore[arg-type]
