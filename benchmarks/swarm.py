"""Fifty members four ways, side by side: the authors' loop, Lightning run by run, two processes of that, the swarm.

    python benchmarks/swarm.py                                simulated shards in data/simulation
    python benchmarks/swarm.py data.root=DIR members=25

All train the paper's network on the same batches of 64 and score every side after each epoch. What costs the same for
every member is measured on a few and on few epochs, in turns, so that a busy machine is busy for all; the median turn
counts. The two processes are jobs of a Hydra multirun of this file by hydra-joblib-launcher. Prints member-steps per
second and the share of this machine's own matrix products that training reaches.
"""

import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import hydra
import pytorch_lightning as pl
import torch
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import MISSING, DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from preflare.data.datamodule import FlareDataModule  # noqa: E402
from preflare.model.classifier import FlareClassifier  # noqa: E402
from preflare.model.convnet import ConvNet  # noqa: E402
from preflare.model.loss import CrossEntropy  # noqa: E402
from preflare.model.swarm.data import SwarmData  # noqa: E402
from preflare.model.swarm.module import SwarmClassifier  # noqa: E402

# Multiplications and additions of one step of the paper's network: forward, and backward for all but the input.
FLOPS = 2 * 64 * (2 * 74 * 2 * 20 + 3 * 22 * 4 * 20 + 3 * (44 * 5 + 5 * 2))


def config() -> DictConfig:
    """What is measured, with values from the command line."""
    defaults = {"data": {"root": str(ROOT / "data" / "simulation")}, "members": 50, "turns": 3, "threads": 2}
    return OmegaConf.merge(OmegaConf.create(defaults), OmegaConf.from_cli())


def data_module(root: str, seed: int) -> FlareDataModule:
    """The default partition, in batches of 64."""
    line = instantiate(OmegaConf.load(ROOT / "conf" / "line" / "mg_ii.yaml"))
    partition = instantiate(OmegaConf.load(ROOT / "conf" / "partition" / "paper.yaml"))
    return FlareDataModule(root, line, partition, 64, seed)


def classifier(seed: int, points: int) -> FlareClassifier:
    """The paper's network, with a seed's weights."""
    torch.manual_seed(seed)
    adam = instantiate(OmegaConf.load(ROOT / "conf" / "optimizer" / "adam.yaml"))
    return FlareClassifier(ConvNet(points), CrossEntropy(1e-4), adam, ("train", "test"), "test")


def fit(module: pl.LightningModule, data: pl.LightningDataModule, epochs: int, score: bool = True) -> float:
    """Seconds of epochs after the first, which warms up."""
    clock = Clock()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs + 1,
        logger=False,
        callbacks=[clock],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=1.0 if score else 0,
    )
    trainer.fit(module, datamodule=data)
    return clock.stopped - clock.started


class Clock(pl.Callback):
    """From the start of the second epoch to the end."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch == 1:
            self.started = time.perf_counter()

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.stopped = time.perf_counter()


def authors_way(data: FlareDataModule, score: bool) -> float:
    """One epoch of one member: a DataLoader over single items, a plain loop."""
    sides = {side: TensorDataset(held.spectra, held.labels) for side, held in data.datasets.items()}
    network = ConvNet(data.line.points)
    optimizer = torch.optim.Adam(network.parameters())
    started = time.perf_counter()
    for spectra, labels in DataLoader(sides["train"], batch_size=64, shuffle=True):
        optimizer.zero_grad()
        functional.cross_entropy(network(spectra), labels).backward()
        optimizer.step()
    if score:
        with torch.no_grad():
            for side in sides.values():
                for spectra, labels in DataLoader(side, batch_size=64):
                    functional.cross_entropy(network(spectra), labels)
    return time.perf_counter() - started


def two_processes(root: str, score: bool) -> float:
    """Seconds of a member's epoch where hydra-joblib-launcher runs two jobs, each with one thread, at a time."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "-m", "seed=0,1", f"root={root}", f"score={score}"]
        command += ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", f"hydra.sweep.dir={folder}"]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"hydra/launcher=joblib failed:\n{done.stderr}")
        # Both train at the same time; each one's epoch takes this long.
        return statistics.mean(float(file.read_text()) for file in Path(folder).rglob("seconds")) / 2


def job(asked: DictConfig) -> None:
    """One job of that multirun: trains one member; seconds of its epoch go into its folder."""
    quiet()
    torch.set_num_threads(1)
    data = data_module(asked.root, asked.seed)
    data.setup()
    seconds = fit(classifier(asked.seed, data.line.points), data, 1, asked.score)
    (Path(HydraConfig.get().runtime.output_dir) / "seconds").write_text(str(seconds))


def matrix_rate() -> float:
    """Operations a second of large matrix products."""
    a, b = torch.rand(1024, 1024), torch.rand(1024, 1024)
    started = time.perf_counter()
    for _ in range(5):
        a @ b
    return 5 * 2 * 1024**3 / (time.perf_counter() - started)


def quiet() -> None:
    """Lightning's notes would come with every turn."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")


def main() -> None:
    """Measure in turns and print the table."""
    asked = config()
    quiet()
    root, members = str(asked.data.root), int(asked.members)
    data = data_module(root, 0)
    data.setup()
    points, steps = data.line.points, -(-len(data.datasets["train"]) // 64)
    swarm_data = SwarmData([data_module(root, seed) for seed in range(members)])
    swarm_data.setup()

    def swarm(score: bool) -> float:
        torch.set_num_threads(asked.threads)
        module = SwarmClassifier([classifier(k, points) for k in range(members)], range(members), swarm_data)
        return fit(module, swarm_data, 2, score) / (2 * members)

    def alone(score: bool) -> float:
        torch.set_num_threads(1)
        return fit(classifier(0, points), data, 1, score)

    def plainly(score: bool) -> float:
        torch.set_num_threads(1)
        return authors_way(data, score)

    def two(score: bool) -> float:
        return two_processes(root, score)

    ways: dict[str, Callable[[bool], float]] = {"a": plainly, "b": alone, "c": two, "d": swarm}
    turns: dict[tuple[str, bool], list[float]] = {(way, score): [] for way in ways for score in (True, False)}
    rates = []
    for _ in range(asked.turns):
        torch.set_num_threads(asked.threads)
        rates.append(matrix_rate())
        for (way, score), seconds in turns.items():
            seconds.append(ways[way](score))
    rate = statistics.median(rates)
    each = {key: steps / statistics.median(seconds) for key, seconds in turns.items()}
    table = Table(title=f"{steps} steps an epoch, {len(swarm_data.spectra):,} spectra, {os.cpu_count()} cores")
    for column in ("", "with scores", "to b", "training only", "to b", "of matmul"):
        table.add_column(column, justify="right")
    for way in ways:
        both, training = each[way, True], each[way, False]
        table.add_row(
            way,
            f"{both:,.0f}",
            f"{both / each['b', True]:.1f}",
            f"{training:,.0f}",
            f"{training / each['b', False]:.1f}",
            f"{training * FLOPS / rate:.1%}",
        )
    console = Console()
    console.print(table)
    console.print(
        "Member-steps a second. a: plain PyTorch over single items, as the authors did. b: Trainer.fit of a "
        f"FlareClassifier. c: two of b at a time, by hydra-joblib-launcher. d: a swarm of {members}, by compiled loops."
    )
    console.print(f"Matrix products of 1024 x 1024, {asked.threads} threads: {rate / 1e9:.0f} Gflop/s.")


if __name__ == "__main__":
    if "-m" in sys.argv:
        ConfigStore.instance().store("job", {"root": MISSING, "seed": MISSING, "score": MISSING})
        hydra.main(version_base="1.3", config_path=None, config_name="job")(job)()
    else:
        main()
