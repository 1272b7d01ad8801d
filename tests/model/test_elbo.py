"""The loss against torch.distributions, and what beta does to the posterior."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from preflare.errors import ConfigError
from preflare.model.elbo import NegativeELBO
from preflare.model.vae import VAE


def build(seed: int = 0) -> VAE:
    torch.manual_seed(seed)
    return VAE(30, (8,), (5,), (5,), 32, 3, 5.0, 32)


def test_terms_are_those_of_the_distributions() -> None:
    network, spectra, noise = build(), torch.rand(6, 1, 30), torch.randn(6, 3)
    found = NegativeELBO(0.7)(network, spectra, noise)
    mean, log_variance = network.encode(spectra)
    posterior = Normal(mean, (log_variance / 2).exp())
    divergence = kl_divergence(posterior, Normal(0.0, 1.0)).mean(dim=0)
    torch.testing.assert_close(found.divergence, divergence)
    decoded = network.decode(mean + noise * posterior.scale)
    error = sum(((x - y) ** 2).sum() for x, y in zip(spectra, decoded, strict=True)) / 6
    torch.testing.assert_close(found.loss, error + 0.7 * divergence.sum())
    assert NegativeELBO(0.7)(network, spectra).loss == NegativeELBO(0.7)(network, spectra, 0 * noise).loss


@pytest.mark.slow
@pytest.mark.parametrize(("beta", "collapsed"), [(0.001, False), (100.0, True)])
def test_a_large_beta_collapses_the_posterior(beta: float, collapsed: bool) -> None:
    network, random = build(), torch.Generator().manual_seed(0)
    height = torch.rand(256, 1, 1, generator=random)
    spectra = 0.1 + 0.8 * height * torch.exp(-(((torch.arange(30) - 15) / 4.0) ** 2))
    optimizer, loss = torch.optim.Adam(network.parameters(), 1e-2), NegativeELBO(beta)
    for _ in range(400):
        optimizer.zero_grad()
        loss(network, spectra, torch.randn(256, 3, generator=random)).loss.backward()
        optimizer.step()
    with torch.no_grad():
        assert (loss(network, spectra).divergence.max() < 0.05) == collapsed
        assert (network(spectra).std(dim=0).max() < 0.02) == collapsed, "a collapsed one answers the same to all"


def test_a_negative_beta_is_refused() -> None:
    with pytest.raises(ConfigError, match="loss.beta is -1, expected a number of 0 or more"):
        NegativeELBO(-1)


def test_free_nats_cost_nothing_and_pull_at_nothing() -> None:
    network, spectra = build(), torch.rand(6, 1, 30)
    plain, free = NegativeELBO(0.7)(network, spectra), NegativeELBO(0.7, 5.0)(network, spectra)
    assert (plain.divergence < 5).all()
    torch.testing.assert_close(free.divergence, plain.divergence, msg="it is measured as it is")
    torch.testing.assert_close(free.loss - plain.loss, 0.7 * (15 - plain.divergence.sum()))
    free.loss.backward()
    assert network.log_variance.weight.grad is None or not network.log_variance.weight.grad.any()
    with pytest.raises(ConfigError, match="loss.free is -1"):
        NegativeELBO(0.7, -1)
