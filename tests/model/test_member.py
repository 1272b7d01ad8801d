"""A member's epochs: which checkpoint they are, when it is dead, what it goes on from."""

from pathlib import Path

import pytest
import torch
from pytorch_lightning.callbacks import EarlyStopping

from preflare.command import Job
from preflare.errors import ConfigError, RunError
from preflare.model.member import DEAD_SPREAD, RESTARTS, Member, sub_seed
from preflare.run import RunFolder

STATE = {"state_dict": {"network.w": torch.zeros(1)}}


@pytest.fixture
def member(make_config, tmp_path: Path) -> Member:
    member = Member(Job(make_config("seed=3"), tmp_path / "run", ()), {"AR_1": "a"})
    member.begin()
    member.data.setup()
    return member


def scores(train: float, test: float, spread: float = 1.0) -> dict[str, float]:
    return {"train/loss": train, "test/loss": test, "mean/loss": (train + test) / 2, "train/spread": spread}


def epochs(member: Member) -> dict[str, int]:
    return {which: member.folder.read_checkpoint(which)["epoch"] for which in ("best", "best_mean", "last")}


def test_checkpoints_are_the_lowest_and_the_first_of_equals(member: Member) -> None:
    for epoch, (train, test) in enumerate([(0.9, 0.5), (0.4, 0.6), (0.8, 0.5), (0.3, 0.7)]):
        member.record(epoch, scores(train, test), STATE)
    assert epochs(member) == {"best": 0, "best_mean": 1, "last": 3}
    assert member.choosing_loss == 0.5


def test_a_network_is_dead_below_the_threshold(member: Member) -> None:
    member.record(0, scores(0.7, 0.7, DEAD_SPREAD * 1.01), STATE)
    assert member.dead_at is None
    member.record(1, scores(0.7, 0.7, DEAD_SPREAD * 0.99), STATE)
    assert member.dead_at == 1


def test_a_restart_leaves_nothing_of_the_dead_network(member: Member) -> None:
    member.record(0, scores(0.7, 0.7, 0.0), STATE)
    assert member.restart()
    assert member.seed == sub_seed(3, 1) and member.history == [] and member.dead_at is None
    assert not list(member.folder.checkpoints.iterdir())


def test_after_the_last_restart_it_is_kept(member: Member) -> None:
    for attempt in range(RESTARTS + 1):
        member.record(0, scores(0.7, 0.7, 0.0), STATE)
        assert member.restart() == (attempt < RESTARTS)
    assert len(member.attempts) == RESTARTS + 1 and epochs(member)["last"] == 0


def test_scores_that_are_not_finite_are_not_written(member: Member) -> None:
    member.record(0, scores(0.7, 0.7), STATE)
    with pytest.raises(RunError, match="after epoch 1: training diverged"):
        member.record(1, scores(float("nan"), 0.7), STATE)
    assert epochs(member)["last"] == 0


def test_an_interrupted_run_is_taken_up_with_its_attempts(member: Member, make_config) -> None:
    member.record(0, scores(0.7, 0.7, 0.0), STATE)
    member.restart()
    member.record(0, scores(0.6, 0.6), STATE)
    member.record(1, scores(0.5, 0.5), STATE)
    member.folder.write_history([*member.history, {"epoch": 2, **scores(0.4, 0.4)}])  # killed before last.ckpt
    again = Member(member.job, member.digests)
    again.begin()
    assert again.first_epoch == 2 and [row["epoch"] for row in again.history] == [0, 1]
    assert again.seed == sub_seed(3, 1) and again.resumed is not None


def test_other_shards_are_not_gone_on_with(member: Member) -> None:
    member.record(0, scores(0.7, 0.7), STATE)
    again = Member(member.job, {"AR_1": "changed"})
    again.begin()
    assert again.first_epoch == 0 and not RunFolder(member.job.folder).checkpoint("last").exists()


def test_sub_seeds_begin_with_the_seed_itself_and_differ() -> None:
    seeds = [sub_seed(7, attempt) for attempt in range(6)]
    assert seeds[0] == 7 and len(set(seeds)) == 6
    assert sub_seed(8, 1) != sub_seed(7, 1)


def test_early_stopping_is_lightnings_rule(make_config, tmp_path: Path) -> None:
    losses = [0.9, 0.5, 0.6, 0.5, 0.4, 0.5, 0.41, 0.4, 0.3]
    for patience in (1, 2, 4):
        member = Member(Job(make_config(f"early_stopping={patience}"), tmp_path / str(patience), ()), {})
        member.begin()
        member.data.setup()
        rule = EarlyStopping("test/loss", patience=patience)
        for epoch, loss in enumerate(losses):
            member.record(epoch, scores(0.5, loss), STATE)
            stop, _ = rule._evaluate_stopping_criteria(torch.tensor(loss))
            assert member.ended == stop
            assert member.stopped_at == (epoch if stop else None)
            if stop:
                break


def test_what_has_stopped_is_not_gone_on_with(make_config, tmp_path: Path) -> None:
    job = Job(make_config("early_stopping=1"), tmp_path, ())
    member = Member(job, {})
    member.begin()
    member.data.setup()
    for epoch in range(2):
        member.record(epoch, scores(0.5, 0.5), STATE)
    again = Member(job, {})
    again.begin()
    assert again.stopped_at == 1 and again.first_epoch == again.config.trainer.max_epochs


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("early_stopping=0", "early_stopping is 0, expected a whole number of 1 or more"),
        ("swarm.max_members=0", "swarm.max_members is 0, expected"),
        ("swarm.memory=0", "swarm.memory is 0.0, expected a number of GiB above 0"),
        ("threads=0", "threads is 0, expected"),
        ("trainer.max_epochs=1.5", "trainer.max_epochs is 1.5, expected a whole number"),
        ("+trainer.callbacks=[1]", r"trainer.callbacks is set, .*early_stopping=10"),
        ("+trainer.logger=true", "choose logger=csv"),
        ("+trainer.enable_checkpointing=true", "every run keeps its checkpoints"),
    ],
)
def test_what_cannot_be_meant_is_said(make_config, tmp_path: Path, override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Member(Job(make_config(override), tmp_path, ()), {})
