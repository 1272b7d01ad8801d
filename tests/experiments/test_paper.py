"""The driver of the study: steps in turn, what failed is told, the report shows what is finished."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from omegaconf import OmegaConf

from preflare.report import steps as steps_file
from preflare.sun.observation import Label

MakeShard = Callable[..., Path]

SECTION = """
import json, sys, pathlib
folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
record = dict(schema=1, name=folder.name, title="Title of " + folder.name, paper="Fig. 1", lead="", origin="simulation",
              plots=[], tables={}, claims=[], warnings=[], gallery=[], command="", config={}, inputs={}, versions={},
              seconds=1, finished="")
(folder / "section.json").write_text(json.dumps(record))
"""


def steps(tmp_path: Path, *names: str) -> str:
    """The override that makes each of these a section; of "broken" a step that fails."""
    (tmp_path / "good.py").write_text(SECTION)
    (tmp_path / "bad.py").write_text("raise SystemExit(3)")
    made = []
    for name in names:
        script = tmp_path / ("bad.py" if name == "broken" else "good.py")
        needs = "[broken]" if name == "needy" else "[needy]" if name == "needier" else "[]"
        made.append(
            f"{{name: {name}, script: {script}, arguments: [{tmp_path / 'out' / name}], minutes: 1, needs: {needs}}}"
        )
    return f"steps=[{', '.join(made)}]"


def test_every_step_is_done_and_shown(
    verb: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = verb("experiments/paper", steps(tmp_path, "first", "second"), f"output={tmp_path / 'out'}")
    told = capfd.readouterr().out
    assert code == 0
    assert "2 steps, 2 minutes by their budgets." in told
    assert f"The report: {tmp_path / 'out' / 'report' / 'index.html'}" in told
    page = (tmp_path / "out" / "report" / "index.html").read_text()
    assert page.index("Title of first") < page.index("Title of second")


def test_a_step_that_fails_does_not_end_the_others(
    verb: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = verb("experiments/paper", steps(tmp_path, "broken", "second"), f"output={tmp_path / 'out'}")
    assert code == 1
    assert "broken failed; to see why: python" in capfd.readouterr().out
    page = (tmp_path / "out" / "report" / "index.html").read_text()
    assert "Title of second" in page
    assert "broken failed" in page


def test_what_needs_a_step_that_failed_is_not_tried(
    verb: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = steps(tmp_path, "first", "broken", "needy", "needier")
    assert verb("experiments/paper", made, f"output={tmp_path / 'out'}") == 1
    told = capfd.readouterr().out
    assert "needy was not done because broken failed." in told
    assert "needier was not done because needy failed." in told
    assert not (tmp_path / "out" / "needy").exists()
    assert "needy was not done" in (tmp_path / "out" / "report" / "index.html").read_text()


def test_the_report_says_what_every_step_took(verb: Callable[..., int], tmp_path: Path) -> None:
    made, output = steps(tmp_path, "first", "second"), tmp_path / "out"
    assert verb("experiments/paper", made, f"output={output}") == 0
    spent = steps_file.read(output)
    assert list(spent) == ["first", "second"] and all(one.done and one.seconds > 0 for one in spent.values())
    page = (output / "report" / "index.html").read_text()
    assert "<th>step</th><th>budget (min)</th><th>spent (min)</th>" in page
    assert "<td>all</td><td>2</td>" in page
    # Done again in no time, it keeps what it took.
    longer = replace(spent["first"], seconds=90.0)
    steps_file.note(output, "first", longer)
    assert verb("experiments/paper", made, f"output={output}", "only=first") == 0
    assert steps_file.read(output)["first"].seconds == 90


def test_only_some(verb: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = steps(tmp_path, "first", "second")
    assert verb("experiments/paper", made, f"output={tmp_path / 'out'}", "only=[second]") == 0
    assert not (tmp_path / "out" / "first").exists()
    assert verb("experiments/paper", made, f"output={tmp_path / 'out'}", "only=third") == 1
    assert "There is no step third (only=third). Known are first, second." in capfd.readouterr().err


def test_nothing_is_simulated_into_real_shards(
    load_verb: Callable[[str], ModuleType], make_shard: MakeShard, tmp_path: Path
) -> None:
    module = load_verb("experiments/paper")
    assert not module.real(tmp_path / "nowhere")
    make_shard(tmp_path / "simulated", Label.PF, 0)
    assert not module.real(tmp_path / "simulated")
    make_shard(tmp_path / "real", Label.PF, 0, origin="level2")
    assert module.real(tmp_path / "real")


@pytest.mark.parametrize(
    ("origin", "images", "expected"),
    [("simulation", None, "{}/fits"), ("level2", None, "null"), ("level2", "data/films", "data/films")],
)
def test_films_are_those_beside_a_simulated_sun_or_the_users(
    verb: Callable[..., int], make_shard: MakeShard, tmp_path: Path, origin: str, images: str | None, expected: str
) -> None:
    script, shards = tmp_path / "told.py", tmp_path / "shards"
    script.write_text("import pathlib, sys\npathlib.Path(sys.argv[1]).write_text(sys.argv[2])")
    make_shard(shards, Label.PF, 0, origin=origin)
    told = tmp_path / "told.txt"
    step = f"steps=[{{name: one, script: {script}, arguments: [{told}, '${{images}}'], minutes: 1}}]"
    own = [f"images={images}"] if images else []
    assert verb("experiments/paper", step, f"shards={shards}", f"output={tmp_path / 'out'}", *own) == 0
    assert told.read_text() == expected.format(shards)


def test_the_shipped_steps_are_scripts_that_are_there(load_verb: Callable[[str], ModuleType]) -> None:
    module = load_verb("experiments/paper")
    steps = OmegaConf.load(module.ROOT / "conf" / "paper.yaml").steps
    assert len({step.name for step in steps}) == len(steps)
    assert all((module.ROOT / step.script).is_file() for step in steps)
    assert sum(step.minutes for step in steps) <= 45
    # A step reads what earlier ones made: all that it names, by the folders in its arguments.
    before: list[str] = []
    for step in steps:
        arguments = "|".join(OmegaConf.to_container(step.arguments, resolve=False))
        assert set(step.get("needs", [])) <= set(before), step.name
        read = {name for name in before if f"output}}/{name}" in arguments and name != step.name}
        assert read <= set(step.get("needs", [])), step.name
        before.append(step.name)
