"""The swarm section on toy networks: members, who stands for all, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from preflare.explain import ensemble
from preflare.report import section
from preflare.sun.observation import Label

Verb = Callable[..., int]
SMALL = ("spectra=10", "representatives=2", "expected_gradients.baselines=4")


# Toy sweeps take seconds to train.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, make_shard: Callable[..., Path], run_verb: Verb) -> Path:
    home = tmp_path_factory.mktemp("swarm")
    for number in range(3):
        make_shard(home / "shards", Label.AR, number)
        make_shard(home / "shards", Label.PF, number)
    common = (
        f"data.root={home / 'shards'}",
        "trainer.max_epochs=2",
        "optimizer.lr=0.03",
        "partition.test_observations=1",
    )
    assert run_verb("train", "-m", *common, "seed=range(6)", f"hydra.sweep.dir={home / 'seeds'}") == 0
    assert run_verb("train", "-m", *common, "partition.seed=0,1,2,3", f"hydra.sweep.dir={home / 'splits'}") == 0
    assert run_verb("train", "-m", *common, "model=fnn", "seed=0,1,2", f"hydra.sweep.dir={home / 'fnn'}") == 0
    return home


def test_every_member_is_told(home: Path, tmp_path: Path, verb: Verb, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (f"sweep={home / 'seeds'}", f"splits={home / 'splits'}", f"output={tmp_path / 'x'}")
    assert verb("experiments/swarm", *arguments, *SMALL) == 0

    record = section.read(tmp_path / "x")
    rows = record["tables"]["Members"]["rows"]
    living = {f"seed {one.config.seed}" for one in ensemble.read(home / "seeds").runs}
    assert {row[0] for row in rows} == living
    assert rows[-1][-1] == "0.0%"
    assert len(record["tables"]["Activation maps beside expected gradients"]["rows"]) == 3
    names = [plot["name"] for plot in record["plots"]]
    assert names == ["skill", "curves", "representatives", "equivalence", "displayed"]
    # Two epochs are too few to say when the loss rises; two draws of samples have the same expectation.
    stands = {claim["key"]: claim["verdict"] for claim in record["claims"]}
    assert stands.keys() == {"seeds", "nine", "equivalence", "samples"}
    assert {verdict for key, verdict in stands.items() if key != "samples"} == {"needs the real data"}
    assert "The swarm" in capsys.readouterr().out


def test_a_network_without_convolution_has_no_maps(home: Path, tmp_path: Path, verb: Verb) -> None:
    assert verb("experiments/swarm", f"sweep={home / 'fnn'}", f"output={tmp_path / 'x'}", *SMALL) == 0
    record = section.read(tmp_path / "x")
    assert list(record["tables"]) == ["Members"]
    assert "has no convolution" in record["warnings"][0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sweep=nowhere",), "There is no run folder nowhere"),
        (("sweep={home}/splits",), "partitions, expected one. Give a sweep over seed alone"),
        (("sweep={home}/seeds", "representatives=6"), "representatives is 6, expected fewer than the sweep's"),
        (("sweep={home}/seeds", "spectra=1"), "spectra is 1, expected"),
    ],
)
def test_bad_input_is_refused(
    home: Path, tmp_path: Path, verb: Verb, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    given = [argument.format(home=home) for argument in arguments]
    assert verb("experiments/swarm", *given, f"output={tmp_path / 'x'}") == 1
    assert said in capfd.readouterr().err
    assert not (tmp_path / "x").exists()
