"""The verb explain as a user runs it."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from preflare import run
from preflare.sun.observation import Label

FEW = ("sample=6", "expected_gradients.baselines=8", "expected_gradients.positions=1", "faithfulness=6")


def held_out(folder: Path) -> list[str]:
    return sorted(run.read(folder).record["partition"]["sides"]["test"])


def test_the_held_out_observations_are_explained(
    verb: Callable[..., int], own_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verb("explain", f"run={own_run}", f"data.root={own_run.parent / 'shards'}", *FEW) == 0
    names = held_out(own_run)
    assert sorted(path.stem for path in (own_run / "cubes").glob("*.h5")) == names
    printed = capsys.readouterr().out
    assert "How far to trust the explanations, on 6 spectra" in printed
    assert (own_run / "cubes" / "faithfulness.csv").is_file()
    assert all(name in printed for name in names)
    assert printed.splitlines()[-1] == f"Saliency cubes: {own_run / 'cubes'}"

    network = run.load(own_run)
    for name in names:
        with h5py.File(own_run.parent / "shards" / f"{name}.h5") as shard:
            spectra, quality, phase = (shard[key][()] for key in ("spectra", "quality", "phase"))
        with h5py.File(own_run / "cubes" / f"{name}.h5") as cube:
            assert cube.attrs["seen"] == np.False_ and cube.attrs["side"] == "test"
            assert cube.attrs["quantity"] == "log_odds"
            assert cube.attrs["trained_on_origin"] == "simulation"
            odds, score = cube["log_odds"][()], cube["score"][()]
            shapes = {key: cube[key].shape for key in ("hirescam", "expected_gradients", "completeness")}
            explained = np.isfinite(cube["completeness"][()])
            eg, cam = cube["expected_gradients"][()], cube["hirescam"][()]
        valid, clean = (quality & 1) == 0, quality == 0
        with torch.no_grad():
            logits = network(torch.from_numpy(spectra[valid])[:, None])
        np.testing.assert_allclose(odds[valid], (logits[:, 1] - logits[:, 0]).numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(score[valid], torch.softmax(logits, 1)[:, 1].numpy(), rtol=1e-5)
        assert np.isnan(odds[~valid]).all() and np.isnan(score[~valid]).all()
        assert shapes == {
            "hirescam": spectra.shape,
            "expected_gradients": spectra.shape,
            "completeness": spectra.shape[:3],
        }
        assert explained.sum() == 6 and not explained[~clean].any() and not explained[phase != 1].any()
        assert np.isfinite(eg[explained]).all() and np.isnan(eg[~explained]).all()
        assert np.isfinite(cam[explained][:, 23:213]).all() and np.isnan(cam[explained][:, :23]).all()


def test_other_shards_are_explained_by_name(
    verb: Callable[..., int], own_run: Path, tmp_path: Path, make_shard: Callable[..., Path]
) -> None:
    for number in (8, 9):
        make_shard(tmp_path / "real", Label.UNKNOWN, number, origin="level2")
    command = (f"run={own_run}", f"data.root={own_run.parent / 'shards'}", f"shards={tmp_path / 'real'}", *FEW)
    assert verb("explain", *command) == 1 and not (own_run / "cubes").exists()
    command = (*command, "allow_simulated=true")
    assert verb("explain", *command, "observations=[NA_20140319_140000_3860258480]") == 0
    assert [path.stem for path in (own_run / "cubes").iterdir()] == ["NA_20140319_140000_3860258480-real"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["observations=[20140329]"], "is read as an integer"),
        (["observations=[PF_20200101_000000_3860258482]"], "holds no shard of PF_20200101_000000_3860258482"),
        (["seed=-1"], "seed is -1, expected a whole number of 0 or more"),
        (["expected_gradients.seed=-1"], "expected_gradients.seed is -1, expected a whole number of 0 or more"),
        (["sample=0"], "sample is 0, expected 1 or more"),
        (["spectra=dirty"], "spectra is 'dirty', expected clean or all"),
        (["checkpoint=worst"], "There is no checkpoint 'worst'"),
        (["shards=nowhere"], "No shards at nowhere"),
        (["expected_gradients.baselines=10000"], "Give at most"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    verb: Callable[..., int], own_run: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verb("explain", f"run={own_run}", f"data.root={own_run.parent / 'shards'}", *arguments) == 1
    *before, line = capsys.readouterr().err.strip().splitlines()
    assert message in line and not any("Traceback" in one for one in before)
    assert not (own_run / "cubes").exists()


def test_too_many_baselines_lose_nothing(
    verb: Callable[..., int], own_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where only an observation that was trained with has too few, since it gives none to itself."""
    sides = run.read(own_run).record["partition"]["sides"]
    command = (f"run={own_run}", f"data.root={own_run.parent / 'shards'}", *FEW)
    trained = sorted(sides["train"])[0]
    names = f"observations=[{held_out(own_run)[0]},{trained}]"
    assert verb("explain", *command, names) == 0
    before = {path.name: path.read_bytes() for path in sorted((own_run / "cubes").iterdir())}
    capsys.readouterr()
    half = sum(count for name, count in sides["train"].items() if name.startswith(trained[:2]))
    assert verb("explain", *command, names, f"expected_gradients.baselines={2 * half}") == 1
    said = capsys.readouterr().err
    assert "Give at most" in said and "replaced" not in said
    assert {path.name: path.read_bytes() for path in sorted((own_run / "cubes").iterdir())} == before


def test_no_run(verb: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert verb("explain") == 1
    assert capsys.readouterr().err.strip() == "An explanation is of a run or a sweep: give run=runs/default."


def test_a_folder_that_is_no_run(verb: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verb("explain", f"run={tmp_path}") == 1
    assert "is not a run folder" in capsys.readouterr().err


def test_a_mistyped_key(verb: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert verb("explain", "run=x", "smaple=3") == 1
    assert "Key 'smaple' not in 'Config'" in capsys.readouterr().err
