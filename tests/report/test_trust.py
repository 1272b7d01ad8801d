"""What a page says of trust are the numbers of the tables and cubes, and no more than they say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from preflare.explain import assessment, convergence, cube, representatives, rows, trial, truth
from preflare.explain.cube import Cube
from preflare.report import spectra, trust
from preflare.report.blocks import Block
from preflare.sun.line import Line

ROOT = Path(__file__).resolve().parents[2]
LINE: Line = instantiate(OmegaConf.load(ROOT / "conf" / "line" / "mg_ii.yaml"))
SHAPE = (2, 2, 10, LINE.points)
TESTED = assessment.Row("expected gradients", 9, 0.1, 0.9, 0.2, 0.1, float("nan"), 1.0, 0.5, 0.1, 0.8, 0.7)


def written(folder: Path, scale: float, name: str = "PF_1", members: str = "seed-0") -> Cube:
    """A cube whose map is ``scale`` times expected gradients plus one, where it has a value."""
    random = np.random.default_rng(0)
    index = np.arange(40)
    gradients = random.normal(size=(40, LINE.points)).cumsum(axis=1).astype(np.float32)
    maps = scale * gradients + 1
    maps[:, :20] = np.nan
    score = random.random(40).astype(np.float32)
    sparse = {"expected_gradients": gradients, "hirescam": maps, "completeness": score / 10}
    about: dict[str, cube.Attribute] = {"observation": name, "members": members, "quantity": "log_odds", "samples": 20}
    path, phase = folder / f"{name}.h5", np.ones(SHAPE[:2], dtype=np.uint8)
    dense = {"score": score.reshape(SHAPE[:3])}
    cube.write(path, SHAPE, LINE.wavelength, phase, phase[:, :, None], dense, [(index, sparse)], {}, "float32", about)
    return Cube.open(path)


def made(one: Cube) -> dict[str, Block]:
    chosen = spectra.choose([one])
    lines = np.full((len(chosen), LINE.points), 0.5)
    return {block.title: block for block in trust.blocks([one], chosen, lines, LINE, "")}


def test_without_a_trial_there_are_the_cubes(tmp_path: Path) -> None:
    one = written(tmp_path, 2.0)
    found = made(one)
    assert len(found) == 3
    add_up = found["Do expected gradients add up?"].picture
    residuals = one.rows("completeness", one.explained())
    assert (
        add_up is not None and f"median {np.median(residuals):+.3f}" in add_up.caption and "Right" not in add_up.caption
    )


@pytest.mark.parametrize(("scale", "said"), [(2.0, "agree up to"), (-1.0, "are not the same up to")])
def test_families_that_are_alike_are_said_to_be(tmp_path: Path, scale: float, said: str) -> None:
    picture = made(written(tmp_path, scale))["Do activation maps and expected gradients say the same?"].picture
    assert picture is not None and f"HiResCAM and expected gradients {said} a constant and a scale" in picture.caption
    assert f"correlate by {np.sign(scale):.2f} (median of 40 spectra; by rank {np.sign(scale):.2f})" in picture.caption


def test_the_tables_of_the_trial_are_shown(tmp_path: Path) -> None:
    one = written(tmp_path, 2.0)
    failing = replace(TESTED, method="gradcam", labels=0.7)
    rows.write(tmp_path / trial.FAITHFULNESS, [TESTED, failing])
    curve = [convergence.Row(8, 5, 0.5, 0.9, 0.2, 0.3), convergence.Row(20, 5, 0.1, 0.2, 0.04, 0.0)]
    rows.write(tmp_path / trial.COMPLETENESS, curve)
    kinds = [("all", 0.3, 0.2), ("triplet", 0.5, 0.1), ("red wing", 0.3, 0.2)]
    known = [truth.Row(kind, "expected_gradients", 40, share, chance, 0.7, 0.6) for kind, share, chance in kinds]
    rows.write(tmp_path / trial.TRUTH, known)
    standing = [representatives.Row(k, f"seed-{k}", 0.5 / k, 0.6 / k, 0.4 / k, 0.8 / k) for k in (1, 2, 3)]
    rows.write(tmp_path / trial.REPRESENTATIVES, standing)
    found = made(one)
    add_up = found["Do expected gradients add up?"].picture
    assert (
        add_up is not None and "falls from 0.500 with 8 samples to 0.1000 with 20; with 20 it is 4.0%" in add_up.caption
    )
    tested = found["Can the explanations be trusted?"]
    assert "gradcam fails a check (!)." in tested.text and tested.table is not None
    assert [row[4] for row in tested.table.rows] == ["0.10", "0.70 !"]
    against = found["Against the truth, by kind of precursor"]
    assert "Expected gradients do best on the triplet: 0.50 for 0.10 by chance." in against.text
    few = found["How many members stand for all?"].picture
    assert few is not None and "2 of them miss it by 25.0%, 2 drawn at random by 30.0%" in few.caption


def test_a_trial_of_some_members_says_of_whom_it_is(tmp_path: Path) -> None:
    one, other = written(tmp_path, 2.0), written(tmp_path, 2.0, "PF_2", "seed-1 seed-2")
    rows.write(tmp_path / trial.FAITHFULNESS, [TESTED])
    chosen = spectra.choose([one])
    lines = np.full((len(chosen), LINE.points), 0.5)
    for cubes, said in (([one], "On 9 spectra. del"), ([one, other], "members who explained PF_1 (seed-0). del")):
        (tested,) = [block for block in trust.blocks(cubes, chosen, lines, LINE, "") if block.table is not None]
        assert said in tested.text
