"""The members that explain: one run, or the runs of a sweep, and which of them explain an observation."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from preflare import run
from preflare.errors import ConfigError, RunError
from preflare.model.sweep import collect
from preflare.run import Run, RunFolder, flatten

CHOICES = ("unseen", "all", "representative")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ensemble:
    """Finished runs on the same shards, and the folder that their common cubes go to."""

    folder: RunFolder
    runs: tuple[Run, ...]

    @property
    def single(self) -> bool:
        return self.folder.path == self.runs[0].folder.path

    def name(self, number: int) -> str:
        """A member's folder, as seen from the ensemble's."""
        return self.runs[number].folder.path.relative_to(self.folder.path).as_posix()

    def held_out(self) -> list[str]:
        """Observations on the test side of any member, sorted."""
        return sorted({name for one in self.runs for name in one.record["partition"]["sides"]["test"]})

    def sides(self, observation: str, digest: str) -> list[str]:
        """For each member, the side on which the observation's shard was."""
        return [side_of(one, observation, digest) for one in self.runs]

    def candidates(self, which: str, sides: Sequence[str]) -> list[int]:
        """Members that may explain an observation, given its side in each.

        which: all, or unseen and representative, who leave out those that trained on it unless all did.
        """
        everyone = list(range(len(self.runs)))
        if which == "all":
            return everyone
        return [number for number in everyone if sides[number] != "train"] or everyone


def read(path: Path) -> Ensemble:
    """A run folder, or a folder of runs of which those that are finished and alive are taken.

    Raises RunError if there are none, or if they are of different lines or trained on different shards.
    """
    if RunFolder(path).finished or not path.is_dir() or not any(path.rglob("run.json")):
        return Ensemble(RunFolder(path), (_classifier(run.read(path)),))
    rows = collect(path)
    good = [row for row in rows if row["status"] == "finished" and not row["dead"]]
    if not good:
        raise RunError(f"{path} holds no finished run with a living network. Train it with: python train.py -m")
    if len(good) < len(rows):
        log.warning(
            "%d of %d runs in %s are unfinished, failed or dead and are left out.",
            len(rows) - len(good),
            len(rows),
            path,
        )
    runs = tuple(_classifier(run.read(path / row["run"])) for row in good)
    for one in runs[1:]:
        if one.record["data"] != runs[0].record["data"]:
            raise RunError(
                f"{one.folder.path} was trained on other shards than {runs[0].folder.path}. Explain them one by one."
            )
        if flatten(one.record["config"]["line"]) != flatten(runs[0].record["config"]["line"]):
            raise RunError(
                f"{one.folder.path} was trained on another line than {runs[0].folder.path}. Explain them one by one."
            )
    return Ensemble(RunFolder(path), runs)


def _classifier(one: Run) -> Run:
    if "quiet_sun" in one.record:
        raise RunError(
            f"{one.folder.path} holds an autoencoder of the quiet Sun, which calls nothing PF or AR: there is nothing "
            "to explain. Apply it with: python ingest.py quiet_sun=RUN"
        )
    return one


def side_of(run: Run, observation: str, digest: str) -> str:
    """The side of a run's partition on which an observation's shard was, or "none"."""
    if run.record["data"].get(observation) != digest:
        return "none"
    sides = run.record["partition"]["sides"]
    return next((side for side, names in sides.items() if observation in names), "none")


def check_choice(which: str) -> None:
    """Raise ConfigError unless the choice of members is known."""
    if which not in CHOICES:
        raise ConfigError(f"members is {which!r}, expected {', '.join(CHOICES[:-1])} or {CHOICES[-1]}.")
