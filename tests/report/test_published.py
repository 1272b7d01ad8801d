"""The published numbers have the statistics that the publication states of them."""

from pathlib import Path

import numpy as np

from preflare.report import artifact, published

ROOT = Path(__file__).resolve().parents[2]


def test_the_splits_have_the_quartiles_of_the_drawn_box() -> None:
    assert len(published.SPLITS) + published.SPLITS_DROPPED == 50
    np.testing.assert_allclose(np.quantile(published.SPLITS, [0.25, 0.5, 0.75]), [0.36, 0.56, 0.72])
    assert (round(np.mean(published.SPLITS), 2), round(np.std(published.SPLITS), 2)) == (0.51, 0.28)
    assert published.SPLIT_SCORE in published.SPLITS


def test_the_swarm_has_its_mean_and_range() -> None:
    assert len(published.SWARM) == 47
    assert round(np.mean(published.SWARM), 3) == 0.831
    assert round(np.std(published.SWARM), 3) == 0.019
    assert (min(published.SWARM), max(published.SWARM)) == (0.78, 0.87)


def test_four_in_five_slits_are_aligned() -> None:
    assert round(100 * published.SLITS_ALIGNED / published.SLITS) == 78


def test_the_best_epochs_have_the_quartiles_of_their_box() -> None:
    assert len(published.BEST_EPOCHS) == len(published.SPLITS)
    assert np.quantile(published.BEST_EPOCHS, [0.25, 0.5, 0.75]).tolist() == [1, 12, 17]
    assert published.SPLIT_EPOCH in published.BEST_EPOCHS


def test_every_figure_is_known_and_bears_out_claims_that_are() -> None:
    numbers = [str(number) for number in range(1, 19)] + ["A.1", "A.2", "C.1", "D.1", "D.2"]
    assert list(published.FIGURES) == numbers
    borne_out = {claim for figure in published.FIGURES.values() for claim in figure.claims}
    assert borne_out < set(published.CLAIMS)


def test_every_claim_and_every_figure_is_answered_somewhere() -> None:
    telling = [*(ROOT / "experiments").glob("*.py"), *(ROOT / "preflare" / "report").glob("artifact_*.py")]
    scripts = "".join(path.read_text() for path in telling)
    measured = {f"artifact_{measure}" for measure, _, _ in artifact.CLAIMS}
    nobody = [key for key in published.CLAIMS if f'"{key}"' not in scripts and key not in measured]
    nobody += [number for number in published.FIGURES if f'"{number}"' not in scripts]
    assert not nobody
