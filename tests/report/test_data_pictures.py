"""What the data report shows: examples of flags, X-rays that are known, images that there are."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate
from matplotlib.figure import Figure
from omegaconf import OmegaConf

from preflare.command import CONF
from preflare.data.shard import Shard
from preflare.report import data_pictures, inventory
from preflare.sun.line import Line
from preflare.sun.observation import Label

MakeShard = Callable[..., Path]


@pytest.fixture(scope="module")
def line() -> Line:
    return instantiate(OmegaConf.load(CONF / "line" / "mg_ii.yaml"))


@pytest.fixture(scope="module")
def found(make_shard: MakeShard, tmp_path_factory: pytest.TempPathFactory) -> list[Shard]:
    root = tmp_path_factory.mktemp("shards")
    return [Shard.open(make_shard(root, label, number)) for number, label in enumerate((Label.AR, Label.PF, Label.PF))]


def test_nothing_left_is_said_once(found: list[Shard], line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, np.ndarray] = {}

    def draw(
        wavelength: np.ndarray, spectra: dict[str, np.ndarray], titles: dict[str, list[str]], *_: object
    ) -> Figure:
        drawn.update(spectra)
        assert {name: len(values) for name, values in spectra.items()} == {n: len(v) for n, v in titles.items()}
        return Figure()

    monkeypatch.setattr(data_pictures.flag_examples, "draw", draw)
    rows = [inventory.measure(one, line) for one in found]
    assert sum(len(row.examples["MISSING"]) for row in rows) > 1
    nothing = np.full(line.points, np.nan)
    monkeypatch.setattr(data_pictures, "_spectrum", lambda *_: (nothing, np.nan))
    data_pictures.examples(found, rows, line, "")
    assert len(drawn["MISSING"]) == 1 and np.isnan(drawn["MISSING"]).all()


def test_examples_carry_their_flag(found: list[Shard], line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, tuple[int, int, int]]] = []
    read = data_pictures._spectrum
    monkeypatch.setattr(
        data_pictures, "_spectrum", lambda shard, place: (asked.append((shard.name, place)), read(shard, place))[1]
    )
    rows = [inventory.measure(one, line) for one in found]
    data_pictures.examples(found, rows, line, "")
    wanted = {(row.name, place) for row in rows for places in row.examples.values() for place in places}
    assert asked and set(asked) <= wanted
    assert len({name for name, _ in asked}) == 3, "no observation is passed over"


def test_without_x_rays_and_films_nothing_is_drawn(found: list[Shard], line: Line) -> None:
    rows = [inventory.measure(one, line) for one in found]
    assert data_pictures.x_rays(found, rows, "") is None
    assert data_pictures.contexts(found, rows, None, "") == []
