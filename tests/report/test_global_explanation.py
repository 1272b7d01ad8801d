"""Maxima, regions and planted places by hand and by slow loops."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from scipy import stats

from preflare.explain.truth import Truth
from preflare.report import global_explanation
from preflare.report.sample import Sample
from preflare.sun.line import Line
from preflare.sun.simulation.precursor import Precursor


@pytest.fixture(scope="module")
def line() -> Line:
    with initialize_config_dir(str(Path(__file__).resolve().parents[2] / "conf"), version_base="1.3"):
        return instantiate(compose(overrides=["+line=mg_ii"]).line)


def make(attributions: np.ndarray, owner: np.ndarray, spectra: np.ndarray | None = None) -> Sample:
    count = len(owner)
    rows = np.ones_like(attributions) if spectra is None else spectra
    ones = np.ones(count)
    return Sample(np.ones(owner.max() + 1, bool), owner, ones, ones, np.zeros(count, int), rows, attributions, None)


def test_maxima_are_those_of_a_loop() -> None:
    stream = np.random.default_rng(0)
    attributions = stream.normal(size=(50, 30))
    attributions[0] = -1
    attributions[1, 5:] = np.nan
    place, size = global_explanation.maxima(attributions)
    for row, values in enumerate(attributions):
        assert place[row] == np.nanargmax(values)
        assert size[row] == max(np.nanmax(values), 0)
    whole = global_explanation.histogram(make(attributions, np.zeros(50, int)))
    slow = np.zeros(30)
    for where, much in zip(place, size, strict=True):
        slow[where] += much
    np.testing.assert_allclose(whole, slow / slow.sum())


def test_every_wavelength_has_one_region(line: Line) -> None:
    found = global_explanation.regions(line)
    assert (sum(inside.astype(int) for inside in found.values()) == 1).all()
    centre = line.wavelength[found["k, centre"]]
    assert (np.abs(centre - 2796.34) <= 0.2).all()
    assert line.wavelength[found["k, blue side"]].max() < centre.min()
    assert line.wavelength[found["triplet"]].max() < line.wavelength[found["Mn I"]].min()
    assert list(found)[:4] == ["k, blue side", "k, centre", "k, red side", "triplet"]
    assert list(found)[-1] == "elsewhere"
    # The blend of two lines in emission reaches beyond 2798.937 Å, which is nearer to the narrow Mn I than 0.16 Å.
    triplet, manganese = (line.wavelength[found[name]] for name in ("triplet", "Mn I"))
    assert triplet.min() == pytest.approx(2798.5, abs=0.05) and triplet.max() == pytest.approx(2798.985, abs=0.01)
    assert manganese.min() > 2799.0 and 2799.09 + 0.16 >= manganese.max()
    narrow = global_explanation.regions(replace(line, blends={}))
    assert line.wavelength[narrow["triplet"]].max() < 2798.937 < line.wavelength[narrow["Mn I"]].max()


def test_shares_of_regions_are_of_the_weight(line: Line) -> None:
    attributions = np.zeros((30, 240))
    triplet = np.argmin(np.abs(line.wavelength - 2798.77))
    attributions[:10, triplet] = 3.0
    attributions[10:, 0] = 1.0
    sample = make(attributions, np.repeat([0, 1, 2], 10))
    found = {one.region: one for one in global_explanation.by_region(sample, line)}
    assert found["triplet"].share == pytest.approx(30 / 50)
    assert found["elsewhere"].share == pytest.approx(20 / 50)
    assert found["triplet"].low == 0
    assert found["triplet"].high == 1
    assert found["triplet"].chance == pytest.approx(global_explanation.regions(line)["triplet"].mean())


def test_planted_places_are_found_and_others_are_not() -> None:
    stream = np.random.default_rng(1)
    owner, kind = np.repeat(np.arange(12), 20), np.tile(np.repeat([1, 2], 10), 12)
    after = np.zeros((240, 50), bool)
    after[kind == 1, 5:10] = True
    after[kind == 2, 30:35] = True
    attributions = stream.normal(size=(240, 50))
    attributions[kind == 1, 7] += 10
    rows = global_explanation.planted(make(attributions, owner), Truth(after, after, kind))
    found = {row.kind: row for row in rows}
    assert set(found) == {"all", "triplet", "red wing"}
    triplet, red = found["triplet"], found["red wing"]
    assert (triplet.spectra, triplet.observations, triplet.hits) == (120, 12, 1.0)
    assert triplet.anywhere == pytest.approx(0.1)
    assert triplet.p < 0.001
    assert red.p > 0.05
    assert red.others == 0  # all maxima of the triplet lie elsewhere
    place, _ = global_explanation.maxima(attributions)
    slow = [np.isin(place[(kind == 2) & (owner == one)], range(5, 10)).mean() for one in range(12)]
    assert triplet.others == pytest.approx(np.mean(slow))
    assert triplet.p_others < 0.001 and np.isnan(found["all"].p_others)
    assert global_explanation.recovered(rows, 0.05) == ["triplet"]
    assert found["all"].hits == pytest.approx((triplet.hits + red.hits) / 2)


def test_maxima_that_prefer_places_whatever_the_kind_recover_none() -> None:
    """Masks of most of a spectrum, with what all kinds change in common: anywhere is no level of chance."""
    masks = np.zeros((3, 50), bool)
    masks[1, 5:40], masks[2, 10:45] = True, True
    p = []
    for seed in range(200):
        stream = np.random.default_rng(seed)
        owner, kind = np.repeat(np.arange(10), 20), stream.integers(1, 3, 200)
        # Most maxima are where both kinds changed spectra, the others where their observation prefers them.
        attributions = stream.normal(size=(200, 50)) + 2 * stream.normal(size=(10, 50))[owner]
        attributions[np.arange(200), stream.integers(10, 40, 200)] += 4
        found = global_explanation.planted(make(attributions, owner), Truth(masks[kind], masks[kind], kind))
        p.append([one.p_others for one in found[1:]])
    assert np.mean(np.array(p) < 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def test_kinds_with_few_spectra_are_not_told_of() -> None:
    truth = Truth(np.ones((5, 4), bool), np.ones((5, 4), bool), np.full(5, Precursor.TRIPLET))
    assert global_explanation.planted(make(np.eye(5, 4), np.zeros(5, int)), truth) == []


def test_depths_and_their_correlation_within_observations(line: Line) -> None:
    stream = np.random.default_rng(2)
    owner, depths = np.repeat(np.arange(5), 40), stream.uniform(0.1, 0.3, 200)
    profile = np.exp(-(((line.wavelength - 2799.474) / 0.05) ** 2) / 2)
    profile /= profile.max()  # the line lies between two points
    spectra = 0.5 - depths[:, None] * profile
    sample = make(np.zeros((200, 240)), owner, spectra)
    found = global_explanation.depth(spectra, line.wavelength, 2799.474)
    np.testing.assert_allclose(found, depths, rtol=1e-3)
    # Observations differ in level, which does not count.
    other = 100 * owner - depths + stream.normal(0, 0.05, 200)
    mean, low, high = global_explanation.correlation(sample, found, other)
    slow = [stats.spearmanr(depths[owner == one], other[owner == one]).statistic for one in range(5)]
    assert mean == pytest.approx(np.mean(slow), abs=1e-3)
    assert min(slow) - 1e-3 <= low <= mean <= high <= max(slow) + 1e-3
    assert np.isnan(global_explanation.correlation(sample, np.ones(200), other)[0])


def test_points_near_lines() -> None:
    wavelength = np.array([1.0, 1.1, 1.5, 2.0])
    assert global_explanation.near(wavelength, [1.05, 2.1]).tolist() == [True, True, False, True]
