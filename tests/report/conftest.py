"""Cubes whose content the test decides."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from preflare.data.shard import Shard
from preflare.explain import cube
from preflare.explain.cube import Cube

MakeCube = Callable[..., Cube]


@pytest.fixture(scope="session")
def make_cube() -> MakeCube:
    """``make_cube(folder, shard, score, rows)`` writes the cube of a shard (a path).

    score: (repeat, step, slit), NaN where not scored. rows: (repeat, step, slit, wavelength), the expected
    gradients, of all that are scored.
    """
    return _make_cube


def _make_cube(folder: Path, shard: Path, score: np.ndarray, rows: np.ndarray, side: str = "test") -> Cube:
    opened = Shard.open(shard)
    index = np.flatnonzero(np.isfinite(score))
    attributes: dict[str, cube.Attribute] = {
        "observation": opened.name,
        "label": int(opened.header.label),
        "origin": opened.header.origin,
        "side": side,
        "shard": str(shard),
        "shard_digest": opened.digest,
        "finished": "2014-03-29T14:09:38",
    }
    with np.errstate(divide="ignore"):
        log_odds = np.log(score) - np.log1p(-score)
    chosen = rows.reshape(-1, rows.shape[-1])[index].astype(np.float32)
    sparse = {"expected_gradients": chosen, "completeness": np.zeros(len(index), dtype=np.float32)}
    path = folder / f"{opened.name}.h5"
    cube.write(
        path,
        opened.shape,
        opened.header.wavelength,
        opened.read("phase"),
        {"score": score, "log_odds": log_odds},
        [(index, sparse)],
        {},
        "float32",
        attributes,
    )
    return Cube.open(path)
