"""The line: its grid and the choices it refuses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from preflare.errors import ConfigError
from preflare.sun.line import Line, Rules

CONF = Path(__file__).resolve().parents[2] / "conf"


@pytest.fixture(scope="module")
def line() -> Line:
    return instantiate(OmegaConf.load(CONF / "line" / "mg_ii.yaml"))


def test_the_grid_is_that_of_the_paper(line: Line) -> None:
    grid = line.wavelength
    assert grid.shape == (240,) and grid.dtype == np.float64
    assert (grid[0], grid[-1]) == (2794.14, 2805.72)
    # The authors describe their points 115 to 124 as the continuum between 2799.71 and 2800.15 Å.
    np.testing.assert_allclose(grid[[115, 124]], line.continuum, atol=0.003)


def test_the_config_is_plain_after_instantiation(line: Line) -> None:
    assert type(line.cores) is dict and list(line.cores) == ["k", "h"]
    assert type(line.features) is dict
    assert line.continuum == (2799.71, 2800.15)
    assert line.rules.core_ratio == (0.7, 2.3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"detector": "SJI"}, "expected NUV or FUV"),
        ({"points": 1}, "not increasing"),
        ({"start": 2806.0}, "not increasing"),
        ({"cores": {"k": 2796.34, "C II": 1335.7}}, "C II at 1335.7 Å lies outside"),
        ({"continuum": (2790.0, 2800.0)}, "continuum start at 2790.0 Å lies outside"),
        ({"cores": {"k": 2796.34}}, "a core ratio needs two"),
    ],
)
def test_a_line_that_cannot_be(line: Line, change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(line, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"core_ratio": (2.3, 0.7)}, "0 < lowest < highest"),
        ({"overexposed_run": 1}, "2 or more"),
        ({"ratio_halfwidth": 0.01}, "half a step of the grid"),
    ],
)
def test_rules_that_cannot_be(line: Line, change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(line, rules=replace(line.rules, **change))


def test_one_core_needs_no_ratio(line: Line) -> None:
    rules = replace(line.rules, core_ratio=None)
    assert isinstance(rules, Rules)
    assert list(replace(line, cores={"k": 2796.34}, rules=rules).cores) == ["k"]
