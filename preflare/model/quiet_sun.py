"""The LightningModule around a quiet-Sun autoencoder."""

from collections.abc import Callable, Iterable, Sequence

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from preflare.data.quiet_sun import SIDES
from preflare.model.elbo import NegativeELBO
from preflare.model.vae import VAE, reconstruction_error

# Nats; a latent dimension with less is not in use (the published VAE has less in all of them).
IN_USE = 0.05


class QuietSunModel(pl.LightningModule):
    """Trains an autoencoder and, after each epoch, measures both sides with the same weights and no draws.

    Logs, and keeps in ``scores``: ``<side>/loss``, ``<side>/error`` (mean reconstruction error), ``<side>/kl_<i>``
    (mean divergence of latent dimension i, nats) and ``mean/loss`` of the two sides.
    """

    def __init__(
        self,
        network: VAE,
        loss: NegativeELBO,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
    ) -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        self.optimizer = optimizer
        self.scores: dict[str, float] = {}
        self._sums: dict[str, Tensor] = {}

    def forward(self, spectra: Tensor) -> Tensor:
        """What the latent mean decodes to, (batch, 1, wavelength)."""
        reconstruction: Tensor = self.network(spectra)
        return reconstruction

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.optimizer(self.network.parameters())

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        spectra, _ = batch
        noise = torch.randn(len(spectra), self.network.mean.out_features, device=spectra.device)
        return self.loss(self.network, spectra, noise).loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        spectra, _ = batch
        terms = self.loss(self.network, spectra)
        error = reconstruction_error(spectra, self(spectra)).mean()
        values = torch.cat([torch.stack([terms.loss, error]), terms.divergence, torch.ones(1, device=error.device)])
        side = SIDES[dataloader_idx]
        self._sums[side] = self._sums.get(side, torch.zeros_like(values).double()) + len(spectra) * values.double()

    def on_validation_epoch_end(self) -> None:
        scores: dict[str, float] = {}
        for side, sums in self._sums.items():
            loss, error, *divergence = (sums[:-1] / sums[-1]).tolist()
            scores |= {f"{side}/loss": loss, f"{side}/error": error}
            scores |= {f"{side}/kl_{place}": value for place, value in enumerate(divergence)}
        scores["mean/loss"] = sum(scores[f"{side}/loss"] for side in SIDES) / len(SIDES)
        self._sums.clear()
        self.scores = scores
        self.log_dict(scores)


def dimensions_in_use(divergence: Iterable[float]) -> int:
    """How many latent dimensions tell spectra apart; 0 is a collapsed posterior."""
    return sum(value > IN_USE for value in divergence)


def dead_dimensions(divergence: Sequence[float]) -> list[int]:
    """Places, from 0, of the latent dimensions that do not."""
    return [place for place, value in enumerate(divergence) if not value > IN_USE]
