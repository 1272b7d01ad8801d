"""Observations whose spectra name themselves, in shards of many small slabs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from preflare.data import shard, writing
from preflare.data.shard import Shard
from preflare.data.slabs import Slabs
from preflare.data.stream import StreamedSpectra
from preflare.sun.line import Line, Rules
from preflare.sun.observation import Block, Header, Label, Observation

RULES = Rules(-100.0, 16183.0, 3, 10.0, None, None, 1.0)
LINE = Line("made_up", "Made up", "NUV", 100.0, 110.0, 6, {"k": 103.0}, {}, (105.0, 105.5), RULES)

WriteCube = Callable[..., Shard]
BuildSide = Callable[..., StreamedSpectra]


@pytest.fixture(scope="session")
def made_up() -> Line:
    """The line of ``write_cube``."""
    return LINE


@pytest.fixture
def write_cube(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteCube:
    """``write_cube(label, number, shape)``: value p of spectrum i (flat) of observation o is 1e5 o + i + p / 10.

    Slabs hold at most 40 spectra. bad: where a spectrum is NaN and flagged missing, one in so many; else all clean.
    values: other spectra, (n, 6).
    """
    monkeypatch.setattr(shard, "CHUNK", 40 * 6 * 4)

    def write(
        label: Label, number: int, shape: tuple[int, int, int], bad: int = 0, values: np.ndarray | None = None
    ) -> Shard:
        count = int(np.prod(shape))
        if values is None:
            values = 1e5 * (20 * int(label) + number) + np.arange(count)[:, None] + np.arange(6) / 10
        spectra = values.astype(np.float32)
        quality = np.zeros(count, dtype=np.uint16)
        if bad:
            spectra[::bad], quality[::bad] = np.nan, 1
        header = Header(
            id=f"201403{10 + number:02d}_140000_386025848{int(label)}",
            label=label,
            origin="simulation",
            line="made_up",
            wavelength=LINE.wavelength,
            dispersion=0.1,
            start="2014-03-29T14:00:00",
            window_start="2014-03-29T14:00:00",
            window_end="2014-03-29T14:25:00",
            onset="2014-03-29T14:26:00" if label is Label.PF else "",
        )
        block = Block(
            spectra=spectra.reshape(*shape, 6),
            intensity=np.ones(shape, dtype=np.float32),
            time=np.zeros(shape[:2]),
            phase=np.ones(shape[:2], dtype=np.uint8),
            exposure=np.ones(shape[:2], dtype=np.float32),
            quality=quality.reshape(shape),
            position=np.zeros((*shape, 2), dtype=np.float32),
        )
        path, _ = writing.write(tmp_path, Observation(header, *shape, blocks=lambda: iter([block])))
        return Shard.open(path)

    return write


@pytest.fixture
def build_side(write_cube: WriteCube) -> BuildSide:
    """``build_side(shapes, every)``: AR and PF in turn, of these shapes, every so-manieth spectrum chosen."""

    def build(shapes: list[tuple[int, int, int]], every: int = 1) -> StreamedSpectra:
        shards = [write_cube(Label(place % 2), place, shape) for place, shape in enumerate(shapes)]
        rows = [np.arange(0, np.prod(shape), every) for shape in shapes]
        return StreamedSpectra([Slabs.of(one) for one in shards], rows)

    return build
