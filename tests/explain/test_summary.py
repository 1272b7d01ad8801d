"""A cube in a line, against numbers counted by hand."""

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from preflare.explain import cube, summary
from preflare.explain.cube import Cube
from preflare.sun.observation import Label

NAME = "PF_20140310_140000_3860258482"


def written(path: Path, attributions: np.ndarray, completeness: np.ndarray) -> Cube:
    shape = (4, 1, 2, 4)
    score = np.array([0.2, 0.6, 0.9, np.nan, 0.99, 0.99, 0.1, 0.1], dtype=np.float32).reshape(shape[:3])
    phase = np.array([[1], [1], [2], [1]], dtype=np.uint8)
    clean = np.array([1, 1, 1, 1, 1, 1, 0, 0]).reshape(shape[:3])
    index = np.array([0, 1, 2])
    sparse = {"expected_gradients": attributions, "completeness": completeness}
    attributes: dict[str, cube.Attribute] = {"observation": NAME, "label": 1, "side": "test"}
    dense = {"score": score, "log_odds": score}
    cube.write(path, shape, np.arange(4.0), phase, clean, dense, [(index, sparse)], {}, "float32", attributes)
    return Cube.open(path)


def test_clean_scores_count_in_the_window_and_residuals_are_relative(tmp_path: Path) -> None:
    # Sums 4, 8 and -8; what they should be: 4 - 0.4 = 3.6, 8 + 2 = 10 and -8 - 0 = -8.
    attributions = np.array([1.0, 2.0, -2.0], dtype=np.float32)[:, None].repeat(4, axis=1)
    found = summary.summarise(written(tmp_path / "a.h5", attributions, np.array([0.4, -2.0, 0.0], dtype=np.float32)))
    assert (found.observation, found.label, found.side) == (NAME, Label.PF, "test")
    assert (found.spectra, found.explained) == (3, 3)
    assert found.score == pytest.approx((0.2 + 0.6 + 0.9) / 3)
    assert found.above_half == pytest.approx(2 / 3)
    assert found.residual == pytest.approx(0.4 / 3.6)


def test_a_dead_network_has_no_relative_residual(tmp_path: Path) -> None:
    zero = np.zeros((3, 4), dtype=np.float32)
    assert np.isnan(summary.summarise(written(tmp_path / "a.h5", zero, zero[:, 0])).residual)


def test_the_table_fits_a_terminal_of_80_columns(tmp_path: Path) -> None:
    ones = np.ones((3, 4), dtype=np.float32)
    found = summary.summarise(written(tmp_path / "a.h5", ones, np.full(3, 0.4, dtype=np.float32)))
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(summary.table([found]))
    row = next(line for line in console.export_text().splitlines() if NAME in line)
    assert row.split() == [NAME, "test", "3", "0.567", "67%", "3", "11.1%"]
