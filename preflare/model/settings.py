"""Checks of what a training job asks of trainer, optimizer, callbacks and logger, before anything is read or trained.

Each raises ConfigError. What takes these settings is not ours, and says less of what is wrong with them.
"""

from collections.abc import Mapping
from inspect import signature
from typing import Any

import torch

from preflare.checks import check_choice, check_integer, check_number
from preflare.errors import ConfigError
from preflare.model.annealing import Annealing
from preflare.model.averaging import WeightAveraging

ACCELERATORS = ("cpu", "gpu", "cuda", "mps", "auto")
# Of W&B. A logger of another kind has no mode.
MODES = ("online", "offline", "disabled")


def check_trainer(trainer: Mapping[str, Any]) -> None:
    """Epochs, and one device that is there."""
    check_integer("trainer.max_epochs", trainer["max_epochs"], 1)
    accelerator = check_choice("trainer.accelerator", trainer["accelerator"], ACCELERATORS)
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(str(accelerator), accelerator != "gpu" or any(there.values())):
        raise ConfigError(f"trainer.accelerator is {accelerator!r}, but there is no GPU here. Use trainer=cpu.")
    if trainer["devices"] != 1:
        raise ConfigError(
            f"trainer.devices is {trainer['devices']!r}, expected 1: networks this small train on one device. "
            "Several processes train the members of a sweep, with -m hydra/launcher=swarm_joblib."
        )


def check_optimizer(optimizer: Mapping[str, Any]) -> None:
    """The numbers that the optimizers have in common."""
    if optimizer.get("lr") is not None:
        check_number("optimizer.lr", optimizer["lr"], above=0)
    for key in ("weight_decay", "momentum"):
        if optimizer.get(key) is not None:
            check_number(f"optimizer.{key}", optimizer[key], 0)


def check_averaging(rules: Mapping[str, Any]) -> None:
    """One way to the centre of a minimum. rules: the callbacks without the snapshot, not empty."""
    if "_target_" not in rules:
        key = next(iter(rules))
        raise ConfigError(f"callbacks.{key} is set, but nothing that takes it. Choose callbacks=swa or annealing.")
    # Hydra merges the files of a list, so that both leave their keys.
    if all(set(signature(kind).parameters) <= rules.keys() for kind in (WeightAveraging, Annealing)):
        raise ConfigError("callbacks names swa and annealing, which end in different weights: choose one of them.")


def check_logger(logger: Mapping[str, Any]) -> None:
    """The mode of a logger, if it has one. logger: not empty."""
    if "_target_" not in logger:
        key = next(iter(logger))
        raise ConfigError(f"logger.{key} is set, but nothing that takes it. Choose logger=tensorboard or wandb.")
    if "mode" in logger:
        check_choice("logger.mode", logger["mode"], MODES)
