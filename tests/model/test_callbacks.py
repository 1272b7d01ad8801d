"""The callbacks, called as Lightning calls them."""

from types import SimpleNamespace

import numpy as np
import pytest

from preflare.model.callbacks import AveragingRate, MemberRecord, SwarmBar, SwarmRecord
from preflare.model.classifier import FlareClassifier
from preflare.model.swarm.module import SwarmClassifier


class FakeMember:
    """Keeps what it is told; dies, or fails, when told to."""

    def __init__(self, first_epoch: int = 0, dies: bool = False, fails: bool = False) -> None:
        self.first_epoch, self.dies, self.fails = first_epoch, dies, fails
        self.told: list[tuple] = []
        self.failure: Exception | None = None
        self.ended = False
        self.history: list[dict[str, float]] = []
        partition = SimpleNamespace(spectra=lambda side: 130)
        self.data = SimpleNamespace(choosing="test", partition=partition, batch_size=64)

    @property
    def choosing_loss(self) -> float:
        return min((row["test/loss"] for row in self.history), default=np.inf)

    def record(self, epoch, scores, state) -> None:
        if self.fails:
            raise ValueError("no more")
        self.told.append((epoch, scores, state))
        self.ended = self.dies

    def fail(self, error: Exception) -> None:
        self.failure = error


def trainer(epoch: int) -> SimpleNamespace:
    return SimpleNamespace(current_epoch=epoch, should_stop=False, max_epochs=2)


def test_a_lone_member_is_written_down_and_stops_when_dead() -> None:
    member = FakeMember(dies=True)
    classifier = FlareClassifier.__new__(FlareClassifier)
    classifier.__dict__["scores"] = {"train/loss": 0.5}
    classifier.__dict__["state_dict"] = lambda: {"network.w": 1}
    now = trainer(3)
    MemberRecord(member).on_validation_end(now, classifier)
    assert member.told == [(3, {"train/loss": 0.5}, {"state_dict": {"network.w": 1}})]
    assert now.should_stop


def test_only_the_member_that_dies_or_fails_is_ended() -> None:
    members = [FakeMember(2), FakeMember(2, dies=True), FakeMember(2, fails=True), FakeMember(2)]
    ended: list[int] = []
    swarm = SwarmClassifier.__new__(SwarmClassifier)
    swarm.__dict__.update(
        active=np.array([True, True, True, False]),
        scores=[{"k": k} for k in range(4)],
        member_state=lambda k: {"state_dict": k},
        end=ended.append,
    )
    failed: dict[int, Exception] = {}
    SwarmRecord(members, failed).on_validation_end(trainer(1), swarm)
    assert ended == [1, 2]
    assert members[0].told == [(3, {"k": 0}, {"state_dict": 0})] and members[3].told == []
    assert list(failed) == [id(members[2])] and members[2].failure is failed[id(members[2])]


@pytest.mark.parametrize("stacked", [False, True])
def test_the_rate_is_set_from_the_members_own_epoch_on(stacked: bool) -> None:
    members = [FakeMember(first_epoch=4) for _ in range(3 if stacked else 1)]
    for place, member in enumerate(members):
        member.rate = lambda epoch, place=place: 0.5 + place if epoch >= 6 else None
    numbers = [{"lr": 0.1, "eps": 1} for _ in members]
    now = trainer(1)
    now.optimizers = [SimpleNamespace(param_groups=[{"numbers": numbers}] if stacked else numbers)]
    callback = AveragingRate(members)
    callback.on_train_epoch_start(now, None)
    assert [each["lr"] for each in numbers] == [0.1] * len(members)
    now.current_epoch = 2
    callback.on_train_epoch_start(now, None)
    assert numbers == [{"lr": 0.5 + place, "eps": 1} for place in range(len(members))]


def test_the_bar_says_how_the_swarm_does() -> None:
    members = [FakeMember(), FakeMember(), FakeMember()]
    bar = SwarmBar(members)
    bar.on_fit_start(trainer(0), None)
    for member, tss in zip(members, (0.1, 0.5, 0.2), strict=True):
        member.history.append({"test/loss": 0.6, "test/tss": tss})
    bar.on_validation_end(trainer(0), None)
    said = bar._bar.tasks[0].fields["now"]
    assert "3 improving" in said and "TSS 0.10 / 0.20 / 0.50" in said and "member-steps/s" in said
    members[0].history.append({"test/loss": 0.7, "test/tss": 0.1})
    bar.on_validation_end(trainer(1), None)
    assert "0 improving" in bar._bar.tasks[0].fields["now"]


def test_the_bar_is_silent_when_not_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    bar = SwarmBar([FakeMember()])
    bar.on_fit_start(trainer(0), None)
    bar.on_validation_end(trainer(0), None)
    bar.teardown(trainer(0), None, "fit")
    out, err = capfd.readouterr()
    assert (out + err).strip() == ""
