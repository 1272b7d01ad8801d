"""The simulated Sun as the config files build it."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig

from preflare.sun.line import Line
from preflare.sun.simulation.profiles import Atom
from preflare.sun.simulation.source import Simulation

CONF = str(Path(__file__).resolve().parents[3] / "conf")
GROUPS = ("+source=simulation", "+line=mg_ii", "+window=paper", "++observations=null")

Simulate = Callable[..., Simulation]


@lru_cache
def composed(*overrides: str) -> DictConfig:
    """Kept, since composing takes longer than many a test."""
    with initialize_config_dir(CONF, version_base="1.3"):
        return compose(overrides=[*overrides])


def build(*overrides: str, simulation: str = "tiny") -> Simulation:
    return instantiate(composed(f"+simulation={simulation}", *GROUPS, *overrides).source)


@pytest.fixture(scope="session")
def simulate() -> Simulate:
    """``simulate("simulation.seed=3", simulation="default")`` is the source those overrides build; tiny by default."""
    return build


@pytest.fixture(scope="session")
def line() -> Line:
    with initialize_config_dir(CONF, version_base="1.3"):
        return instantiate(compose(overrides=["+line=mg_ii"]).line)


@pytest.fixture(scope="session")
def atom() -> Atom:
    return build().atom
