"""The explanations of a run or sweep on trial, after they were made: four tables beside the cubes.

    faithfulness.csv      each explanation against what a good one must do (``assessment``)
    completeness.csv      the residual of expected gradients against the number of samples (``convergence``)
    representatives.csv   of three members or more, how few of them stand for all (``representatives``)
    truth.csv             simulated shards only: explanations against what precursors changed, by kind (``truth``)

Of those members who explained the first observation, on spectra of every observation that the same members explained;
against the truth, what the cubes say of all observations.
"""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import torch

from preflare.data.shard import Shard
from preflare.explain import assessment, convergence, representatives, rows, shuffled, truth
from preflare.explain.cube import Cube
from preflare.explain.truth import Truth
from preflare.explain.work import Work

FAITHFULNESS, COMPLETENESS = "faithfulness.csv", "completeness.csv"
REPRESENTATIVES, TRUTH = "representatives.csv", "truth.csv"
# Spectra of each observation that are held against the truth, at most.
TRUE = 500
METHODS = ("expected_gradients", "hirescam", "gradcam", "gradcam_reference")


def hold(work: Work, shards: Sequence[Shard], cubes: Sequence[Cube], count: int) -> None:
    """Write the tables; faithfulness.csv, without which the trial was not held, last.

    count: spectra that the explanations are tested on, of all observations together. What costs little time, against
    the truth, is done on up to TRUE of each.
    """
    folder = cubes[0].path.parent
    members = work.members(shards[0])
    theirs = [(s, c) for s, c in zip(shards, cubes, strict=True) if work.members(s) == members]
    stream = np.random.default_rng(work.seed)
    spectra, known = [], []
    for number, (shard, one) in enumerate(theirs):
        index = one.explained()
        share = len(range(number, count, len(theirs)))
        chosen = np.sort(stream.choice(index, min(share, len(index)), replace=False))
        spectra.append(gather(shard, "spectra", chosen))
        if "kind" in shard.truth:
            known.append(_truth(shard, chosen))
    together = torch.from_numpy(np.concatenate(spectra))
    if known:
        rows.write(folder / TRUTH, _against_truth(list(zip(shards, cubes, strict=True))))
    candidates = work.candidates(shards[0])
    if len(candidates) > 2:
        committee = work.seated(candidates)
        said = committee.engine(together).attributions.numpy()
        names = [work.by.name(one) for one in candidates]
        rows.write(folder / REPRESENTATIVES, representatives.curve(said, names, work.seed))
    committee, _ = work.committee(theirs[0][0])
    against_samples = convergence.against_samples(
        committee, lambda method: work.paths(members, method), work.method, together
    )
    rows.write(folder / COMPLETENESS, against_samples)
    side = work.side(members[0])
    untaught = shuffled.trained(work.by.runs[members[0]], side, work.seed)
    methods = assessment.usual(together, committee, work.maps, side.faint(work.method.samples))
    found = assessment.assess(methods, committee, untaught, together, Truth.together(known) if known else None)
    rows.write(folder / FAITHFULNESS, found)


def is_held(folder: Path) -> bool:
    """Whether the tables are all there."""
    return (folder / FAITHFULNESS).is_file()


def forget(folder: Path) -> None:
    """Remove the tables, of cubes that are no more."""
    for name in (FAITHFULNESS, COMPLETENESS, REPRESENTATIVES, TRUTH):
        (folder / name).unlink(missing_ok=True)


def _against_truth(explained: Sequence[tuple[Shard, Cube]]) -> list[truth.Row]:
    names = [name for name in METHODS if all(name in one.names for _, one in explained)]
    said: dict[str, list[np.ndarray]] = {name: [] for name in names}
    parts = []
    for shard, one in explained:
        index = one.explained()
        index = index[shard.read("truth/kind").ravel()[index] > 0]
        index = index[:: -(-len(index) // TRUE) or 1]
        if len(index):
            parts.append(_truth(shard, index))
            for name in names:
                said[name].append(one.rows(name, index))
    if not parts:
        return []
    return truth.by_kind({name: np.concatenate(rows) for name, rows in said.items()}, Truth.together(parts))


def _truth(shard: Shard, index: np.ndarray) -> Truth:
    after, before = (gather(shard, f"truth/{name}", index) > 0 for name in ("changed_normalised", "changed"))
    return Truth(after, before, shard.read("truth/kind").ravel()[index])


def gather(shard: Shard, name: str, index: np.ndarray) -> np.ndarray:
    """Rows of a dataset on (repeat, step, slit, wavelength) at increasing flattened positions, (n, wavelength)."""
    if len(index) == 0:  # fewer spectra are asked for than there are observations
        return np.empty((0, shard.shape[3]), np.float32)
    per_repeat = shard.shape[1] * shard.shape[2]
    with h5py.File(shard.path, "r", locking="best-effort") as file:
        found = [file[name][repeat].reshape(per_repeat, -1) for repeat in np.unique(index // per_repeat)]
    return np.concatenate(found)[
        np.searchsorted(np.unique(index // per_repeat), index // per_repeat) * per_repeat + index % per_repeat
    ]
