"""Looking at networks while they train, and the handful of spectra that are looked at."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from preflare.data.datamodule import FlareDataModule
from preflare.model.averaging import Batches, Spectra


class Watcher(Protocol):
    """What looks at one member's network every so many epochs or batches; ``callbacks.snapshot`` in a config."""

    every: int
    unit: str

    def begin(self, path: Path, data: FlareDataModule, spectra: Spectra, before: int) -> None:
        """Get ready. path: where to keep what was seen; of what is there, looks up to ``before`` stay."""
        ...

    def look(self, when: int, network: nn.Module) -> None:
        """Look at the network after so many epochs or batches, and keep what was seen."""
        ...

    def draw(self, path: Path) -> Figure:
        """All that was seen so far and kept there."""
        ...


def handful(
    batches: Callable[[], Batches], per_class: int, stream: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """So many spectra of each class, or all there are, drawn at random.

    places (n,) in the order of the batches, spectra (n, 1, wavelength), labels (n,).
    """
    labels = torch.cat([some for _, some in batches()])
    chosen = [torch.nonzero(labels == label)[:, 0] for label in (0, 1)]
    chosen = [there[torch.from_numpy(stream.permutation(len(there))[:per_class])] for there in chosen]
    places = torch.cat(chosen).sort().values
    found, start = [], 0
    for spectra, some in batches():
        mine = places[(places >= start) & (places < start + len(some))] - start
        found.append(spectra[mine])
        start += len(some)
    return places, torch.cat(found), labels[places]
