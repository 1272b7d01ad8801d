"""What an experiment does around its section: nothing twice, and what was found is told."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from preflare.report import experiment, section
from preflare.report.experiment import conclude
from preflare.report.section import Claim, Section, Verdict
from preflare.report.tables import Table

MADE = Section(
    name="x",
    title="Title",
    paper="Fig. 1",
    lead="A lead [with brackets].",
    origin="simulation",
    plots=[],
    tables={"Numbers": Table(("observation", "TSS"), (("PF_1", "0.53"),))},
    claims=[Claim("Fig. 1", "All is well.", "3 of 4", "4 of 4", Verdict.DOES_NOT)],
    warnings=["Mind the gap."],
)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DictConfig:
    job = SimpleNamespace(job=SimpleNamespace(config_name="x"), overrides=SimpleNamespace(task=["only=[a,b]"]))
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "x.py").write_text("1")
    monkeypatch.setattr(experiment, "CONF", tmp_path / "conf")
    monkeypatch.setattr(HydraConfig, "get", staticmethod(lambda: job))
    return OmegaConf.create({"output": str(tmp_path / "x"), "level": 3})


def test_what_was_found_is_told_and_can_be_made_again(config: DictConfig, capsys: pytest.CaptureFixture[str]) -> None:
    path = conclude(config, {"shard": "abc"}, lambda: MADE)

    told = capsys.readouterr().out
    for text in ("Title (Fig. 1)", "A lead [with brackets].", "Note: Mind the gap.", "PF_1", "0.53", str(path.parent)):
        assert text in told
    assert "All is well. Found: 3 of 4 (put in: 4 of 4): method does not recover the planted truth." in told
    record = section.read(path.parent)
    assert record["command"] == "python experiments/x.py 'only=[a,b]'"
    assert record["config"] == {"output": str(path.parent), "level": 3}


def test_nothing_is_made_twice(config: DictConfig, capsys: pytest.CaptureFixture[str]) -> None:
    made = []

    def make() -> Section:
        made.append(1)
        return MADE

    conclude(config, {"shard": "abc"}, make)
    conclude(config, {"shard": "abc"}, make)
    assert len(made) == 1
    assert capsys.readouterr().out.count("PF_1") == 2

    conclude(config, {"shard": "other"}, make)
    config.level = 4
    conclude(config, {"shard": "other"}, make)
    assert len(made) == 3


def test_what_older_code_made_is_made_again(config: DictConfig, tmp_path: Path) -> None:
    made = []

    def make() -> Section:
        made.append(1)
        return MADE

    script = tmp_path / "experiments" / "x.py"
    first = conclude(config, {}, make)
    assert section.read(first.parent)["code"] == experiment.digest(script)
    script.write_text("2")
    conclude(config, {}, make)
    conclude(config, {}, make)
    assert len(made) == 2


def test_the_digest_of_the_code_is_of_every_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "room").mkdir()
    for name in ("script.py", "room/one.py"):
        (tmp_path / name).write_text("1")
    monkeypatch.setattr(experiment, "PACKAGE", tmp_path / "room")
    before = experiment.digest(tmp_path / "script.py")
    assert experiment.digest(tmp_path / "script.py") == before
    (tmp_path / "room" / "one.py").rename(tmp_path / "room" / "two.py")
    assert experiment.digest(tmp_path / "script.py") != before
