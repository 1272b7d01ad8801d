"""The data report: one page that needs nothing else and a CSV that agrees with it; bad folders leave nothing."""

import csv
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate
from matplotlib.figure import Figure
from omegaconf import OmegaConf

from preflare.command import CONF
from preflare.data import writing
from preflare.data.shard import Shard
from preflare.errors import ConfigError, ShardError
from preflare.report import data_pictures, data_report
from preflare.sun.goes import Goes
from preflare.sun.line import Line
from preflare.sun.observation import Label, Observation
from preflare.sun.recipe import recipe
from preflare.sun.window import Window
from tests.report.test_page import Tags
from tests.sun.test_images import write as write_film

MakeShard = Callable[..., Path]
RunVerb = Callable[..., int]


@pytest.fixture(scope="module")
def folder(make_shard: MakeShard, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two observations of each class; the first knows its X-rays, which reach M in the window."""
    tmp_path = tmp_path_factory.mktemp("data")
    for number in range(2):
        for label in (Label.AR, Label.PF):
            made = Shard.open(make_shard(tmp_path / "made", label, number))
            goes = None
            if (label, number) == (Label.PF, 0):
                time = np.arange(-600.0, 3000.0, 60.0)
                goes = Goes(time, np.where(np.abs(time - 600) < 90, 2e-5, 1e-6))
            header = replace(made.header, settings={"mode": "raster", "mu": 0.3 + 0.2 * label + 0.01 * number})
            blocks = [block for _, block in made.blocks(9)]
            writing.write(
                tmp_path / "shards",
                Observation(header, *made.shape[:3], blocks=lambda blocks=blocks: iter(blocks), goes=goes),
            )
    return tmp_path / "shards"


@pytest.fixture
def config_line() -> Line:
    return instantiate(OmegaConf.load(CONF / "line" / "mg_ii.yaml"))


@pytest.fixture(scope="module")
def page(folder: Path) -> Path:
    return data_report.write(folder)


def test_the_page_is_whole_and_says_what_it_must(folder: Path, page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    assert tags.open == [] and all(link.startswith("data:") for link in tags.fetched)
    plain = unescape(text)
    assert "Simulated data: these shards" in plain and "The data: Mg II h&k spectra of 4 observations" in plain
    for path in folder.glob("*.h5"):
        assert path.stem in plain
    assert "PF_20140310_140000_3860258482: before its flare the Sun's X-rays already reach M2.0" in plain
    assert "The X-ray flux of 2 AR observations is not known" in plain
    assert "mu" in plain and "AUC" in plain and "MISSING" in plain and "LOW_SIGNAL" in plain
    assert "Surroundings" not in plain and "X-rays of the whole Sun around 1 of 4 observations" in plain
    # The toy spectra have no such flag, so nothing is said of it outside the rules.
    assert "OVEREXPOSED" not in plain


def test_the_csv_has_the_numbers(page: Path) -> None:
    rows = list(csv.DictReader(page.with_name(data_report.CSV).read_text(encoding="utf-8").splitlines()))
    assert [row["observation"][:2] for row in rows] == ["PF", "PF", "AR", "AR"]
    first = rows[0]
    assert (first["spectra"], first["clean"], first["label"], first["setting_mode"]) == ("60", "58", "PF", "raster")
    assert float(first["share_MISSING"]) == pytest.approx(1 / 60) and float(first["strongest"]) == pytest.approx(2e-5)
    assert rows[1]["strongest"] == "" and float(rows[2]["setting_mu"]) == pytest.approx(0.3)


def test_the_same_page_twice_and_nothing_beside_it(folder: Path, page: Path) -> None:
    before = page.read_bytes()
    assert data_report.write(folder).read_bytes() == before
    assert {path.name for path in folder.iterdir() if path.suffix != ".h5"} == {data_report.PAGE, data_report.CSV}


def test_images_are_drawn_where_they_are(folder: Path, tmp_path: Path) -> None:
    (path,) = folder.glob("PF_20140310*.h5")
    shutil.copy(path, tmp_path)
    write_film(tmp_path / "films" / "iris_l2_20140310_140000_3860258482_SJI_2796_t000.fits")
    plain = unescape(data_report.write(tmp_path, tmp_path / "films").read_text(encoding="utf-8"))
    assert plain.count("<h3>PF_20140310_140000_3860258482</h3>") == 1 and "Surroundings" in plain
    assert "with the slit's 2 places in one repeat in green" in plain


def test_images_that_are_not_there_are_refused(folder: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(next(folder.glob("PF*.h5")), tmp_path))
    for films, said in (
        (tmp_path / "nowhere", "There is no folder .*nowhere. Correct images=DIR"),
        (path, "There is no folder .*h5. Correct images=DIR"),
        (tmp_path, "holds no slit-jaw film or AIA cube of these observations, expected files such as iris_l2_2014"),
    ):
        with pytest.raises(ConfigError, match=said):
            data_report.write(tmp_path, films)
    assert not list(tmp_path.glob("data_report*"))


def test_who_has_no_images_is_said(folder: Path, tmp_path: Path) -> None:
    for path in folder.glob("*.h5"):
        shutil.copy(path, tmp_path)
    write_film(tmp_path / "films" / "iris_l2_20140310_140000_3860258482_SJI_2796_t000.fits")
    plain = unescape(data_report.write(tmp_path, tmp_path / "films").read_text(encoding="utf-8"))
    said = re.search(r"No images of (.*)\.</p>", plain)
    assert said is not None and len(said[1].split(", ")) == 3 and "PF_20140310" not in said[1]


def test_a_foreign_mask_is_a_warning(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remarks: list[object] = []
    monkeypatch.setattr(data_pictures.flag_examples, "draw", lambda *asked: (remarks.append(asked[-1]), Figure())[1])
    made = Shard.open(next(folder.glob("AR*.h5")))
    blocks = [block for _, block in made.blocks(9)]
    header = replace(made.header, origin="level2")
    path, _ = writing.write(tmp_path, Observation(header, *made.shape[:3], blocks=lambda: iter(blocks)))
    for origin, foreign in (("level2", False), ("simulation", True)):
        quality = made.read("quality")
        writing.remask(Shard.open(path), quality, np.zeros(quality.shape), {"threshold": 1.0, "trained_on": origin})
        plain = unescape(data_report.write(tmp_path).read_text(encoding="utf-8"))
        assert ('class="warning">Quiet Sun masked by a model of the simulated Sun.' in plain) is foreign
        assert ("<li>An autoencoder trained on the simulated Sun decided" in plain) is foreign
        row = next(csv.DictReader((tmp_path / data_report.CSV).read_text(encoding="utf-8").splitlines()))
        assert row["masked_by"] == ("simulation" if foreign else "")
    assert remarks == ["", "quiet Sun masked by a model of the simulated Sun"]


def test_one_shard_alone(folder: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(next(folder.glob("AR*.h5")), tmp_path))
    plain = unescape(data_report.write(path).read_text(encoding="utf-8"))
    assert "There are 0 PF and 1 AR observations" in plain and "there is nothing to compare" in plain
    assert len(re.findall(r"AR_2014\d{4}_140000_\d{10}", plain)) >= 3


def test_a_damaged_shard_leaves_no_page(folder: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(next(folder.glob("AR*.h5")), tmp_path))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ShardError):
        data_report.write(tmp_path)
    assert not list(tmp_path.glob("data_report*"))


def test_a_line_without_a_config_is_said(make_shard: MakeShard, tmp_path: Path) -> None:
    made = Shard.open(make_shard(tmp_path / "made", Label.AR, 0))
    blocks = [block for _, block in made.blocks(9)]
    header = replace(made.header, line="h_alpha")
    writing.write(tmp_path / "own", Observation(header, *made.shape[:3], blocks=lambda: iter(blocks)))
    with pytest.raises(ShardError, match="holds the line h_alpha, of which there is no .*h_alpha.yaml"):
        data_report.write(tmp_path / "own")


def written(root: Path, made: Shard, line: Line, **changes: object) -> Path:
    """The same spectra as if ingested with this line."""
    blocks = [block for _, block in made.blocks(9)]
    header = replace(made.header, recipe=recipe(line, Window(25.0, 1.0, "nothing", None, None, None)), **changes)  # type: ignore[arg-type]
    return writing.write(root, Observation(header, *made.shape[:3], blocks=lambda: iter(blocks)))[0]


def test_the_rules_are_those_the_shards_were_made_with(
    make_shard: MakeShard, tmp_path: Path, config_line: Line
) -> None:
    ours = replace(config_line, rules=replace(config_line.rules, low_signal=40.0, high_continuum=0.2, core_ratio=None))
    made = [Shard.open(make_shard(tmp_path / "made", Label.AR, number)) for number in range(2)]
    written(tmp_path / "own", made[0], ours)
    plain = unescape(data_report.write(tmp_path / "own").read_text(encoding="utf-8"))
    rules = plain.split("Line and rules</summary><pre>")[1].split("</pre>")[0]
    assert "low_signal: 40.0" in rules and "high_continuum: 0.2" in rules and "core_ratio: null" in rules
    written(tmp_path / "own", made[1], config_line)
    with pytest.raises(ShardError, match="different rules: line.rules.low_signal is 40.0 in one, 10.0 in the other"):
        data_report.write(tmp_path / "own")


def test_a_grid_of_ones_own(make_shard: MakeShard, tmp_path: Path, config_line: Line) -> None:
    made = Shard.open(make_shard(tmp_path / "made", Label.AR, 0, points=480))
    path = written(tmp_path / "own", made, replace(config_line, points=480))
    plain = unescape(data_report.write(path).read_text(encoding="utf-8"))
    assert "A spectrum has 480 points from 2794.14 to 2805.72" in plain and "points: 480" in plain


def test_which_flags_count_is_a_choice(make_shard: MakeShard, tmp_path: Path) -> None:
    path = make_shard(tmp_path, Label.AR, 0)
    made = Shard.open(path)
    flags = made.read("quality")
    flags[1] |= 64  # high continuum
    writing.remask(made, flags, np.zeros(flags.shape), {})

    def clean(tolerated: list[str] | None) -> tuple[int, str]:
        page = data_report.write(path, None, tolerated).read_text(encoding="utf-8")
        row = next(csv.DictReader((tmp_path / data_report.CSV).read_text(encoding="utf-8").splitlines()))
        return int(row["clean"]), unescape(page)

    assert clean(None)[0] == 78
    count, page = clean(["OFF_LIMB"])
    assert count == 58 and "the line tolerates (OFF_LIMB)" in page and "'line.tolerated=[OFF_LIMB]'" in page
    with pytest.raises(ConfigError, match="line.tolerated names 'CLOUDS', which is no flag"):
        data_report.write(path, None, ["CLOUDS"])


def test_the_verb(
    folder: Path, verb: RunVerb, capsys: pytest.CaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(data_report, "write", lambda *paths: asked.append(paths) or "the path")
    assert verb("report", f"shards={folder}", f"images={tmp_path}", "line.tolerated=[OFF_LIMB]") == 0
    assert capsys.readouterr().out.strip() == "the path" and asked == [(folder, tmp_path, ["OFF_LIMB"])]
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    for wrong in ([], ["run=runs/default", f"shards={folder}"]):
        assert verb("report", *wrong) == 1
        assert "give run=runs/default, or shards=data/simulation" in capsys.readouterr().err
    assert verb("report", "run=runs/default", "images=.") == 1
    assert "images=DIR belongs to a report about shards" in capsys.readouterr().err
    assert verb("report", "run=runs/default", "line.tolerated=[SAA]") == 1
    assert "line.tolerated belongs to a report about shards" in capsys.readouterr().err
    assert verb("report", "shards=nowhere") == 1
    assert "No shards at nowhere" in capsys.readouterr().err


def test_numbers_show_that_they_differ() -> None:
    assert data_report._pair(2015.213, 2015.481) == ("2015.2", "2015.5")
    assert data_report._pair(1.5, 1.5) == ("1.5", "1.5")
