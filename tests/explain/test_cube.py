"""The saliency cube gives back what was written, where it was written, and nothing elsewhere."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from preflare.errors import RunError
from preflare.explain import cube
from preflare.explain.cube import Cube

SHAPE = (5, 2, 3, 8)
PHASE = np.array([[1, 1], [1, 1], [1, 1], [2, 2], [0, 0]], dtype=np.uint8)
CLEAN = np.arange(30).reshape(SHAPE[:3]) % 3 > 0
INDEX = np.array([0, 4, 7, 23])
ATTRIBUTES: dict[str, cube.Attribute] = {"observation": "PF_20140329_140938_3860258481", "label": 1, "seen": False}


def arrays() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    dense = {name: random.normal(size=SHAPE[:3]).astype("f4") for name in ("score", "log_odds")}
    sparse = {
        "expected_gradients": random.normal(size=(4, 8)).astype("f4"),
        "completeness": random.normal(size=4).astype("f4"),
    }
    return dense, sparse


PATHS = {"row": np.arange(3), "position": np.linspace(0, 1, 3)}


def parts(sparse: dict[str, np.ndarray]) -> list[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """The rows in two parts of whole repeats."""
    return [(INDEX[some], {name: rows[some] for name, rows in sparse.items()}) for some in (slice(0, 2), slice(2, 4))]


def written(path: Path) -> Path:
    dense, sparse = arrays()
    cube.write(path, SHAPE, np.arange(8.0), PHASE, CLEAN, dense, parts(sparse), PATHS, "float32", ATTRIBUTES)
    return path


def test_what_is_written_is_read_at_its_place(tmp_path: Path) -> None:
    dense, sparse = arrays()
    found = Cube.open(written(tmp_path / "cubes" / "one.h5"))
    assert found.shape == SHAPE
    assert found.names == ("clean", "completeness", "expected_gradients", "log_odds", "phase", "score", "wavelength")
    np.testing.assert_array_equal(found.read("score"), dense["score"])
    np.testing.assert_array_equal(found.clean(), CLEAN)
    np.testing.assert_array_equal(found.of_clean("score"), np.where(CLEAN, dense["score"], np.nan))
    np.testing.assert_array_equal(found.read("wavelength"), np.arange(8.0))
    np.testing.assert_array_equal(found.read("phase"), PHASE)
    flat = found.read("expected_gradients").reshape(-1, 8)
    np.testing.assert_array_equal(flat[INDEX], sparse["expected_gradients"])
    assert np.isnan(np.delete(flat, INDEX, axis=0)).all()
    np.testing.assert_array_equal(found.explained(), INDEX)
    np.testing.assert_array_equal(found.rows("expected_gradients", INDEX[[1, 3]]), sparse["expected_gradients"][[1, 3]])
    np.testing.assert_array_equal(found.rows("score", INDEX), dense["score"].reshape(-1)[INDEX])


def test_axes_are_named_as_in_the_shard(tmp_path: Path) -> None:
    with h5py.File(written(tmp_path / "one.h5")) as file:
        assert [dim.label for dim in file["expected_gradients"].dims] == ["repeat", "step", "slit", "wavelength"]
        assert [dim.label for dim in file["score"].dims] == ["repeat", "step", "slit"]
        assert file["expected_gradients"].dtype == np.float32
        assert file["expected_gradients"].compression == "gzip"


def test_half_precision_and_paths(tmp_path: Path) -> None:
    dense, sparse = arrays()
    path = tmp_path / "one.h5"
    cube.write(path, SHAPE, np.arange(8.0), PHASE, CLEAN, dense, parts(sparse), PATHS, "float16", ATTRIBUTES)
    with h5py.File(path) as file:
        assert file["expected_gradients"].dtype == np.float16 and file["completeness"].dtype == np.float32
        assert file["score"].dtype == np.float32
        np.testing.assert_array_equal(file["paths/row"], PATHS["row"])


def test_the_same_cube_is_known_again(tmp_path: Path) -> None:
    path = written(tmp_path / "one.h5")
    assert cube.is_same(path, ATTRIBUTES)
    assert not cube.is_same(path, {**ATTRIBUTES, "seen": True})
    assert not cube.is_same(path, {**ATTRIBUTES, "more": 1})
    assert not cube.is_same(tmp_path / "none.h5", ATTRIBUTES)


def test_a_damaged_cube_is_not_the_same_and_says_so(tmp_path: Path) -> None:
    path = written(tmp_path / "one.h5")
    path.write_bytes(path.read_bytes()[:1000])
    assert not cube.is_same(path, ATTRIBUTES)
    with pytest.raises(RunError, match="cannot be read as a saliency cube. Delete it"):
        Cube.open(path)


def test_what_is_no_cube_of_ours_says_so(tmp_path: Path) -> None:
    path = written(tmp_path / "one.h5")
    with h5py.File(path, "r+") as file:
        del file.attrs["schema"]
    with pytest.raises(RunError, match="cannot be read as a saliency cube. Delete it"):
        Cube.open(path)


def test_a_newer_cube_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "one.h5")
    with h5py.File(path, "a") as file:
        file.attrs["schema"] = cube.SCHEMA + 1
    with pytest.raises(RunError, match=f"has schema {cube.SCHEMA + 1}.*Update preflare"):
        Cube.open(path)


def test_a_cube_of_before_is_refused_and_made_anew(tmp_path: Path) -> None:
    path = written(tmp_path / "one.h5")
    with h5py.File(path, "a") as file:
        file.attrs["schema"] = 3
        del file["clean"]
    with pytest.raises(RunError, match="has schema 3, expected 4: .* nor hold a score of every valid one. Run explain"):
        Cube.open(path)
    assert not cube.is_same(path, ATTRIBUTES)


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    dense, sparse = arrays()
    sparse["completeness"] = sparse["completeness"][:2]
    with pytest.raises(IndexError):
        path, rows = tmp_path / "one.h5", [(INDEX, sparse)]
        cube.write(path, SHAPE, np.arange(8.0), PHASE, CLEAN, dense, rows, PATHS, "float32", ATTRIBUTES)
    assert list(tmp_path.iterdir()) == []
