"""Metadata of AR against PF: counts by hand, scikit-learn's AUC, SciPy's exact distribution."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from preflare.report.confounders import compare, differing
from preflare.report.inventory import Row
from preflare.sun.observation import Label

BLANK = Row(
    name="AR_20140329_140938_3860258481",
    label=Label.AR,
    number=0,
    start=datetime(2014, 3, 29, tzinfo=UTC),
    onset="",
    flare_class="",
    region="",
    spectra=100,
    clean=80,
    shares={"MISSING": 0.1},
    intensity=100.0,
    continuum=0.2,
    exposure=8.0,
    exposures=(8.0, 8.0),
    cadence=75.0,
    minutes=24.0,
    window=25.0,
    steps=8,
    slit=100,
    dispersion=0.02546,
    strongest=np.nan,
    settings={"mode": "raster", "mu": 0.8, "x": 300.0, "y": 400.0},
)


def rows(ar: list[float], pf: list[float]) -> list[Row]:
    """Observations that differ in mu alone."""
    found = []
    for label, values in ((Label.AR, ar), (Label.PF, pf)):
        for number, mu in enumerate(values):
            found.append(
                replace(BLANK, name=f"{label.name}{number}", label=label, settings={**BLANK.settings, "mu": mu})
            )
    return found


def test_auc_and_p_by_other_ways() -> None:
    ar, pf = [0.1, 0.5, 0.3, 0.35], [0.4, 0.9, 0.8, 0.7, 0.45]
    found = {one.quantity: one for one in compare(rows(ar, pf))}["mu"]
    assert found.auc == pytest.approx(roc_auc_score([0] * 4 + [1] * 5, ar + pf))
    assert (found.ar, found.pf, found.known) == (np.median(ar), np.median(pf), (4, 5))

    # The exact test: as extreme a number of won comparisons among all ways to pick five of nine.
    values = np.array(ar + pf)
    won = lambda chosen: sum(values[i] > values[j] for i in chosen for j in set(range(9)) - set(chosen))  # noqa: E731
    counts = np.array([won(chosen) for chosen in combinations(range(9), 5)])
    observed = won(range(4, 9))
    assert found.p == pytest.approx(np.mean(np.abs(counts - 10) >= abs(observed - 10)))


def test_a_region_is_one_case_by_its_mean() -> None:
    several = rows([0.1, 0.3, 0.2, 0.6], [0.5, 0.9, 0.7])
    several = [
        replace(row, region=region) for row, region in zip(several, ("a", "a", "", "b", "b", "c", "c"), strict=True)
    ]
    found = {one.quantity: one for one in compare(several)}["mu"]
    # AR: (0.1 + 0.3) / 2, 0.2 and 0.6; PF: 0.5 of a region that is of both classes, and (0.9 + 0.7) / 2.
    alone = {one.quantity: one for one in compare(rows([0.2, 0.2, 0.6], [0.5, 0.8]))}["mu"]
    assert (found.known, alone.known) == ((3, 2), (3, 2))
    assert (found.ar, found.pf, found.auc, found.p) == pytest.approx((alone.ar, alone.pf, alone.auc, alone.p))


def test_regions_of_many_observations_do_not_tell_the_classes_apart() -> None:
    """Values that are those of a region, not of its class; were observations what counts, often enough they would."""
    stream = np.random.default_rng(6)
    together, apart = [], []
    for _ in range(150):
        looks = np.repeat(stream.normal(size=(2, 6)), 5, axis=1)
        several = rows(list(looks[0]), list(looks[1]))
        several = [replace(row, region=str(place // 5)) for place, row in enumerate(several)]
        for found, them in ((together, several), (apart, rows(list(looks[0]), list(looks[1])))):
            found.append(any(one.quantity == "mu" for one in differing(compare(them))))
    assert np.mean(together) <= stats.binom.ppf(0.99, 150, 0.05) / 150 < np.mean(apart)


def test_most_different_comes_first_and_nothing_else_differs() -> None:
    found = compare(rows([0.1, 0.2, 0.3, 0.4, 0.15], [0.5, 0.6, 0.7, 0.8, 0.9]))
    assert found[0].quantity == "mu" and found[0].auc == 1
    assert [one.quantity for one in differing(found)] == ["mu"]
    assert all(one.auc == 0.5 and np.isnan(one.p) for one in found[1:])


def test_what_is_not_known_is_left_out() -> None:
    several = rows([0.1, 0.2, 0.3], [0.5, 0.6, 0.7])
    several[0] = replace(several[0], settings={"mode": "raster"})
    assert {one.quantity: one for one in compare(several)}["mu"].known == (2, 3)
    several[1] = replace(several[1], settings={})
    assert "mu" not in {one.quantity for one in compare(several)}
    # The mode is known of all: a word, not a number.
    assert {one.quantity: one for one in compare(several)}["sit-and-stare"].known == (3, 3)


def test_a_truth_of_the_simulation_is_no_metadata() -> None:
    told = [
        replace(row, settings={**row.settings, "rising": int(row.label), "verified": "no"})
        for row in rows([0.1, 0.2, 0.3], [0.5, 0.6, 0.7])
    ]
    assert not {"rising", "verified"} & {one.quantity for one in compare(told)}


def test_one_class_alone_has_nothing_to_compare() -> None:
    assert compare(rows([0.1, 0.2, 0.3], [])) == [] and compare([]) == []


@pytest.mark.parametrize("separate", [0.0, 3.0])
def test_the_test_has_its_size_and_its_power(separate: float) -> None:
    random = np.random.default_rng(5)
    hits = [
        any(one.quantity == "mu" for one in differing(compare(rows(list(ar), list(ar_of + separate)))))
        for ar, ar_of in random.normal(size=(60, 2, 15))
    ]
    assert np.mean(hits) < 0.15 if separate == 0 else np.mean(hits) > 0.99


def test_units_are_named() -> None:
    settings = {"zero_point": 1.0, "DSUN_OBS": 1.49e11, "SAT_ROT": 90.0, "hours_to_next_flare": 3.0}
    every = [replace(row, settings=settings) for row in rows([0.1, 0.2], [0.3, 0.4])]
    units = {one.quantity: one.unit for one in compare(every)}
    assert [units[key] for key in settings] == ["km/s", "m", "deg", "h"]
