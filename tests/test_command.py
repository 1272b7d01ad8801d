"""What the verbs share: folder names, and errors as one sentence."""

import subprocess
import sys

import pytest
from hydra.errors import InstantiationException

from preflare.command import CONF, folder_name, sentence
from preflare.errors import ShardError
from preflare.figures import style
from tests.conftest import RunVerb


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], ""),
        (["seed=7", "partition.seed=3"], "partition.seed-3/seed-7"),
        (["partition.seed=3", "seed=7"], "partition.seed-3/seed-7"),
        (["seed=7", "logger=wandb", "logger.mode=offline", "trainer=gpu", "data.root=/a/b", "name=x"], "seed-7"),
        (["trainer.max_epochs=3", "trainer.devices=2"], "trainer.max_epochs-3"),
        (["+experiment=paper_swarm", "seed=1"], "seed-1"),
        (["loss.l2=1e-3", "model=fnn"], "loss.l2-0.001/model-fnn"),
        (["model.hidden=[5, 6]", "~loss.l2"], "loss.l2-null/model.hidden-_5_6_"),
    ],
)
def test_folder_name(overrides: list[str], expected: str) -> None:
    name = folder_name(overrides)
    assert name == expected
    assert "=" not in name and " " not in name


def test_our_own_sentence_is_found_below_hydras() -> None:
    with pytest.raises(InstantiationException) as caught:
        try:
            raise ShardError("Found, expected, do this.")
        except ShardError as error:
            raise InstantiationException("Error in call to target") from error
    assert sentence(caught.value) == "Found, expected, do this."


def test_any_other_error_speaks_for_itself() -> None:
    assert sentence(InstantiationException("no such argument")) == "no such argument"


def test_help_may_be_read_in_part() -> None:
    """As with ``| head``: who reads leaves before anything is written."""
    code = """
import os, sys
reading, writing = os.pipe()
os.close(reading)
os.dup2(writing, 1)
sys.argv = ["report.py", "--help"]
import runpy
runpy.run_path("report.py", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=CONF.parent, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_look_is_chosen_once_and_an_unknown_one_refused(
    verb: RunVerb, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert verb("report", "run=nowhere", "style=paper") == 1
    assert style.look() is style.LOOKS["paper"]
    assert verb("train", "data.root=nowhere") == 1
    assert style.look() is style.LOOKS["default"], "a verb without the key draws as ever"
    capsys.readouterr()
    assert verb("report", "run=nowhere", "style=papers") == 1
    said = caplog.text + capsys.readouterr().err
    assert "style is papers, expected default or paper" in said.replace("'", "")
