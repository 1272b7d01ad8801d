"""The diagrams of toy networks."""

from collections.abc import Callable
from pathlib import Path

import pytest

from preflare.report import section
from preflare.sun.observation import Label
from tests.sun.test_images import write as write_film

Verb = Callable[..., int]
SMALL = ("spectra=20", "grid=5", "ways=2")


# Toy sweeps take seconds to train.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, make_shard: Callable[..., Path], run_verb: Verb) -> Path:
    home = tmp_path_factory.mktemp("diagrams")
    for number in range(2):
        make_shard(home / "shards", Label.AR, number)
        make_shard(home / "shards", Label.PF, number)
    common = (
        f"data.root={home / 'shards'}",
        "trainer.max_epochs=1",
        "optimizer.lr=0.03",
        "partition.test_observations=1",
    )
    seeds = (
        "callbacks=snapshot",
        "callbacks.snapshot.expected_gradients.baselines=2",
        "callbacks.snapshot.every=1",
        "seed=range(5)",
    )
    assert run_verb("train", "-m", *common, *seeds, f"hydra.sweep.dir={home / 'seeds'}") == 0
    assert run_verb("train", "-m", *common, "model=fnn", "seed=0,1,2", f"hydra.sweep.dir={home / 'fnn'}") == 0
    return home


def test_everything_is_drawn(home: Path, tmp_path: Path, verb: Verb) -> None:
    write_film(tmp_path / "films" / "iris_l2_20140310_140000_3860258482_SJI_2796_t000.fits")
    (looked, *_) = sorted((home / "seeds").rglob("snapshots.h5"))
    arguments = (f"sweep={home / 'seeds'}", f"snapshots={looked.parent}", f"images={tmp_path / 'films'}")
    assert verb("experiments/diagrams", *arguments, f"output={tmp_path / 'x'}", *SMALL) == 0

    record = section.read(tmp_path / "x")
    redone = {plot["name"]: plot["figures"] for plot in record["plots"]}
    assert redone == {
        "collection": ["1", "18"],
        "learning": ["2"],
        "layers": ["3", "A.1"],
        "convolution": ["4"],
        "feature_maps": ["5"],
        "gradcam": ["A.2"],
        "loss_plane": ["8"],
        "training": ["6"],
        "ways": ["C.1"],
    }
    assert record["tables"]["Layers"]["rows"][-1][-1] == "363"
    assert "1 of them over a slit-jaw image" in record["plots"][0]["caption"]
    assert all(any(character.isdigit() for character in plot["caption"]) for plot in record["plots"])
    assert len(record["tables"]["Between three networks"]["rows"]) == 8
    assert {claim["verdict"] for claim in record["claims"]} == {"needs the real data"}


def test_a_network_without_convolution_has_no_feature_maps(home: Path, tmp_path: Path, verb: Verb) -> None:
    assert verb("experiments/diagrams", f"sweep={home / 'fnn'}", "beside=null", f"output={tmp_path / 'x'}", *SMALL) == 0
    record = section.read(tmp_path / "x")
    names = [plot["name"] for plot in record["plots"]]
    assert names == ["collection", "learning", "layers", "convolution", "loss_plane", "ways"]


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("snapshots={home}", "snapshots.h5 is missing. Train a run with it"),
        ("images=nowhere", "There is no folder nowhere of images"),
        ("grid=2", "grid is 2"),
        ("sweep={one}", "A swarm needs three living networks"),
    ],
)
def test_bad_input_is_refused(
    home: Path, tmp_path: Path, verb: Verb, capfd: pytest.CaptureFixture[str], argument: str, said: str
) -> None:
    one = next((home / "fnn").rglob("run.json")).parent
    given = [f"sweep={home / 'fnn'}", argument.format(home=home, one=one)]
    assert verb("experiments/diagrams", *given, f"output={tmp_path / 'x'}") == 1
    assert said in capfd.readouterr().err
    assert not (tmp_path / "x").exists()
