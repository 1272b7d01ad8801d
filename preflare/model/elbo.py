"""The loss of a variational autoencoder: squared error and beta times the divergence from the prior."""

from typing import NamedTuple

import torch
from torch import Tensor

from preflare.checks import check_number
from preflare.model.vae import VAE, reconstruction_error


class Terms(NamedTuple):
    """loss: a scalar. divergence: (latent,) mean KL of each dimension, nats."""

    loss: Tensor
    divergence: Tensor


class NegativeELBO:
    """Mean over spectra of the squared error of one decoded draw, plus beta times the KL divergence from the prior.

    Up to constants the negative evidence lower bound for noise of variance beta / 2 at each wavelength: a beta far
    above the noise makes the posterior collapse. free: nats of each dimension that cost nothing, so that none dies
    early in training ("free bits", Kingma et al. 2016). Raises ConfigError if one of them is negative.
    """

    def __init__(self, beta: float, free: float = 0.0) -> None:
        self.beta = check_number("loss.beta", beta, 0)
        self.free = check_number("loss.free", free, 0)

    def __call__(self, network: VAE, spectra: Tensor, noise: Tensor | None = None) -> Terms:
        """Of spectra (batch, 1, wavelength). noise: (batch, latent) standard normal; None decodes the mean."""
        mean, log_variance = network.encode(spectra)
        latent = mean if noise is None else mean + noise * torch.exp(log_variance / 2)
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).mean(dim=0) / 2
        error = reconstruction_error(spectra, network.decode(latent)).mean()
        return Terms(error + self.beta * divergence.clamp_min(self.free).sum(), divergence)
