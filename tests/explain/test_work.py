"""An ensemble at work: paths, baselines and networks are each made once, and for whom they are meant."""

from pathlib import Path

import numpy as np
import pytest
import torch

from preflare import run
from preflare.data.shard import Shard
from preflare.explain.ensemble import Ensemble
from preflare.explain.expected_gradients import ExpectedGradients
from preflare.explain.work import Work


@pytest.fixture
def work(own_run: Path) -> Work:
    finished = run.read(own_run)
    method = ExpectedGradients(6, 1, "herding", 0)
    return Work(
        Ensemble(finished.folder, (finished,)),
        own_run.parent / "shards",
        "best",
        "unseen",
        9,
        ["hirescam"],
        method,
        0,
        1,
        "log_odds",
    )


def shard(work: Work, side: str, number: int = 0) -> Shard:
    name = sorted(work.by.runs[0].record["partition"]["sides"][side])[number]
    return Shard.open(work.home / f"{name}.h5")


def test_held_out_observations_share_their_committee(work: Work) -> None:
    first = work.committee(shard(work, "test", 0))
    assert work.committee(shard(work, "test", 1))[0] is first[0]
    assert work.members(shard(work, "test")) == [0]


def test_an_observation_that_trained_has_its_own_baselines(work: Work) -> None:
    held_out, _ = work.committee(shard(work, "test"))
    own = shard(work, "train")
    committee, source = work.committee(own)
    assert own.name.encode() not in source["observation"]
    assert not torch.equal(committee.paths[0].baselines, held_out.paths[0].baselines)


def test_the_source_of_each_baseline_is_where_it_says(work: Work) -> None:
    committee, source = work.committee(shard(work, "test"))
    assert source["observation"].shape == source["row"].shape == (1, 6)
    baselines = committee.paths[0].baselines
    for baseline, name, row in zip(baselines, source["observation"][0], source["row"][0], strict=True):
        spectra = Shard.open(work.home / f"{name.decode()}.h5").read("spectra").reshape(-1, 240)
        np.testing.assert_array_equal(baseline.numpy(), spectra[row])


def test_what_is_said_of_who_and_how(work: Work) -> None:
    said = work.about(shard(work, "test"))
    assert (said["members"], said["member_count"], said["side"], said["seen"]) == (".", 1, "test", False)
    assert (said["samples"], said["baselines"], said["positions"], said["baselines_choice"]) == (6, 6, 1, "herding")
    assert work.about(shard(work, "train"))["seen"] is True
    # The test side, on which the observation is, chose the best epoch; none chose the last, unless training stopped.
    assert said["chose"] is True and work.about(shard(work, "train"))["chose"] is False
    before = said["weights"]
    with torch.no_grad():
        next(work.networks[0].parameters()).add_(1)
    again = Work(work.by, work.home, "last", "unseen", 9, [], work.method, 0, 1, "log_odds").about(shard(work, "test"))
    assert again["chose"] is False
    work.by.runs[0].config.early_stopping = 3
    stopped = Work(work.by, work.home, "last", "unseen", 9, [], work.method, 0, 1, "log_odds")
    assert stopped.about(shard(work, "test"))["chose"] is True
    assert again["checkpoint"] == "last" and again["maps"] == "" and len(str(before)) == 64
