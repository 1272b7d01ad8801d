"""A member's own training side: where its baselines are from, and which of its spectra are faint."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hydra.utils import instantiate

from preflare import run
from preflare.data.datamodule import Pool
from preflare.data.shard import Shard
from preflare.digest import of_array
from preflare.explain.distance import HiddenDistance
from preflare.explain.expected_gradients import ExpectedGradients
from preflare.explain.side import Side


@pytest.fixture
def side(own_run: Path) -> Side:
    finished = run.read(own_run)
    return Side.of(finished, Pool(own_run.parent / "shards", instantiate(finished.config.line)), 0)


def test_baselines_are_where_they_are_said_to_be_and_leave_one_out(side: Side, own_run: Path) -> None:
    method = ExpectedGradients(20, 1, "random", 0)
    names = side.data.datasets["train"].names
    for without in (None, names[0], "PF_of_no_side"):
        paths, source = side.paths(method, without)
        for spectrum, name, row in zip(paths.baselines, source["observation"].astype(str), source["row"], strict=True):
            stored = Shard.open(own_run.parent / "shards" / f"{name}.h5").read("spectra").reshape(-1, 240)[row]
            np.testing.assert_array_equal(spectrum.numpy(), stored)
        found = set(source["observation"].astype(str))
        assert (names[0] in found) is (without != names[0]) and found <= set(names)


def test_faint_spectra_are_those_of_least_intensity(side: Side, own_run: Path) -> None:
    train, rows = side.data.datasets["train"], side.data.partition.rows["train"]
    stream, light = np.random.default_rng(0), []
    for name in train.names:
        values = stream.uniform(50, 500, size=80).astype(np.float32)
        with h5py.File(side.data.shards[name].path, "r+") as file:
            file["intensity"][...] = values.reshape(file["intensity"].shape)
            file["intensity"].attrs["blake3"] = of_array(values)
        light.append(values[rows[name]])
    limit = np.quantile(np.concatenate(light), 0.1)
    faint = {train.spectra[row, 0].numpy().tobytes() for row in np.flatnonzero(np.concatenate(light) <= limit)}
    drawn = side.faint(12)
    assert drawn.shape == (12, 240) and {one.numpy().tobytes() for one in drawn} <= faint
    assert len(side.faint(500)) == 500  # more than there are: some twice


def test_distances_are_from_this_side(side: Side) -> None:
    train, network = side.data.datasets["train"], torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(240, 2))
    (found,) = side.distances([network])
    expected = HiddenDistance(network, train.spectra[torch.arange(len(train))], train.labels)
    spectra = train.spectra[:5] * 1.5
    torch.testing.assert_close(found(spectra), expected(spectra), rtol=1e-6, atol=1e-6)
