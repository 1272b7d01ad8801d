"""The data of many members: held once, in each member's own order."""

import numpy as np
import pytest
import torch
from hydra.utils import instantiate

from preflare.model.swarm import CannotSwarm, data
from preflare.model.swarm.data import SwarmBatches, SwarmData

VARIED = [["seed=1"], ["seed=2", "partition.seed=3"], ["seed=5", "partition.validation=1"], ["seed=7"]]


def modules(make_config, *common: str):
    return [instantiate(make_config("data.batch_size=7", *common, *one).data) for one in VARIED]


@pytest.fixture
def swarm(make_config) -> SwarmData:
    swarm = SwarmData(modules(make_config), first_epoch=2)
    swarm.setup()
    return swarm


def test_every_member_has_its_own_spectra(swarm: SwarmData, make_config) -> None:
    for member, sides, alone in zip(swarm.members, swarm.sides, modules(make_config), strict=True):
        alone.setup()
        assert tuple(sides) == alone.sides == member.sides and member.choosing == alone.choosing
        assert set(member.shards) == set(alone.shards) and member.origin == alone.origin
        assert member.partition.sides == alone.partition.sides
        for side, places in sides.items():
            assert torch.equal(swarm.spectra[places], alone.datasets[side].spectra)
            assert torch.equal(swarm.labels[places], alone.datasets[side].labels)


def test_spectra_are_held_once_and_only_if_used(swarm: SwarmData) -> None:
    used = torch.cat([places for sides in swarm.sides for places in sides.values()]).unique()
    assert torch.equal(used, torch.arange(len(swarm.spectra)))
    assert len(swarm.spectra.unique(dim=0)) == len(swarm.spectra)
    assert swarm.spectra.is_contiguous() and swarm.spectra.dtype == torch.float32


def test_batches_are_those_of_each_member_alone(swarm: SwarmData, make_config, monkeypatch) -> None:
    monkeypatch.setattr(data, "STEPS", 4)
    alone = modules(make_config)
    for member in alone:
        member.setup()
    loader = swarm.train_dataloader()
    for epoch in (0, 3):
        loader.sampler.set_epoch(epoch)
        steps = list(loader)
        assert len(steps) == len(loader) and all(len(part.counts) <= 4 for part in steps)
        places, counts = torch.cat([s.spectra for s in steps]), torch.cat([s.counts for s in steps])
        for k, member in enumerate(alone):
            theirs = member.train_dataloader()
            theirs.sampler.set_epoch(epoch + 2)
            batches = list(theirs)
            assert counts[:, k].tolist() == [len(labels) for _, labels in batches] + [0] * (len(counts) - len(batches))
            for step, (spectra, labels) in enumerate(batches):
                mine = places[step, k, : counts[step, k]]
                assert torch.equal(swarm.spectra[mine], spectra) and torch.equal(swarm.labels[mine], labels)


def test_a_member_waits_until_all_end_the_epoch() -> None:
    batches = SwarmBatches([3, 10], 4, [0, 0], 0)
    [(places, counts)] = list(batches)
    assert counts.tolist() == [[3, 4], [0, 4], [0, 2]]
    assert sorted(places[0, 0, :3].tolist()) == [0, 1, 2]
    assert sorted(np.concatenate([places[0, 1], places[1, 1], places[2, 1, :2]]).tolist()) == list(range(10))


def test_setup_again_reads_nothing(swarm: SwarmData) -> None:
    spectra = swarm.spectra
    swarm.setup()
    assert swarm.spectra is spectra


def test_members_of_other_data_are_refused(make_config) -> None:
    one, other = (instantiate(make_config(f"data.batch_size={size}").data) for size in (7, 8))
    with pytest.raises(CannotSwarm, match="Members differ in data.batch_size: 7, 8."):
        SwarmData([one, other])


@pytest.mark.parametrize("choice", [["data.resident=false"], ["data.memory=0.0001"]])
def test_what_a_member_alone_would_stream_is_refused(make_config, choice: list[str]) -> None:
    with pytest.raises(CannotSwarm, match="a swarm holds them in memory"):
        SwarmData(modules(make_config, *choice)).setup()
