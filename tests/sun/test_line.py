"""The line: its grid and the choices it refuses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from preflare.errors import ConfigError
from preflare.sun.line import Blend, Line, Rules

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


def test_features_are_as_near_as_they_reach(line: Line) -> None:
    assert line.blends == {"triplet": Blend([2798.754, 2798.823], 0.25)}
    wavelength = np.array([2798.7, 2798.937, 2799.09, 2805.35])
    slow = [
        [
            min(abs(one - place) for place in (2798.754, 2798.823)) / 0.25
            if name == "triplet"
            else abs(one - at) / 0.16
            for name, at in line.features.items()
        ]
        for one in wavelength
    ]
    np.testing.assert_allclose(line.away(wavelength, 0.16), slow)
    assert line.away(wavelength, 0.16)[1].argmin() == 0
    assert replace(line, features={}, blends={}, reference=None).away(wavelength, 0.16).shape == (4, 0)


@pytest.mark.parametrize(("lines", "reach"), [([], 0.2), ([2798.8], 0), (["x"], 0.2)])
def test_a_blend_that_cannot_be(lines: list, reach: float) -> None:
    with pytest.raises(ConfigError, match="line.blends"):
        Blend(lines, reach)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"detector": "SJI"}, "expected NUV or FUV"),
        ({"detector": 3}, "line.detector is 3, expected NUV or FUV"),
        ({"name": 5}, "line.name is 5, expected text"),
        ({"title": None}, "line.title is null, expected text"),
        ({"points": 1}, "line.points is 1, expected a whole number of 2 or more"),
        ({"points": 240.0}, "line.points is 240.0, expected a whole number"),
        ({"start": 2806.0}, "line.stop is 2805.72, expected a number of Å above 2806"),
        ({"start": "abc"}, "line.start is 'abc', expected a number of Å"),
        ({"cores": {}}, "line.cores is empty"),
        ({"cores": {"k": "abc", "h": 2803.5}}, "line.cores.k is 'abc', expected a number"),
        ({"features": [2798.0]}, "line.features is .2798.0., expected names with numbers"),
        ({"continuum": (2800.0,)}, "line.continuum is .2800.0., expected two increasing numbers"),
        ({"cores": {"k": 2796.34, "C II": 1335.7}}, "C II at 1335.7 Å lies outside"),
        ({"continuum": (2790.0, 2800.0)}, "continuum start at 2790.0 Å lies outside"),
        ({"cores": {"k": 2796.34}}, "a core ratio needs two"),
        ({"blends": {"Fe XXI": Blend([2800.0], 0.2)}}, "line.blends.Fe XXI is no feature, expected one of"),
        ({"reference": "Fe XXI"}, "line.reference is 'Fe XXI', expected one of line.features: triplet, Mn I"),
        ({"reference_halfwidth": 0}, "line.reference_halfwidth is 0, expected a number of Å above 0"),
    ],
)
def test_a_line_that_cannot_be(line: Line, change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(line, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"core_ratio": (2.3, 0.7)}, "line.rules.core_ratio is .2.3, 0.7., expected two increasing numbers above 0"),
        ({"core_ratio": [3]}, "line.rules.core_ratio is .3., expected two"),
        ({"core_ratio": 3}, "line.rules.core_ratio is 3, expected two"),
        ({"overexposed_run": 1}, "2 or more"),
        ({"overexposed_run": 10.5}, "line.rules.overexposed_run is 10.5, expected a whole number"),
        ({"overexposed_run": 241}, "line.rules.overexposed_run is 241, expected at most the line's 240 points"),
        ({"low_signal": -5}, "line.rules.low_signal is -5, expected a number of DN/s of 0 or more"),
        ({"low_signal": "abc"}, "line.rules.low_signal is 'abc', expected a number"),
        ({"null": None}, "line.rules.null is null, expected a number"),
        ({"saturation": -200}, "line.rules.saturation is -200, expected a number of DN above -100"),
        ({"peak_halfwidth": 0}, "line.rules.peak_halfwidth is 0, expected a number of Å above 0"),
        ({"ratio_halfwidth": True}, "line.rules.ratio_halfwidth is true, expected a number of Å above 0"),
        ({"ratio_halfwidth": 0.01}, "half a step of the grid"),
        ({"normalise_over": 4}, "line.rules.normalise_over is 4, expected an odd number"),
        ({"normalise_over": 1}, "line.rules.normalise_over is 1, expected a whole number of 3 or more"),
        ({"normalise_over": 241}, "line.rules.normalise_over is 241, expected at most 240 points"),
        ({"saa_hits": -1}, "line.rules.saa_hits is -1, expected a number of 0 or more"),
    ],
)
def test_rules_that_cannot_be(line: Line, change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(line, rules=replace(line.rules, **change))


def test_a_whole_number_for_a_limit_is_the_same_limit(line: Line) -> None:
    rules = replace(line.rules, low_signal=10, core_ratio=[1, 2])
    assert type(rules.low_signal) is float and rules == replace(line.rules, core_ratio=(1.0, 2.0))


def test_one_core_needs_no_ratio(line: Line) -> None:
    rules = replace(line.rules, core_ratio=None)
    assert isinstance(rules, Rules)
    assert list(replace(line, cores={"k": 2796.34}, rules=rules).cores) == ["k"]
