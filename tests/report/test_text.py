"""The sentences say what the numbers are, and above all whose data they are."""

from pathlib import Path

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from preflare import run
from preflare.explain.cube import Cube
from preflare.report import text
from preflare.sun.line import Line

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def line() -> Line:
    made: Line = instantiate(OmegaConf.load(ROOT / "conf" / "line" / "mg_ii.yaml"))
    return made


def test_simulated_data_are_said_to_be(line: Line) -> None:
    record = {"trained_on": {"origin": "simulation"}, "dead": False}
    assert text.title(record, line) == "Mg II h&k spectra before a flare: a network trained on the simulated Sun"
    (warning,) = text.warnings(record)
    assert warning.startswith("Simulated data") and "nothing about real active regions" in warning
    assert text.warnings({"trained_on": {"origin": "level2"}, "dead": False}) == []


def test_a_dead_network_is_said_to_be() -> None:
    (warning,) = text.warnings({"trained_on": {"origin": "level2"}, "dead": True})
    assert "dead" in warning


@pytest.mark.parametrize(("side", "optimistic"), [("test", True), ("validation", False)])
def test_a_test_side_that_chose_the_epoch_is_said_to_have(side: str, optimistic: bool) -> None:
    record = {"best_epoch": 3, "partition": {"chosen_by": side, "sides": {"test": {"AR_1": 5, "PF_1": 5}}}}
    caption = text.skill(record)
    assert f"lowest loss on the {side} side" in caption
    assert ("optimistic" in caption) is optimistic
    assert "the test side is 2 independent cases" in caption


def test_a_figure_says_whose_data_and_whose_model() -> None:
    assert text.remark("simulation", "simulation") == "the simulated Sun"
    assert text.remark("level2", "simulation") == "real IRIS data; model trained on the simulated Sun"


def test_the_curves_caption_has_the_runs_numbers(toy_run: Path) -> None:
    finished = run.read(toy_run)
    caption = text.curve(finished)
    best = finished.record["best_epoch"]
    assert f"lowest {finished.history[best]['test/loss']:.3f} at epoch {best}" in caption
    assert f"{finished.history[0]['train/loss']:.3f} after the first epoch" in caption


def test_the_lead_counts_weights_and_spectra(toy_run: Path, line: Line) -> None:
    finished = run.read(toy_run)
    trained = finished.record["partition"]["sides"]["train"]
    assert f"A ConvNet with 363 weights learned from {sum(trained.values())} spectra of 4" in text.lead(
        [finished], line
    )


def cube(spectra: str, sample: str | int, members: int = 1, seen: bool = False) -> Cube:
    about: dict[str, str | int | bool] = {"quantity": "log_odds", "member_count": members, "seen": seen}
    about |= {"spectra": spectra, "sample": sample}
    return Cube(Path("AR_1.h5"), about, (1, 1, 1, 240), ("expected_gradients",))


def test_which_spectra_are_scored_is_said() -> None:
    assert "Scored: all clean spectra in the analysis window of an" in text.observations([cube("all", 3)])
    assert "Scored" not in text.observations([])


def test_which_spectra_the_pictures_are_chosen_from_is_said() -> None:
    three, whole, every = cube("clean", 3), cube("clean", "all"), cube("all", "all")
    assert "at random from its analysis window: clean spectra. The" in text.method([("PF", [three])])
    assert "explained spectra of each class: all clean spectra, also outside" in text.method([("PF", [whole])])
    assert "all spectra that miss no wavelength, clean or not, also" in text.method([("PF", [every])])
    for other in (three, every):
        assert "not the same of each observation" in text.method([("PF", [whole]), ("AR", [other])])


def test_what_is_explained_and_by_whom_is_said() -> None:
    alone = cube("clean", "all")
    alone.attributes["quantity"] = "probability"
    assert "contributed to the probability of PF" in text.method([("PF", [alone])])
    assert "members" not in text.method([("PF", [alone])])
    unseen, seen = (text.method([("PF", [cube("clean", "all", 9, one)])]) for one in (False, True))
    assert "up to 9 members, none of which trained on what it explains" in unseen
    assert "up to 9 members, some of which trained on what they explain" in seen
    assert text.held_out([cube("clean", "all")]) == "Held-out"
    assert text.held_out([cube("clean", "all", seen=True)]) == "Seen and held-out"


def test_a_sweep_says_what_its_spread_is(toy_run: Path, line: Line) -> None:
    one = run.read(toy_run)
    assert "Each of 2 networks, as the first a ConvNet with 363 weights" in text.lead([one, one], line)
    tss = one.record["metrics"]["test"]["tss"]
    caption = text.distribution([one, one])
    assert f"median {tss:.3f}" in caption and "All share one partition" in caption
    other = run.read(toy_run)
    other.record["partition"]["seed"] = 8
    assert "They are of 2 partitions" in text.distribution([one, other])
    assert "The test side chose the epoch" in text.skill_over_members([one])
    other.record["attempts"] = [{}, {}]
    assert "1 of these 2 were restarted" in text.members([one, other])


def test_a_remark_says_what_masked_the_quiet_sun() -> None:
    assert text.remark("level2", "level2") == text.remark("level2", "level2", "level2") == "real IRIS data"
    said = text.remark("level2", "simulation", "simulation")
    assert said == (
        "real IRIS data; model trained on the simulated Sun; quiet Sun masked by a model of the simulated Sun"
    )
