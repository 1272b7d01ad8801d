"""Looks at networks in training: what they keep, when they come, and that training does not notice."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from matplotlib.figure import Figure
from torch import Tensor

from preflare import run
from preflare.command import Job
from preflare.errors import ConfigError
from preflare.explain.activation_maps import hirescam
from preflare.explain.expected_gradients import ExpectedGradients
from preflare.explain.snapshot import Snapshot
from preflare.figures import evolution
from preflare.figures.evolution import Evolution
from preflare.model import member as members
from preflare.model import training
from preflare.names import brief
from preflare.run import RunFolder
from tests.model.networks import Recurrent  # noqa: F401  (named in a config below)

FEW = ["callbacks.snapshot.expected_gradients.baselines=6", "data.batch_size=20"]
LOOKS = ["callbacks=snapshot", "callbacks.snapshot.every=2", *FEW]


@pytest.fixture(autouse=True)
def quick_figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take longer than what is tested here."""
    if "figure" not in request.node.name:
        monkeypatch.setattr(evolution, "draw", lambda *given: Figure())


def train(configs: list, folder: Path) -> list[dict]:
    jobs = [Job(config, folder / str(k), ()) for k, config in enumerate(configs)]
    outcomes = training.train(jobs)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return outcomes


def seen(folder: Path) -> dict[str, np.ndarray]:
    with h5py.File(RunFolder(folder).snapshots) as file:
        found = {name: file[name][()] for name in ("when", "spectra", "observation", "row", "log_odds", "wavelength")}
        return found | {name: values[()] for name, values in file["maps"].items()}


def same(one: Path, other: Path) -> bool:
    a, b = seen(one), seen(other)
    kinds = {name: a[name].dtype.kind == "f" for name in a}
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k], equal_nan=real) for k, real in kinds.items())


def test_what_is_seen_of_the_last_network_is_what_it_says(make_config, tmp_path: Path) -> None:
    config = make_config(*LOOKS, "seed=1")
    train([config], tmp_path)
    found = seen(tmp_path / "0")
    assert found["when"].tolist() == [0, 2, 3]
    data = instantiate(config.data)
    data.setup()
    names = [name.decode() for name in found["observation"]]
    assert [name[:2] for name in names] == ["AR", "AR", "PF", "PF"] and set(names) <= set(data.partition.sides["test"])
    for name, row, spectrum in zip(names, found["row"], found["spectra"], strict=True):
        whole = data.shards[name].read("spectra").reshape(-1, data.line.points)
        np.testing.assert_array_equal(whole[row], spectrum)
        assert row in data.partition.rows["test"][name]
    network = run.load(tmp_path / "0", "last")
    spectra = torch.from_numpy(found["spectra"])[:, None]
    with torch.no_grad():
        odds = network(spectra) @ torch.tensor([-1.0, 1.0])
    np.testing.assert_allclose(found["log_odds"][-1], odds, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found["hirescam"][-1], hirescam(network, spectra), rtol=0, atol=1e-6)


def test_the_figure_shows_what_was_seen(make_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Evolution] = []
    draw = evolution.draw
    monkeypatch.setattr(evolution, "draw", lambda one: (given.append(one), draw(one))[1])
    train([make_config(*LOOKS, "seed=1", "trainer.max_epochs=1")], tmp_path)
    assert RunFolder(tmp_path / "0").snapshots_figure.stat().st_size > 10_000
    (one,) = given
    found = seen(tmp_path / "0")
    assert one.times == [0, 1] and one.unit == "epochs" and list(one.maps) == ["HiResCAM", "expected gradients"]
    np.testing.assert_array_equal(one.maps["expected gradients"], found["expected_gradients"])
    np.testing.assert_array_equal(one.spectra, found["spectra"])
    known = np.abs(found["expected_gradients"])
    assert one.limits["expected gradients"] == pytest.approx(np.quantile(known, 0.995))
    assert one.titles[3].startswith(f"{brief(found['observation'][3].decode())}, spectrum {found['row'][3]}: log-odds")
    assert "k" in one.marks and one.remark.endswith("trained on the simulated Sun")
    assert len(one.wavelength) == one.spectra.shape[1]


def test_expected_gradients_are_captums(make_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from captum.attr import GradientShap

    kept: list[Snapshot] = []
    begin = Snapshot.begin
    monkeypatch.setattr(Snapshot, "begin", lambda self, *rest: (kept.append(self), begin(self, *rest)))
    train([make_config(*LOOKS, "seed=1", "trainer.max_epochs=2")], tmp_path)
    network, (one,) = run.load(tmp_path / "0", "last"), kept
    found = seen(tmp_path / "0")["expected_gradients"][-1]
    baselines, positions = one.paths.baselines, one.paths.positions

    def explained(points: Tensor) -> Tensor:
        return network(points[:, None]) @ torch.tensor([-1.0, 1.0])

    for spectrum, said in zip(one.spectra, found, strict=True):
        # Captum draws by NumPy; here it is handed our own draws.
        with monkeypatch.context() as patched:
            patched.setattr(np.random, "choice", lambda n, size: np.arange(size))
            patched.setattr(np.random, "uniform", lambda low, high, size: positions.double().numpy())
            expected = GradientShap(explained).attribute(spectrum[None], baselines, n_samples=len(baselines))
        np.testing.assert_allclose(said, expected[0], rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["epochs", "batches"])
def test_members_of_a_swarm_see_what_each_would_alone_and_train_as_without(
    make_config, tmp_path: Path, unit: str
) -> None:
    rules = [*LOOKS, f"callbacks.snapshot.unit={unit}", "callbacks.snapshot.every=7"]
    choices = [["seed=1"], ["seed=2", "partition.seed=2"], ["seed=4", "partition.seed=2"]]
    train([make_config(*rules, *choice) for choice in choices], tmp_path / "together")
    train([make_config(*rules, *choices[1])], tmp_path / "alone")
    train([make_config("data.batch_size=20", *choices[1])], tmp_path / "without")
    mine = tmp_path / "together" / "1"
    assert same(mine, tmp_path / "alone" / "0")
    # The same spectra for all members of a partition, others for another.
    rows = [seen(tmp_path / "together" / str(k))["spectra"] for k in range(3)]
    assert np.array_equal(rows[1], rows[2]) and not np.array_equal(rows[0], rows[1])
    a, b = (run.load(folder, "last").state_dict() for folder in (mine, tmp_path / "without" / "0"))
    assert all(torch.equal(a[name], b[name]) for name in a)
    batches = -(-sum(run.read(mine).record["partition"]["sides"]["train"].values()) // 20)
    if unit == "batches":
        ends = [*range(7, batches, 7), batches]
        assert seen(mine)["when"].tolist() == [0] + [epoch * batches + end for epoch in range(3) for end in ends]
    else:
        assert seen(mine)["when"].tolist() == [0, 3]


class Killed(BaseException):
    """As sudden as a signal."""


@pytest.mark.parametrize("unit", ["epochs", "batches"])
def test_a_killed_run_has_each_look_once(
    make_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: str
) -> None:
    config = make_config(*LOOKS, f"callbacks.snapshot.unit={unit}", "callbacks.snapshot.every=5", "seed=1")
    train([config], tmp_path / "whole")
    proper = members.Member.record

    def die(self: members.Member, epoch: int, *rest: object) -> None:
        if epoch == 2:
            raise Killed
        proper(self, epoch, *rest)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(members.Member, "record", die)
        train([config], tmp_path / "killed")
    train([config], tmp_path / "killed")
    assert same(tmp_path / "whole" / "0", tmp_path / "killed" / "0")


def test_it_goes_with_averaging_and_with_what_trains_alone(make_config, tmp_path: Path) -> None:
    rules = ["callbacks=[swa,snapshot]", *LOOKS[1:], "trainer.max_epochs=2"]
    both = make_config(*rules)
    assert train([both], tmp_path / "both")[0]["averaged"]
    assert seen(tmp_path / "both" / "0")["when"].tolist() == [0, 2]
    alone = make_config(*rules)
    alone.model = {"_target_": "tests.model.networks.Recurrent", "wavelengths": 240}
    train([alone], tmp_path / "alone")
    found = seen(tmp_path / "alone" / "0")
    # No convolution, no map.
    assert found["when"].tolist() == [0, 2] and "hirescam" not in found and found["expected_gradients"].any()


def test_what_trains_alone_does_not_notice(make_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "FOR_ALL", frozenset())
    deep = ["model=deep_convnet", "model.channels=[4,4]", "data.batch_size=60", "trainer.max_epochs=2"]
    train([make_config(*LOOKS[:2], *FEW[:1], "callbacks.snapshot.unit=batches", *deep)], tmp_path / "with")
    train([make_config(*deep)], tmp_path / "without")
    a, b = (run.load(tmp_path / name / "0", "last").state_dict() for name in ("with", "without"))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_tensorboard_gets_each_look(make_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, int]] = []
    monkeypatch.setattr(members, "log_figure", lambda logger, name, figure, step=0: sent.append((name, step)))
    config = make_config(*LOOKS, "seed=1")
    config.logger = {
        "_target_": "pytorch_lightning.loggers.TensorBoardLogger",
        "save_dir": str(tmp_path),
        "name": "tensorboard",
    }
    train([config], tmp_path / "runs")
    assert [step for name, step in sent if name == "snapshots"] == [0, 2, 3]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"every": 0}, "callbacks.snapshot.every is 0, expected a whole number of 1 or more"),
        ({"unit": "hours"}, "callbacks.snapshot.unit is 'hours', expected epochs or batches"),
        ({"spectra": 3}, "callbacks.snapshot.spectra is 3, expected an even number: half AR, half PF"),
        ({"map": "lime"}, "callbacks.snapshot.map is 'lime', expected gradcam, gradcam_reference or hirescam"),
    ],
)
def test_what_cannot_be_meant_is_said(given: dict, said: str) -> None:
    good = {"every": 1, "unit": "epochs", "spectra": 2, "map": "hirescam"}
    with pytest.raises(ConfigError, match=said):
        Snapshot(**good | given, expected_gradients=ExpectedGradients(2, 1, "random", 0))
