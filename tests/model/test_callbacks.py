"""The callbacks, called as Lightning calls them."""

from pathlib import Path
from types import SimpleNamespace

import torch

from preflare.model.callbacks import DEAD_SPREAD, DeadNetworkStop, EpochBar, History, checkpoints
from preflare.run import RunFolder


def trainer(epoch: int, **metrics: float) -> SimpleNamespace:
    tensors = {key.replace("_", "/"): torch.tensor(value) for key, value in metrics.items()}
    return SimpleNamespace(current_epoch=epoch, callback_metrics=tensors, should_stop=False, max_epochs=2)


def test_history_writes_every_epoch_at_once(tmp_path: Path) -> None:
    history = History(RunFolder(tmp_path))
    for epoch in range(2):
        history.on_validation_end(trainer(epoch, train_loss=0.5 - epoch / 4), None)
        assert len((tmp_path / "metrics.csv").read_text().splitlines()) == epoch + 2
    assert history.rows == [{"epoch": 0, "train/loss": 0.5}, {"epoch": 1, "train/loss": 0.25}]


def test_only_a_dead_network_is_stopped() -> None:
    watch = DeadNetworkStop()
    alive = trainer(0, train_spread=DEAD_SPREAD * 1.01)
    watch.on_validation_end(alive, None)
    assert watch.dead_at is None and not alive.should_stop
    dead = trainer(3, train_spread=DEAD_SPREAD * 0.99)
    watch.on_validation_end(dead, None)
    assert watch.dead_at == 3 and dead.should_stop


def test_the_bar_is_silent_when_not_a_terminal(capfd) -> None:
    bar = EpochBar("test")
    now = trainer(0, train_loss=0.5, test_loss=0.6, test_tss=0.3)
    bar.on_fit_start(now, None)
    bar.on_validation_end(now, None)
    bar.teardown(now, None, "fit")
    out, err = capfd.readouterr()
    assert (out + err).strip() == ""


def test_each_checkpoint_watches_its_own_number(tmp_path: Path) -> None:
    found = {checkpoint.filename: checkpoint.monitor for checkpoint in checkpoints(RunFolder(tmp_path), "validation")}
    assert found == {"best": "validation/loss", "best_mean": "mean/loss", "last": None}
