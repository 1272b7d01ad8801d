"""Reconstruction errors of shards by a quiet-Sun autoencoder, and how well they tell quiet Sun from all else."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import h5py
import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from preflare.data.quiet_sun import quiet
from preflare.data.shard import Shard
from preflare.model.vae import reconstruction_error
from preflare.sun.line import Line

# Spectra reconstructed at once, and read at once. Fixed, so that an error has the same digits each time.
BATCH = 4096


def errors(network: nn.Module, spectra: np.ndarray) -> np.ndarray:
    """Reconstruction error of each spectrum, (...) float32, decoded from the latent mean; NaN where one is not finite.

    spectra: (..., wavelength) float32, divided by their maxima.
    """
    flat = torch.from_numpy(spectra.reshape(-1, spectra.shape[-1]))
    found = np.full(len(flat), np.nan, np.float32)
    whole = torch.isfinite(flat).all(dim=1).nonzero()[:, 0]
    with torch.no_grad():
        for rows in whole.split(BATCH):
            batch = flat[rows].unsqueeze(1)
            found[rows.numpy()] = reconstruction_error(batch, network(batch)).numpy()
    return found.reshape(spectra.shape[:-1])


def of_shard(network: nn.Module, shard: Shard) -> np.ndarray:
    """Reconstruction errors of a shard, (repeat, step, slit) float32; NaN where a point is missing."""
    return np.concatenate([errors(network, spectra) for spectra in _pieces(shard)])


def _pieces(shard: Shard) -> Iterator[np.ndarray]:
    repeats, steps, slit, _ = shard.shape
    count = max(1, BATCH // (steps * slit))
    for first in range(0, repeats, count):
        with h5py.File(shard.path, "r", locking="best-effort") as file:
            spectra: np.ndarray = file["spectra"][first : first + count]
        yield spectra


def weights_digest(network: nn.Module) -> str:
    """SHA-256 over names, shapes and values of a network's weights."""
    digest = hashlib.sha256()
    for name, weight in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(weight.shape)} {weight.dtype}".encode())
        digest.update(np.ascontiguousarray(weight.detach().cpu().numpy()).data)
    return digest.hexdigest()


class MeanProfile(nn.Module):
    """The baseline: whatever the spectrum, it answers the mean quiet one; (wavelength,) float32."""

    def __init__(self, mean: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("profile", mean)

    def forward(self, spectra: torch.Tensor) -> torch.Tensor:
        """(batch, 1, wavelength) of that shape."""
        return self.get_buffer("profile").expand_as(spectra)


@dataclass(frozen=True, eq=False)
class Tried:
    """What an autoencoder made of clean spectra of regions, all (n,): its errors, the baseline's, the shard's label
    (AR 0, PF 1), and whether the spectrum truly shows quiet Sun (None where nobody knows).
    """

    error: np.ndarray
    distance: np.ndarray
    label: np.ndarray
    truth: np.ndarray | None

    def auc(self, quiet_error: np.ndarray, quiet_distance: np.ndarray) -> dict[str, float]:
        """ROC AUC of error and of distance for telling active spectra from quiet ones; those of held-out quiet Sun
        are quiet. Without truth all spectra of regions count as active, although some are not.
        """
        active = np.ones(len(self.error), bool) if self.truth is None else ~self.truth
        answers = np.concatenate([active, np.zeros(len(quiet_error), bool)])
        if active.all() == active.any() and not len(quiet_error):
            return {}
        return {
            "autoencoder": float(roc_auc_score(answers, np.concatenate([self.error, quiet_error]))),
            "mean profile": float(roc_auc_score(answers, np.concatenate([self.distance, quiet_distance]))),
        }


def attempt(network: nn.Module, baseline: MeanProfile, shards: Sequence[Shard], line: Line) -> Tried:
    """Try an autoencoder and the baseline on the clean spectra of AR and PF shards."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ("error", "distance", "label", "truth")}
    known = all("quiet" in shard.truth for shard in shards)
    for shard in shards:
        wanted = quiet(shard, line)
        parts["error"].append(of_shard(network, shard)[wanted])
        parts["distance"].append(of_shard(baseline, shard)[wanted])
        parts["label"].append(np.full(int(wanted.sum()), int(shard.header.label)))
        if known:
            parts["truth"].append(shard.read("truth/quiet")[wanted] > 0)
    joined: Mapping[str, np.ndarray | None] = {
        name: np.concatenate(arrays) if arrays else None for name, arrays in parts.items()
    }
    error, distance, label = (joined[name] for name in ("error", "distance", "label"))
    assert error is not None and distance is not None and label is not None
    return Tried(error, distance, label, joined["truth"])
