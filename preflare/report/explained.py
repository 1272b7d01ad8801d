"""An observation as the report reads it: a shard and the saliency cube that explains it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from hydra.utils import instantiate

from preflare.data.shard import Shard
from preflare.errors import RunError, ShardError
from preflare.explain import ensemble
from preflare.explain.cube import Cube
from preflare.sun.line import Line
from preflare.sun.observation import Label, Phase, instant


@dataclass(frozen=True)
class Explained:
    """A shard and its cube, which have the axes (repeat, step, slit, wavelength) in common."""

    shard: Shard
    cube: Cube

    @property
    def name(self) -> str:
        """The observation's name with its prefix."""
        return self.shard.name

    @property
    def label(self) -> Label:
        return self.shard.header.label

    @property
    def region(self) -> str:
        """The active region, as the shard names it; the observation's own name where that is unknown."""
        return self.shard.header.active_region or self.name

    @property
    def rises(self) -> bool | None:
        """Whether the simulation put in precursors that grow more frequent towards the onset; None on other shards."""
        header = self.shard.header
        if "rising" not in header.settings:
            return None
        there = header.recipe.get("simulation.precursors", 1) != 0
        return there and header.label is Label.PF and header.settings["rising"] == 1

    @property
    def digest(self) -> str:
        """SHA-256 of what the cube says of itself: of which shard it is, who explained it, and how."""
        return hashlib.sha256(repr(sorted(self.cube.attributes.items())).encode()).hexdigest()

    @property
    def zero(self) -> float:
        """Seconds from the observation's start to the flare's onset; where there is none, to the window's end."""
        header = self.shard.header
        return (instant(header.onset or header.window_end) - instant(header.start)) / timedelta(seconds=1)

    def minutes(self) -> np.ndarray:
        """Of every exposure, (repeat, step), after the flare's onset; where there is none, after the window's end."""
        after: np.ndarray = (self.shard.read("time") - self.zero) / 60
        return after

    def window(self) -> np.ndarray:
        """Which exposures, (repeat, step) bool, lie in the analysis window."""
        inside: np.ndarray = self.shard.read("phase") == Phase.PREFLARE
        return inside

    def scores(self) -> np.ndarray:
        """The scores of clean spectra, (repeat, step, slit), NaN elsewhere: those that the paper speaks of. The cube
        itself has those of all valid spectra."""
        return self.cube.of_clean("score")

    def explained(self) -> np.ndarray:
        """Clean spectra with attributions: increasing positions in the flattened (repeat, step, slit)."""
        return self._among(self.cube.clean())

    def in_window(self, wanted: np.ndarray | None = None) -> np.ndarray:
        """Those of the analysis window. wanted: (repeat, step, slit) bool, others than clean ones."""
        return self._among((self.cube.clean() if wanted is None else wanted) & self.window()[:, :, None])

    def _among(self, wanted: np.ndarray) -> np.ndarray:
        index = self.cube.explained()
        chosen: np.ndarray = index[wanted.reshape(-1)[index]]
        return chosen


def open_all(cubes: Path, root: Path, names: Sequence[str] | None = None) -> list[Explained]:
    """Every cube of a folder with its shard from root, sorted by name; only those in names, if given. Cubes of other
    shards than the run's own are passed over.

    Raises RunError if there are no cubes or one of names has none, ShardError if a shard is gone or is not the one
    that was explained.
    """
    found = [Cube.open(path) for path in sorted(cubes.glob("*.h5")) if not path.name.startswith(".")]
    found = [cube for cube in found if cube.attributes["side"] != "none"]
    if names is not None:
        missing = sorted(set(names) - {str(cube.attributes["observation"]) for cube in found})
        if missing:
            raise RunError(f"{cubes} holds no cube of {', '.join(missing)}. Explain it with: python explain.py")
        found = [cube for cube in found if cube.attributes["observation"] in names]
    if not found:
        raise RunError(f"{cubes} holds no saliency cubes. Make them with: python explain.py run={cubes.parent}")
    return [Explained(_shard(cube, root), cube) for cube in found]


def of_sweep(sweep: Path, root: str | None) -> tuple[Line, list[Explained]]:
    """The line of a sweep (or a run) and what of its own shards was explained, as ``open_all``.

    root: where the shards are now, None for where they were. Raises RunError and ShardError, also as ensemble.read.
    """
    by = ensemble.read(sweep)
    config = by.runs[0].config
    return instantiate(config.line), open_all(by.folder.cubes, Path(root or config.data.root))


def _shard(cube: Cube, root: Path) -> Shard:
    path = root / f"{cube.attributes['observation']}.h5"
    if not path.is_file():
        raise ShardError(f"The shard {path}, which {cube.path} explains, is gone. Say where it is with data.root=DIR.")
    shard = Shard.open(path)
    if shard.digest != cube.attributes["shard_digest"]:
        raise ShardError(f"{path} has changed since {cube.path} explained it. Run explain.py again.")
    return shard
