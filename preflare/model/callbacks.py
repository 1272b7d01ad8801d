"""Lightning callbacks of training: what each member's epoch came to is written down, and a progress bar."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from preflare.model.averaging import Spectra
from preflare.model.classifier import FlareClassifier
from preflare.model.member import Member
from preflare.model.swarm.module import SwarmClassifier


class MemberRecord(Callback):
    """Writes down each epoch of a member that trains alone; ends training when the member has ended."""

    def __init__(self, member: Member) -> None:
        self.member = member

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, FlareClassifier)
        self.member.record(trainer.current_epoch, pl_module.scores, {"state_dict": pl_module.state_dict()})
        if self.member.ended:
            trainer.should_stop = True


class SwarmRecord(Callback):
    """Writes down each epoch of each member of a swarm; ends one that dies, stops or diverges, and no other.

    failed: where what ended a member is put, by the member's identity.
    """

    def __init__(self, members: Sequence[Member], failed: dict[int, Exception]) -> None:
        self.members = members
        self.failed = failed

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, SwarmClassifier)
        for place in np.flatnonzero(pl_module.active).tolist():
            member = self.members[place]
            epoch = member.first_epoch + trainer.current_epoch
            try:
                member.record(epoch, pl_module.scores[place], pl_module.member_state(place))
            except Exception as error:
                self.failed[id(member)] = error
                member.fail(error)
            if member.ended or id(member) in self.failed:
                pl_module.end(place)


class AveragingRate(Callback):
    """Sets the learning rate of each member in the epochs for which its averaging asks for another one."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        groups = trainer.optimizers[0].param_groups
        for place, member in enumerate(self.members):
            rate = member.rate(member.first_epoch + trainer.current_epoch)
            if rate is not None:
                for group in groups[0]["numbers"][place : place + 1] if "numbers" in groups[0] else groups:
                    group["lr"] = rate


class Watch(Callback):
    """Lets each member's watcher look at its network before training, every so many epochs or batches (the count of
    batches begins anew in each epoch), and in the end.

    spectra: of a member, given by its place.
    """

    def __init__(self, members: Sequence[Member], spectra: Callable[[int], Spectra]) -> None:
        self.members = members
        self.spectra = spectra
        self.batches = [-(-member.data.partition.spectra("train") // member.data.batch_size) for member in members]
        self._done = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        for place, member in enumerate(self.members):
            by_batch = member.watcher is not None and member.watcher.unit == "batches"
            before = member.first_epoch * (self.batches[place] if by_batch else 1)
            member.begin_looking(self.spectra(place), before)
            if before == 0:
                self._look(place, pl_module, 0)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._done = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        before = self._done
        self._done += len(batch.counts) if isinstance(pl_module, SwarmClassifier) else 1
        for place, member in enumerate(self.members):
            done = min(self._done, self.batches[place])
            if member.watcher is not None and member.watcher.unit == "batches" and done > before:
                if done % member.watcher.every == 0 or done == self.batches[place]:
                    epoch = member.first_epoch + trainer.current_epoch
                    self._look(place, pl_module, epoch * self.batches[place] + done)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        for place, member in enumerate(self.members):
            epochs = member.first_epoch + trainer.current_epoch + 1
            if member.watcher is not None and member.watcher.unit == "epochs":
                if epochs % member.watcher.every == 0 or epochs == member.config.trainer.max_epochs:
                    self._look(place, pl_module, epochs)

    def _look(self, place: int, pl_module: pl.LightningModule, when: int) -> None:
        member = self.members[place]
        if not isinstance(pl_module, SwarmClassifier):
            member.look(when, pl_module.state_dict())
        elif pl_module.active[place]:
            member.look(when, pl_module.member_state(place)["state_dict"])


class SwarmBar(Callback):
    """A bar over epochs: member-steps per second, members still improving, the choosing side's TSS so far, time
    left. Silent when not a terminal."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("training" if len(members) == 1 else f"training {len(members)} members"),
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
        self._clock, self._lowest = time.monotonic(), [member.choosing_loss for member in self.members]
        self._bar.start()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        clock, lowest = time.monotonic(), [member.choosing_loss for member in self.members]
        batches = sum(-(-m.data.partition.spectra("train") // m.data.batch_size) for m in self.members)
        tss = [m.history[-1][f"{m.data.choosing}/tss"] for m in self.members if m.history]
        improving = int(np.sum(np.array(lowest) < np.array(self._lowest)))
        text = f"{batches / (clock - self._clock):,.0f} member-steps/s; {improving} improving; "
        text += f"TSS {np.min(tss):.2f} / {np.median(tss):.2f} / {np.max(tss):.2f}" if tss else ""
        self._bar.update(self._task, advance=1, now=text)
        self._clock, self._lowest = clock, lowest

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._bar.stop()
