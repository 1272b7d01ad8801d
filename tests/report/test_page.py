"""The page is one file that needs nothing else, with and without cubes."""

import base64
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from preflare import run
from preflare.errors import RunError, ShardError
from preflare.explain import ensemble
from preflare.explain.ensemble import Ensemble
from preflare.explain.expected_gradients import ExpectedGradients
from preflare.explain.explanation import Explanation
from preflare.report import page
from preflare.run import Run
from preflare.sun.observation import Label

MakeShard = Callable[..., Path]


def explain(run: Run, *rest: Any, maps: tuple[str, ...] = ("hirescam",)) -> None:
    method = ExpectedGradients(4, 1, "herding", 0)
    choices = ("log_odds", "best", "clean", 5, 0, "unseen", 9, maps, "float32", 1, 4)
    Explanation(*choices, method, allow_simulated=True)(single(run), *rest)


def single(run: Run) -> Ensemble:
    return Ensemble(run.folder, (run,))


class Tags(HTMLParser):
    """Every start tag, every attribute that fetches, and the tags left open."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(text: str) -> Tags:
    found = Tags()
    found.feed(text)
    assert found.open == []
    return found


def test_a_page_without_cubes_says_how_to_get_them(own_run: Path) -> None:
    text = page.write(single(run.read(own_run)), None).read_text()
    assert f"python explain.py run={own_run}" in text
    assert len(parsed(text).fetched) == 1  # the learning curve


@pytest.fixture(scope="module")
def explained(toy_run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """A run whose held-out observations are explained and that has its page, and the folder of its shards."""
    copy = tmp_path_factory.mktemp("explained") / "toy"
    shutil.copytree(toy_run.parent, copy)
    finished, home = run.read(copy / "run"), copy / "shards"
    explain(finished, home, None, None)
    assert page.write(single(finished), home) == copy / "run" / "report.html"
    return finished, home


def test_a_page_fetches_nothing_and_its_pictures_are_pictures(explained: tuple[Run, Path]) -> None:
    tags = parsed(explained[0].folder.report.read_text())
    assert not {"script", "link", "iframe"} & set(tags.tags)
    # The learning curve, PF, AR, completeness, and both families raw and as displayed.
    assert len(tags.fetched) == 6
    for source in tags.fetched:
        assert source.startswith("data:image/png;base64,")
        assert base64.b64decode(source.partition(",")[2]).startswith(b"\x89PNG")


def test_the_page_says_what_it_is(explained: tuple[Run, Path]) -> None:
    text = explained[0].folder.report.read_text()
    assert "<h1>Mg II h&amp;k spectra before a flare: a network trained on the simulated Sun</h1>" in text
    assert "Simulated data" in text and "The test side chose the epoch" in text
    for name, digest in explained[0].record["data"].items():
        assert name in text and digest in text
    assert re.search(r"Strongest in HiResCAM, over the 5 explained spectra: 2\d{3}\.\d\d Å \(", text)
    assert "Held-out PF spectra" in text and "Held-out AR spectra" in text
    assert "not the run" not in text  # no foreign observation, no such section


def test_the_same_run_gives_the_same_page(explained: tuple[Run, Path]) -> None:
    assert page.render(single(explained[0]), explained[1]) == explained[0].folder.report.read_text()


def test_real_data_have_their_own_section_and_warnings(own_run: Path, tmp_path: Path, make_shard: MakeShard) -> None:
    finished, home = run.read(own_run), own_run.parent / "shards"
    shard = make_shard(tmp_path / "real", Label.UNKNOWN, 9, origin="level2")
    explain(finished, home, shard, None)
    text = page.render(single(finished), home)
    assert "Observations that are not the run&#39;s own" in text or "Observations that are not the run's own" in text
    assert "These spectra are real IRIS data, and the model was trained on the simulated Sun" in text
    assert f"No label (NA): nothing is known here about a flare in {shard.stem}." in text
    assert f"shards={shard}" in text
    # Only foreign cubes: the held-out section still says how to fill it.
    assert "No held-out observation has been explained yet" in text


def test_cubes_may_have_other_maps(own_run: Path, tmp_path: Path, make_shard: MakeShard) -> None:
    finished, home = run.read(own_run), own_run.parent / "shards"
    explain(finished, home, None, None)
    shard = make_shard(tmp_path / "other", Label.UNKNOWN, 9)
    explain(finished, home, shard, None, maps=("gradcam", "hirescam"))
    text = page.render(single(finished), home)
    assert "Strongest in Grad-CAM" in text and text.count("Strongest in HiResCAM") == 3
    # One of the two held-out observations again, with another map: what both hold is shown.
    explain(finished, home, None, finished.record["partition"]["sides"]["test"], maps=("gradcam",))
    name = sorted(finished.record["partition"]["sides"]["test"])[0]
    explain(finished, home, None, [name], maps=("hirescam",))
    page.render(single(finished), home)


def test_a_cube_of_an_earlier_run_is_refused(own_run: Path) -> None:
    finished, home = run.read(own_run), own_run.parent / "shards"
    explain(finished, home, None, None)
    finished.record["finished"] = "2031-01-01T00:00:00+00:00"
    with pytest.raises(RunError, match="explains another run.*Run explain.py again"):
        page.write(single(finished), home)
    assert not finished.folder.report.exists()


def test_nothing_is_written_when_shards_are_gone(own_run: Path, tmp_path: Path) -> None:
    finished, home = run.read(own_run), own_run.parent / "shards"
    explain(finished, home, None, None)
    with pytest.raises(ShardError, match="is gone"):
        page.write(single(finished), tmp_path / "nowhere")
    assert not finished.folder.report.exists()


def test_a_sweep_has_a_page(own_run: Path) -> None:
    sweep, home = own_run.parent / "sweep", own_run.parent / "shards"
    for seed in range(3):
        shutil.copytree(own_run, sweep / f"seed-{seed}")
    by = ensemble.read(sweep)
    choices = ("probability", "best", "clean", 5, 0, "unseen", 9, ("hirescam",), "float32", 1, 4)
    Explanation(*choices, ExpectedGradients(4, 1, "herding", 0))(by, home, None, None)
    assert page.write(by, home) == sweep / "report.html"
    text = (sweep / "report.html").read_text()
    assert "3 networks trained on the simulated Sun" in text and "The distribution of skill" in text
    assert "How many members stand for all?" in text and "contributed to the probability of PF" in text
    assert "none of which trained on what it explains" in text and "seed-2" in text
    # The distribution, PF, AR, completeness, both families raw and as displayed, representatives.
    assert len(parsed(text).fetched) == 7


def test_a_page_shows_one_quantity(own_run: Path) -> None:
    finished, home = run.read(own_run), own_run.parent / "shards"
    first, second = sorted(finished.record["partition"]["sides"]["test"])
    for quantity, name in (("log_odds", first), ("logit_pf", second)):
        choices = (quantity, "best", "clean", 5, 0, "unseen", 9, (), "float32", 1, 0)
        Explanation(*choices, ExpectedGradients(4, 1, "herding", 0))(single(finished), home, None, [name])
    with pytest.raises(RunError, match="explain log_odds and logit_pf.*explained=log_odds"):
        page.write(single(finished), home)
