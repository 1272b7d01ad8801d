"""Applying an autoencoder to shards: flags against its errors, once, atomically; what it cannot judge is refused."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from preflare import run
from preflare.data.shard import Shard
from preflare.errors import ConfigError, RunError, ShardError
from preflare.model import quiet_mask
from preflare.model.quiet_error import errors, weights_digest
from preflare.model.quiet_mask import SHIPPED, QuietMask, apply_all, flag
from preflare.sun.observation import Label

MakeShard = Callable[..., Path]


def test_flags_follow_the_error(tmp_path: Path, make_shard: MakeShard) -> None:
    before = Shard.open(make_shard(tmp_path, Label.AR, 0))
    was, error = before.read("quality"), errors(run.load(SHIPPED), before.read("spectra"))
    limit = float(np.nanmedian(error))
    mask = QuietMask.read(SHIPPED, limit)
    assert mask.apply(before)
    after = Shard.open(before.path)
    np.testing.assert_array_equal(after.read("reconstruction_error"), error)
    quality = after.read("quality")
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(quality & 256 != 0, error <= limit)
    np.testing.assert_array_equal(quality & 255, was)
    assert after.quiet_sun == {"weights": mask.digest, "threshold": limit, "trained_on": "simulation"}


def test_the_same_mask_twice_writes_once_and_another_threshold_reads_no_spectra(
    tmp_path: Path, make_shard: MakeShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_shard(tmp_path, Label.PF, 0)
    mask = QuietMask.read(SHIPPED)
    assert mask.apply(Shard.open(path))
    stamp = path.stat().st_mtime_ns
    assert not mask.apply(Shard.open(path)) and path.stat().st_mtime_ns == stamp
    monkeypatch.setattr(quiet_mask, "of_shard", lambda *_: pytest.fail("the errors are there"))
    assert QuietMask.read(SHIPPED, 1e9).apply(Shard.open(path))
    flagged = Shard.open(path)
    assert ((flagged.read("quality") & 256 != 0) == np.isfinite(flagged.read("reconstruction_error"))).all()
    assert mask.apply(flagged), "and back again"


def test_a_killed_command_goes_on(tmp_path: Path, make_shard: MakeShard, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = [Shard.open(make_shard(tmp_path, Label.AR, number)) for number in range(3)]
    mask, replace, count = QuietMask.read(SHIPPED), os.replace, [0]

    def kill(*arguments: str) -> None:
        count[0] += 1
        if count[0] == 2:
            raise KeyboardInterrupt
        replace(*arguments)

    monkeypatch.setattr(os, "replace", kill)
    with pytest.raises(KeyboardInterrupt):
        apply_all(mask, shards, lambda: None)
    assert len(list(tmp_path.iterdir())) == 3, "nothing half-written is left"
    assert apply_all(mask, [Shard.open(one.path) for one in shards], lambda: None) == 2


def test_a_shard_of_quiet_sun_stays_as_it_is(tmp_path: Path, make_shard: MakeShard) -> None:
    path = make_shard(tmp_path, Label.QS, 0)
    before = path.read_bytes()
    assert not QuietMask.read(SHIPPED).apply(Shard.open(path)) and path.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"origin": "level2"}, "holds real spectra, the autoencoder in shipped was trained on the simulated Sun"),
        ({"points": 200}, "2794.14 to 2805.72 Å in 200 points, the autoencoder in shipped expects .* in 240 points"),
        (
            {"instrument": "MUSE"},
            "was taken by MUSE, the autoencoder in shipped was trained on IRIS. Train one on quiet",
        ),
    ],
)
def test_what_it_cannot_judge(tmp_path: Path, make_shard: MakeShard, changes: dict[str, object], said: str) -> None:
    good, bad = make_shard(tmp_path, Label.AR, 0), make_shard(tmp_path / "bad", Label.AR, 1, **changes)
    before = good.read_bytes()
    mask = QuietMask.read(SHIPPED)
    with pytest.raises(ShardError, match=said):
        apply_all(mask, [Shard.open(good), Shard.open(bad)], lambda: None)
    assert good.read_bytes() == before, "all are checked before one is touched"
    assert not mask.fits(Shard.open(bad)) and mask.fits(Shard.open(good))


def test_real_spectra_if_one_insists(tmp_path: Path, make_shard: MakeShard) -> None:
    path = make_shard(tmp_path, Label.AR, 0, origin="level2")
    assert QuietMask.read(SHIPPED, allow_simulated=True).apply(Shard.open(path))
    assert Shard.open(path).quiet_sun["trained_on"] == "simulation"


def test_another_line(tmp_path: Path, make_shard: MakeShard) -> None:
    copy = tmp_path / "run"
    shutil.copytree(SHIPPED, copy)
    record = json.loads((copy / "run.json").read_text())
    record["trained_on"]["line"] = "c_ii"
    (copy / "run.json").write_text(json.dumps(record))
    with pytest.raises(ShardError, match=r"holds the line mg_ii, the autoencoder in .*/run was trained on c_ii"):
        QuietMask.read(copy).check(Shard.open(make_shard(tmp_path, Label.AR, 0)))


def test_runs_that_are_no_autoencoders(toy_run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no quiet-Sun autoencoder, but a network that tells AR from PF"):
        QuietMask.read(toy_run)
    with pytest.raises(RunError, match="There is no run folder"):
        QuietMask.read(tmp_path / "nowhere")


@pytest.mark.parametrize(("threshold", "value"), [("weak", 0.5), ("medium", 1.75), ("strong", 4.0), (2, 2.0)])
def test_thresholds_by_name_or_number(threshold: object, value: float) -> None:
    assert QuietMask.read(SHIPPED, threshold).threshold == value


@pytest.mark.parametrize("threshold", ["mild", -1, True])
def test_thresholds_that_cannot_be_meant(threshold: object) -> None:
    with pytest.raises(ConfigError, match="quiet_threshold is "):
        QuietMask.read(SHIPPED, threshold)


def test_a_flag_is_also_taken_back() -> None:
    quality, error = np.array([0, 256, 257, 3], np.uint16), np.array([0.1, 5.0, np.nan, 0.2], np.float32)
    assert flag(quality, error, 1.0).tolist() == [256, 0, 1, 259]


def test_what_ships_is_what_its_record_says() -> None:
    finished = run.read(SHIPPED)
    record = finished.record
    assert weights_digest(finished.network()) == record["quiet_sun"]["weights"]
    assert record["overrides"] == ["experiment=quiet_sun"], "it is made by that command and no other"
    assert record["trained_on"]["origin"] == "simulation" and record["quiet_sun"]["in_use"] > 0
    auc = record["quiet_sun"]["auc"]
    assert record["quiet_sun"]["truth"] and auc["autoencoder"] > auc["mean profile"] + 0.01


def test_weights_that_are_not_the_recorded_ones(tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(SHIPPED, copy)
    record = json.loads((copy / "run.json").read_text())
    record["quiet_sun"]["weights"] = "0" * 64
    (copy / "run.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match="does not hold the weights that its record names"):
        QuietMask.read(copy)
