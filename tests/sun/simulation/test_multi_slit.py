"""The simulated Sun through 37 slits: a file that the multi-slit reader reads, of the same spectra as elsewhere."""

import shlex
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from preflare.data.shard import Shard
from preflare.sun.line import Line
from preflare.sun.quality import is_clean

NAME = "PF_20140329_140938_3860258481"


def test_a_newcomer_can_make_one_and_ingest_it(
    verb: Callable[..., int], line: Line, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make = ("simulation=tiny", "simulation.format=muse", f"observations=[{NAME}]")
    assert verb("ingest", *make) == 0
    said = capsys.readouterr().out
    assert "1 written as files of 37 slits: data/simulation/muse." in said
    assert verb("ingest", *make) == 0 and "0 written" in capsys.readouterr().out
    assert verb("ingest", *make, "simulation.seed=5") == 1
    assert f"{NAME[3:]}.h5 is already there, but not from this simulation. Choose" in capsys.readouterr().err
    path = tmp_path / "data" / "simulation" / "muse" / f"{NAME[3:]}.h5"
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    command = shlex.split(said[said.index("python ingest.py") :])[2:]
    assert verb("ingest", *command[:-1], "data.root=shards") == 0
    shard = Shard.open(tmp_path / "shards" / f"{NAME}.h5", line)
    with h5py.File(path) as file:
        assert shard.shape[1:] == (37, file["flux"].shape[2], line.points)
        assert np.ptp(file["x"][0]) == pytest.approx(36 * 4.45)
    assert shard.header.origin == "simulation" and shard.header.settings["mode"] == "multi-slit"
    assert is_clean(shard.read("quality"), line).mean() > 0.5
