"""The table of faithfulness: each measure in its place, and a bad explanation stands out."""

import io
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from preflare.explain import assessment
from preflare.explain.assessment import Method, Row, agreement, assess, table, usual
from preflare.explain.committee import Committee
from preflare.explain.expected_gradients import ExpectedGradients, Paths
from preflare.explain.faithfulness import rank_correlation
from preflare.explain.truth import Truth
from preflare.model.convnet import ConvNet

POINTS = 240


def networks(seeds: Sequence[int] = (0, 1)) -> list[nn.Module]:
    found = []
    for seed in seeds:
        made = ConvNet(POINTS).eval()
        random = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weights in made.parameters():
                weights.copy_(torch.randn(weights.shape, generator=random) * 0.3)
        found.append(made)
    return found


def draw(count: int, seed: int) -> Tensor:
    return torch.rand(count, POINTS, generator=torch.Generator().manual_seed(seed))


def paths() -> Paths:
    training = draw(60, 1)[:, None]
    return ExpectedGradients(20, 2, "random", 0).paths(training, np.arange(60) % 2, np.ones(60, dtype=bool))


def committee(members: Sequence[nn.Module]) -> Committee:
    return Committee(members, [paths()] * len(members), [], [], 1)


def usual_methods(spectra: Tensor, some: Committee, maps: Sequence[str] = ()) -> dict[str, Method]:
    return usual(spectra, some, maps, draw(40, 6) / 10)


@pytest.fixture(scope="module")
def rows() -> dict[str, Row]:
    """Of two networks, with an explanation that knows only the truth and not the network."""
    spectra = draw(12, 2)
    mask = np.zeros((12, POINTS), dtype=bool)
    mask[:, 100:124] = True
    mask[0] = False

    def oracle(networks: Sequence[nn.Module]) -> np.ndarray:
        return np.tile(np.where(mask[1], 1.0, 0.0), (len(networks), 12, 1))

    two = committee(networks())
    methods = usual_methods(spectra, two, ["hirescam"]) | {"oracle": oracle}
    truth = Truth(mask, ~mask, np.ones(12, dtype=np.uint8))
    return {row.method: row for row in assess(methods, two, networks([7])[0], spectra, truth)}


def test_every_explanation_has_its_row(rows: dict[str, Row]) -> None:
    assert list(rows)[:3] == ["expected gradients", "hirescam", "... from AR alone"]
    assert list(rows)[-2:] == ["random order", "brightest first"]
    assert rows["expected gradients"].default == pytest.approx(1)


def test_expected_gradients_beat_orders_that_know_nothing(rows: dict[str, Row]) -> None:
    ours = rows["expected gradients"]
    for other in ("random order", "brightest first", "oracle"):
        assert ours.deletion < rows[other].deletion and ours.insertion > rows[other].insertion


def test_an_explanation_that_ignores_the_network_fails_the_check(rows: dict[str, Row]) -> None:
    assert rows["oracle"].redrawn == pytest.approx(1) and not rows["oracle"].from_weights
    assert rows["expected gradients"].from_weights and rows["hirescam"].from_weights
    assert np.isnan(rows["random order"].redrawn) and rows["random order"].from_weights


def test_an_explanation_that_ignores_the_labels_fails_the_check(rows: dict[str, Row]) -> None:
    """The network "trained on shuffled labels" is another network altogether."""
    assert rows["oracle"].labels == pytest.approx(1) and not rows["oracle"].from_labels
    assert rows["expected gradients"].from_labels
    assert np.isnan(rows["random order"].labels) and rows["random order"].from_labels


def test_the_truth_is_found_where_it_is(rows: dict[str, Row]) -> None:
    oracle = rows["oracle"]
    assert oracle.share == pytest.approx(1) and oracle.chance == pytest.approx(0.1)
    assert oracle.area == pytest.approx(1) and oracle.area_before == pytest.approx(0)
    assert rows["random order"].share == pytest.approx(0.1, abs=0.02)
    assert rows["random order"].area == pytest.approx(0.5, abs=0.05)


def test_members_that_are_alike_agree() -> None:
    spectra, (one, other) = draw(5, 2), networks()
    alike, alone = committee([one, one]), committee([one])
    (row, *_) = assess(usual_methods(spectra, alike), alike, other, spectra, None)
    assert row.members == pytest.approx(1)
    (row, *_) = assess(usual_methods(spectra, alone), alone, other, spectra, None)
    assert np.isnan(row.members) and np.isnan(row.share)


def test_agreement_is_the_mean_over_pairs() -> None:
    stream = np.random.default_rng(0)
    each = np.round(stream.normal(size=(4, 3, 30)), 1)
    each[:, :, :5] = np.nan
    pairs = [rank_correlation(each[a], each[b]).mean() for a in range(4) for b in range(a)]
    assert agreement(each) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_baselines_of_one_class_are_of_that_class() -> None:
    spectra, chosen = draw(3, 2), paths()
    methods = usual_methods(spectra, committee(networks([0])))
    weight = torch.linspace(-1, 1, POINTS)
    network = nn.Sequential(nn.Flatten(), nn.Linear(POINTS, 2))
    with torch.no_grad():
        network[1].weight[0], network[1].weight[1] = 0, weight
    for name, some in (
        ("... from AR alone", chosen.baselines[::2]),
        ("... from PF alone", chosen.baselines[1::2]),
    ):
        expected = weight * (spectra - some.mean(dim=0))
        np.testing.assert_allclose(methods[name]([network])[0], expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(methods["... from zeros"]([network])[0], (weight * spectra).numpy(), atol=1e-5)
    faint = weight * (spectra - draw(40, 6).mean(dim=0) / 10)
    np.testing.assert_allclose(methods["... from faint ones"]([network])[0], faint.numpy(), atol=1e-5)


def test_the_table_fits_a_terminal(rows: dict[str, Row]) -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(table(list(rows.values()), "probability"))
    text = console.export_text()
    assert "1.00 !" in text and "on 12 spectra" in text and str(assessment.KEPT) in text
    assert "probability of PF" in " ".join(text.split()) and "\N{HORIZONTAL ELLIPSIS}" not in text
