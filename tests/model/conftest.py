"""Training as plain as it goes, against which every other way is held."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import torch
from hydra.utils import instantiate
from matplotlib.figure import Figure
from omegaconf import DictConfig
from torch import nn
from torch.nn import functional

from preflare.data.datamodule import FlareDataModule

PlainLoop = Callable[..., Iterator[nn.Module]]


@pytest.fixture(autouse=True)
def quick_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Learning curves take as long as the training that they show; the toy run has a real one."""
    monkeypatch.setattr("preflare.model.member.learning_curve", SimpleNamespace(draw=lambda *given: Figure()))


@pytest.fixture
def set_up() -> Callable[[DictConfig], FlareDataModule]:
    """``set_up(config)``: its data, read."""

    def make(config: DictConfig) -> FlareDataModule:
        data = instantiate(config.data)
        data.setup()
        return data

    return make


@pytest.fixture
def plain_loop() -> PlainLoop:
    """``plain_loop(config, data, epochs)``: what training is, for one member, in float64; its network after each epoch.

    rates: of an epoch, its learning rate; None for the optimizer's own.
    """

    def loop(
        config: DictConfig,
        data: FlareDataModule,
        epochs: int,
        rates: Callable[[int], float | None] = lambda epoch: None,
    ) -> Iterator[nn.Module]:
        torch.manual_seed(config.seed)
        network = instantiate(config.model).to(torch.float64)
        optimizer = instantiate(config.optimizer)(network.parameters())
        loader = data.train_dataloader()
        for epoch in range(epochs):
            loader.sampler.set_epoch(epoch)
            rate = rates(epoch)
            if rate is not None:
                optimizer.param_groups[0]["lr"] = rate
            network.train()
            for spectra, labels in loader:
                loss = functional.cross_entropy(network(spectra.double()), labels)
                for parameter in network.parameters():
                    if parameter.ndim > 1:
                        loss = loss + config.loss.l2 * (parameter**2).sum()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            yield network.eval()

    return loop


@pytest.fixture
def loss_of() -> Callable[[nn.Module, FlareDataModule, str], float]:
    """``loss_of(network, data, "test")``: the mean cross-entropy of a side."""

    def mean(network: nn.Module, data: FlareDataModule, side: str) -> float:
        held = data.datasets[side]
        with torch.no_grad():
            return float(functional.cross_entropy(network(held.spectra.double()), held.labels))

    return mean
