"""Which spectra a page shows, with their attributions, and where attributions are strongest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from preflare.data.shard import Shard
from preflare.errors import ShardError
from preflare.explain.cube import Cube
from preflare.names import brief

# Dataset in a cube -> how a page names the method.
METHODS = {
    "gradcam": "Grad-CAM",
    "gradcam_reference": "Grad-CAM, the authors' averages",
    "hirescam": "HiResCAM",
    "expected_gradients": "expected gradients",
}
RULE = "the highest, the median and the lowest score"


@dataclass(frozen=True)
class Shown:
    """One spectrum of a cube. place: (repeat, step, pixel). rank: highest, median or lowest."""

    cube: Cube
    place: tuple[int, int, int]
    rank: str
    score: float
    attributions: Mapping[str, np.ndarray]

    @property
    def title(self) -> str:
        """Where it is from, and its score."""
        repeat, step, pixel = self.place
        name = brief(str(self.cube.attributes["observation"]))
        return f"{name}: repeat {repeat}, step {step}, pixel {pixel}; {self.rank} score {self.score:.3f}"


def methods(cubes: Sequence[Cube]) -> list[str]:
    """Those of METHODS that every cube holds: some may have been made with other maps."""
    return [name for name in METHODS if all(name in cube.names for cube in cubes)]


def choose(cubes: Sequence[Cube]) -> list[Shown]:
    """The explained spectra of highest, median and lowest score of all cubes together; fewer if there are fewer."""
    owners, places, scores = [], [], []
    for number, cube in enumerate(cubes):
        index = cube.explained()
        owners.append(np.full(len(index), number))
        places.append(index)
        scores.append(cube.rows("score", index))
    owner, place, score = (np.concatenate(parts) for parts in (owners, places, scores))
    order = np.argsort(-score, kind="stable")
    ranks = {0: "highest", len(order) - 1: "lowest"}
    if len(order) > 2:
        ranks[len(order) // 2] = "median"
    shown = []
    for rank in sorted(ranks):
        one = order[rank]
        cube = cubes[owner[one]]
        repeat, step, pixel = np.unravel_index(place[one], cube.shape[:3])
        rows = {name: cube.rows(name, place[[one]])[0] for name in methods(cubes)}
        shown.append(Shown(cube, (int(repeat), int(step), int(pixel)), ranks[rank], float(score[one]), rows))
    return shown


def read(shown: Shown, root: Path) -> np.ndarray:
    """The spectrum itself, (wavelength,), from the run's own shards in root or from where the cube says.

    Raises ShardError if the shard is gone or is not the one that was explained.
    """
    attributes = shown.cube.attributes
    own = root / f"{attributes['observation']}.h5"
    path = own if attributes["side"] != "none" else Path(str(attributes["shard"]))
    if not path.is_file():
        raise ShardError(
            f"The shard {path}, which {shown.cube.path} explains, is gone. "
            + ("Say where it is with data.root=DIR." if path == own else "Put it back, or delete the cube.")
        )
    shard = Shard.open(path)
    if shard.digest != attributes["shard_digest"]:
        raise ShardError(f"{path} has changed since it was explained. Run explain.py again.")
    spectrum: np.ndarray = shard.read("spectra")[shown.place]
    return spectrum


def limits(shown: Sequence[Shown]) -> dict[str, float]:
    """Method -> the 99th percentile of |attribution| over all spectra shown: the end of its colour scale."""
    found = {}
    for name in METHODS:
        values = [np.abs(one.attributions[name]) for one in shown if name in one.attributions]
        if values:
            found[name] = float(np.nanpercentile(np.concatenate(values), 99)) or 1.0
    return found


def strongest(cubes: Sequence[Cube], name: str) -> tuple[float, float]:
    """Where the mean of |attribution| over all explained spectra is largest: (Å, the signed mean there)."""
    rows = np.concatenate([cube.rows(name, cube.explained()) for cube in cubes]).astype(np.float64)
    best = int(np.nanargmax(np.abs(rows).mean(axis=0)))
    return float(cubes[0].read("wavelength")[best]), float(rows[:, best].mean())
