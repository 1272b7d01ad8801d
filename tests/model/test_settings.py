"""What a training job must not ask for: one sentence each, and what may be asked passes."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from omegaconf import DictConfig

from preflare.errors import ConfigError
from preflare.model.settings import check_averaging, check_logger, check_optimizer, check_trainer


def said(check: Callable[[Any], None], settings: DictConfig) -> str:
    with pytest.raises(ConfigError) as caught:
        check(settings)
    return str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["trainer.max_epochs=0"], "trainer.max_epochs is 0, expected a whole number of 1 or more."),
        (["trainer.devices=2"], "trainer.devices is 2, expected 1: networks this small train on one device."),
        (["trainer.devices=auto"], "trainer.devices is 'auto', expected 1"),
        (["trainer=gpu"], "trainer.accelerator is 'gpu', but there is no GPU here. Use trainer=cpu."),
        (["trainer.accelerator=cuda"], "trainer.accelerator is 'cuda', but there is no GPU here. Use trainer=cpu."),
        (["trainer.accelerator=abacus"], "trainer.accelerator is 'abacus', expected cpu, gpu, cuda, mps or auto."),
    ],
)
def test_trainer(
    make_config: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch, overrides: list[str], sentence: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert said(check_trainer, make_config(*overrides).trainer).startswith(sentence)
    check_trainer(make_config("trainer.accelerator=auto").trainer)


def test_a_gpu_of_either_kind_is_one(make_config: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    check_trainer(make_config("trainer=gpu").trainer)
    assert "no GPU here" in said(check_trainer, make_config("trainer.accelerator=cuda").trainer)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["optimizer.lr=fast"], "optimizer.lr is 'fast', expected a number above 0."),
        (["optimizer.lr=-1e-3"], "optimizer.lr is -0.001, expected a number above 0."),
        (["optimizer=sgd", "optimizer.momentum=-1"], "optimizer.momentum is -1, expected a number of 0 or more."),
        (["optimizer=adamw", "optimizer.weight_decay=much"], "optimizer.weight_decay is 'much', expected a number"),
    ],
)
def test_optimizer(make_config: Callable[..., DictConfig], overrides: list[str], sentence: str) -> None:
    assert said(check_optimizer, make_config(*overrides).optimizer).startswith(sentence)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_the_optimizers_of_the_config_pass(make_config: Callable[..., DictConfig], name: str) -> None:
    check_optimizer(make_config(f"optimizer={name}").optimizer)


def test_averaging(make_config: Callable[..., DictConfig]) -> None:
    for both in ("[swa,annealing]", "[annealing,swa]"):
        assert "swa and annealing" in said(check_averaging, make_config(f"callbacks={both}").callbacks)
    assert "Choose callbacks=swa" in said(check_averaging, make_config("+callbacks.steps=3").callbacks)
    for one in ("swa", "annealing"):
        check_averaging(make_config(f"callbacks={one}").callbacks)


def test_logger(make_config: Callable[..., DictConfig]) -> None:
    directories = ("logger.save_dir=here", "logger.name=one")
    wandb = make_config("logger=wandb", *directories, "logger.mode=foo").logger
    assert said(check_logger, wandb) == "logger.mode is 'foo', expected online, offline or disabled."
    assert "Choose logger=tensorboard or wandb" in said(check_logger, make_config("+logger.mode=offline").logger)
    check_logger(make_config("logger=wandb", *directories, "logger.mode=offline").logger)
    check_logger(make_config("logger=tensorboard", *directories[:1]).logger)
