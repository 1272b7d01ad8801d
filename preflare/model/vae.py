"""A variational autoencoder of quiet-Sun spectra (paper Sect. 2; layers as in the same group's only published one)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from preflare.checks import check_number
from preflare.errors import ConfigError
from preflare.model.inputs import check_spectra


class VAE(nn.Module):
    """Convolutions and a dense layer to a Gaussian in a small latent space, two dense layers back.

    ``network(spectra)`` decodes the latent mean: it draws nothing, so that an error does not change from call to call.

    wavelengths: length of a spectrum. channels, kernels, strides: of the encoder's convolutions, without padding.
    encoder, decoder: units of the dense layer before the latent space, and after it. latent: dimensions.
    bound: the latent mean lies within this distance of 0 in each dimension. Quiet Sun fills that box; a spectrum
    beyond it is decoded as the quiet one at its wall, not as what the decoder makes of a place it never saw.
    Raises ConfigError if the convolutions leave nothing of a spectrum, ValueError for spectra of another shape.
    """

    def __init__(
        self,
        wavelengths: int,
        channels: Sequence[int],
        kernels: Sequence[int],
        strides: Sequence[int],
        encoder: int,
        latent: int,
        bound: float,
        decoder: int,
    ) -> None:
        super().__init__()
        if not len(channels) == len(kernels) == len(strides) > 0:
            raise ConfigError(
                f"The VAE has {len(channels)} channels, {len(kernels)} kernels and {len(strides)} strides, "
                "expected one of each for every convolution."
            )
        self.wavelengths = wavelengths
        layers: list[nn.Module] = []
        length, before = wavelengths, 1
        for after, kernel, stride in zip(channels, kernels, strides, strict=True):
            layers += [nn.Conv1d(before, after, kernel, stride), nn.ReLU()]
            length, before = (length - kernel) // stride + 1, after
            if length < 1:
                raise ConfigError(
                    f"{wavelengths} wavelengths are too few for a VAE with kernels {list(kernels)} and strides "
                    f"{list(strides)}: nothing is left. Use smaller ones."
                )
        self.bound = check_number("model.bound", bound, above=0)
        self.encoder = nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * length, encoder), nn.ReLU())
        self.mean = nn.Linear(encoder, latent)
        self.log_variance = nn.Linear(encoder, latent)
        self.decoder = nn.Sequential(
            nn.Linear(latent, decoder), nn.ReLU(), nn.Linear(decoder, wavelengths), nn.Sigmoid()
        )

    def encode(self, spectra: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance, each (batch, latent), of spectra (batch, 1, wavelength)."""
        check_spectra(spectra, self.wavelengths)
        hidden = self.encoder(spectra)
        return self.bound * torch.tanh(self.mean(hidden) / self.bound), self.log_variance(hidden)

    def decode(self, latent: Tensor) -> Tensor:
        """Spectra (batch, 1, wavelength) of points (batch, latent)."""
        decoded: Tensor = self.decoder(latent)
        return decoded.unsqueeze(1)

    def forward(self, spectra: Tensor) -> Tensor:
        """What the latent mean decodes to, (batch, 1, wavelength)."""
        return self.decode(self.encode(spectra)[0])


def reconstruction_error(spectra: Tensor, reconstruction: Tensor) -> Tensor:
    """Sum of squared differences over wavelengths, (batch,); both are (batch, 1, wavelength).

    A sum, as the thresholds of the paper's authors are of one, although they call it a mean.
    """
    return (spectra - reconstruction).square().flatten(1).sum(dim=1)
