"""A network as it is after some numbers of batches: a training seen from inside (paper Fig. 6)."""

import copy
from collections.abc import Iterable, Sequence

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import nn

from preflare.model.classifier import FlareClassifier
from preflare.model.training import quiet_lightning


def train(config: DictConfig, seed: int, data: pl.LightningDataModule, batches: Sequence[int]) -> dict[int, nn.Module]:
    """Train one network until the last of these numbers of batches, or to the end of its training if that is before.

    config: model, loss, optimizer and trainer, as of the verb train. seed: of the first weights; the networks are those
    of a run that began from it. Returns the network after each number of batches that was reached, 0 before the first.
    """
    torch.manual_seed(seed)
    network, loss, optimizer = instantiate(config.model), instantiate(config.loss), instantiate(config.optimizer)
    classifier = FlareClassifier(network, loss, optimizer, ("train", "test"), "test", seed)
    kept = _Kept(batches)
    with quiet_lightning():
        trainer: pl.Trainer = instantiate(
            config.trainer,
            callbacks=[kept],
            logger=False,
            enable_checkpointing=False,
            limit_val_batches=0,
            max_steps=max(1, *batches),
        )
        trainer.fit(classifier, datamodule=data)
    return kept.networks


class _Kept(pl.Callback):
    """Copies of the network."""

    def __init__(self, batches: Iterable[int]) -> None:
        self.batches = frozenset(batches)
        self.networks: dict[int, nn.Module] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._keep(pl_module, 0)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        self._keep(pl_module, trainer.global_step)

    def _keep(self, module: pl.LightningModule, step: int) -> None:
        if step in self.batches:
            assert isinstance(module, FlareClassifier)
            self.networks[step] = copy.deepcopy(module.network).eval()
