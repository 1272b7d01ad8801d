"""Expected gradients against closed forms, and the promise that the same seed gives the same numbers."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from preflare.errors import ConfigError
from preflare.explain import expected_gradients
from preflare.explain.expected_gradients import ExpectedGradients, seeded

POINTS = 30


class Quadratic(nn.Module):
    """Log-odds w . x^2: for each wavelength alone, expected gradients are w (x^2 - mean b^2) in expectation."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, spectra: Tensor) -> Tensor:
        value = (spectra[:, 0] ** 2 * self.weight).sum(dim=1)
        return torch.stack([torch.zeros_like(value), value], dim=1)


def linear() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Flatten(), nn.Linear(POINTS, 2))


def draw(count: int, seed: int) -> Tensor:
    return torch.rand(count, 1, POINTS, generator=torch.Generator().manual_seed(seed))


def collect(
    method: ExpectedGradients, network: nn.Module, spectra: Tensor, baselines: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    parts = list(method(network, spectra, baselines))
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def test_a_linear_network_with_one_baseline_is_exact() -> None:
    """With b fixed every draw gives w (x - b): no randomness is left."""
    network, spectra, baseline = linear(), draw(20, 4), draw(1, 5)
    attributions, residual = collect(ExpectedGradients(samples=3, baselines=2, seed=0), network, spectra, baseline)
    weight = (network[1].weight[1] - network[1].weight[0]).detach()
    np.testing.assert_allclose(attributions, (weight * (spectra - baseline)[:, 0]).numpy(), atol=1e-6)
    np.testing.assert_allclose(residual, 0, atol=1e-5)


def test_a_linear_network_is_w_times_x_minus_the_mean_baseline() -> None:
    network, spectra, baselines = linear(), draw(4, 4), draw(50, 5)
    samples = 4000
    attributions, residual = collect(ExpectedGradients(samples, baselines=2, seed=0), network, spectra, baselines)
    weight = (network[1].weight[1] - network[1].weight[0]).detach().numpy()
    expected = weight * (spectra[:, 0] - baselines[:, 0].mean(dim=0)).numpy()
    error = np.abs(weight) * baselines[:, 0].std(dim=0).numpy() / np.sqrt(samples)
    assert (np.abs(attributions - expected) < 5 * error).all()
    # For a linear network the residual is the mean of F over the drawn baselines against all of them.
    spread = (baselines[:, 0].numpy() @ weight).std() / np.sqrt(samples)
    assert (np.abs(residual) < 5 * spread).all() and (np.abs(residual) > 0).all()


def test_a_curved_network_agrees_with_the_closed_form() -> None:
    weight = torch.linspace(-1, 1, POINTS)
    spectra, baselines = draw(3, 6), draw(40, 7)
    samples = 20000
    attributions, _ = collect(ExpectedGradients(samples, 2, seed=1), Quadratic(weight), spectra, baselines)
    expected = (weight * (spectra[:, 0] ** 2 - (baselines[:, 0] ** 2).mean(dim=0))).numpy()
    # |2 w (x - b)(b + a (x - b))| <= 2 |w| in [0, 1], so its standard deviation is at most 2 |w|.
    assert (np.abs(attributions - expected) <= 5 * 2 * weight.abs().numpy() / np.sqrt(samples) + 1e-7).all()


def test_the_residual_is_the_sum_minus_what_it_should_be() -> None:
    weight = torch.linspace(-1, 1, POINTS)
    network, spectra, baselines = Quadratic(weight), draw(5, 6), draw(40, 7)
    attributions, residual = collect(ExpectedGradients(10, 2, seed=1), network, spectra, baselines)
    f = (spectra[:, 0] ** 2 @ weight).numpy()
    reference = float((baselines[:, 0] ** 2 @ weight).mean())
    np.testing.assert_allclose(residual, attributions.sum(axis=1) - (f - reference), atol=1e-5)
    assert np.abs(residual).max() > 0.01


def test_the_same_seed_gives_the_same_numbers_whatever_was_drawn_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expected_gradients, "BATCH", 4)
    network, spectra, baselines = linear(), draw(10, 4), draw(20, 5)
    first = collect(ExpectedGradients(5, 2, seed=0), network, spectra, baselines)[0]
    parts = []
    for part, _ in ExpectedGradients(5, 2, seed=0)(network, spectra, baselines):
        np.random.random(7)
        torch.rand(7)
        parts.append(part)
    np.testing.assert_array_equal(np.concatenate(parts), first)
    assert not np.array_equal(collect(ExpectedGradients(5, 2, seed=1), network, spectra, baselines)[0], first)


def test_two_batches_do_not_share_their_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expected_gradients, "BATCH", 1)
    network, baselines = linear(), draw(20, 5)
    twice = draw(1, 4).repeat(2, 1, 1)
    one, other = collect(ExpectedGradients(5, 2, seed=0), network, twice, baselines)[0]
    assert not np.array_equal(one, other)


def test_the_callers_generators_are_left_alone() -> None:
    network = linear()
    np.random.seed(11)
    torch.manual_seed(11)
    expected = np.random.random(), float(torch.rand(()))
    np.random.seed(11)
    torch.manual_seed(11)
    with seeded(5):
        np.random.random(3)
        torch.rand(3)
    list(ExpectedGradients(3, 2, seed=0)(network, draw(2, 4), draw(5, 5)))
    assert (np.random.random(), float(torch.rand(()))) == expected


def test_baselines_are_balanced_distinct_and_fixed() -> None:
    spectra, labels = draw(60, 8), torch.tensor([0, 1, 1] * 20)
    chosen = ExpectedGradients(5, baselines=16, seed=0).choose_baselines(spectra, labels)
    rows = [int((spectra == one).flatten(1).all(dim=1).nonzero()) for one in chosen]
    assert len(set(rows)) == 16
    assert labels[rows].tolist() == [0] * 8 + [1] * 8
    torch.testing.assert_close(ExpectedGradients(9, 16, seed=0).choose_baselines(spectra, labels), chosen)
    assert not torch.equal(ExpectedGradients(5, 16, seed=1).choose_baselines(spectra, labels), chosen)


def test_too_few_training_spectra_for_the_baselines() -> None:
    with pytest.raises(ConfigError, match="has 5 PF spectra, expected_gradients.baselines=12 needs 6. Give at most 10"):
        ExpectedGradients(5, 12, seed=0).choose_baselines(draw(15, 8), torch.tensor([0] * 10 + [1] * 5))


@pytest.mark.parametrize(("samples", "baselines"), [(0, 4), (5, 3), (5, 0)])
def test_settings_that_cannot_be_meant(samples: int, baselines: int) -> None:
    with pytest.raises(ConfigError, match="expected"):
        ExpectedGradients(samples, baselines, seed=0)
