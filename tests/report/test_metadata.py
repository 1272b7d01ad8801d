"""What metadata give away: Fisher's test by SciPy, a label that is in them or not, subsets that are alike."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from scipy.stats import fisher_exact

from preflare.report import confounders
from preflare.report.inventory import Row
from preflare.report.metadata import categories, matched, predict
from preflare.sun.observation import Label
from tests.report.test_confounders import BLANK


def rows(ar: list[dict], pf: list[dict]) -> list[Row]:
    """Observations a month apart, of a region each, with those settings."""
    found = []
    for label, every in ((Label.AR, ar), (Label.PF, pf)):
        for number, settings in enumerate(every):
            found.append(
                replace(
                    BLANK,
                    name=f"{label.name}_20140329_140938_{3860258400 + number}",
                    label=label,
                    start=BLANK.start + timedelta(days=30 * number),
                    settings={**BLANK.settings, **settings},
                )
            )
    return found


def test_two_values_by_fisher() -> None:
    ar = [{"IAECFLAG": "NO"}] * 7 + [{"IAECFLAG": "YES"}]
    pf = [{"IAECFLAG": "YES"}] * 6 + [{"IAECFLAG": "NO"}] * 2
    found = {one.quantity: one for one in categories(rows(ar, pf))}["IAECFLAG"]
    assert found.p == pytest.approx(fisher_exact([[7, 1], [2, 6]]).pvalue)
    assert found.tss == pytest.approx(6 / 8 - 1 / 8) and found.ar == {"NO": 7, "YES": 1}


def test_three_values_by_permutation_and_a_value_each_says_nothing() -> None:
    ar, pf = [{"VER_RF2": "a"}] * 6 + [{"VER_RF2": "b"}] * 2, [{"VER_RF2": "c"}] * 6 + [{"VER_RF2": "b"}] * 2
    found = {one.quantity: one for one in categories(rows(ar, pf))}
    assert found["VER_RF2"].p < 0.02
    assert found["OBSID"].p > 0.9, "the same programmes in both"
    unique = [{"VER_RF2": str(number)} for number in range(16)]
    assert {one.quantity: one for one in categories(rows(unique[:8], unique[8:]))}["VER_RF2"].p == 1
    # mode is the same in all
    assert np.isnan(found["mode"].p)


def test_evidence_for_a_label_is_no_confounder() -> None:
    found = categories(rows([{"allowed": "x"}] * 3, [{"earlier_flares": "y"}] * 3))
    assert not {"allowed", "earlier_flares"} & {one.quantity for one in found}


@pytest.mark.parametrize("apart", [3.0, 0.0])
def test_a_label_that_is_in_the_metadata_is_found_and_else_not(apart: float) -> None:
    stream = np.random.default_rng(4)
    draw = lambda shift: [{"mu": 0.5 + 0.1 * float(stream.normal(shift))} for _ in range(14)]  # noqa: E731
    found = predict(rows(draw(0.0), draw(apart)))
    assert found is not None and found.observations == found.regions == 28
    assert found.auc_interval[0] <= found.auc <= found.auc_interval[1]
    assert (found.auc > 0.85 and found.p < 0.01) if apart else (found.auc < 0.75 and found.p > 0.05)


def test_a_region_is_judged_without_itself() -> None:
    """Pairs of one region share a place, which tells nothing of other regions."""
    stream = np.random.default_rng(1)
    place = [float(stream.normal()) for _ in range(16)]
    every = rows(
        [{"SAT_ROT": one} for one in place[:8] for _ in "ab"], [{"SAT_ROT": one} for one in place[8:] for _ in "ab"]
    )
    every = [replace(row, start=BLANK.start, region=str(row.settings["SAT_ROT"])) for row in every]
    found = predict(every)
    assert found is not None and (found.observations, found.regions) == (32, 16)


def test_measured_quantities_and_evidence_are_no_metadata() -> None:
    known = confounders.metadata(rows([{"zero_point": 1.0, "c_flares": 0}] * 2, [{"flare_distance": 3.0}] * 2))
    assert not {"zero_point", "flare_distance", "median intensity", "share MISSING", "clean share"} & set(known)
    assert {"c_flares", "mu", "exposure", "year"} <= set(known)


def test_too_few_are_not_tried() -> None:
    assert predict(rows([{}] * 2, [{"mu": 0.1}] * 4)) is None
    assert predict([replace(BLANK, label=Label.UNKNOWN)]) is None and predict([]) is None


def test_a_subset_is_alike_in_what_told_most() -> None:
    every = rows(
        [{"mu": value} for value in (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)],
        [{"mu": value} for value in (0.1, 0.15, 0.2, 0.3, 0.52, 0.61, 0.69)],
    )
    (most,) = (one for one in confounders.compare(every) if one.quantity == "mu")
    assert most.p < 0.05
    names = matched(every, most)
    subset = [row for row in every if row.name in names]
    assert len(subset) == len(names) >= 6 and sum(row.label is Label.PF for row in subset) == len(names) // 2
    (after,) = (one for one in confounders.compare(subset) if one.quantity == "mu")
    assert after.p >= 0.2 and abs(after.auc - 0.5) <= 0.1


def test_no_subset_where_nothing_overlaps() -> None:
    every = rows([{"mu": 0.8 + 0.01 * n} for n in range(6)], [{"mu": 0.1 + 0.01 * n} for n in range(6)])
    (most,) = (one for one in confounders.compare(every) if one.quantity == "mu")
    assert matched(every, most) == []
