from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest

from preflare.errors import ConfigError
from preflare.sun.simulation.look import Look
from preflare.sun.simulation.precursor import Precursor
from preflare.sun.simulation.profiles import Shapes
from preflare.sun.simulation.programme import Schedule
from preflare.sun.simulation.scene import LEAD, Gathering, Scene

PLAN = Schedule(onset=4000.0, peak=4300.0, end=5000.0, steps=8, slit=30, cadence=16.0, exposure=8.0, pixel=2.0)
LOOK = Look(
    zero_point=0, brightness=1, continuum=1, width=1, depth=0, asymmetry=0, ratio=0, subordinate=0, mu=0.8,
    azimuth=0, unrest=0.1,
)  # fmt: skip


GATHERING = Gathering(reach=14.0, everywhere=0.6, strength=1.0)


def scene(seed: int, flares: bool = True, precursors: float = 1.0) -> Scene:
    return Scene(np.random.default_rng(seed), LOOK, PLAN, flares, precursors, GATHERING)


def places(seed: int, count: int, first: float, last: float) -> np.ndarray:
    low, high = np.array([[-7, -29, first], [7, 29, last]])
    return np.random.default_rng([5, seed]).uniform(low, high, (count, 3)).T


def equal(one: Shapes, other: Shapes, rows: np.ndarray | slice = slice(None)) -> bool:
    return all(np.array_equal(getattr(one, f.name)[rows], getattr(other, f.name)[rows]) for f in fields(Shapes))


def test_only_spectra_with_a_kind_differ_from_their_quiet_twins() -> None:
    quiet, disturbed, kind = scene(1).shapes(*places(1, 3000, 2500, 4000))
    assert 0.05 < (kind > 0).mean() < 1
    assert equal(quiet, disturbed, kind == Precursor.NONE)
    assert (disturbed.subordinate > quiet.subordinate)[kind > 0].all()


def test_without_precursors_a_region_about_to_flare_is_like_any_other() -> None:
    # Both are pointed at what is active in the middle of their windows, which here are one.
    plan = replace(PLAN, onset=LEAD)
    where = places(2, 2000, 0, plan.onset)
    null, calm = (
        Scene(np.random.default_rng(2), LOOK, plan, flares, 0.0, GATHERING).shapes(*where) for flares in (True, False)
    )
    assert equal(null[0], calm[0]) and equal(null[1], calm[1])
    assert not null[2].any() and not calm[2].any()


def test_precursors_become_more_frequent_in_about_two_thirds_of_scenes() -> None:
    early, late = places(3, 200, 2440, 2800), places(3, 200, 3640, 3999)
    grown = []
    for seed in range(200):
        sun = scene(seed)
        ratio = sun.share(*late).mean() / sun.share(*early).mean()
        assert ratio == pytest.approx(1.0) if not sun.rising else ratio > 1.1
        grown.append(sun.rising)
    assert np.mean(grown) == pytest.approx(2 / 3, abs=0.1)


def test_where_they_become_more_frequent_they_become_stronger() -> None:
    early, late = places(3, 4000, 2440, 2800), places(3, 4000, 3640, 3999)
    for seed in range(12):
        sun = scene(seed)
        effects = []
        for where in (early, late):
            quiet, disturbed, kind = sun.shapes(*where)
            effects.append((disturbed.subordinate - quiet.subordinate)[kind == Precursor.TRIPLET])
        if min(map(len, effects)) > 50:
            growth = np.quantile(effects[1], 0.9) / np.quantile(effects[0], 0.9)
            assert growth > 2 if sun.rising else growth == pytest.approx(1, abs=0.01)


def test_precursors_are_as_frequent_as_asked_and_end_with_the_onset() -> None:
    where = places(4, 300, 2500, 4000)
    expected, found = [], []
    for seed in range(60):
        sun = scene(seed, precursors=0.5)
        expected.append(sun.share(*where).mean())
        found.append((sun.shapes(*where)[2] > 0).mean())
        assert expected[-1] < scene(seed).share(*where).mean()
        assert not sun.shapes(*places(4, 100, 4000, 5000))[2].any()
    assert np.mean(found) == pytest.approx(np.mean(expected), abs=0.06)


def test_the_footpoint_becomes_the_brightest_place() -> None:
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(-7, 8, 1.0), np.arange(-29, 30, 1.0)))
    for seed in range(20):
        sun = scene(seed)
        light = np.mean([sun.shapes(x, y, np.full(len(x), t))[1].intensity for t in np.arange(4200, 4600, 50)], axis=0)
        brightest = np.array([x[light.argmax()], y[light.argmax()]])
        assert np.hypot(*(brightest - sun.footpoint)) < 5
        share = sun.share(x, y, np.full(len(x), PLAN.onset - 1))
        assert share[np.hypot(x - sun.footpoint[0], y - sun.footpoint[1]).argmin()] == share.max()


def test_quiet_intensity_and_continuum_are_those_of_the_real_raster() -> None:
    shapes = [scene(seed, flares=False).shapes(*places(seed, 50, 0, 1500))[0] for seed in range(100)]
    level = np.log(np.concatenate([one.intensity for one in shapes]))
    continuum = np.log(np.concatenate([one.continuum for one in shapes]))
    # Measured there: standard deviation of ln intensity 0.71; the continuum goes as its 0.14th power.
    assert level.std() == pytest.approx(0.75, abs=0.12)
    assert 0.08 < np.polyfit(level, continuum, 1)[0] < 0.25


@pytest.mark.parametrize("flares", [True, False])
def test_regions_of_either_kind_have_brightenings_that_look_like_precursors(flares: bool) -> None:
    """The same share of the scene, and all of the kinds."""
    where = places(7, 300, 0, 2000)
    covered, seen = [], Counter[str]()
    for seed in range(60):
        restless, calm = (
            Scene(np.random.default_rng(seed), replace(LOOK, unrest=unrest), PLAN, flares, 0.0, GATHERING).shapes(
                *where
            )[1]
            for unrest in (0.3, 0.0)
        )
        changed = {f.name: getattr(restless, f.name) != getattr(calm, f.name) for f in fields(Shapes)}
        covered.append(changed["subordinate"].mean())
        seen.update(name for name, rows in changed.items() if rows.any())
    assert np.mean(covered) == pytest.approx(0.3, abs=0.05)
    assert set(seen) == {
        "subordinate",
        "intensity",
        "flow",
        "flow_shift",
        "width",
        "wing",
        "depth",
        "asymmetry",
        "reversal",
    }


def test_precursors_gather_as_told() -> None:
    """At the footpoint as often as they do anyhow; one reach away by the Gaussian; far away as often as everywhere."""
    rare = replace(PLAN, onset=1e9)  # so far from the onset that nothing is clipped
    suns = [
        Scene(np.random.default_rng(3), LOOK, rare, True, 0.1, Gathering(reach=5.0, everywhere=share, strength=1.0))
        for share in (0.2, 1.0)
    ]
    x, y = suns[0].footpoint[0] + np.array([0.0, 5.0, 0.0, 500.0]), suns[0].footpoint[1] + np.array([0, 0, 5.0, 500.0])
    gathered, alike = (sun.share(x, y, np.zeros(4)) for sun in suns)
    one = 0.2 + 0.8 * np.exp(-0.5)
    np.testing.assert_allclose(gathered / alike, [1.0, one, one, 0.2], rtol=1e-6)


def test_precursors_are_strongest_where_they_gather() -> None:
    """Two Suns alike but for the strength: the same spectra differ more from their quiet twins, near the footpoint."""
    x, y = np.random.default_rng(4).uniform(-25, 25, (2, 4000))
    weak, strong = (
        Scene(np.random.default_rng(4), LOOK, PLAN, True, 1.0, Gathering(6.0, 0.6, strength)) for strength in (1.0, 3.0)
    )
    gain = []
    for sun in (weak, strong):
        quiet, disturbed, kind = sun.shapes(x, y, np.full(len(x), 3000.0))
        gain.append(disturbed.subordinate - quiet.subordinate)
    far = np.hypot(x - weak.footpoint[0], y - weak.footpoint[1])
    near, away = (far < 3) & (kind > 0), (far > 20) & (kind > 0)
    assert (gain[1] > gain[0])[near].all() and near.sum() > 10
    np.testing.assert_allclose(gain[1][away], gain[0][away], rtol=0.02)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((0, 0.5, 1), "simulation.gathering.reach is 0, expected a number of arcsec above 0"),
        ((5, 1.5, 1), "gathering.everywhere is 1.5"),
        ((5, 0.5, 0.5), "gathering.strength is 0.5"),
    ],
)
def test_a_gathering_that_cannot_be_is_refused(values: tuple[float, float, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Gathering(*values)
