"""The trial writes its tables, on spectra from their places, and is held once."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from preflare import run
from preflare.data import shard
from preflare.data.shard import Shard
from preflare.digest import of_array
from preflare.explain import assessment, convergence, representatives, rows, trial, truth
from preflare.explain.cube import Cube
from preflare.explain.ensemble import Ensemble
from preflare.explain.expected_gradients import ExpectedGradients
from preflare.explain.explanation import Explanation


@pytest.fixture
def explained(own_run: Path) -> list[Cube]:
    """By three members, which are one network, on shards that know two precursors."""
    home, finished = own_run.parent / "shards", run.read(own_run)
    for name in finished.record["partition"]["sides"]["test"]:
        with h5py.File(home / f"{name}.h5", "r+") as file:
            shape = file["spectra"].shape
            kind = np.zeros(shape[:3], dtype=np.uint8)
            kind[:, 0], kind[:, 1] = 1, 2
            mask = np.zeros(shape, dtype=np.uint8)
            mask[..., 90:102] = 1
            for key, array in {"kind": kind, "changed": mask, "changed_normalised": mask}.items():
                file[f"truth/{key}"] = array
                file[f"truth/{key}"].attrs["blake3"] = of_array(array)
            file.attrs["digest"] = finished.record["data"][name] = shard.digest_of(file)
    method = ExpectedGradients(4, 2, "herding", 0)
    settings = Explanation("log_odds", "best", "clean", 8, 0, "all", 2, ("hirescam",), "float32", 1, 6, method)
    return settings(Ensemble(finished.folder, (finished,) * 3), home, None, None)


def test_every_table_is_there(explained: list[Cube]) -> None:
    folder = explained[0].path.parent
    assert trial.is_held(folder)
    table = rows.read(folder / trial.FAITHFULNESS, assessment.Row)
    assert table[0].spectra == 6 and table[0].members == pytest.approx(1) and np.isfinite(table[0].labels)
    samples = [row.samples for row in rows.read(folder / trial.COMPLETENESS, convergence.Row)]
    assert samples[0] == 8 and samples == sorted(samples)
    first, _, third = rows.read(folder / trial.REPRESENTATIVES, representatives.Row)
    assert first.error == pytest.approx(0, abs=1e-6) and third.members == 3
    known = rows.read(folder / trial.TRUTH, truth.Row)
    assert [(row.kind, row.method) for row in known] == [
        (kind, method) for kind in ("all", "triplet", "red wing") for method in ("expected_gradients", "hirescam")
    ]
    assert sum(row.spectra for row in known if row.method == "hirescam" and row.kind != "all") == 16
    trial.forget(folder)
    assert not trial.is_held(folder) and not list(folder.glob("*.csv"))


def test_rows_are_gathered_from_their_places(own_run: Path) -> None:
    one = Shard.open(sorted((own_run.parent / "shards").glob("*.h5"))[0])
    index = np.array([1, 5, 22, 23, 79])
    found = trial.gather(one, "spectra", index)
    np.testing.assert_array_equal(found, one.read("spectra").reshape(-1, 240)[index])
