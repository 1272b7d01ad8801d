"""Twins in shards: the same spectra twice, one of them changed, and always on the same side."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from preflare.command import CONF
from preflare.data.datamodule import usable
from preflare.data.partition import Partitioner
from preflare.data.shard import Shard, open_all
from preflare.errors import ConfigError, ShardError
from preflare.explain import twins
from preflare.explain.artifact import Plateau
from preflare.sun.line import Line
from preflare.sun.observation import Label, Phase

PLATEAU = Plateau(110, 129, 0.3)
MakeShard = Callable[..., Path]


@pytest.fixture(scope="module")
def line() -> Line:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return instantiate(compose(overrides=["+line=mg_ii"]).line)


@pytest.fixture
def sources(tmp_path: Path, make_shard: MakeShard, line: Line) -> list[Shard]:
    """Two AR and two PF toy observations; the last of four repeats of the latter flares."""
    for number in range(2):
        make_shard(tmp_path / "sources", Label.AR, number)
        make_shard(tmp_path / "sources", Label.PF, number)
    return open_all(tmp_path / "sources", line)


def test_flares_are_taken_where_there_are_any(sources: list[Shard], line: Line) -> None:
    found = twins.pieces(sources, line, 4, None, 0)
    assert {piece.source.header.label for piece in found} == {Label.PF}
    assert [piece.number for piece in found] == [0, 1, 2, 3]
    for piece in found:
        repeat, _, slit = np.unravel_index(piece.rows, piece.source.shape[:3])
        assert (piece.source.read("phase")[repeat, 0] == Phase.FLARE).all()
        assert len(np.unique(slit // 5)) == 1  # half of the slit
    assert sum(len(piece.rows) for piece in found) == 2 * 20


def test_without_flares_all_clean_spectra_are_taken(sources: list[Shard], line: Line) -> None:
    calm = [source for source in sources if source.header.label is Label.AR]
    found = twins.pieces(calm, line, 2, None, 0)
    for piece in found:
        np.testing.assert_array_equal(piece.rows, np.flatnonzero(usable(piece.source, line)))


def test_a_smaller_number_is_a_random_part(sources: list[Shard], line: Line) -> None:
    everything, some = twins.pieces(sources, line, 4, None, 0), twins.pieces(sources, line, 4, 25, 0)
    assert sum(len(piece.rows) for piece in some) == 25
    assert all(np.isin(one.rows, other.rows).all() for one, other in zip(some, everything, strict=True))
    other = twins.pieces(sources, line, 4, 25, 1)
    assert any(not np.array_equal(a.rows, b.rows) for a, b in zip(some, other, strict=True))


def test_twins_are_alike_but_for_the_artefact(sources: list[Shard], tmp_path: Path, line: Line) -> None:
    found = twins.pieces(sources, line, 4, None, 0)
    twins.write(tmp_path / "twins", found, PLATEAU, 0)
    shards = {shard.name: shard for shard in open_all(tmp_path / "twins", line)}
    assert len(shards) == 8
    for piece in found:
        clean, changed = (
            shards[f"{kind}_{piece.source.header.id[:15]}_{piece.number:08d}{int(kind == 'PF'):02d}"]
            for kind in ("AR", "PF")
        )
        original = piece.source.read("spectra").reshape(-1, line.points)[piece.rows]
        np.testing.assert_array_equal(clean.read("spectra")[0, 0], original)
        spectra, inside = twins.changed(changed)
        np.testing.assert_array_equal(spectra[~inside], original[~inside])
        assert (spectra[inside] == np.float32(0.3)).all() and inside.sum() == 20 * len(spectra)
        assert not twins.changed(clean)[1].any()
        assert changed.header.sources == {piece.source.name: piece.source.digest}
        np.testing.assert_array_equal(
            changed.read("position")[0, 0], piece.source.read("position").reshape(-1, 2)[piece.rows]
        )


@pytest.mark.parametrize("seed", range(4))
def test_partitions_keep_twins_together(sources: list[Shard], tmp_path: Path, line: Line, seed: int) -> None:
    twins.write(tmp_path / "twins", twins.pieces(sources, line, 8, None, 0), PLATEAU, 0)
    shards = open_all(tmp_path / "twins", line)
    headers, clean = [shard.header for shard in shards], {shard.name: usable(shard, line) for shard in shards}
    partition = Partitioner(seed, 3, 0, 1.0).divide(headers, clean)
    assert {side: len(names) for side, names in partition.sides.items()} == {"train": 10, "validation": 0, "test": 6}
    twins.check_together(partition.sides)
    for side, names in partition.sides.items():
        for name in names:
            assert len(partition.rows[side][name]) == clean[name].sum()
    parted = {**partition.sides, "train": partition.sides["test"][:1], "test": partition.sides["test"][1:]}
    with pytest.raises(ConfigError, match=r"on different sides.*partition.validation=0"):
        twins.check_together(parted)


def test_again_writes_nothing_and_others_are_refused(sources: list[Shard], tmp_path: Path, line: Line) -> None:
    root = tmp_path / "out" / "shards"
    found = twins.pieces(sources, line, 4, None, 0)
    twins.write(root, found, PLATEAU, 0)
    before = {path: path.stat().st_mtime_ns for path in root.iterdir()}
    twins.write(root, found, PLATEAU, 0)
    for others, artifact in (
        (found, Plateau(110, 129, 0.4)),
        (found[:2], PLATEAU),
        (twins.pieces(sources, line, 4, 20, 0), PLATEAU),
    ):
        with pytest.raises(ShardError, match=r"holds twins of other spectra or with another artefact.*output=DIR"):
            twins.write(root, others, artifact, 0)
    assert before == {path: path.stat().st_mtime_ns for path in root.iterdir()}


def test_without_clean_spectra_nothing_can_be_planted(tmp_path: Path, make_shard: MakeShard, line: Line) -> None:
    make_shard(tmp_path, Label.PF, 0, clean=False)
    with pytest.raises(ShardError, match="holds no clean spectrum to plant anything in"):
        twins.pieces(open_all(tmp_path, line), line, 2, None, 0)
