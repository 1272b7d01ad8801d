"""One member while it trains: its folder, its epochs so far, and what it becomes when a network dies."""

import logging
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from pytorch_lightning.loggers import Logger
from torch import Tensor

from preflare import run
from preflare.checks import check_integer, check_number
from preflare.command import Job
from preflare.data.datamodule import FlareDataModule
from preflare.errors import ConfigError, RunError
from preflare.figures import learning_curve, style
from preflare.model.averaging import Averaging, Spectra, evaluate, refresh_statistics
from preflare.model.classifier import FlareClassifier
from preflare.model.loggers import finish, log_figure
from preflare.model.settings import check_averaging, check_logger, check_optimizer, check_trainer
from preflare.model.watching import Watcher
from preflare.run import RunFolder

NAME = re.compile(r"[\w.+-]*[\w+-]")  # one folder, no way up
RESTARTS = 5
# Below this standard deviation of the log-odds over the training spectra a network answers the same to all. Five
# hidden units and PyTorch's initialisation leave about one network in six there: no gradient can wake it.
DEAD_SPREAD = 1e-4
# What the trainer is given by us, and what to set instead.
OURS = {
    "callbacks": "leave it out; early_stopping=10 ends each member alone",
    "logger": "choose logger=csv, tensorboard or wandb",
    "enable_checkpointing": "leave it out: every run keeps its checkpoints",
}

log = logging.getLogger(__name__)


class Member:
    """A job that is being trained. Whoever trains it calls ``record`` after every epoch.

    data: the module that serves its partition. first_epoch: where training begins, above 0 if an interrupted run
    goes on. dead_at: the epoch in which the present network died, else None; stopped_at: the one after which
    early_stopping ended training, else None. seconds: that it took, to which whoever trains it adds its share;
    threads: that it was trained with, which they note.
    """

    def __init__(self, job: Job, digests: Mapping[str, str]) -> None:
        self.job = job
        self.config = job.config
        self._check()
        self.folder = RunFolder(job.folder)
        self.digests = dict(digests)
        self.data: FlareDataModule = instantiate(self.config.data)
        self.attempts: list[dict[str, Any]] = []
        self.history: list[dict[str, float]] = []
        self.dead_at: int | None = None
        self.stopped_at: int | None = None
        self.averaged: dict[str, Any] | None = None
        self.logger: Logger | None = None
        self._resume: dict[str, Any] | None = None
        self._kept: dict[str, Any] = {}
        self._started, self.seconds = run.now(), 0.0
        self.threads: int | None = None

    def _check(self) -> None:
        """Build what the config describes, so that a mistake in it ends this job and no other of its swarm.

        Raises ConfigError.
        """
        if not NAME.fullmatch(self.config.name):
            raise ConfigError(f"name is {self.config.name!r}, expected letters, digits and . _ + - alone.")
        if self.config.threads is not None:
            check_integer("threads", self.config.threads, 1)
        check_integer("seed", self.config.seed, 0)
        check_trainer(self.config.trainer)
        check_optimizer(self.config.optimizer)
        if self.config.logger:
            check_logger(self.config.logger)
        rules = dict(self.config.callbacks or {})
        watcher = rules.pop("snapshot", None)
        self.watcher: Watcher | None = instantiate(watcher) if watcher else None
        if rules:
            check_averaging(rules)
        self.averaging: Averaging | None = instantiate(rules) if rules else None
        if self.config.early_stopping is not None:
            check_integer("early_stopping", self.config.early_stopping, 1)
            if self.averaging is not None and self.averaging.to_the_end:
                raise ConfigError(
                    f"early_stopping is {self.config.early_stopping}, but {type(self.averaging).__name__} averages up "
                    "to the last epoch; set early_stopping=null or callbacks=none."
                )
        if self.config.swarm.max_members is not None:
            check_integer("swarm.max_members", self.config.swarm.max_members, 1)
        check_number("swarm.memory", self.config.swarm.memory, above=0, unit="GiB")
        for key, advice in OURS.items():
            if self.config.trainer.get(key) is not None:
                raise ConfigError(f"trainer.{key} is set, which would mix members or be overruled; {advice}.")
        instantiate(self.config.loss)
        network = instantiate(self.config.model)
        try:
            instantiate(self.config.optimizer)(network.parameters())
        except (TypeError, ValueError) as error:
            raise ConfigError(f"The optimizer cannot be built: {error}.") from error
        self._weights = {name: weights.numel() for name, weights in network.named_parameters()}

    def begin(self) -> None:
        """Make the folder ready, or take up what an interrupted run of the same config and data left."""
        if self.folder.resumable(self.config):
            last = self.folder.read_checkpoint("last")
            if last["data"] == self.digests:
                self._resume = last
                self.attempts = list(last["attempts"])
                self.history = [row for row in self.folder.read_history() if row["epoch"] <= last["epoch"]]
                self.dead_at, self.stopped_at, self._kept = last["dead_at"], last["stopped_at"], last["averaging"]
                if not self.ended:
                    log.info("%s goes on after epoch %d.", self.folder.path, last["epoch"])
        if self._resume is None:
            self.folder.begin(self.config)
        if self.config.logger:
            try:
                self.logger = instantiate(self.config.logger)
                self.logger.log_hyperparams(OmegaConf.to_container(self.config, resolve=True))  # type: ignore[arg-type]
            except Exception as error:  # each logger has its own
                self.logger = None
                raise ConfigError(f"The logger cannot start: {' '.join(str(error).split())}") from error

    def begin_anew(self) -> None:
        """Give up what an interrupted run left."""
        self._forget()
        self.attempts = []

    def _forget(self) -> None:
        self._resume, self.history, self.dead_at, self.stopped_at, self._kept = None, [], None, None, {}
        self.folder.begin(self.config)

    @property
    def seed(self) -> int:
        """Of the present network's initial weights and dropout: the run's own, then one for each restart."""
        return sub_seed(self.config.seed, len(self.attempts))

    @property
    def first_epoch(self) -> int:
        if self._resume is None:
            return 0
        return self.config.trainer.max_epochs if self.ended else self._resume["epoch"] + 1

    @property
    def ended(self) -> bool:
        """Whether the present network is to be trained no further."""
        return self.dead_at is not None or self.stopped_at is not None

    @property
    def resumed(self) -> Mapping[str, Any] | None:
        """The checkpoint to go on from: state_dict, optimizer."""
        return self._resume

    @property
    def choosing_loss(self) -> float:
        """The lowest loss on the choosing side so far; infinite before the first epoch."""
        return min((row[f"{self.data.choosing}/loss"] for row in self.history), default=np.inf)

    def classifier(self) -> FlareClassifier:
        """A new network with its loss and optimizer, initialised from the seed."""
        torch.manual_seed(self.seed)
        network, loss = instantiate(self.config.model), instantiate(self.config.loss)
        optimizer = instantiate(self.config.optimizer)
        return FlareClassifier(network, loss, optimizer, self.data.sides, self.data.choosing, self.seed)

    def record(self, epoch: int, scores: Mapping[str, float], state: Mapping[str, Any]) -> None:
        """Write an epoch down: its row, and the checkpoints it is; ``last`` comes last, resuming trusts it.

        scores: what FlareClassifier logs. state: state_dict, and the optimizer's if training can be resumed.
        Raises RunError if the scores are not finite: training diverged.
        """
        if not np.isfinite(scores["mean/loss"]):
            raise RunError(
                f"The loss is not finite after epoch {epoch}: training diverged. Use a smaller optimizer.lr."
            )
        best, best_mean = (self._is_lowest(name, scores) for name in (f"{self.data.choosing}/loss", "mean/loss"))
        self.history.append({"epoch": epoch, **scores})
        self.folder.write_history(self.history)
        if scores["train/spread"] < DEAD_SPREAD:
            self.dead_at = epoch
        elif self._stops():
            self.stopped_at = epoch
        if self.averaging is not None:
            weights = {name: state["state_dict"][f"network.{name}"] for name in self._weights}
            self._kept = self.averaging.follow(self._kept, epoch, self.config.trainer.max_epochs, weights)
        checkpoint = {
            **state,
            "epoch": epoch,
            "attempts": self.attempts,
            "data": self.digests,
            "dead_at": self.dead_at,
            "stopped_at": self.stopped_at,
            "averaging": self._kept,
        }
        for which, chosen in {"best": best, "best_mean": best_mean, "last": True}.items():
            if chosen:
                self.folder.write_checkpoint(which, checkpoint)
        if self.logger is not None:
            self.logger.log_metrics(dict(scores), step=epoch)

    def _is_lowest(self, name: str, scores: Mapping[str, float]) -> bool:
        return all(scores[name] < row[name] for row in self.history)

    def rate(self, epoch: int) -> float | None:
        """The learning rate in this epoch, if it is not the optimizer's own."""
        return None if self.averaging is None else self.averaging.rate(epoch, self.config.trainer.max_epochs)

    def average(self, spectra: Spectra) -> None:
        """After training: move the last epoch's network to the centre of its minimum, and keep it as ``averaged``.

        A dead network has none. Raises RunError if the result is not finite.
        """
        if self.averaging is None or self.dead_at is not None:
            return
        last = self.folder.read_checkpoint("last")
        network = instantiate(self.config.model)
        weights = {name.removeprefix("network."): value for name, value in last["state_dict"].items()}
        network.to(next(iter(weights.values())).dtype).load_state_dict(weights)
        notes = self.averaging.centre(network, self._kept, spectra, self.seed)
        refresh_statistics(network, spectra.shuffled())
        scores = evaluate(network, spectra)
        if not np.isfinite(scores["mean/loss"]):
            raise RunError("The loss of the averaged weights is not finite. Use a smaller callbacks.lr or noise.")
        state = {f"network.{name}": value for name, value in network.state_dict().items()}
        self.folder.write_checkpoint("averaged", {"state_dict": state, "epoch": last["epoch"]})
        self.averaged = {**notes, "metrics": self._metrics(scores)}
        if self.logger is not None:
            self.logger.log_metrics({f"averaged/{name}": value for name, value in scores.items()}, step=last["epoch"])

    def begin_looking(self, spectra: Spectra, before: int) -> None:
        """Get the watcher ready; what it saw after more epochs or batches than these is to be seen again."""
        if self.watcher is not None:
            # Loaders draw seeds that nobody uses; training must not miss them.
            with torch.random.fork_rng(devices=[]):
                self.watcher.begin(self.folder.snapshots, self.data, spectra, before)

    def look(self, when: int, weights: Mapping[str, Tensor]) -> None:
        """Let the watcher look after so many epochs or batches. A logger gets the figure; the folder at last, since
        drawing takes longer than many an epoch."""
        if self.watcher is None:
            return
        # Building a network draws initial weights, which must not take numbers from training.
        with torch.random.fork_rng(devices=[]):
            network = instantiate(self.config.model)
            network.load_state_dict({name.removeprefix("network."): value.cpu() for name, value in weights.items()})
            self.watcher.look(when, network.eval())
        if self.logger is not None:
            log_figure(self.logger, "snapshots", self.watcher.draw(self.folder.snapshots), when)

    def _stops(self) -> bool:
        """Whether so many epochs as early_stopping says have gone by since the lowest loss on the choosing side."""
        patience = self.config.early_stopping
        if patience is None:
            return False
        losses = [row[f"{self.data.choosing}/loss"] for row in self.history]
        return len(losses) - 1 - int(np.argmin(losses)) >= patience

    def restart(self) -> bool:
        """After a fit: whether the network died and another one is to be tried."""
        self.attempts.append({"seed": self.seed, "dead_at_epoch": self.dead_at, "epochs": len(self.history)})
        if self.dead_at is None:
            return False
        left = RESTARTS + 1 - len(self.attempts)
        log.warning(
            "%s: the network died in epoch %d, it answers the same to every training spectrum. %s",
            self.folder.path,
            self.dead_at,
            f"Trying sub-seed {len(self.attempts)} of {RESTARTS}." if left else "It is kept as it is.",
        )
        if not left:
            return False
        self._forget()
        return True

    def finish(self) -> None:
        """Draw the learning curve and write run.json."""
        record = {
            "started": self._started,
            "seconds": round(self.seconds, 1),
            "overrides": list(self.job.overrides),
            "trained_on": self._trained_on(),
            "data": self.digests,
            "partition": self._partition(),
            **self._outcome(),
            "attempts": self.attempts,
            "stopped_at_epoch": self.stopped_at,
            "dead": self.attempts[-1]["dead_at_epoch"] is not None,
            "averaged": self.averaged,
            "parameters": sum(self._weights.values()),
            "threads": self.threads,
            "versions": run.versions(),
            "config": OmegaConf.to_container(self.config, resolve=True),
        }
        figure = learning_curve.draw(
            np.array([row["train/loss"] for row in self.history]),
            np.array([row[f"{self.data.choosing}/loss"] for row in self.history]),
            record["best_epoch"],
            record["best_mean_epoch"],
            self.data.choosing,
        )
        figure.savefig(self.folder.learning_curve)
        if self.logger is not None:
            log_figure(self.logger, "learning_curve", figure)
        if self.watcher is not None:
            self.folder.snapshots_figure.write_bytes(style.png(self.watcher.draw(self.folder.snapshots)))
        self.folder.finish(record)
        self._close(failed=False)

    def fail(self, error: BaseException) -> None:
        """Write down why the run failed; the logger's run is marked so."""
        self.folder.fail(error, self.config, self.job.overrides)
        self._close(failed=True)

    def _close(self, failed: bool) -> None:
        if self.logger is not None:
            finish(self.logger, failed)
            self.logger = None

    def _trained_on(self) -> dict[str, str]:
        header = next(iter(self.data.shards.values())).header
        return {"origin": self.data.origin, "line": header.line, "instrument": str(header.settings["instrument"])}

    def _partition(self) -> dict[str, Any]:
        partition = self.data.partition
        sides = {
            side: {name: len(partition.rows[side][name]) for name in partition.sides[side]} for side in self.data.sides
        }
        return {"seed": partition.seed, "chosen_by": self.data.choosing, "sides": sides}

    def _outcome(self) -> dict[str, Any]:
        """The epochs chosen, and each side's skill at the best one: that row is of those very weights."""
        best = min(self.history, key=lambda row: row[f"{self.data.choosing}/loss"])
        return {
            "best_epoch": int(best["epoch"]),
            "best_mean_epoch": int(min(self.history, key=lambda row: row["mean/loss"])["epoch"]),
            "metrics": self._metrics(best),
        }

    def _metrics(self, scores: Mapping[str, float]) -> dict[str, dict[str, float | None]]:
        """Scores by side; None where one is not defined."""
        metrics: dict[str, dict[str, float | None]] = {side: {} for side in self.data.sides}
        for key, value in scores.items():
            side, _, name = key.partition("/")
            if side in metrics and name != "spread":
                metrics[side][name] = None if np.isnan(value) else value
        return metrics


def sub_seed(seed: int, attempt: int) -> int:
    """The seed of initial weights and dropout: the run's own first, then one derived for each restart."""
    return seed if attempt == 0 else int(np.random.SeedSequence((seed, attempt)).generate_state(1)[0])
