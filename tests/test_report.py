"""The verb report as a user runs it."""

import html
import logging
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from preflare.sun.observation import Label

Verb = Callable[..., int]


def test_explain_then_report_ends_with_the_pages_path(
    verb: Verb, own_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = f"data.root={own_run.parent / 'shards'}"
    few = ("sample=4", "expected_gradients.baselines=4")
    assert verb("explain", f"run={own_run}", shards, *few) == 0
    assert verb("report", f"run={own_run}", shards) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(own_run / "report.html")
    assert "Held-out PF spectra" in (own_run / "report.html").read_text()


def test_the_commands_on_the_page_make_it_again(
    verb: Verb, own_run: Path, make_shard: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = f"data.root={own_run.parent / 'shards'}"
    odd = ("sample=3", "seed=5", "spectra=all", "maps=[gradcam]", "precision=float16", "checkpoint=last")
    eg = ("expected_gradients.baselines=4", "expected_gradients.choice=random", "expected_gradients.seed=2")
    foreign = make_shard(tmp_path / "other", Label.UNKNOWN, 9, origin="level2")
    assert verb("explain", f"run={own_run}", shards, *odd, *eg) == 0
    assert verb("explain", f"run={own_run}", shards, *odd, *eg[:1], f"shards={foreign}", "allow_simulated=true") == 0
    assert verb("report", f"run={own_run}", shards) == 0
    page = (own_run / "report.html").read_text()
    assert "analysis window: spectra that miss no wavelength, clean or not" in page
    assert "over all clean spectra in the analysis window" in page
    lines = html.unescape(page.split("How this was made</h2>")[1].split("<pre>")[1].split("</pre>")[0]).splitlines()
    assert [line.split()[1] for line in lines] == ["train.py", "explain.py", "explain.py", "report.py"]
    capsys.readouterr()
    for line, count in zip(lines[1:3], (2, 1), strict=True):
        assert verb("explain", *shlex.split(line)[2:]) == 0
        assert f"{count} of {count} observations were already explained in this way" in capsys.readouterr().err
    assert shlex.split(lines[3])[2:] == [f"run={own_run}", shards]


def test_a_run_without_cubes_still_has_a_page(verb: Verb, own_run: Path) -> None:
    assert verb("report", f"run={own_run}") == 0
    assert (own_run / "report.html").is_file()


def test_a_folder_that_is_no_run(verb: Verb, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verb("report", f"run={tmp_path}") == 1
    assert f"{tmp_path} is not a run folder" in capsys.readouterr().err


def test_an_unfinished_run(verb: Verb, own_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own_run / "run.json").unlink()
    assert verb("report", f"run={own_run}") == 1
    assert "is unfinished" in capsys.readouterr().err


def test_a_mistyped_key(verb: Verb, own_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verb("report", f"runn={own_run}") == 1
    assert "Key 'runn' not in 'Config'" in capsys.readouterr().err


def test_nothing_is_left_in_the_folder_it_ran_in(verb: Verb, own_run: Path) -> None:
    before = sorted(Path.cwd().iterdir())
    assert verb("report", f"run={own_run}") == 0
    assert sorted(Path.cwd().iterdir()) == before
    assert not [h for h in logging.getLogger().handlers if isinstance(h, logging.FileHandler)]


@pytest.mark.real_data
def test_real_rasters_are_explained_and_the_page_says_what_they_are(
    verb: Verb, own_run: Path, real_data: Path, tmp_path: Path
) -> None:
    own = (f"run={own_run}", f"data.root={own_run.parent / 'shards'}")
    few = ("sample=4", "expected_gradients.baselines=4")
    for folder in ("full_resolution", "coarse"):
        shards = tmp_path / folder
        assert (
            verb("ingest", "source=folder", f"source.path={real_data / folder}", "window=all", f"data.root={shards}")
            == 0
        )
        assert verb("explain", *own, *few, f"shards={shards}", "allow_simulated=true") == 0
    assert verb("report", *own) == 0
    page = (own_run / "report.html").read_text()
    for folder in ("full_resolution", "coarse"):
        assert f"<h3>NA_20140329_140938_3860258481-{folder}</h3>" in page
    assert "These spectra are real IRIS data, and the model was trained on the simulated Sun" in page
    assert "No label (NA): nothing is known here about a flare in NA_20140329_140938_3860258481." in page
