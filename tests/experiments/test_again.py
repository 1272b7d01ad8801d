"""Sections that read cubes are made again once these were made in another way."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from preflare.explain.cube import Cube

SECTIONS = ("timelines", "spectrograms", "slits", "intensity", "global_explanation", "features")


@pytest.mark.parametrize("name", SECTIONS)
def test_what_is_explained_in_another_way_is_another_input(
    name: str,
    own_run: Path,
    tmp_path: Path,
    make_cube: Callable[..., Cube],
    load_verb: Callable[[str], ModuleType],
    verb: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Mapping[str, str]] = []
    monkeypatch.setattr(
        load_verb(f"experiments/{name}"), "conclude", lambda config, inputs, make: seen.append(dict(inputs))
    )
    shards = [min((own_run.parent / "shards").glob(f"{label}_*.h5")) for label in ("AR", "PF")]

    def explain(side: str) -> None:
        for path in shards:
            make_cube(own_run / "cubes", path, np.full((4, 2, 10), 0.5), np.zeros((4, 2, 10, 240)), side)
        arguments = (f"sweep={own_run}", f"data.root={own_run.parent / 'shards'}", f"output={tmp_path / 'x'}")
        assert verb(f"experiments/{name}", *arguments) == 0

    for side in ("test", "test", "train"):
        explain(side)
    first, again, other = seen
    assert first == again
    assert first.keys() == other.keys() == {path.stem for path in shards}
    assert all(first[key] != other[key] for key in first)
