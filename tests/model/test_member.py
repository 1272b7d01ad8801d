"""A member's epochs: which checkpoint they are, when it is dead, what it goes on from."""

from pathlib import Path

import pytest
import torch

from preflare.command import Job
from preflare.errors import RunError
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
