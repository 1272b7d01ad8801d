"""The intensity section on cubes and intensities that the test decides."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from preflare.data import shard, writing
from preflare.data.shard import Shard
from preflare.explain.cube import Cube
from preflare.report import section
from preflare.sun.observation import Observation
from preflare.sun.quality import Quality

Verb = Callable[..., int]


@pytest.fixture
def sweep(own_run: Path, make_cube: Callable[..., Cube], tmp_path: Path) -> Path:
    """The toy run with cubes whose mean attribution rises up to 100 DN/s, and falls above.

    Every spectrum's first wavelength is its log intensity over ten; one in three has a high continuum.
    """
    stream = np.random.default_rng(0)
    for path in sorted((own_run.parent / "shards").glob("*.h5")):
        one = Shard.open(path)
        ((_, block),) = one.blocks(99)
        arrays = {name: getattr(block, name).copy() for name in shard.LAYOUT}
        lit = stream.uniform(20, 180, one.shape[:3]).astype(np.float32)
        arrays["intensity"] = lit
        arrays["spectra"][..., 0] = np.log10(lit) / 10
        arrays["quality"][:, :, 7:] |= Quality.HIGH_CONTINUUM.value
        new = type(block)(**arrays)
        blocks = partial(iter, [new])
        made, _ = writing.write(tmp_path / "lit", Observation(one.header, *one.shape[:3], blocks=blocks))
        mean = np.where(lit < 100, lit, 200 - lit) / 100
        make_cube(own_run / "cubes", made, np.full(one.shape[:3], 0.5), np.repeat(mean[..., None], 240, axis=3))
    return own_run


def test_the_break_and_what_the_shape_tells_are_found(sweep: Path, tmp_path: Path, verb: Verb) -> None:
    arguments = (f"sweep={sweep}", f"data.root={tmp_path / 'lit'}", f"output={tmp_path / 'x'}")
    assert verb("experiments/intensity", *arguments) == 0

    record = section.read(tmp_path / "x")
    assert [plot["name"] for plot in record["plots"]] == ["attribution", "shape"]
    table = record["tables"]["Two lines and a break"]
    rows = {row[0]: dict(zip(table["head"], row, strict=True)) for row in table["rows"]}
    assert abs(float(rows["all"]["break (DN/s)"].split()[0]) - 100) < 5
    assert rows["all"]["R² below"] == rows["all"]["R² above"] == "1.00"
    assert rows["all"]["left out: two lines"].startswith(("99", "100"))
    assert rows["all"]["count"] == "174"
    assert rows["without HIGH_CONTINUUM"]["count"] == rows["without either"]["count"] == "120"
    assert rows["without QUIET_SUN"]["count"] == "174"
    told = {row[0]: float(row[1].split()[0]) for row in record["tables"]["What tells the intensity"]["rows"] if row[1]}
    assert told["normalised spectrum"] > 0.8
    assert told["its pseudo-continuum"] < 0.1
    assert "174 explained spectra of 3 PF observations" in record["lead"]


@pytest.mark.parametrize(
    ("argument", "said"), [("method=lime", "method"), ("method=gradcam", "holds no gradcam"), ("sweep=x", "x")]
)
def test_bad_input_is_refused(
    sweep: Path, tmp_path: Path, verb: Verb, capfd: pytest.CaptureFixture[str], argument: str, said: str
) -> None:
    arguments = (f"sweep={sweep}", f"data.root={tmp_path / 'lit'}", f"output={tmp_path / 'x'}", argument)
    assert verb("experiments/intensity", *arguments) == 1
    assert said in capfd.readouterr().err
    assert not (tmp_path / "x").exists()


def test_one_intensity_has_no_lines(
    own_run: Path, make_cube: Callable[..., Cube], tmp_path: Path, verb: Verb, capfd: pytest.CaptureFixture[str]
) -> None:
    shards = own_run.parent / "shards"
    for path in sorted(shards.glob("*.h5")):  # all of 100 DN/s
        make_cube(own_run / "cubes", path, np.full((4, 2, 10), 0.5), np.ones((4, 2, 10, 240)))
    arguments = (f"sweep={own_run}", f"data.root={shards}", f"output={tmp_path / 'x'}")
    assert verb("experiments/intensity", *arguments) == 1
    assert "174 explained PF spectra, or their intensities, are too few for two lines." in capfd.readouterr().err
