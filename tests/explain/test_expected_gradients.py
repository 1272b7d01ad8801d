"""Expected gradients against closed forms, and what the paths promise."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from preflare.errors import ConfigError
from preflare.explain import expected_gradients
from preflare.explain.engine import Engine
from preflare.explain.expected_gradients import ExpectedGradients, Paths

POINTS = 30


class Quadratic(nn.Module):
    """Log-odds w . x^2: for each wavelength alone, expected gradients are w (x^2 - mean b^2)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, spectra: Tensor) -> Tensor:
        value = (spectra[:, 0] ** 2 * self.weight).sum(dim=1)
        return torch.stack([torch.zeros_like(value), value], dim=1)


def draw(count: int, seed: int) -> Tensor:
    return torch.rand(count, POINTS, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def side(count: int = 60) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Spectra, labels and who is allowed of a training side: AR first."""
    return draw(count, 1)[:, None], (np.arange(count) >= count // 2).astype(int), np.ones(count, dtype=bool)


def test_a_linear_network_is_w_times_x_minus_the_mean_baseline() -> None:
    torch.manual_seed(3)
    network = nn.Sequential(nn.Flatten(), nn.Linear(POINTS, 2)).double()
    paths = ExpectedGradients(10, 3, "random", 0).paths(*side())
    spectra = draw(4, 4)
    found = Engine([network], paths.baselines, paths.positions, workers=1)(spectra)
    weight = (network[1].weight[1] - network[1].weight[0]).detach()
    torch.testing.assert_close(found.attributions[0], weight * (spectra - paths.baselines.mean(dim=0)))
    torch.testing.assert_close(found.residual[0], torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-12)


def test_a_curved_network_agrees_with_the_closed_form() -> None:
    """The midpoint rule errs by the mean of (1/2 - a): of a part's width on each path, and it is the same for all."""
    weight = torch.linspace(-1, 1, POINTS, dtype=torch.float64)
    paths = ExpectedGradients(20, 50, "herding", 0).paths(*side())
    spectra = draw(3, 6)
    found = Engine([Quadratic(weight)], paths.baselines, paths.positions, workers=1)(spectra)
    expected = weight * (spectra**2 - (paths.baselines**2).mean(dim=0))
    # |d/da of 2 w (x - b)(b + a (x - b))| <= 2 |w|, and no position is further than 1/50 from its part's middle.
    assert ((found.attributions[0] - expected).abs() <= weight.abs() / 50 + 1e-12).all()
    total = expected.sum(dim=1)
    torch.testing.assert_close(found.residual[0], found.attributions[0].sum(dim=1) - total, rtol=0, atol=1e-12)
    assert found.residual.abs().max() > 1e-4


@pytest.mark.parametrize("choice", ["random", "herding"])
def test_paths_are_balanced_distinct_even_and_fixed(choice: str) -> None:
    spectra, labels, allowed = side()
    paths = ExpectedGradients(10, 3, choice, 7).paths(spectra, labels, allowed)
    assert labels[paths.rows].tolist() == [0, 1] * 15
    assert len(set(paths.rows)) == 10 and paths.rows.tolist() == paths.rows[:10].tolist() * 3
    assert torch.equal(paths.baselines, spectra[torch.from_numpy(paths.rows), 0])
    np.testing.assert_allclose(paths.positions.numpy(), (np.arange(30) + 0.5) / 30)
    again = ExpectedGradients(10, 3, choice, 7).paths(spectra, labels, allowed)
    assert torch.equal(paths.baselines, again.baselines)


@pytest.mark.parametrize("choice", ["random", "herding"])
def test_many_candidates_are_thinned_to_no_fewer_than_needed(choice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expected_gradients, "CANDIDATES", 10)
    assert len(set(ExpectedGradients(8, 1, choice, 0).paths(*side()).rows)) == 8
    assert len(set(ExpectedGradients(40, 1, choice, 0).paths(*side()).rows)) == 40


def test_another_seed_is_another_draw() -> None:
    first, other = (ExpectedGradients(10, 1, "random", seed).paths(*side()) for seed in (0, 1))
    assert first.rows.tolist() != other.rows.tolist()


@pytest.mark.parametrize("choice", ["random", "herding"])
def test_the_observation_explained_is_never_its_own_baseline(choice: str) -> None:
    spectra, labels, allowed = side()
    allowed[::2] = False
    paths: Paths = ExpectedGradients(30, 1, choice, 0).paths(spectra, labels, allowed)
    assert sorted(paths.rows) == list(range(1, 60, 2))


def test_too_few_to_choose_from() -> None:
    spectra, labels, allowed = side()
    allowed[:20] = False
    with pytest.raises(ConfigError, match="has 10 AR spectra to compare with.*baselines=22 needs 11. Give at most 20"):
        ExpectedGradients(22, 1, "random", 0).paths(spectra, labels, allowed)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ((3, 1, "random", 0), "baselines is 3, expected an even number"),
        ((0, 1, "random", 0), "baselines is 0"),
        ((4, 0, "random", 0), "positions is 0, expected 1 or more"),
        ((4, 1, "best", 0), "choice is 'best', expected random or herding"),
    ],
)
def test_settings_that_cannot_be_meant(wrong: tuple[int, int, str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ExpectedGradients(*wrong)
