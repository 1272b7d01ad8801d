"""An autoencoder's run: the folder of any run, a table of its own, a collapse said aloud, bad input refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from preflare import run
from preflare.data.shard import Shard
from preflare.model.quiet_error import errors, weights_digest
from preflare.model.quiet_training import line, table
from preflare.sun.observation import Label

MakeShard = Callable[..., Path]
RunVerb = Callable[..., int]


@pytest.fixture
def train(tmp_path: Path, make_shard: MakeShard, verb: RunVerb) -> Callable[..., int]:
    """Trains on three toy quiet Suns; one AR and one PF observation are tried."""
    for number in range(3):
        make_shard(tmp_path / "quiet", Label.QS, number)
    for label in (Label.AR, Label.PF):
        make_shard(tmp_path / "regions", label, 5)

    def command(*arguments: str, experiment: str = "experiment") -> int:
        small = ("data.root=quiet", "data.regions=regions", "trainer.max_epochs=2", "data.held_out=0.3")
        return verb("train", f"{experiment}=quiet_sun", *small, *arguments, "hydra.run.dir=run")

    return command


@pytest.mark.parametrize("spelling", ["experiment", "+experiment"])
def test_a_run_has_the_folder_and_record_of_any_run(
    train: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str], spelling: str
) -> None:
    assert train(experiment=spelling) == 0
    said = capsys.readouterr().out
    assert "Quiet-Sun autoencoder" in said and "TSS" not in said and "KL of dimension 3" in said
    finished = run.read(tmp_path / "run")
    record, found = finished.record, finished.record["quiet_sun"]
    assert record["trained_on"] == {"origin": "simulation", "line": "mg_ii", "instrument": "IRIS"}
    assert len(record["data"]) == 3 and len(finished.history) == 2
    assert {"epoch", "train/loss", "test/error", "test/kl_0", "test/kl_3"} <= set(finished.history[0])
    assert found["weights"] == weights_digest(finished.network())
    (name,) = record["partition"]["sides"]["test"]
    shard = Shard.open(tmp_path / "quiet" / f"{name}.h5")
    error = errors(finished.network(), shard.read("spectra")[shard.read("quality") == 0])
    assert found["thresholds"]["own"] == pytest.approx(np.quantile(error, 0.75), rel=1e-6)
    assert record["metrics"]["test"]["error"] == pytest.approx(error.mean(), rel=1e-5)
    assert found["truth"] is False and set(found["auc"]) == {"autoencoder", "mean profile"}
    for file in ("quiet_errors.png", "learning_curve.png", "config.yaml"):
        assert (tmp_path / "run" / file).is_file()

    before = (tmp_path / "run" / "run.json").read_bytes()
    assert train() == 0 and (tmp_path / "run" / "run.json").read_bytes() == before
    assert train("loss.beta=1") == 1
    assert "these keys differ: loss.beta (0.01 there, 1 now)" in capsys.readouterr().err


def test_a_run_is_a_function_of_its_seed(train: Callable[..., int], tmp_path: Path) -> None:
    digests = []
    for seed in (0, 0, 1):
        assert train(f"seed={seed}", "trainer.max_epochs=1", "data.regions=null") == 0
        digests.append(json.loads((tmp_path / "run" / "run.json").read_text())["quiet_sun"]["weights"])
        (tmp_path / "run" / "run.json").unlink()
    assert digests[0] == digests[1] != digests[2]


def test_a_sweep_of_autoencoders(
    train: Callable[..., int], verb: RunVerb, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ("data.root=quiet", "data.regions=null", "trainer.max_epochs=1", "data.held_out=0.3")
    assert verb("train", "-m", "experiment=quiet_sun", *small, "seed=0,1") == 0
    said = capsys.readouterr().out
    assert "2 runs" in said and "cross-entropy" not in said
    assert len(list((tmp_path / "runs" / "quiet_sun").rglob("run.json"))) == 2


def test_a_collapse_is_said(train: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("loss.beta=1000", "trainer.max_epochs=20") == 0
    assert "THE POSTERIOR HAS COLLAPSED" in " ".join(capsys.readouterr().out.split())
    record = run.read(tmp_path / "run").record
    assert record["quiet_sun"]["in_use"] == 0 and "COLLAPSED" in line(record)
    record["quiet_sun"] |= {"in_use": 1, "divergence": [2.0, 0.01, 0.0, 0.04]}
    assert "COLLAPSED" not in str(table(record).caption) and "COLLAPSED" not in line(record)
    assert "OF 4 LATENT DIMENSIONS 3 ARE NOT IN USE (KL below 0.05 nats): 1, 2, 3." in str(table(record).caption)
    assert line(record).startswith("3 DEAD,")
    record["quiet_sun"] |= {"in_use": 4, "divergence": [2.0] * 4}
    assert "NOT IN USE" not in str(table(record).caption) and "DEAD" not in line(record)


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("callbacks=swa", "callbacks is set, which belongs to networks that tell AR from PF"),
        ("early_stopping=3", "early_stopping is set"),
        ("data.root=regions", "holds 0 observations of quiet Sun with clean spectra"),
        ("data.regions=nowhere", "No shards at nowhere"),
        ("data.regions=quiet", "data.regions=quiet holds no AR or PF shard to try the autoencoder on"),
        ("data.held_out=2", "data.held_out is 2, expected a number above 0 and at most 0.9"),
        ("optimizer.lr=1e30", "training diverged"),
    ],
)
def test_bad_input(train: Callable[..., int], argument: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(argument) == 1
    assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_it_tells_quiet_sun_better_than_the_mean_profile_does(verb: RunVerb, tmp_path: Path) -> None:
    """The commands that made what ships, on another Sun than the one it was made on."""
    for source in ("simulation", "quiet_sun"):
        assert verb("ingest", f"source={source}", "simulation.seed=11") == 0
    assert verb("train", "experiment=quiet_sun") == 0
    found = run.read(tmp_path / "runs" / "quiet_sun").record["quiet_sun"]
    assert found["truth"] and found["in_use"] >= 2
    assert found["auc"]["autoencoder"] > found["auc"]["mean profile"] + 0.01
    own = found["masked"]["own"]
    assert own["truly quiet"] > 0.6 and own["truly not"] < 0.3
