"""Apply a trained quiet-Sun autoencoder to shards: reconstruction errors, and the flag QUIET_SUN (paper Sect. 2)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from preflare import run
from preflare.checks import check_number
from preflare.data.shard import Shard
from preflare.data.writing import remask
from preflare.errors import ConfigError, RunError, ShardError
from preflare.model.quiet_error import of_shard, weights_digest
from preflare.model.trained_on import check_kind, check_line
from preflare.run import Run
from preflare.sun.observation import Label
from preflare.sun.quality import Quality
from preflare.threads import torch_threads

# The run that ships, made by train.py experiment=quiet_sun on python ingest.py source=quiet_sun.
SHIPPED = Path(__file__).with_name("quiet_sun_run")


@dataclass(frozen=True, eq=False)
class QuietMask:
    """An autoencoder and the error up to which a spectrum is quiet Sun.

    name: of the run, as shards record it. digest: of its weights. grid: (start, stop, points) in Å.
    """

    name: str
    network: nn.Module
    digest: str
    threshold: float
    trained_on: dict[str, str]
    grid: tuple[float, float, int]
    allow_simulated: bool = False

    @classmethod
    def read(cls, path: Path, threshold: object = None, allow_simulated: bool = False) -> "QuietMask":
        """From a finished run. threshold: one of the run's by name, an error, or None for its own.

        Raises RunError if the run is not finished, no autoencoder, or does not hold the weights it recorded;
        ConfigError for a threshold that cannot be meant.
        """
        finished = run.read(path, make="python train.py experiment=quiet_sun")
        known = _autoencoder(finished)
        network = finished.network("best")
        digest = weights_digest(network)
        if digest != known["weights"]:
            raise RunError(f"{path} does not hold the weights that its record names. Train it again.")
        line = finished.config.line
        grid = (float(line.start), float(line.stop), int(line.points))
        limit = _threshold(known["thresholds"], threshold)
        name = "shipped" if path == SHIPPED else str(path)
        return cls(name, network, digest, limit, finished.record["trained_on"], grid, allow_simulated)

    def check(self, shard: Shard) -> None:
        """Raise ShardError if the autoencoder cannot judge a shard: another line, grid, instrument or kind of Sun."""
        header = shard.header
        found = (float(header.wavelength[0]), float(header.wavelength[-1]), len(header.wavelength))
        who = f"the autoencoder in {self.name}"
        check_line(shard, self.trained_on, who, "Train one on that line: python train.py experiment=quiet_sun")
        if found[2] != self.grid[2] or not np.allclose(found[:2], self.grid[:2], rtol=0, atol=1e-6):
            said = ["{:.2f} to {:.2f} Å in {} points".format(*grid) for grid in (found, self.grid)]
            raise ShardError(
                f"{shard.path} holds {said[0]}, {who} expects {said[1]}. "
                "Train one on that grid, or ingest the observation again on its grid."
            )
        check_kind(shard, self.trained_on, who, "Train one on quiet Sun", self.allow_simulated)

    def apply(self, shard: Shard) -> bool:
        """Flag a shard, atomically; whether it was written. One that this very mask has flagged is left alone.

        Raises as ``check`` does. A shard labelled QS is quiet by its label and stays as it is.
        """
        self.check(shard)
        wanted = self.about()
        if shard.header.label is Label.QS or dict(shard.quiet_sun) == wanted:
            return False
        if shard.quiet_sun.get("weights") == self.digest:
            error = shard.read("reconstruction_error")
        else:
            with torch_threads(1):  # the last digits of an error would depend on their number
                error = of_shard(self.network, shard)
        remask(shard, flag(shard.read("quality"), error, self.threshold), error, wanted)
        return True

    def about(self) -> dict[str, Any]:
        """What a shard records of it."""
        return {"weights": self.digest, "threshold": self.threshold, "trained_on": self.trained_on["origin"]}

    def fits(self, shard: Shard) -> bool:
        """Whether the autoencoder can judge a shard."""
        try:
            self.check(shard)
        except ShardError:
            return False
        return True


def flag(quality: np.ndarray, error: np.ndarray, threshold: float) -> np.ndarray:
    """Quality with QUIET_SUN set where the error is at most the threshold, and nowhere else."""
    bit = np.uint16(Quality.QUIET_SUN)
    with np.errstate(invalid="ignore"):
        return np.where(error <= threshold, quality | bit, quality & ~bit).astype(np.uint16)


def apply_all(mask: QuietMask, shards: Sequence[Shard], advance: Callable[[], None]) -> int:
    """Flag every shard; how many were written. All are checked before the first is touched. Raises ShardError."""
    for shard in shards:
        mask.check(shard)
    written = 0
    for shard in shards:
        written += mask.apply(shard)
        advance()
    return written


def _autoencoder(finished: Run) -> dict[str, Any]:
    if "quiet_sun" not in finished.record:
        raise RunError(
            f"{finished.folder.path} holds no quiet-Sun autoencoder, but a network that tells AR from PF. "
            "Train one with: python train.py experiment=quiet_sun"
        )
    found: dict[str, Any] = finished.record["quiet_sun"]
    return found


def _threshold(known: dict[str, float], threshold: object) -> float:
    if threshold is None:
        threshold = "own"
    if isinstance(threshold, str):
        if threshold not in known:
            names = ", ".join(known)
            raise ConfigError(f"quiet_threshold is {threshold!r}, expected {names}, or an error such as 1.5.")
        return float(known[threshold])
    return check_number("quiet_threshold", threshold, above=0)
