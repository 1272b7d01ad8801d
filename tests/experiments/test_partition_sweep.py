"""The partition sweep on toy runs: every split is there, the chosen one is saved, what is missing is said."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from preflare.report import section
from preflare.sun.observation import Label

Verb = Callable[..., int]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory, make_shard: Callable[..., Path], run_verb: Verb) -> Path:
    home = tmp_path_factory.mktemp("sweep")
    for number in range(3):
        make_shard(home / "shards", Label.AR, number)
        make_shard(home / "shards", Label.PF, number)
    common = (f"data.root={home / 'shards'}", "trainer.max_epochs=3", "optimizer.lr=0.03")
    splits = (
        "-m",
        *common,
        "partition.test_observations=2",
        "partition.seed=0,1,2",
        f"hydra.sweep.dir={home / 'splits'}",
    )
    assert run_verb("train", *splits) == 0
    left = ("-m", *common, "partition=leave_one_out", "partition.seed=range(6)", f"hydra.sweep.dir={home / 'left_out'}")
    assert run_verb("train", *left) == 0
    few = ("sample=1", "faithfulness=0", "maps=[]", "expected_gradients.baselines=4")
    assert run_verb("explain", f"run={home / 'left_out'}", "checkpoint=last", *few) == 0
    return home


def test_every_split_and_every_observation_is_told(
    sweep: Path, tmp_path: Path, verb: Verb, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (f"sweep={sweep / 'splits'}", f"left_out={sweep / 'left_out'}", "chosen=1", f"output={tmp_path / 'x'}")
    assert verb("experiments/partition_sweep", *arguments) == 0

    record = section.read(tmp_path / "x")
    assert [row[0] for row in record["tables"]["Splits"]["rows"]] == ["0", "1", "2"]
    observations = [row[0] for row in record["tables"]["Leave-one-out"]["rows"]]
    assert len(observations) == 6
    assert {name[:2] for name in observations} == {"AR", "PF"}
    assert [plot["name"] for plot in record["plots"]] == [
        "skill",
        "best_epochs",
        "curves",
        "leave_one_out",
        "test_side",
    ]
    assert all((tmp_path / "x" / f"{plot['name']}.pdf").is_file() for plot in record["plots"])
    assert {claim["verdict"] for claim in record["claims"]} == {"needs the real data"}
    sides = record["tables"]["Test sides without one observation"]["rows"]
    assert sum(int(row[1]) for row in sides) == 3 * 4
    assert record["command"] == shlex.join(["python", "experiments/partition_sweep.py", *arguments])
    assert "Partition sweep" in capsys.readouterr().out


def test_the_chosen_partition_is_a_config_of_train(
    sweep: Path, tmp_path: Path, verb: Verb, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verb("experiments/partition_sweep", f"sweep={sweep / 'splits'}", "chosen=2", f"output={tmp_path / 'x'}") == 0
    capsys.readouterr()
    assert verb("train", "--config-dir", str(tmp_path / "x"), "--cfg", "job", "experiment=chosen") == 0
    told = capsys.readouterr().out
    assert "max_epochs: 100" in told
    assert "seed: 2" in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sweep=nowhere",), "nowhere holds no finished run. Train the sweep"),
        (("sweep={sweep}", "chosen=44"), "no partition 44; it has 0, 1, 2. Choose one: chosen=N"),
        (("sweep={sweep}", "chosen=1", "left_out=nowhere"), "There is no run folder nowhere"),
    ],
)
def test_what_is_missing_is_said(
    sweep: Path, tmp_path: Path, verb: Verb, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    given = [argument.format(sweep=sweep / "splits") for argument in arguments]
    assert verb("experiments/partition_sweep", *given, f"output={tmp_path / 'x'}") == 1
    assert said in capfd.readouterr().err
    assert not (tmp_path / "x").exists()
