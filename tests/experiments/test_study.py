"""The study's Sun, smaller, from spectra to sections: what was put into it is found where it was put."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from preflare.report import section

Verb = Callable[..., int]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory, run_verb: Verb) -> Path:
    """Five folds, so that each observation is explained by a network that did not see it."""
    home = tmp_path_factory.mktemp("study")
    sun = f"data.root={home / 'sun'}"
    assert run_verb("ingest", "simulation=study", "simulation.programme.size=400", sun) == 0
    folds = ("partition=folds", "partition.seed=range(5)", "trainer.max_epochs=40", sun)
    assert run_verb("train", "-m", *folds, f"hydra.sweep.dir={home / 'folds'}") == 0
    less = ("sample=60", "faithfulness=0", "maps=[]", "expected_gradients.baselines=20")
    assert run_verb("explain", f"run={home / 'folds'}", "checkpoint=last", *less) == 0
    return home / "folds"


@pytest.mark.slow
def test_kinds_of_precursor_are_where_they_changed_spectra(sweep: Path, tmp_path: Path, verb: Verb) -> None:
    assert verb("experiments/global_explanation", f"sweep={sweep}", "score=0.8", f"output={tmp_path / 'x'}") == 0
    record = section.read(tmp_path / "x")
    found = record["claims"][0]
    assert found["verdict"] == "method recovers the planted truth" and "kinds put in: triplet" in found["claim"]
    p = re.search(
        r"are on wavelengths that the precursor changed, anywhere would be \d+% \(p = ([\d.]+)\)", found["found"]
    )
    assert p is not None and float(p[1]) < 0.01
    head, rows = (record["tables"]["Maxima and planted precursors"][name] for name in ("head", "rows"))
    by_kind = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    # The triplet changes few wavelengths, so that hardly anything is there by chance.
    there, chance = (int(by_kind["triplet"][head[place]].split("%")[0]) for place in (3, 4))
    assert there > 90 and chance < 10


@pytest.mark.slow
def test_strong_observations_are_those_simulated_so(sweep: Path, tmp_path: Path, verb: Verb) -> None:
    assert verb("experiments/timelines", f"sweep={sweep}", f"output={tmp_path / 'x'}") == 0
    record = section.read(tmp_path / "x")
    (strong,) = [claim for claim in record["claims"] if claim["key"] == "strong"]
    assert strong["verdict"] == "method recovers the planted truth" and strong["truth"] == "12 of 19"
    p = re.search(r"Of those planted (\d+) are found, and (\d+) others \(Fisher p = ([\d.e-]+)\)", strong["found"])
    assert p is not None and int(p[1]) > 9 and int(p[2]) < 4 and float(p[3]) < 0.05
