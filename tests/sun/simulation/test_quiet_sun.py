"""Simulated quiet Sun: observations of label QS in which nothing happens, on the same shapes as a region's."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from hydra.utils import instantiate

from preflare.command import sentence
from preflare.sun.line import Line
from preflare.sun.observation import Label, Observation, Phase
from preflare.sun.quality import is_clean
from preflare.sun.simulation.quiet_sun import QuietSun, entries
from preflare.sun.simulation.source import Simulation

CONF = str(Path(__file__).resolve().parents[3] / "conf")


def build(*overrides: str) -> QuietSun:
    groups = ("+source=quiet_sun", "+line=mg_ii", "+window=paper", "+simulation=tiny")
    with initialize_config_dir(CONF, version_base="1.3"):
        return instantiate(compose(overrides=[*groups, *overrides]).source)


def cube(observation: Observation, name: str) -> np.ndarray:
    blocks = observation.blocks()
    return np.concatenate([b.truth[name[6:]] if name.startswith("truth/") else getattr(b, name) for b in blocks])


def test_observations_are_quiet_and_labelled_so(line: Line) -> None:
    found = list(build("source.count=3").observations(line))
    assert [one.header.id[:8] for one in found] == ["20140101", "20140108", "20140115"]
    for one in found:
        assert one.header.label is Label.QS and one.header.name.startswith("QS_") and one.header.number == -1
        assert one.header.origin == "simulation" and not one.header.onset and not one.header.active_region
        assert cube(one, "truth/quiet").all() and not cube(one, "truth/kind").any()
        assert not (cube(one, "phase") == Phase.FLARE).any()


def test_quiet_spectra_of_regions_are_like_those_of_the_quiet_sun(
    line: Line, simulate: Callable[..., Simulation]
) -> None:
    """Truth means the same in both; what is quiet beside a region is less so than elsewhere, as activity is smooth."""

    def mean(source: Simulation, quiet: bool) -> np.ndarray:
        parts = []
        for observation in source.observations(line):
            spectra, wanted = cube(observation, "spectra"), is_clean(cube(observation, "quality"), line)
            wanted &= (cube(observation, "truth/quiet") == quiet) & (cube(observation, "phase") == 1)[:, :, None]
            parts.append(spectra[wanted])
        return np.concatenate(parts).mean(axis=0)

    regions = simulate()
    quiet_sun, quiet, active = mean(build(), True), mean(regions, True), mean(regions, False)
    assert np.abs(quiet - quiet_sun).mean() < 0.6 * np.abs(active - quiet_sun).mean()


def test_entries_are_days_apart() -> None:
    assert len({entry.id for entry in entries(60)}) == 60


def test_none_is_refused() -> None:
    with pytest.raises(InstantiationException) as caught:
        build("source.count=0")
    assert sentence(caught.value) == "source.count is 0, expected a whole number of 1 or more."
