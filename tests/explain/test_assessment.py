"""The table of faithfulness: each measure in its place, and a bad explanation stands out."""

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from preflare.explain import assessment
from preflare.explain.assessment import Row, Truth, assess, read, table, usual, write
from preflare.explain.expected_gradients import ExpectedGradients, Paths
from preflare.model.convnet import ConvNet

POINTS = 240


def networks() -> list[nn.Module]:
    found = []
    for seed in range(2):
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


@pytest.fixture(scope="module")
def rows() -> dict[str, Row]:
    """Of two networks, with an explanation that knows only the truth and not the network."""
    spectra = draw(12, 2)
    mask = np.zeros((12, POINTS), dtype=bool)
    mask[:, 100:124] = True
    mask[0] = False

    def oracle(networks: Sequence[nn.Module]) -> np.ndarray:
        return np.tile(np.where(mask[1], 1.0, 0.0), (12, 1))

    methods = usual(spectra, paths(), ["hirescam"], workers=1) | {"oracle": oracle}
    return {row.method: row for row in assess(methods, networks(), spectra, paths(), Truth(mask, ~mask))}


def test_every_explanation_has_its_row(rows: dict[str, Row]) -> None:
    assert list(rows)[:3] == ["expected gradients", "hirescam", "... AR baselines only"]
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


def test_the_truth_is_found_where_it_is(rows: dict[str, Row]) -> None:
    oracle = rows["oracle"]
    assert oracle.share == pytest.approx(1) and oracle.chance == pytest.approx(0.1)
    assert oracle.area == pytest.approx(1) and oracle.area_before == pytest.approx(0)
    assert rows["random order"].share == pytest.approx(0.1, abs=0.02)
    assert rows["random order"].area == pytest.approx(0.5, abs=0.05)


def test_members_that_are_alike_agree() -> None:
    spectra, one = draw(5, 2), networks()[0]
    (row, *_) = assess(usual(spectra, paths(), [], 1), [one, one], spectra, paths(), None)
    assert row.members == pytest.approx(1)
    (row, *_) = assess(usual(spectra, paths(), [], 1), [one], spectra, paths(), None)
    assert np.isnan(row.members) and np.isnan(row.share)


def test_baselines_of_one_class_are_of_that_class() -> None:
    spectra, chosen = draw(3, 2), paths()
    methods = usual(spectra, chosen, [], 1)
    weight = torch.linspace(-1, 1, POINTS)
    network = nn.Sequential(nn.Flatten(), nn.Linear(POINTS, 2))
    with torch.no_grad():
        network[1].weight[0], network[1].weight[1] = 0, weight
    for name, some in (
        ("... AR baselines only", chosen.baselines[::2]),
        ("... PF baselines only", chosen.baselines[1::2]),
    ):
        expected = weight * (spectra - some.mean(dim=0))
        np.testing.assert_allclose(methods[name]([network]), expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(methods["... zeros"]([network]), (weight * spectra).numpy(), atol=1e-5)


def test_the_table_and_the_file(rows: dict[str, Row], tmp_path: Path) -> None:
    write(tmp_path / "faithfulness.csv", list(rows.values()))
    with (tmp_path / "faithfulness.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert float(found[0]["deletion"]) == rows["expected gradients"].deletion
    assert found[-1]["redrawn"] == ""
    again = read(tmp_path / "faithfulness.csv")
    np.testing.assert_equal([astuple(row) for row in again], [astuple(row) for row in rows.values()])
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(table(list(rows.values())))
    text = console.export_text()
    assert "1.00 !" in text and "on 12 spectra" in text and str(assessment.KEPT) in text
