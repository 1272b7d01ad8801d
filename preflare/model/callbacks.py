"""Lightning callbacks of a training run: the record of every epoch, the watch for dead networks, a progress bar."""

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from preflare.run import RunFolder

# Below this standard deviation of the log-odds over the training spectra a network answers the same to all.
DEAD_SPREAD = 1e-4


class History(Callback):
    """Keeps what was logged after each epoch and writes it to metrics.csv at once.

    rows: one mapping per epoch, ``epoch`` and the logged values.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.rows: list[dict[str, float]] = []

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        logged = {key: float(value) for key, value in trainer.callback_metrics.items()}
        self.rows.append({"epoch": trainer.current_epoch, **logged})
        self.folder.write_history(self.rows)


class DeadNetworkStop(Callback):
    """Ends training after an epoch that leaves the network dead; ``dead_at`` is then that epoch.

    Five hidden units and PyTorch's initialisation leave about one network in six at 50% accuracy: no unit of
    the last hidden layer answers to any spectrum, so no gradient can wake it.
    """

    def __init__(self) -> None:
        self.dead_at: int | None = None

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if float(trainer.callback_metrics["train/spread"]) < DEAD_SPREAD:
            self.dead_at = trainer.current_epoch
            trainer.should_stop = True


class EpochBar(Callback):
    """A bar over epochs with the losses and the choosing side's TSS so far; silent when not a terminal."""

    def __init__(self, choosing: str) -> None:
        self.choosing = choosing
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("epochs"),
            TextColumn("{task.fields[now]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._task = self._bar.add_task("training", total=trainer.max_epochs, now="")
        self._bar.start()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        now = trainer.callback_metrics
        text = f"loss {now['train/loss']:.3f} train, {now[f'{self.choosing}/loss']:.3f} {self.choosing}"
        self._bar.update(self._task, advance=1, now=f"{text}; TSS {now[f'{self.choosing}/tss']:.2f}")

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._bar.stop()


def checkpoints(folder: RunFolder, choosing: str) -> list[ModelCheckpoint]:
    """The three checkpoints of a run: best, best_mean and last (the paper's Fig. 2 marks the first two)."""
    monitors = {"best": f"{choosing}/loss", "best_mean": "mean/loss", "last": None}
    return [
        ModelCheckpoint(
            dirpath=folder.checkpoints,
            filename=which,
            monitor=monitor,
            mode="min",
            save_top_k=1,
            auto_insert_metric_name=False,
            enable_version_counter=False,
            save_on_train_epoch_end=False,
        )
        for which, monitor in monitors.items()
    ]
