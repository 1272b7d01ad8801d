"""The contract of a swarm: a member is a plain loop, and does not depend on who else trains."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from lightning_fabric.utilities.exceptions import MisconfigurationException

from preflare.errors import ConfigError
from preflare.model.classifier import FlareClassifier
from preflare.model.loss import CrossEntropy
from preflare.model.swarm import CannotSwarm
from preflare.model.swarm.data import SwarmData
from preflare.model.swarm.module import SwarmClassifier

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*number of training batches.*"),
]


# Batch normalisation and dropout, as small as it goes.
DEEP = ["model=deep_convnet", "model.channels=[4,4]"]
VARIED = [
    ["seed=1"],
    ["seed=2", "partition.seed=3"],
    ["seed=2", "optimizer.lr=0.004"],
    ["seed=3", "partition.seed=1", "loss.l2=0.03"],
    ["seed=4", "loss.l2=0"],
]


@pytest.mark.parametrize(
    "common",
    [
        ["optimizer=adam"],
        pytest.param(["optimizer=adam", "+optimizer.weight_decay=0.01"], marks=pytest.mark.slow),
        pytest.param(["optimizer=adamw"], marks=pytest.mark.slow),
        pytest.param(["optimizer=sgd"], marks=pytest.mark.slow),
        pytest.param(["model=fnn"], marks=pytest.mark.slow),
        pytest.param([*DEEP, "model.dropout=0"], marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_a_member_is_a_plain_loop(make_config, make_swarm, fit, set_up, plain_loop, loss_of, common: list[str]) -> None:
    # Batches of 20: the last is short, and partitions end their epochs at different steps.
    configs = [make_config("data.batch_size=20", *common, *one) for one in VARIED]
    epochs = 3 if "model=deep_convnet" in common else 10
    swarm = make_swarm(configs)
    rows = fit(swarm, epochs, precision="64-true")
    for k, config in enumerate(configs):
        data, losses = set_up(config), []
        for network in plain_loop(config, data, epochs):
            losses.append(loss_of(network, data, "test"))
        found = [row[k]["test/loss"] for row in rows]
        assert found == pytest.approx(losses, abs=1e-9)
        assert int(np.argmin(found)) == int(np.argmin(losses))
        state = swarm.member_state(k)["state_dict"]
        for name, value in network.state_dict().items():
            torch.testing.assert_close(state[f"network.{name}"], value, rtol=0, atol=1e-9)


def states(swarm: SwarmClassifier) -> list[dict[str, torch.Tensor]]:
    return [swarm.member_state(k)["state_dict"] for k in range(len(swarm.seeds))]


def same(state: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return state.keys() == other.keys() and all(torch.equal(state[name], other[name]) for name in state)


class End(pl.Callback):
    """Ends members after an epoch."""

    def __init__(self, epoch: int, members: list[int]) -> None:
        self.epoch = epoch
        self.members = members

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch == self.epoch:
            for member in self.members:
                pl_module.end(member)


MODELS = [["model=convnet"], ["model=fnn"], pytest.param(DEEP, marks=pytest.mark.slow)]


@pytest.mark.parametrize("model", MODELS, ids=" ".join)
def test_a_member_does_not_depend_on_who_else_trains(make_config, make_swarm, fit, model: list[str]) -> None:
    configs = [
        make_config(
            "data.batch_size=32", *model, f"seed={k}", f"partition.seed={k % 3}", f"optimizer.lr=0.00{1 + k % 3}"
        )
        for k in range(7)
    ]
    whole = make_swarm(configs)
    rows = fit(whole, 2)
    expected = states(whole)
    assert not same(expected[0], expected[3])
    for group in ([2], [6, 1], [5, 4, 3, 2, 1, 0], [3, 3, 3] + [k % 7 for k in range(22)]):
        part = make_swarm([configs[k] for k in group])
        scores = fit(part, 2)
        for place, k in enumerate(group):
            assert same(states(part)[place], expected[k]), f"member {k} of {group}"
            assert scores[-1][place] == pytest.approx(rows[-1][k], rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize("model", MODELS[:2], ids=" ".join)
def test_the_number_of_threads_changes_nothing(make_config, make_swarm, fit, model: list[str]) -> None:
    configs = [make_config("data.batch_size=20", *model, f"seed={k}", f"partition.seed={k % 2}") for k in range(5)]
    found, threads = [], torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            swarm = make_swarm(configs)
            rows = fit(swarm, 2)
            assert torch.get_num_threads() == count
            found.append((states(swarm), rows))
    finally:
        torch.set_num_threads(threads)
    assert all(same(*pair) for pair in zip(found[0][0], found[1][0], strict=True))
    for row, other in zip(found[0][1][-1], found[1][1][-1], strict=True):
        assert row == pytest.approx(other, rel=0, abs=0, nan_ok=True)


def test_scores_are_what_a_flare_classifier_logs(make_config, make_swarm, fit) -> None:
    common = ("data.batch_size=30", "partition.validation=1", "trainer.precision=64-true")
    configs = [make_config(*common, f"seed={k}", f"partition.seed={k}") for k in range(2)]
    rows = fit(make_swarm(configs), 3, precision="64-true")
    for k, config in enumerate(configs):
        data = instantiate(config.data)
        data.setup()
        torch.manual_seed(config.seed)
        network, loss, optimizer = (instantiate(config[name]) for name in ("model", "loss", "optimizer"))
        alone = FlareClassifier(network, loss, optimizer, data.sides, data.choosing)
        trainer = instantiate(config.trainer, logger=False, enable_checkpointing=False)
        trainer.fit(alone, datamodule=data)
        logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
        assert rows[-1][k] == pytest.approx(logged, abs=1e-6, nan_ok=True)


def test_training_goes_on_in_a_smaller_group(make_config, make_swarm, fit) -> None:
    configs = [make_config("data.batch_size=32", *DEEP, f"seed={k}", f"partition.seed={k}") for k in range(3)]
    whole = make_swarm(configs)
    rows = fit(whole, 4)
    first = make_swarm(configs)
    fit(first, 2)
    later = make_swarm([configs[2], configs[0]], first_epoch=2)
    for place, k in enumerate((2, 0)):
        later.load_member_state(place, first.member_state(k))
    scores = fit(later, 2)
    for place, k in enumerate((2, 0)):
        assert same(states(later)[place], states(whole)[k])
        assert scores[-1][place] == pytest.approx(rows[-1][k], rel=0, abs=0, nan_ok=True)


def test_a_checkpoint_of_the_trainer_holds_the_swarm(make_config, make_swarm, fit, tmp_path) -> None:
    configs = [make_config("data.batch_size=30", f"seed={k}") for k in range(3)]
    whole, half, rest = (make_swarm(configs) for _ in range(3))
    fit(whole, 4)
    fit(half, 2)
    half.trainer.save_checkpoint(tmp_path / "half.ckpt")
    fit(rest, 4, checkpoint=str(tmp_path / "half.ckpt"))
    assert all(same(*pair) for pair in zip(states(whole), states(rest), strict=True))


def test_who_has_ended_stands_still_and_the_others_do_not_notice(make_config, make_swarm, fit) -> None:
    configs = [make_config("data.batch_size=32", *DEEP, f"seed={k}") for k in range(3)]
    whole, until, others = make_swarm(configs), make_swarm(configs), make_swarm(configs)
    fit(whole, 3)
    fit(until, 1)
    rows = fit(others, 3, callbacks=[End(0, [1])])
    assert same(states(others)[1], states(until)[1])
    assert same(states(others)[0], states(whole)[0]) and same(states(others)[2], states(whole)[2])
    assert rows[1][1] == {} and rows[1][0]
    assert others.member_state(1)["optimizer"]["step"] == until.member_state(1)["optimizer"]["step"]


def test_the_last_to_end_ends_the_fit(make_config, make_swarm, fit) -> None:
    swarm = make_swarm([make_config("data.batch_size=30", f"seed={k}") for k in range(2)])
    assert len(fit(swarm, 5, callbacks=[End(0, [0]), End(1, [1])])) == 2


def test_divergence_stays_with_its_member(make_config, make_swarm, fit) -> None:
    configs = [make_config("data.batch_size=30", "optimizer=sgd", f"seed={k}") for k in range(3)]
    wild = make_config("data.batch_size=30", "optimizer=sgd", "seed=1", "optimizer.lr=1e30")
    whole, mixed = make_swarm(configs), make_swarm([configs[0], wild, configs[2]])
    fit(whole, 2)
    rows = fit(mixed, 2)
    assert not np.isfinite(rows[-1][1]["test/loss"]) and np.isnan(rows[-1][1]["test/tss"])
    assert same(states(mixed)[0], states(whole)[0]) and same(states(mixed)[2], states(whole)[2])


def test_the_trainer_counts_steps_and_sees_the_median(make_config, make_swarm, fit) -> None:
    swarm = make_swarm([make_config("data.batch_size=30", f"seed={k}") for k in range(3)])
    rows = fit(swarm, 2)
    steps = max(-(-len(sides["train"]) // 30) for sides in swarm.data.sides)
    assert swarm.trainer.global_step == 2 * steps
    median = float(np.median([row["test/loss"] for row in rows[-1]]))
    assert float(swarm.trainer.callback_metrics["test/loss"]) == pytest.approx(median, abs=1e-6)
    short = make_swarm([make_config("data.batch_size=30", "seed=0")])
    fit(short, 2, max_steps=steps + 2)
    assert short.trainer.global_step == steps + 2 == short.member_state(0)["optimizer"]["step"]


@pytest.mark.parametrize("option", [{"gradient_clip_val": 1.0}, {"accumulate_grad_batches": 2}])
def test_options_that_would_mix_members_are_refused(make_config, make_swarm, fit, option) -> None:
    with pytest.raises(MisconfigurationException, match="manual optimization"):
        fit(make_swarm([make_config()]), 1, **option)


def test_half_precision_is_refused(make_config, make_swarm, fit) -> None:
    with pytest.raises(ConfigError, match="trainer.precision is bf16-mixed, a swarm takes 32-true or 64-true."):
        fit(make_swarm([make_config()]), 1, precision="bf16-mixed")


class Recurrent(torch.nn.Module):
    """What torch.func cannot vectorise."""

    def __init__(self, wavelengths: int) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(1, 4, batch_first=True)
        self.out = torch.nn.Linear(4, 2)

    def forward(self, spectra: torch.Tensor) -> torch.Tensor:
        return self.out(self.lstm(spectra.transpose(1, 2))[0][:, -1])


class Undecided(torch.nn.Module):
    """Looks at its own values."""

    def __init__(self, wavelengths: int) -> None:
        super().__init__()
        self.out = torch.nn.Linear(wavelengths, 2)

    def forward(self, spectra: torch.Tensor) -> torch.Tensor:
        logits = self.out(spectra.flatten(1))
        return logits if logits.sum() > 0 else -logits


class Noisy(Undecided):
    """Draws from torch's own generator."""

    def forward(self, spectra: torch.Tensor) -> torch.Tensor:
        return self.out(spectra.flatten(1) + torch.randn_like(spectra.flatten(1)))


@pytest.mark.parametrize("network", [Recurrent, Undecided, Noisy])
def test_what_cannot_be_vectorised_is_said(make_config, network: type[torch.nn.Module]) -> None:
    config = make_config()
    data = SwarmData([instantiate(config.data)])
    member = FlareClassifier(network(240), CrossEntropy(0), torch.optim.Adam, ("train", "test"), "test")
    with pytest.raises(CannotSwarm, match=f"torch.func cannot vectorise {network.__name__}: "):
        SwarmClassifier([member], [0], data)


def test_members_of_other_networks_are_refused(make_config, make_swarm) -> None:
    with pytest.raises(CannotSwarm, match="networks that differ: ConvNet, FNN."):
        make_swarm([make_config(), make_config("model=fnn")])
    with pytest.raises(CannotSwarm, match="networks that differ: DeepConvNet, DeepConvNet."):
        make_swarm([make_config("model=deep_convnet"), make_config("model=deep_convnet", "model.dropout=0.1")])
