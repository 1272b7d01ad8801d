"""Spectra and their changed twins as shards, so that networks train on them like on any others.

A source observation is cut along the slit into pieces. Each piece gives two shards, the untouched spectra under the
label AR and the changed ones under PF, row by row. Both have the same number, by which partitions order observations,
so that those of conf/partition/paper.yaml put twins on the same side; ``check_together`` holds any to it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path

import numpy as np

from preflare.data import writing
from preflare.data.shard import Shard
from preflare.errors import ConfigError, ShardError
from preflare.explain.artifact import Artifact
from preflare.sun.line import Line
from preflare.sun.observation import Block, Label, Observation, Phase
from preflare.sun.quality import is_clean

# What the truth of a changed spectrum is called in its shard: (repeat, step, slit, wavelength) of 0 and 1.
INSIDE = "inside"


@dataclass(frozen=True, eq=False)
class Piece:
    """Neighbouring spectra of one source. rows: flat (C order) over (repeat, step, slit)."""

    source: Shard
    number: int
    rows: np.ndarray


def pieces(sources: Sequence[Shard], line: Line, least: int, most: int | None, seed: int) -> list[Piece]:
    """The spectra of the sources that are clean by the line's rules, in at least so many pieces if slits allow it.

    Spectra of flares where the sources have any, as in the paper, otherwise all. most: so many spectra at most, drawn
    from the seed. Raises ShardError if nothing is clean.
    """
    masks = [_wanted(source, line, True) for source in sources]
    if not any(mask.any() for mask in masks):
        masks = [_wanted(source, line, False) for source in sources]
    total = sum(int(mask.sum()) for mask in masks)
    if total == 0:
        raise ShardError(f"{sources[0].path.parent} holds no clean spectrum to plant anything in. Ingest other ones.")
    kept = np.zeros(total, dtype=bool)
    kept[np.random.default_rng(seed).permutation(total)[:most]] = True
    parts = -(-least // sum(bool(mask.any()) for mask in masks))
    found: list[Piece] = []
    start = 0
    for source, mask in zip(sources, masks, strict=True):
        rows = np.flatnonzero(mask)
        start, rows = start + len(rows), rows[kept[start : start + len(rows)]]
        part = rows % source.shape[2] * parts // source.shape[2]
        found += [Piece(source, 0, rows[part == number]) for number in np.unique(part)]
    return [replace(piece, number=number) for number, piece in enumerate(found)]


def write(root: Path, found: Sequence[Piece], artifact: Artifact, seed: int) -> None:
    """Write both shards of each piece into the folder root; those already there are left alone.

    Raises ShardError if others are there, and ConfigError if the artefact does not fit on the grid.
    """
    twins = [_twin(piece, label, artifact, seed) for piece in found for label in (Label.AR, Label.PF)]
    wanted = {twin.header.name: twin.header for twin in twins}
    for path in root.glob("*.h5"):
        there = Shard.open(path).header
        mine = wanted.get(there.name)
        if mine is None or (mine.sources, mine.recipe) != (there.sources, there.recipe):
            raise ShardError(
                f"{root} holds twins of other spectra or with another artefact, such as {path.name}. "
                f"Choose another output=DIR, or delete {root.parent}."
            )
    for twin in twins:
        writing.write(root, twin)


def check_together(sides: Mapping[str, Sequence[str]]) -> None:
    """Raise ConfigError unless twins are on the same side of a partition (side -> observations)."""
    for names in sides.values():
        clean, others = ({name[3:-2] for name in names if name.startswith(kind)} for kind in ("AR", "PF"))
        if clean != others:
            raise ConfigError(
                "The partition puts a spectrum and its changed twin on different sides, so that one would train and "
                "the other test. Use partition=paper and partition.validation=0."
            )


def changed(twin: Shard) -> tuple[np.ndarray, np.ndarray]:
    """The spectra of a changed twin and where the artefact is in each: (n, wavelength), float32 and bool."""
    return twin.read("spectra")[0, 0], twin.read(f"truth/{INSIDE}")[0, 0] > 0


def _wanted(source: Shard, line: Line, flaring: bool) -> np.ndarray:
    clean = is_clean(source.read("quality"), line)
    return clean & (source.read("phase") == Phase.FLARE)[:, :, None] if flaring else clean


def _twin(piece: Piece, label: Label, artifact: Artifact, seed: int) -> Observation:
    source, header = piece.source, piece.source.header
    assert is_dataclass(artifact) and not isinstance(artifact, type)
    recipe = {
        "artifact": type(artifact).__name__,
        **{f"artifact.{name}": json.dumps(value) for name, value in asdict(artifact).items()},
        "seed": seed,
        "rows": json.dumps(piece.rows.tolist()),
    }
    told = replace(
        header,
        # The start of the source; in place of its OBSID the number of the piece and which twin.
        id=f"{header.id[:15]}_{piece.number:08d}{int(label):02d}",
        label=label,
        # Nothing flares here, but a PF observation has an onset: it begins with its window.
        onset=header.window_start if label is Label.PF else "",
        peak="",
        end="",
        flare_class="",
        number=piece.number,
        sources={source.name: source.digest},
        recipe=recipe,
    )
    return Observation(told, 1, 1, len(piece.rows), lambda: _blocks(piece, label, artifact, seed))


def _blocks(piece: Piece, label: Label, artifact: Artifact, seed: int) -> Iterator[Block]:
    source, rows = piece.source, piece.rows
    spectra = source.read("spectra").reshape(-1, source.shape[3])[rows]
    inside = np.zeros(spectra.shape, dtype=bool)
    if label is Label.PF:
        planted = artifact(source.header.wavelength, spectra, np.random.default_rng((seed, piece.number)))
        spectra, inside = planted.spectra, planted.inside
    yield Block(
        spectra=spectra[None, None],
        intensity=source.read("intensity").ravel()[rows][None, None],
        time=np.zeros((1, 1)),
        phase=np.full((1, 1), Phase.PREFLARE, dtype=np.uint8),
        exposure=np.median(source.read("exposure"), keepdims=True),
        quality=np.zeros((1, 1, len(rows)), dtype=np.uint16),
        position=source.read("position").reshape(-1, 2)[rows][None, None],
        truth={INSIDE: inside[None, None].astype(np.uint8)},
    )
