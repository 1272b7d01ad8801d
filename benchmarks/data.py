"""How fast batches come, and how much memory that takes: resident, streamed, and row by row from HDF5.

    python benchmarks/data.py                 240,000 raw spectra for speed; 0.12, 0.48 and 1.92 million for memory
    python benchmarks/data.py 5000000         other sizes for memory (a gigabyte of disk for each million)

Every line of a table is measured in a process of its own, on shards put out of the page cache before.
"""

import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from preflare.command import CONF
from preflare.data import shard, writing
from preflare.data.datamodule import FlareDataModule
from preflare.data.partition import Partitioner
from preflare.model.classifier import FlareClassifier
from preflare.model.convnet import ConvNet
from preflare.model.loss import CrossEntropy
from preflare.sun.line import Line
from preflare.sun.observation import Block, Header, Label, Observation

OBSERVATIONS = 12
SPEED_SPECTRA = 240_000
MEMORY_SPECTRA = (120_000, 480_000, 1_920_000)
STEPS = 300
# GiB. For speed about a quarter of the training spectra, so that the pool cannot hold an epoch.
SPEED_POOL, MEMORY_POOL = 0.04, 0.1
BATCH = 64
GZIP = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
WAYS: dict[str, dict[str, Any]] = {
    "resident": {"resident": True, "workers": 0},
    "streamed": {"resident": False, "workers": 0},
    "streamed, 2 workers": {"resident": False, "workers": 2},
}
NAIVE = ("h5py rows", "h5py rows, 2 workers")


def write_shards(root: Path, spectra: int, line: Line) -> None:
    """Noisy bumps in rasters of 8 steps and 125 pixels; a PF spectrum is one of four with a third bump."""
    steps, slit = 8, 125
    repeats = max(2, spectra // OBSERVATIONS // (steps * slit))
    random = np.random.default_rng(0)
    noise = random.normal(scale=0.05, size=(2 * steps * slit, line.points)).astype(np.float32)
    for number in range(OBSERVATIONS):
        label = Label(number % 2)

        def blocks(label: Label = label, number: int = number) -> Iterator[Block]:
            draw = np.random.default_rng(number)
            shape = (1, steps, slit)
            for _ in range(repeats):
                cores = np.exp(-(((np.arange(line.points) - np.array([[45], [194]])) / 6.0) ** 2)).sum(axis=0)
                first = draw.integers(steps * slit)
                values = 0.2 + cores + noise[first : first + steps * slit]
                if label is Label.PF:
                    values[::4, 90:100] += 0.5
                values /= values.max(axis=1, keepdims=True)
                yield Block(
                    spectra=values.reshape(*shape, -1).astype(np.float32),
                    intensity=np.ones(shape, dtype=np.float32),
                    time=np.zeros(shape[:2]),
                    phase=np.ones(shape[:2], dtype=np.uint8),
                    exposure=np.ones(shape[:2], dtype=np.float32),
                    # A third is not clean.
                    quality=(draw.random(shape) < 1 / 3).astype(np.uint16),
                    position=np.zeros((*shape, 2), dtype=np.float32),
                )

        header = Header(
            id=f"201403{10 + number:02d}_140000_3860258481",
            label=label,
            origin="simulation",
            line=line.name,
            wavelength=line.wavelength,
            dispersion=0.0255,
            start="2014-03-29T14:00:00",
            window_start="2014-03-29T14:00:00",
            window_end="2014-03-29T14:25:00",
            onset="2014-03-29T14:26:00" if label is Label.PF else "",
            settings={"instrument": "none"},
        )
        writing.write(root, Observation(header, repeats, steps, slit, blocks))


def repack(root: Path, to: Path) -> None:
    """The same shards with their spectra compressed, as HDF5 files often are."""
    to.mkdir()
    for path in root.glob("*.h5"):
        with h5py.File(path, "r") as old, h5py.File(to / path.name, "w") as new:
            new.attrs.update(old.attrs)
            for name in old:
                if name != "spectra":
                    old.copy(name, new)
            values = old["spectra"][()]
            spectra = new.create_dataset("spectra", data=values, chunks=shard.chunk(values.shape, 4), **GZIP)
            spectra.attrs.update(old["spectra"].attrs)


def evict(root: Path) -> None:
    """Put the shards out of the page cache."""
    os.sync()
    for path in root.glob("*.h5"):
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def module(root: Path, line: Line, memory: float, resident: bool, workers: int) -> FlareDataModule:
    data = FlareDataModule(str(root), line, Partitioner(0, 1, 0, 0.4), BATCH, 0, workers, resident, memory)
    data.setup()
    return data


class Rows(Dataset[tuple[Tensor, int]]):
    """What one writes first: a spectrum an item, read from a file that is opened once a process."""

    def __init__(self, data: FlareDataModule) -> None:
        names = data.partition.sides["train"]
        self.paths = [str(data.shards[name].path) for name in names]
        self.labels = [int(data.shards[name].header.label) for name in names]
        self.rows = [
            (place, *index)
            for place, name in enumerate(names)
            for index in zip(
                *np.unravel_index(data.partition.rows["train"][name], data.shards[name].shape[:3]), strict=True
            )
        ]
        self.files: list[h5py.File] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, item: int) -> tuple[Tensor, int]:
        if self.files is None:
            self.files = [h5py.File(path, "r") for path in self.paths]
        place, repeat, step, pixel = self.rows[item]
        spectrum = self.files[place]["spectra"][repeat, step, pixel]
        return torch.from_numpy(spectrum)[None], self.labels[place]


def speed(root: Path, line: Line, way: str) -> dict[str, float]:
    """Batches a second over an epoch, or over 20 s, from the first request on; then the same while training."""
    if way in WAYS:
        batches: Iterable[tuple[Tensor, Tensor]] = module(root, line, SPEED_POOL, **WAYS[way]).train_dataloader()
    else:
        rows = Rows(module(root, line, SPEED_POOL, False, 0))
        batches = DataLoader(rows, BATCH, shuffle=True, num_workers=2 if "workers" in way else 0)
    network = ConvNet(line.points)
    adam = torch.optim.Adam(network.parameters())

    def train(batch: tuple[Tensor, Tensor]) -> None:
        adam.zero_grad()
        torch.nn.functional.cross_entropy(network(batch[0]), batch[1]).backward()
        adam.step()

    found = {}
    for what, use in (("batches", lambda batch: None), ("steps", train)):
        evict(root)
        start, count = time.perf_counter(), 0
        for batch in batches:
            use(batch)
            count += 1
            if time.perf_counter() - start > 20:
                break
        found[what] = count / (time.perf_counter() - start)
    return found


def peak(workers: int) -> float:
    """GiB: of this process, and as much as the largest child for each worker (pages they share counted again)."""
    own, child = (resource.getrusage(kind).ru_maxrss for kind in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return (own + workers * child) / 2**20


def memory(root: Path, line: Line, way: str) -> dict[str, float]:
    """Peak memory after setup, after some hundred steps, and after an evaluation of every side."""
    import pytorch_lightning as pl

    workers = int(WAYS[way]["workers"])
    found = {"begin": peak(0)}
    data = module(root, line, MEMORY_POOL, **WAYS[way])
    found |= {"setup": peak(workers), "chosen": sum(data.partition.spectra(side) for side in data.sides)}
    classifier = FlareClassifier(ConvNet(line.points), CrossEntropy(1e-4), torch.optim.Adam, data.sides, data.choosing)

    class Note(pl.Callback):
        def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            found["steps"] = peak(workers)

    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        limit_train_batches=STEPS,
        num_sanity_val_steps=0,
        callbacks=[Note()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(classifier, datamodule=data)
    return found | {"evaluated": peak(workers)}


def alone(what: str, way: str, root: Path) -> dict[str, float]:
    """A measurement in a process of its own."""
    command = [sys.executable, __file__, what, way, str(root)]
    answer = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def main(sizes: Iterable[int], line: Line) -> None:
    with tempfile.TemporaryDirectory() as home:
        plain, packed = Path(home) / "plain", Path(home) / "gzip"
        write_shards(plain, SPEED_SPECTRA, line)
        repack(plain, packed)
        cases = [(way, plain) for way in (*WAYS, *NAIVE)] + [("streamed", packed), ("h5py rows", packed)]
        print(f"| {SPEED_SPECTRA:,} raw spectra, pool {SPEED_POOL} GiB | batches/s | ratio | steps/s | ratio |")
        print("|---|---|---|---|---|")
        first: dict[str, float] = {}
        for way, root in cases:
            found = alone("speed", way, root)
            first = first or found
            ratios = [found[what] / first[what] for what in ("batches", "steps")]
            title = way + (", gzip" if root == packed else "")
            print(f"| {title} | {found['batches']:.0f} | {ratios[0]:.3f} | {found['steps']:.0f} | {ratios[1]:.3f} |")
    print(f"\n| peak memory in GiB, pool {MEMORY_POOL} GiB | chosen | imported | set up | {STEPS} steps | evaluated |")
    print("|---|---|---|---|---|---|")
    for size in sizes:
        with tempfile.TemporaryDirectory() as home:
            write_shards(Path(home), size, line)
            for way in WAYS:
                found = alone("memory", way, Path(home))
                peaks = " | ".join(f"{found[key]:.2f}" for key in ("begin", "setup", "steps", "evaluated"))
                print(f"| {way}, {size:,} raw spectra | {found['chosen']:,} | {peaks} |", flush=True)


if __name__ == "__main__":
    mg_ii = instantiate(OmegaConf.load(CONF / "line/mg_ii.yaml"))
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    if sys.argv[1:2] in (["speed"], ["memory"]):
        measure = speed if sys.argv[1] == "speed" else memory
        print(json.dumps(measure(Path(sys.argv[3]), mg_ii, sys.argv[2])))
    else:
        main([int(size) for size in sys.argv[1:]] or MEMORY_SPECTRA, mg_ii)
