"""What the verb train does: one network on one partition, from a resolved config to a finished run folder."""

import logging
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger

from preflare import run
from preflare.data.datamodule import FlareDataModule
from preflare.data.shard import open_all
from preflare.figures import learning_curve
from preflare.model.callbacks import DeadNetworkStop, EpochBar, History, checkpoints
from preflare.model.classifier import FlareClassifier
from preflare.model.loggers import finish, log_figure
from preflare.run import RunFolder

RESTARTS = 5

log = logging.getLogger(__name__)
# Its notes on devices and products would come once per member.
logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)


def train(config: DictConfig, folder: RunFolder, overrides: Sequence[str]) -> dict[str, Any]:
    """Train the run that config describes into its folder and return its record (run.json).

    A folder that holds this very run, finished, is left alone; an unfinished one is begun anew.
    Raises RunError if the folder holds another finished run, or if training diverges; whatever goes wrong is
    also written to the folder's failed.json.
    """
    try:
        line = instantiate(config.line)
        shards = open_all(Path(config.data.root), line)
        digests = {shard.name: shard.digest for shard in shards if shard.header.label in (0, 1)}
        if folder.finished:
            finished = run.read(folder.path)
            finished.check_same(config, digests)
            folder.failure_file.unlink(missing_ok=True)
            log.info("%s is already finished.", folder.path)
            return finished.record
        return _train(config, folder, overrides, digests)
    except Exception as error:
        folder.fail(error, overrides)
        raise


def _train(config: DictConfig, folder: RunFolder, overrides: Sequence[str], digests: dict[str, str]) -> dict[str, Any]:
    started, clock = run.now(), time.monotonic()
    folder.begin(config)
    torch.set_num_threads(config.threads)
    data: FlareDataModule = instantiate(config.data)
    data.setup()
    logger: Logger | None = instantiate(config.logger) if config.logger else None
    failed = True
    try:
        if logger is not None:
            logger.log_hyperparams(OmegaConf.to_container(config, resolve=True))  # type: ignore[arg-type]
        attempts, history = _fit_until_alive(config, folder, data, logger)
        record = {
            "started": started,
            "seconds": round(time.monotonic() - clock, 1),
            "overrides": list(overrides),
            "trained_on": _trained_on(data),
            "data": digests,
            "partition": _partition(data),
            **_outcome(history, data),
            "attempts": attempts,
            "dead": attempts[-1]["dead_at_epoch"] is not None,
            "parameters": sum(weights.numel() for weights in instantiate(config.model).parameters()),
            "threads": torch.get_num_threads(),
            "versions": run.versions(),
            "config": OmegaConf.to_container(config, resolve=True),
        }
        figure = learning_curve.draw(
            np.array([row["train/loss"] for row in history]),
            np.array([row[f"{data.choosing}/loss"] for row in history]),
            record["best_epoch"],
            record["best_mean_epoch"],
            data.choosing,
        )
        figure.savefig(folder.learning_curve)
        if logger is not None:
            log_figure(logger, "learning_curve", figure)
        folder.finish(record)
        failed = False
        return record
    finally:
        if logger is not None:
            finish(logger, failed)


def _fit_until_alive(
    config: DictConfig, folder: RunFolder, data: FlareDataModule, logger: Logger | None
) -> tuple[list[dict[str, Any]], list[dict[str, float]]]:
    """Fit; if the network dies, again with the next sub-seed, RESTARTS times at most."""
    attempts: list[dict[str, Any]] = []
    for attempt in range(RESTARTS + 1):
        seed = sub_seed(config.seed, attempt)
        history, dead_at = _fit(config, folder, data, logger, seed)
        attempts.append({"seed": seed, "dead_at_epoch": dead_at, "epochs": len(history)})
        if dead_at is None:
            break
        again = f"Trying sub-seed {attempt + 1} of {RESTARTS}." if attempt < RESTARTS else "It is kept as it is."
        log.warning("The network died in epoch %d: it answers the same to every training spectrum. %s", dead_at, again)
    return attempts, history


def _fit(
    config: DictConfig, folder: RunFolder, data: FlareDataModule, logger: Logger | None, seed: int
) -> tuple[list[dict[str, float]], int | None]:
    torch.manual_seed(seed)
    classifier = FlareClassifier(
        instantiate(config.model), instantiate(config.loss), instantiate(config.optimizer), data.sides, data.choosing
    )
    for file in folder.checkpoints.glob("*.ckpt"):
        file.unlink()
    history, watch = History(folder), DeadNetworkStop()
    with warnings.catch_warnings():
        # The data are resident: loading in worker processes would only be slower.
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        # Training sets of a few batches are no mistake here.
        warnings.filterwarnings("ignore", ".*number of training batches.*")
        # pytorch-lightning 2.6.6 with torch 2.13: https://github.com/Lightning-AI/pytorch-lightning/issues/21326
        warnings.filterwarnings("ignore", ".*LeafSpec.*", FutureWarning)
        trainer: pl.Trainer = instantiate(
            config.trainer,
            callbacks=[history, watch, EpochBar(data.choosing), *checkpoints(folder, data.choosing)],
            logger=logger or False,
        )
        trainer.fit(classifier, datamodule=data)
    return history.rows, watch.dead_at


def sub_seed(seed: int, attempt: int) -> int:
    """The seed of initial weights and dropout: the run's own first, then one derived for each restart."""
    return seed if attempt == 0 else int(np.random.SeedSequence((seed, attempt)).generate_state(1)[0])


def _trained_on(data: FlareDataModule) -> dict[str, str]:
    header = next(iter(data.shards.values())).header
    return {"origin": data.origin, "line": header.line, "instrument": str(header.settings["instrument"])}


def _partition(data: FlareDataModule) -> dict[str, Any]:
    return {
        "seed": data.partition.seed,
        "chosen_by": data.choosing,
        "sides": {
            side: {name: len(data.partition.rows[side][name]) for name in data.partition.sides[side]}
            for side in data.sides
        },
    }


def _outcome(history: list[dict[str, float]], data: FlareDataModule) -> dict[str, Any]:
    """The epochs chosen, and each side's skill at the best one: that row was computed with those very weights."""
    best = min(history, key=lambda row: row[f"{data.choosing}/loss"])
    metrics: dict[str, dict[str, float | None]] = {side: {} for side in data.sides}
    for key, value in best.items():
        side, _, name = key.partition("/")
        if side in metrics and name != "spread":
            metrics[side][name] = None if np.isnan(value) else value
    return {
        "best_epoch": int(best["epoch"]),
        "best_mean_epoch": int(min(history, key=lambda row: row["mean/loss"])["epoch"]),
        "metrics": metrics,
    }
