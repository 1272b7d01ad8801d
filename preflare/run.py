"""The run folder: what ran, with what, finished or not. The only code that knows the file names in it.

    config.yaml          the resolved config, written first
    metrics.csv          a row per epoch: losses and skill on each side, all evaluated with the same weights
    checkpoints/         best.ckpt (lowest loss on the choosing side), best_mean.ckpt (lowest mean of the
                         training loss and that one), last.ckpt; with callbacks=swa or annealing averaged.ckpt
    learning_curve.png
    quiet_errors.png     of a quiet-Sun autoencoder: its errors on quiet Sun, AR and PF
    snapshots.h5, .png   with callbacks=snapshot: attributions of a few held-out spectra during training
    run.json             the record, written last: config, observations of each side, skill, data digests, versions
    failed.json          only if the last attempt failed: the sentence and the traceback
    cubes/               saliency cubes, one per explained observation
    report.html

A run is finished when run.json is there. Nothing else proves it.
"""

import csv
import importlib.metadata
import json
import os
import platform
import shutil
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf

from preflare import __version__
from preflare.errors import RunError

if TYPE_CHECKING:
    from torch import nn

SCHEMA = 1
CHECKPOINTS = ("best", "best_mean", "last", "averaged")
PACKAGES = ("torch", "pytorch-lightning", "hydra-core", "torchmetrics", "captum", "numpy", "h5py", "scikit-learn")

# Keys that change where or on what a run is computed, or who is told, but not what comes out.
# Of the groups, "trainer" chooses the device, and an experiment names its own folder.
WITHOUT_EFFECT = frozenset(
    {"name", "trainer", "experiment", "trainer.accelerator", "trainer.devices", "data.root", "data.regions"}
)


def has_effect(key: str) -> bool:
    """Whether a dotted config key can change the result of a run."""
    return key not in WITHOUT_EFFECT and key.split(".")[0] not in ("logger", "hydra", "swarm")


@dataclass(frozen=True)
class RunFolder:
    """The places in a run folder, and writing them. Reading back is ``read``."""

    path: Path

    @property
    def config_file(self) -> Path:
        return self.path / "config.yaml"

    @property
    def record_file(self) -> Path:
        return self.path / "run.json"

    @property
    def failure_file(self) -> Path:
        return self.path / "failed.json"

    @property
    def metrics_file(self) -> Path:
        return self.path / "metrics.csv"

    @property
    def learning_curve(self) -> Path:
        return self.path / "learning_curve.png"

    @property
    def snapshots(self) -> Path:
        return self.path / "snapshots.h5"

    @property
    def snapshots_figure(self) -> Path:
        return self.path / "snapshots.png"

    @property
    def quiet_errors(self) -> Path:
        return self.path / "quiet_errors.png"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def cubes(self) -> Path:
        return self.path / "cubes"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def checkpoint(self, which: str) -> Path:
        """The file of a checkpoint: best, best_mean, last or averaged."""
        if which not in CHECKPOINTS:
            raise RunError(f"There is no checkpoint {which!r}; expected one of {', '.join(CHECKPOINTS)}.")
        return self.checkpoints / f"{which}.ckpt"

    def cube(self, observation: str) -> Path:
        """The file of an observation's saliency cube."""
        return self.cubes / f"{observation}.h5"

    @property
    def finished(self) -> bool:
        return self.record_file.is_file()

    def resumable(self, config: DictConfig) -> bool:
        """Whether an unfinished run of this config left a checkpoint to go on from."""
        return (
            not self.finished
            and self.config_file.is_file()
            and self.checkpoint("last").is_file()
            and _with_effect(OmegaConf.load(self.config_file)) == _with_effect(config)
        )

    def begin(self, config: DictConfig) -> None:
        """Make the folder ready for a run: write the resolved config, clear what an unfinished run left."""
        self.path.mkdir(parents=True, exist_ok=True)
        for folder in (self.checkpoints, self.cubes):
            shutil.rmtree(folder, ignore_errors=True)
        self.checkpoints.mkdir()
        figures = (self.learning_curve, self.snapshots, self.snapshots_figure)
        for file in (self.metrics_file, self.failure_file, *figures, self.report):
            file.unlink(missing_ok=True)
        _replace(self.config_file, OmegaConf.to_yaml(config, resolve=True))

    def write_checkpoint(self, which: str, state: Mapping[str, Any]) -> None:
        """A checkpoint: ``state_dict`` of the classifier, ``epoch``, and what resuming needs; loads weights-only."""
        import torch

        scratch = self.checkpoints / f".{which}.part"
        torch.save(dict(state), scratch)
        os.replace(scratch, self.checkpoint(which))

    def read_checkpoint(self, which: str) -> dict[str, Any]:
        """What ``write_checkpoint`` wrote, on the CPU. Raises RunError if there is none."""
        import torch  # seconds that the verbs without a network, and --help, need not spend

        path = self.checkpoint(which)
        if not path.is_file():
            how = " with callbacks=swa or annealing" if which == "averaged" else ""
            raise RunError(f"{self.path} has no checkpoint {which}: {path} is missing. Train the run again{how}.")
        try:
            found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # whatever unpickling makes of other bytes
            raise RunError(f"{path} cannot be read as a checkpoint: it is truncated or not one of ours.") from error
        return found

    def read_history(self) -> list[dict[str, float]]:
        """The rows of metrics.csv; NaN where a score is not defined."""
        with self.metrics_file.open(newline="") as file:
            return [{key: _number(text) for key, text in row.items()} for row in csv.DictReader(file)]

    def write_history(self, rows: Sequence[Mapping[str, float]]) -> None:
        """metrics.csv: one row per epoch; a score that is not defined is left empty."""
        keys = list(dict.fromkeys(key for row in rows for key in row))
        scratch = self.metrics_file.with_suffix(".part")
        with scratch.open("w", newline="") as file:
            writer = csv.DictWriter(file, keys)
            writer.writeheader()
            for row in rows:
                writer.writerow({k: "" if v != v else repr(v) for k, v in row.items()})
        os.replace(scratch, self.metrics_file)

    def finish(self, record: Mapping[str, Any]) -> None:
        """Write run.json, last of all."""
        self.failure_file.unlink(missing_ok=True)
        text = json.dumps({"schema": SCHEMA, **record, "finished": now()}, indent=2, default=_plain)
        _replace(self.record_file, text + "\n")

    def fail(self, error: BaseException, config: DictConfig, overrides: Sequence[str]) -> None:
        """Write failed.json: what went wrong, for the sweep's summary and for whoever looks.

        Beside run.json it only says that the last command was refused: the finished run stays what it is.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        record = {
            "error": " ".join(str(error).split()) or type(error).__name__,
            "overrides": list(overrides),
            "config": OmegaConf.to_container(config, resolve=True),
            "at": now(),
            "traceback": traceback.format_exception(error),
        }
        _replace(self.failure_file, json.dumps(record, indent=2) + "\n")


@dataclass(frozen=True)
class Run:
    """A finished run, read back. record: run.json. config: the resolved config. history: metrics.csv."""

    folder: RunFolder
    record: dict[str, Any]
    config: DictConfig
    history: list[dict[str, float]]

    def network(self, which: str = "best") -> "nn.Module":
        """The trained network in evaluation mode, from the checkpoint best, best_mean, last or averaged.

        Raises RunError if the checkpoint is missing or holds another architecture than the run's config.
        """
        path = self.folder.checkpoint(which)
        state = self.folder.read_checkpoint(which)["state_dict"]
        weights = {key.removeprefix("network."): value for key, value in state.items() if key.startswith("network.")}
        network: nn.Module = instantiate(self.config.model)
        try:
            network.load_state_dict(weights)
        except RuntimeError:
            expected = sum(value.numel() for value in network.state_dict().values())
            found = sum(value.numel() for value in weights.values())
            raise RunError(
                f"{path} holds another architecture: {found} numbers in {len(weights)} tensors, "
                f"{self.config.model._target_} expects {expected} in {len(network.state_dict())}. "
                "Train the run again, or put its own checkpoint back."
            ) from None
        return network.eval()

    def check_same(self, config: DictConfig, digests: Mapping[str, str]) -> None:
        """Raise RunError, with the keys that differ, unless this run is what config and data would give."""
        old, new = flatten(self.record["config"]), flatten(OmegaConf.to_container(config, resolve=True))
        differing = [
            f"{key} ({old.get(key, 'absent')} there, {new.get(key, 'absent')} now)"
            for key in sorted({**old, **new})
            if has_effect(key) and old.get(key) != new.get(key)  # null is what a key was before there was one
        ]
        if differing:
            raise RunError(
                f"{self.folder.path} holds a finished run of another config; these keys differ: "
                f"{', '.join(differing)}. Choose another name=..., or delete {self.folder.record_file} to train anew."
            )
        before = self.record["data"]
        changed = sorted(name for name in {**before, **digests} if before.get(name) != digests.get(name))
        if changed:
            shown = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
            raise RunError(
                f"{self.folder.path} holds a finished run on other shards; these differ: {shown}. "
                f"Choose another name=..., or delete {self.folder.record_file} to train anew."
            )


def read(path: Path | str, make: str = "python train.py") -> Run:
    """Read a finished run's folder.

    make: the command that trains such a run. Raises RunError if the folder is not there, is no run, or is unfinished.
    """
    folder = RunFolder(Path(path))
    if not folder.path.is_dir():
        raise RunError(f"There is no run folder {folder.path}. Train one with: {make}")
    if not folder.finished:
        if folder.failure_file.is_file():
            why = json.loads(folder.failure_file.read_text())["error"]
            raise RunError(f"The run in {folder.path} failed: {why} Train it again.")
        if folder.config_file.is_file():
            raise RunError(f"The run in {folder.path} is unfinished. Give its train.py command again.")
        raise RunError(
            f"{folder.path} is not a run folder: it has no {folder.record_file.name}. "
            "Give the folder of one run, as train.py prints it."
        )
    try:
        record = json.loads(folder.record_file.read_text())
    except ValueError as error:
        raise RunError(f"{folder.record_file} cannot be read: it is truncated. Delete it and train again.") from error
    if record["schema"] > SCHEMA:
        raise RunError(
            f"{folder.path} was written by a newer preflare (schema {record['schema']}, this one reads {SCHEMA})."
        )
    return Run(folder, record, OmegaConf.create(record["config"]), folder.read_history())


def load(path: Path | str, which: str = "best") -> "nn.Module":
    """The trained network of a run folder in evaluation mode: (batch, 1, wavelength) -> (batch, 2) logits AR, PF.

    which: the checkpoint, best, best_mean, last or averaged. Raises RunError as ``read`` and ``Run.network`` do.
    """
    return read(path).network(which)


def flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    """A nested mapping as dotted key -> value; lists stay values."""
    if not isinstance(tree, Mapping):
        return {prefix: tree}
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= flatten(value, f"{prefix}.{key}" if prefix else str(key))
    return flat


def _with_effect(config: DictConfig | ListConfig) -> dict[str, Any]:
    return {
        key: value for key, value in flatten(OmegaConf.to_container(config, resolve=True)).items() if has_effect(key)
    }


def versions() -> dict[str, str]:
    """The versions a number depends on."""
    found = {package: importlib.metadata.version(package) for package in PACKAGES}
    return {"preflare": __version__, "python": platform.python_version(), **found}


def now() -> str:
    """The time as ISO UTC, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _replace(path: Path, text: str) -> None:
    scratch = path.with_name(f".{path.name}.part")
    scratch.write_text(text)
    os.replace(scratch, path)


def _number(text: str) -> float:
    if text.isdigit():
        return int(text)
    return float(text) if text else float("nan")


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written to run.json")
