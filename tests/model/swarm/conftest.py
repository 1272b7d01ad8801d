"""Swarms on toy shards, fitted without run folders."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from preflare.model.classifier import FlareClassifier
from preflare.model.swarm.data import SwarmData
from preflare.model.swarm.module import SwarmClassifier


def _classifier(config: DictConfig) -> FlareClassifier:
    torch.manual_seed(config.seed)
    sides = ("train", "validation", "test") if config.partition.validation else ("train", "test")
    return FlareClassifier(
        instantiate(config.model), instantiate(config.loss), instantiate(config.optimizer), sides, sides[1]
    )


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """More only wait for each other on networks this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Scores(pl.Callback):
    """Keeps every epoch's scores of every member."""

    def __init__(self) -> None:
        self.rows: list[list[dict[str, float]]] = []

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.rows.append(list(pl_module.scores))


@pytest.fixture
def make_swarm() -> Callable[..., SwarmClassifier]:
    """``make_swarm(configs)``: their swarm, data set up."""

    def make(configs: Sequence[DictConfig], first_epoch: int = 0) -> SwarmClassifier:
        data = SwarmData([instantiate(config.data) for config in configs], first_epoch)
        data.setup()
        return SwarmClassifier([_classifier(config) for config in configs], [c.seed for c in configs], data)

    return make


@pytest.fixture
def fit() -> Callable[..., list[list[dict[str, float]]]]:
    """``fit(swarm, epochs=3)`` trains; returns scores by epoch and member."""

    def fit(
        swarm: SwarmClassifier, epochs: int = 3, checkpoint: str | None = None, **options: Any
    ) -> list[list[dict[str, float]]]:
        scores = Scores()
        given = {"precision": "32-true", "callbacks": [], "enable_checkpointing": False} | options
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            deterministic=True,
            log_every_n_steps=1,
            **given | {"callbacks": [scores, *given["callbacks"]]},
        )
        trainer.fit(swarm, datamodule=swarm.data, ckpt_path=checkpoint, weights_only=True if checkpoint else None)
        return scores.rows

    return fit
