"""What explain does with runs and shards: its sample, its scores in blocks, what it refuses, what it leaves alone."""

import json
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from preflare import run
from preflare.data.shard import Shard
from preflare.errors import ConfigError, RunError, ShardError
from preflare.explain import assessment, ensemble, explanation, rows
from preflare.explain.committee import Committee
from preflare.explain.cube import Cube
from preflare.explain.ensemble import Ensemble
from preflare.explain.expected_gradients import ExpectedGradients
from preflare.explain.explanation import Explanation
from preflare.explain.parts import Parts
from preflare.explain.target import log_odds
from preflare.run import Run
from preflare.sun.observation import Label

MakeShard = Callable[..., Path]


class Settings:
    """An Explanation that takes a run: ``settings(sample=3)(run, root, where, observations)``."""

    def __init__(self, explanation: Explanation) -> None:
        self.explanation = explanation

    def __call__(self, one: Run, *rest: Any) -> list[Cube]:
        return self.explanation(Ensemble(one.folder, (one,)), *rest)


def settings(**changes: Any) -> Settings:
    defaults: dict[str, Any] = {
        "explained": "log_odds",
        "checkpoint": "best",
        "spectra": "clean",
        "sample": 5,
        "seed": 0,
        "members": "unseen",
        "representatives": 2,
        "maps": ("gradcam", "hirescam"),
        "precision": "float32",
        "workers": 1,
        "faithfulness": 0,
        "expected_gradients": ExpectedGradients(4, 2, "herding", 0),
    }
    return Settings(Explanation(**defaults | changes))


def arrays(path: Path) -> dict[str, np.ndarray]:
    with h5py.File(path) as file:
        return {name: file[name][()] for name in file if name != "paths"}


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


@pytest.mark.parametrize("spectra", ["clean", "all"])
def test_every_valid_spectrum_has_a_score_and_those_asked_for_attributions(
    finished: Run, home: Path, spectra: str
) -> None:
    name = one_test_observation(finished)
    found = arrays(settings(spectra=spectra, sample=None)(finished, home, None, [name])[0].path)
    shard = Shard.open(home / f"{name}.h5")
    quality = shard.read("quality")
    valid, clean = (quality & 1) == 0, quality == 0
    assert clean.sum() < valid.sum() < valid.size
    np.testing.assert_array_equal(found["clean"], clean)
    np.testing.assert_array_equal(np.isfinite(found["completeness"]), clean if spectra == "clean" else valid)
    for scores in ("score", "log_odds", "distance"):
        np.testing.assert_array_equal(np.isfinite(found[scores]), valid)
    with torch.no_grad():
        odds = log_odds(finished.network())(torch.from_numpy(shard.read("spectra")[valid])[:, None])
    np.testing.assert_allclose(found["log_odds"][valid], odds, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["score"][valid], torch.sigmoid(odds), rtol=1e-4, atol=1e-6)


def test_a_clean_score_does_not_hang_on_what_is_not_clean(
    finished: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where a network's answer hangs on what else it is given."""

    class Centre(nn.Module):
        def forward(self, spectra: torch.Tensor) -> torch.Tensor:
            return spectra - spectra.mean(dim=0)

    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), Centre(), nn.Linear(240, 2)).eval()
    monkeypatch.setattr(Run, "network", lambda self, which: network)
    name = one_test_observation(finished)
    (cube,) = settings(maps=())(finished, home, None, [name])
    shard = Shard.open(home / f"{name}.h5")
    with torch.no_grad():
        alone = log_odds(network)(torch.from_numpy(shard.read("spectra")[cube.clean()])[:, None])
    np.testing.assert_allclose(cube.read("log_odds")[cube.clean()], alone, rtol=1e-4, atol=1e-5)


def test_parts_of_cubes_of_before_are_not_gone_on_with(finished: Run, home: Path) -> None:
    name = one_test_observation(finished)
    (cube,) = settings()(finished, home, None, [name])
    expected = arrays(cube.path)
    # What a process killed while it made such a cube left: scores of clean spectra alone.
    about = {key: one for key, one in cube.attributes.items() if key not in ("schema", "preflare", "explained")}
    scores = {key: cube.of_clean(key) for key in ("score", "log_odds", "distance")}
    Parts(cube.path.with_name(f".{name}.parts"), about).get("scores", lambda: scores)
    cube.path.unlink()
    found = arrays(settings()(finished, home, None, [name])[0].path)
    for key in expected:
        np.testing.assert_array_equal(found[key], expected[key])


def test_what_trained_is_marked_as_seen(finished: Run, home: Path) -> None:
    name = next(iter(finished.record["partition"]["sides"]["train"]))
    (cube,) = settings()(finished, home, None, [name])
    assert cube.attributes["seen"] is True and cube.attributes["side"] == "train"


def test_the_completeness_residual_belongs_to_its_spectrum_and_the_baselines_recorded(
    finished: Run, home: Path
) -> None:
    (cube,) = settings()(finished, home, None, [one_test_observation(finished)])
    with h5py.File(cube.path) as file:
        names, places = file["paths/observation"].asstr()[0], file["paths/row"][0]
        positions = file["paths/position"][:]
        assert file["paths/partition"][:].tolist() == [0]
    assert set(names) <= set(finished.record["partition"]["sides"]["train"])
    baselines = [
        Shard.open(home / f"{name}.h5").read("spectra").reshape(-1, 240)[row]
        for name, row in zip(names, places, strict=True)
    ]
    np.testing.assert_allclose(positions, (np.arange(8) + 0.5) / 8)
    with torch.no_grad():
        reference = float(log_odds(finished.network())(torch.from_numpy(np.stack(baselines))[:, None]).double().mean())
    index = cube.explained()
    expected = cube.rows("log_odds", index) - reference
    found = cube.rows("expected_gradients", index).sum(axis=1) - cube.rows("completeness", index)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(cube.rows("completeness", index)).max() > 1e-6


def test_baselines_are_never_of_the_observation_explained(finished: Run, home: Path) -> None:
    name = next(iter(finished.record["partition"]["sides"]["train"]))
    method = ExpectedGradients(20, 1, "random", 0)
    (cube,) = settings(expected_gradients=method)(finished, home, None, [name])
    with h5py.File(cube.path) as file:
        assert name not in set(file["paths/observation"].asstr()[0])


def test_half_precision_rounds_what_is_stored_alone(finished: Run, home: Path) -> None:
    name = one_test_observation(finished)
    (whole,) = settings()(finished, home, None, [name])
    before = arrays(whole.path)
    after = arrays(settings(precision="float16")(finished, home, None, [name])[0].path)
    assert after["expected_gradients"].dtype == np.float16 and after["score"].dtype == np.float32
    np.testing.assert_allclose(after["expected_gradients"], before["expected_gradients"], rtol=1e-3, atol=1e-7)
    np.testing.assert_array_equal(after["completeness"], before["completeness"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"origin": "level2"},
            "holds real spectra, the network in .*run was trained on the simulated Sun. Train one on spectra of that "
            "kind, or say allow_simulated=true",
        ),
        ({"instrument": "MUSE"}, "was taken by MUSE, the network in .*run was trained on IRIS. Train one on spectra"),
        ({"line": "c_ii"}, "holds the line c_ii, the network in .*run was trained on mg_ii. Train one on that line"),
    ],
)
def test_what_a_network_was_not_trained_on_it_does_not_judge(
    finished: Run, home: Path, tmp_path: Path, make_shard: MakeShard, changes: dict[str, str], said: str
) -> None:
    path = make_shard(tmp_path / "other", Label.UNKNOWN, 9, **changes)
    with pytest.raises(ShardError, match=said):
        settings()(finished, home, path, None)
    assert not finished.folder.cubes.exists()


def test_spectra_that_were_changed_are_not_explained(
    finished: Run, home: Path, tmp_path: Path, make_shard: MakeShard
) -> None:
    path = make_shard(tmp_path / "other", Label.UNKNOWN, 9)
    with h5py.File(path, "r+") as file:
        file["spectra"][-1, -1, -1, 5] = 0.123
    with pytest.raises(ShardError, match="spectra was changed after it was written. Ingest the observation again"):
        settings()(finished, home, path, None)
    assert not list(finished.folder.cubes.glob(f"{path.stem}.h5"))


def test_shards_of_another_origin_are_explained_with_a_warning_if_one_insists(
    finished: Run, home: Path, tmp_path: Path, make_shard: MakeShard, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_shard(tmp_path / "real", Label.UNKNOWN, 9, origin="level2")
    (cube,) = settings(allow_simulated=True)(finished, home, path, None)
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
    others = [settings(allow_simulated=True)(finished, home, folder, None)[0].path for folder in folders]
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
    [({"spectra": "some"}, "clean or all"), ({"explained": "winner"}, "explained is 'winner', expected log_odds")]
    + [({"sample": 0}, "1 or more"), ({"maps": ["cam"]}, "maps names 'cam'")]
    + [({"members": "some"}, "members is 'some', expected unseen, all or"), ({"representatives": 0}, "1 or more")]
    + [({"precision": "float8"}, "float32 or float16"), ({"workers": 0}, "workers is 0")],
)
def test_settings_that_cannot_be_meant(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings(**wrong)  # type: ignore[arg-type]


KILLED = """
import sys, time
from pathlib import Path
from preflare import run
from preflare.explain import assessment, ensemble, explanation, rows
from preflare.explain.committee import Committee
from preflare.explain.ensemble import Ensemble
from preflare.explain.expected_gradients import ExpectedGradients

explanation.READ = 20
attribute = explanation._attribute

def slowly(*arguments):
    time.sleep(0.3)
    return attribute(*arguments)

explanation._attribute = slowly
finished = run.read(Path(sys.argv[1]))
method = ExpectedGradients(4, 2, "herding", 0)
choices = ["log_odds", "best", "clean", None, 0, "unseen", 2, ["hirescam"], "float32", 1, 0, method]
settings = explanation.Explanation(*choices)
settings(Ensemble(finished.folder, (finished,)), Path(sys.argv[2]), None, [sys.argv[3]])
"""


@pytest.mark.slow
def test_a_process_killed_in_the_middle_goes_on_to_the_same_cube(
    finished: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explanation, "READ", 20)  # one repeat at a time: four parts
    name = one_test_observation(finished)
    one = settings(sample=None, maps=["hirescam"])
    (whole,) = one(finished, home, None, [name])
    expected = whole.path.read_bytes()
    whole.path.unlink()
    arguments = [sys.executable, "-c", KILLED, str(finished.folder.path), str(home), name]
    process = subprocess.Popen(arguments, cwd=Path(explanation.__file__).parents[2])
    parts = finished.folder.cubes / f".{name}.parts"
    deadline = time.monotonic() + 60
    while not (parts / "000001.npz").is_file():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert not whole.path.exists()
    done = len(list(parts.glob("0*.npz")))
    assert done < 4
    made: list[int] = []
    attribute = Committee.attribute
    monkeypatch.setattr(Committee, "attribute", lambda self, spectra: made.append(0) or attribute(self, spectra))
    one(finished, home, None, [name])
    assert len(made) == 4 - done
    assert whole.path.read_bytes() == expected
    assert not parts.exists()


def test_the_members_of_a_sweep_explain_what_they_did_not_see(finished: Run, home: Path, tmp_path: Path) -> None:
    """Two runs, of which one trained on what the other held out."""
    names = list(finished.record["partition"]["sides"]["train"])
    pair = sorted(names)[0], sorted(names)[-1]  # an AR and a PF, so that each leaves some of both classes
    for number, held in enumerate(pair):
        folder = tmp_path / "sweep" / f"seed-{number}"
        shutil.copytree(finished.folder.path, folder)
        record = json.loads((folder / "run.json").read_text())
        record["partition"]["sides"] |= {"test": {held: 58}, "train": {name: 58 for name in names if name != held}}
        (folder / "run.json").write_text(json.dumps(record))
    by = ensemble.read(tmp_path / "sweep")
    cubes = settings().explanation(by, home, None, None)
    assert [cube.attributes["observation"] for cube in cubes] == list(pair)
    said = {str(cube.attributes["observation"]): cube.attributes for cube in cubes}
    for number, held in enumerate(pair):
        assert said[held]["members"] == f"seed-{number}" and said[held]["seen"] is False
        assert said[held]["side"] == "test" and said[held]["member_count"] == 1
    everyone = settings(members="all").explanation(by, home, None, [pair[0]])[0]
    assert everyone.attributes["members"] == "seed-0 seed-1" and everyone.attributes["seen"] is True
    assert everyone.attributes["side"] == "mixed"
    assert {"log_odds_spread", "expected_gradients_spread"} <= set(everyone.names)
    # Both are copies of one network: they agree on the score, but each compares with its own training side, short of
    # the observation explained.
    np.testing.assert_allclose(everyone.rows("log_odds_spread", everyone.explained()), 0, atol=1e-7)
    with h5py.File(everyone.path) as file:
        assert file["paths/partition"][:].tolist() == [0, 1] and file["paths/row"].shape == (2, 8)
        assert pair[0] not in file["paths/observation"].asstr()[1]


def test_representatives_are_some_of_the_members(finished: Run, home: Path, tmp_path: Path) -> None:
    for number in range(3):
        folder = tmp_path / "sweep" / f"seed-{number}"
        shutil.copytree(finished.folder.path, folder)
        path = folder / "checkpoints" / "best.ckpt"
        state = torch.load(path, weights_only=True)
        last = [key for key in state["state_dict"] if key.startswith("network.head")][-2]
        state["state_dict"][last] *= number  # the middle one is the mean of all
        torch.save(state, path)
    by = ensemble.read(tmp_path / "sweep")
    one = settings(members="representative", representatives=1).explanation
    (cube,) = one(by, home, None, [one_test_observation(finished)])
    assert cube.attributes["members"] == "seed-1" and cube.attributes["members_choice"] == "representative"


def test_explanations_are_put_to_the_test_once(finished: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = settings(faithfulness=4, maps=["hirescam"])
    one(finished, home, None, None)
    path = finished.folder.cubes / "faithfulness.csv"
    found = rows.read(path, assessment.Row)
    assert [row.method for row in found[:2]] == ["expected gradients", "hirescam"] and found[0].spectra == 4
    written = path.stat().st_mtime_ns
    one(finished, home, None, None)
    assert path.stat().st_mtime_ns == written
