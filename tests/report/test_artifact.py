"""The artefact experiment's page says what its numbers say, also where the paper's claims do not hold."""

from dataclasses import replace

import numpy as np

from preflare.explain.localisation import Curve
from preflare.report.artifact import Study, best_map, claim, rows, table, text
from preflare.report.spectra import METHODS

KINDS = ("gradcam", "hirescam", "expected_gradients")
SUPPORTED = {"gradcam": 0.13, "hirescam": 0.13, "expected_gradients": 0.10}


def curve(one: list[float], many: list[float], spread: float = 0.1) -> Curve:
    """Of sizes 1 and 5: hit, share, symmetry, residue (or accuracy alone)."""
    value = np.array([one, many]).T
    single = np.repeat(np.array(one)[:, None], 5, axis=1)
    return Curve(np.array([1, 5]), value, value - spread, value + spread, single)


def study(hirescam: Curve) -> Study:
    found = {
        "gradcam": curve([0.0, 0.1, 0.4, 0.3], [0.0, 0.1, 0.9, 0.4]),
        "hirescam": hirescam,
        "expected_gradients": curve([0.8, 0.43, 0.7, 0.05], [0.95, 0.55, 0.7, 0.04], 0.02),
    }
    return Study(
        artifact="plateau",
        held_out=1878,
        explained=100,
        found={"members": found, "swa": found, "annealed": found},
        accuracy=dict.fromkeys(("members", "swa", "annealed"), curve([0.995], [1.0], 0.001)),
        chance={method: np.array([SUPPORTED[method], 0.1, 1.0, 0.2]) for method in KINDS},
        seen={"gradcam": 0.2, "hirescam": 0.97},
    )


GOOD = curve([0.6, 0.4, 0.38, 0.2], [1.0, 0.58, 0.87, 0.01])
BAD = curve([0.6, 0.4, 0.38, 0.2], [0.5, 0.2, 0.4, 0.5])


def test_claims_hold_only_where_the_whole_interval_says_so() -> None:
    assert [claim(GOOD, *one) for one in (("share", True), ("symmetry", True), ("residue", False))] == ["yes"] * 3
    assert [claim(BAD, *one) for one in (("share", True), ("symmetry", True), ("residue", False))] == [
        "no",
        "open",
        "no",
    ]


def test_the_page_says_that_a_claim_does_not_hold() -> None:
    good, bad = (text([study(one)], "IRIS", ["gradcam", "hirescam"], ["seed 0"]) for one in (GOOD, BAD))
    for said in (
        "more symmetrically (hirescam): yes; 0.38 for the median network, 0.87 [0.77, 0.97] for the ensemble",
        "calls 99.50% of 1,878 held-out spectra correctly, the mean of all 100.00%; 5 of 5 reach 99%",
        "97% have their maximum at a cell that sees some of the artefact, 60% near its centre",
        "hit rates are gradcam 0.00, hirescam 1.00. The best, hirescam, is among the maps",
        "| hirescam | 0.60 [0.50, 0.70] | 1.00 [0.90, 1.10] | 0.13 |",
        "one network (swa) does NOT reach the ensemble's share inside: 0.40 against 0.58 [0.48, 0.68]",
        "(expected_gradients): yes; 0.43 for the median network, 0.55",
        "seed 0",
    ):
        assert said in good, said
    assert "single network (hirescam): NO; 0.40 for the median network, 0.20 [0.10, 0.30]" in bad
    assert "more symmetrically (hirescam): not decided" in bad
    assert "one network (swa) reaches the ensemble's share inside" in bad
    assert "is NOT among the maps" in text([study(GOOD)], "IRIS", ["gradcam"], [])


def test_networks_without_maps_have_a_page() -> None:
    whole = study(GOOD)
    found = {name: {"expected_gradients": one["expected_gradients"]} for name, one in whole.found.items()}
    page = text([replace(whole, found=found, seen={})], "IRIS", ["hirescam"], [])
    assert "no convolution" in page and "hirescam" not in page
    assert page.count("(expected_gradients): yes; 0.43") == 1


def test_every_row_of_its_tables_is_full() -> None:
    page = text([study(GOOD)], "IRIS", ["hirescam"], [])
    tables = [block.splitlines() for block in page.split("\n\n") if block.startswith("|")]
    assert len(tables) == 2
    for lines in tables:
        assert len({line.count("|") for line in lines}) == 1


def test_rows_have_every_number() -> None:
    found = rows([study(GOOD)])
    assert len(found) == 3 * 3 * 2
    one = next(row for row in found if (row["method"], row["members"], row["networks"]) == ("hirescam", 5, "members"))
    assert (one["hit"], one["hit low"], one["hit high"], one["hit chance"]) == (1.0, 0.9, 1.1, 0.13)
    assert (one["share"], one["share median of one"], one["accuracy"]) == (0.58, 0.4, 1.0)
    assert len({tuple(row) for row in found}) == 1


def test_the_map_that_hits_most_is_best_and_of_equals_the_one_with_more_inside() -> None:
    assert best_map(study(GOOD)) == "hirescam"
    assert best_map(study(curve([0.0] * 4, [0.0, 0.05, 0.5, 0.5]))) == "gradcam"


def test_the_table_has_one_and_all_beside_chance() -> None:
    made = table(study(GOOD))
    assert all(len(row) == len(made.head) for row in made.rows)
    assert made.head[1] == "hit, 1" and made.head[3] == "chance"
    assert [row[0] for row in made.rows] == [METHODS[name] for name in study(GOOD).found["members"]]
