"""The verb explain as a user runs it."""

import logging
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from preflare import run
from preflare.sun.observation import Label

FEW = ("sample=6", "expected_gradients.samples=4", "expected_gradients.baselines=8")
HELD_OUT = ("AR_20140310_140000_3860258481", "PF_20140310_140000_3860258482")


def held_out(folder: Path) -> list[str]:
    return sorted(run.read(folder).record["partition"]["sides"]["test"])


def test_the_held_out_observations_are_explained(
    verb: Callable[..., int], own_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verb("explain", f"run={own_run}", f"data.root={own_run.parent / 'shards'}", *FEW) == 0
    names = held_out(own_run)
    assert sorted(path.stem for path in (own_run / "cubes").iterdir()) == names
    printed = capsys.readouterr().out
    assert all(name in printed for name in names)
    assert printed.splitlines()[-1] == f"Saliency cubes: {own_run / 'cubes'}"

    network = run.load(own_run)
    for name in names:
        with h5py.File(own_run.parent / "shards" / f"{name}.h5") as shard:
            spectra, quality, phase = (shard[key][()] for key in ("spectra", "quality", "phase"))
        with h5py.File(own_run / "cubes" / f"{name}.h5") as cube:
            assert cube.attrs["seen"] == np.False_ and cube.attrs["side"] == "test"
            assert cube.attrs["quantity"] == "log-odds of PF"
            assert cube.attrs["trained_on_origin"] == "simulation"
            odds, score = cube["log_odds"][()], cube["score"][()]
            shapes = {key: cube[key].shape for key in ("gradcam", "expected_gradients", "completeness")}
            explained = np.isfinite(cube["completeness"][()])
            eg, gradcam = cube["expected_gradients"][()], cube["gradcam"][()]
        clean = quality == 0
        with torch.no_grad():
            logits = network(torch.from_numpy(spectra[clean])[:, None])
        np.testing.assert_allclose(odds[clean], (logits[:, 1] - logits[:, 0]).numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(score[clean], torch.softmax(logits, 1)[:, 1].numpy(), rtol=1e-5)
        assert np.isnan(odds[~clean]).all() and np.isnan(score[~clean]).all()
        assert shapes == {
            "gradcam": spectra.shape,
            "expected_gradients": spectra.shape,
            "completeness": spectra.shape[:3],
        }
        assert explained.sum() == 6 and not explained[~clean].any() and not explained[phase != 1].any()
        assert np.isfinite(eg[explained]).all() and np.isnan(eg[~explained]).all()
        assert np.isfinite(gradcam[explained][:, 23:213]).all() and np.isnan(gradcam[explained][:, :23]).all()
