"""The LightningModule around one network: an ordinary one, for one member."""

from collections.abc import Callable, Iterable, Sequence

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional

from preflare.model.loss import Draws, Loss, Parameters, call
from preflare.model.skill import skill_scores
from preflare.model.swarm.streams import streams


class FlareClassifier(pl.LightningModule):
    """Trains a network to tell AR from PF and, after each epoch, scores every side with the same weights.

    network: (batch, 1, wavelength) -> (batch, 2) logits AR, PF.
    optimizer: called with the parameters, gives the optimizer.
    sides: what each validation loader holds, in order, for example ("train", "test").
    choosing: the side whose loss chooses the epoch.
    seed: of what the loss draws.

    Logs, and keeps in ``scores`` at full precision: ``<side>/loss`` (cross-entropy without the penalty),
    ``<side>/tss`` and the other skill scores, ``mean/loss`` (of the training and the choosing side) and
    ``train/spread`` (standard deviation of the log-odds over the training spectra: a dead network's is 0).
    Where a log-odds is not finite, training diverged and its side has no skill.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Loss,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
        sides: Sequence[str],
        choosing: str,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        self.optimizer = optimizer
        self.sides = tuple(sides)
        self.choosing = choosing
        self.seed = seed
        self.skill = skill_scores()
        self.scores: dict[str, float] = {}
        self._log_odds: dict[str, list[Tensor]] = {side: [] for side in sides}
        self._labels: dict[str, list[Tensor]] = {side: [] for side in sides}

    def forward(self, spectra: Tensor) -> Tensor:
        """Logits (batch, 2)."""
        return self.network(spectra)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.optimizer(self.network.parameters())

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        spectra, labels = batch

        def network(parameters: Parameters, spectra: Tensor, *, trained: bool = False) -> Tensor:
            return call(self.network, parameters, spectra, trained)

        stream = streams([self.seed], torch.tensor([self.global_step]))[0].to(self.device)
        draws = Draws(stream, self.current_epoch)
        return self.loss(network, dict(self.network.named_parameters()), spectra, labels, draws)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        spectra, labels = batch
        side = self.sides[dataloader_idx]
        logits = self(spectra)
        self._log_odds[side].append(logits[:, 1] - logits[:, 0])
        self._labels[side].append(labels)

    def on_validation_epoch_end(self) -> None:
        # The log-odds decide everything: with two outputs, cross-entropy is softplus of them.
        answers = {side: (torch.cat(self._log_odds[side]), torch.cat(self._labels[side])) for side in self.sides}
        losses = {
            side: functional.binary_cross_entropy_with_logits(log_odds.double(), labels.double())
            for side, (log_odds, labels) in answers.items()
        }
        scores = {f"{side}/loss": float(loss) for side, loss in losses.items()}
        scores["mean/loss"] = (scores["train/loss"] + scores[f"{self.choosing}/loss"]) / 2
        scores["train/spread"] = float(answers["train"][0].double().std())
        for side, (log_odds, labels) in answers.items():
            if torch.isfinite(log_odds).all():
                self.skill.update(torch.sigmoid(log_odds), labels)
                scores |= {f"{side}/{name}": float(value) for name, value in self.skill.compute().items()}
                self.skill.reset()
            self._log_odds[side].clear()
            self._labels[side].clear()
        self.scores = scores
        self.log_dict(scores)
