"""Attributions of a few held-out spectra while a network trains: the paper's Fig. 6 for any run.

What was seen is kept in ``snapshots.h5`` of the run folder:

    attrs         trained_on (the shards' origin), unit (epochs | batches)
    wavelength    (wavelength,)              Å; its attrs are the marks of figures, name -> Å
    spectra       (n, wavelength)            of the test side, as many AR as PF
    observation   (n,)                       where each is from,
    row           (n,)                       and its place, flat over (repeat, step, slit)
    when          (look,)                    epochs or batches before each look
    log_odds      (look, n)
    maps/<name>   (look, n, wavelength)      the activation map, if there is one, and expected gradients; signed
"""

import os
from pathlib import Path

import h5py
import numpy as np
from matplotlib.figure import Figure
from torch import nn

from preflare.checks import check_choice, check_integer
from preflare.data.datamodule import FlareDataModule
from preflare.errors import ConfigError
from preflare.explain.activation_maps import MAPS, explained_layer
from preflare.explain.engine import Engine
from preflare.explain.expected_gradients import ExpectedGradients
from preflare.explain.explanation import ORIGINS
from preflare.explain.target import LOG_ODDS
from preflare.figures import evolution
from preflare.figures.evolution import Evolution
from preflare.model.averaging import Spectra
from preflare.model.watching import handful
from preflare.names import brief

# Of all streams drawn from a partition's seed, the one that picks spectra.
STREAM = 21
# Training spectra of a class that baselines are chosen from.
CANDIDATES = 256
EXPECTED_GRADIENTS = "expected_gradients"
# Methods as figures name them.
TITLES = {
    EXPECTED_GRADIENTS: "expected gradients",
    "gradcam": "Grad-CAM",
    "gradcam_reference": "Grad-CAM, the authors' averages",
    "hirescam": "HiResCAM",
}


class Snapshot:
    """Looks at one member's network.

    every: epochs or batches (``unit``) between looks. spectra: how many, half AR and half PF. map: one of MAPS;
    networks without convolution have none. expected_gradients: how they are taken.
    Raises ConfigError for values that cannot be meant.
    """

    def __init__(self, every: int, unit: str, spectra: int, map: str, expected_gradients: ExpectedGradients) -> None:
        self.every = check_integer("callbacks.snapshot.every", every, 1)
        check_choice("callbacks.snapshot.unit", unit, ("epochs", "batches"))
        self.unit = unit
        if check_integer("callbacks.snapshot.spectra", spectra, 2) % 2:
            raise ConfigError(f"callbacks.snapshot.spectra is {spectra}, expected an even number: half AR, half PF.")
        self.half = spectra // 2
        check_choice("callbacks.snapshot.map", map, tuple(MAPS))
        self.map = map
        self.expected_gradients = expected_gradients

    def begin(self, path: Path, data: FlareDataModule, spectra: Spectra, before: int) -> None:
        """Choose spectra and baselines. path: snapshots.h5; looks in it up to ``before`` stay."""
        self.path = path
        seed = data.partition.seed
        places, chosen, _ = handful(spectra.sides["test"], self.half, np.random.default_rng((seed, STREAM)))
        candidates = max(CANDIDATES, self.expected_gradients.baselines // 2)
        _, training, labels = handful(spectra.sides["train"], candidates, np.random.default_rng((seed, STREAM, 1)))
        self.paths = self.expected_gradients.paths(training, labels.numpy(), np.ones(len(labels), dtype=bool))
        self.spectra = chosen[:, 0]
        names, rows = data.partition.sides["test"], data.partition.rows["test"]
        owner = np.repeat(names, [len(rows[name]) for name in names])
        self._fixed = {
            "wavelength": data.line.wavelength,
            "spectra": self.spectra.numpy(),
            "observation": owner[places].astype("S"),
            "row": np.concatenate([rows[name] for name in names])[places],
        }
        self._marks = {**data.line.cores, **data.line.features}
        self._trained_on = data.origin
        self._looks: dict[str, np.ndarray] = {}
        if path.is_file():
            with h5py.File(path, "r", locking="best-effort") as file:
                kept = file["when"][()] <= before
                self._looks = {name: file[name][()][kept] for name in ("when", "log_odds")}
                self._looks |= {f"maps/{name}": file[f"maps/{name}"][()][kept] for name in file["maps"]}

    def look(self, when: int, network: nn.Module) -> None:
        """Explain the spectra by a network in evaluation mode, and keep what it says."""
        said = Engine([network], self.paths.baselines, self.paths.positions, workers=1)(self.spectra)
        found = {"when": np.array(when), "log_odds": said.log_odds[0].numpy()}
        if explained_layer(network) is not None:
            found[f"maps/{self.map}"] = MAPS[self.map](network, self.spectra[:, None], LOG_ODDS)
        found[f"maps/{EXPECTED_GRADIENTS}"] = said.attributions[0].numpy()
        before = self._looks or {name: values[None][:0] for name, values in found.items()}
        self._looks = {name: np.concatenate([before[name], values[None]]) for name, values in found.items()}
        self._write()

    def _write(self) -> None:
        scratch = self.path.with_name(f".{self.path.name}.part")
        with h5py.File(scratch, "w", locking="best-effort", track_order=True) as file:
            for name, values in {**self._fixed, **self._looks}.items():
                file.create_dataset(name, data=values)
            file["wavelength"].attrs.update(self._marks)
            file.attrs.update(trained_on=self._trained_on, unit=self.unit)
        os.replace(scratch, self.path)

    @staticmethod
    def draw(path: Path) -> Figure:
        """What a snapshots.h5 holds."""
        return evolution.draw(read(path))


def read(path: Path) -> Evolution:
    """What a snapshots.h5 holds, for the figure."""
    with h5py.File(path, "r", locking="best-effort") as file:
        odds = file["log_odds"][()]
        maps = {TITLES.get(name, name): values[()] for name, values in sorted(file["maps"].items(), reverse=True)}
        return Evolution(
            file["wavelength"][()],
            file["spectra"][()],
            file["when"][()].tolist(),
            str(file.attrs["unit"]),
            maps,
            {name: _limit(values) for name, values in maps.items()},
            [
                f"{brief(name.decode())}, spectrum {row}: log-odds {first:.1f} at first, {last:.1f} in the end"
                for name, row, first, last in zip(file["observation"], file["row"], odds[0], odds[-1], strict=True)
            ],
            dict(file["wavelength"].attrs),
            f"held-out spectra; trained on {ORIGINS[str(file.attrs['trained_on'])]}",
        )


def _limit(values: np.ndarray) -> float:
    """The attribution at the ends of the colour scale: nearly the largest there is."""
    known = np.abs(values[np.isfinite(values)])
    return (float(np.quantile(known, 0.995)) if known.size else 0.0) or 1.0
