"""What is said of the paper's claims on planted artefacts follows from the numbers."""

import pytest

from preflare.report.artifact_claims import claims, lead
from preflare.report.published import CLAIMS
from tests.report.test_artifact import BAD, GOOD, study


def test_the_sentence_tells_the_share_of_all_members_together() -> None:
    said = lead([study(GOOD)])
    assert "plateau the median of 5 has an accuracy of 99.5%" in said
    assert "HiResCAM 100%" in said and "expected gradients 95%" in said and "Grad-CAM 0%" in said


@pytest.mark.parametrize(("hirescam", "ensemble"), [(GOOD, "recovers"), (BAD, "does not recover")])
def test_verdicts_follow_from_the_intervals(hirescam: object, ensemble: str) -> None:
    told = claims(study(hirescam), (0.1, 0.6), "simulation")  # type: ignore[arg-type]
    assert all(one.key in CLAIMS for one in told)
    by_key = {key: [one for one in told if one.key == key] for key in CLAIMS}
    (accuracy,), (training,) = by_key["artifact_accuracy"], by_key["artifact_training"]
    assert accuracy.verdict == training.verdict == "method recovers the planted truth"
    maps = {one.claim.split(" points")[0]: one.verdict for one in by_key["artifact_maps"]}
    assert maps["Grad-CAM"] == "method does not recover the planted truth"
    assert maps["HiResCAM"] == maps["expected gradients"] == "method recovers the planted truth"
    (of_hirescam,) = [one for one in by_key["artifact_share"] if one.found.startswith("HiResCAM")]
    assert of_hirescam.verdict == f"method {ensemble} the planted truth"


def test_attention_that_does_not_gather_is_said() -> None:
    told = {one.key: one for one in claims(study(GOOD), (0.6, 0.1), "simulation")}
    assert told["artifact_training"].verdict == "method does not recover the planted truth"
    assert "60% lie inside at the first look, 10% at the last" in told["artifact_training"].found


def test_real_spectra_have_artefacts_planted_too() -> None:
    assert {one.verdict for one in claims(study(GOOD), (0.1, 0.6), "level2")} <= {"reproduced", "not reproduced"}
