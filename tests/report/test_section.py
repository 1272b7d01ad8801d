"""A section on disk: written whole or not at all, read back as it was, known again."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from preflare.errors import RunError
from preflare.report import section
from preflare.report.section import Claim, Item, Plot, Section, Trace, Verdict, judge_real, remark
from preflare.report.tables import Table

TRACE = Trace("python experiments/x.py", {"a": 1, "b": [1, 2]}, {"shard": "abc"}, 3.5, "c0de")


def make(origin: str = "simulation", verdict: Verdict = Verdict.RECOVERS) -> Section:
    return Section(
        name="x",
        title="X",
        paper="Fig. 1",
        lead="It is so.",
        origin=origin,
        plots=[Plot("one", "One", "What was found: 3.", Figure(figsize=(3, 2)), ("1",))],
        tables={"Numbers": Table(("a", "b"), (("1", "2"),))},
        claims=[Claim("Fig. 1", "All is well.", "3 of 4", "4 of 4", verdict)],
        warnings=["Mind the gap."],
        gallery=[Item("first", {"label": "PF"}, b"png")],
    )


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    path = section.write(make(), TRACE, tmp_path / "x")

    record = section.read(tmp_path / "x")
    assert path == tmp_path / "x" / "section.json"
    assert record["plots"] == [
        {"name": "one", "title": "One", "caption": "What was found: 3.", "width": 390, "figures": ["1"]}
    ]
    assert (tmp_path / "x" / "one.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "x" / "one.pdf").read_bytes().startswith(b"%PDF")
    assert record["tables"] == {"Numbers": {"head": ["a", "b"], "rows": [["1", "2"]]}}
    assert record["claims"][0]["verdict"] == "method recovers the planted truth"
    assert record["gallery"] == [{"image": "gallery/000.png", "caption": "first", "facts": {"label": "PF"}}]
    assert (record["inputs"], record["seconds"], record["warnings"]) == ({"shard": "abc"}, 3.5, ["Mind the gap."])


def test_the_same_is_known_again_and_another_is_not(tmp_path: Path) -> None:
    assert not section.is_same(tmp_path, TRACE.config, TRACE.inputs, "c0de")
    section.write(make(), TRACE, tmp_path)

    assert section.is_same(tmp_path, {"a": 1, "b": (1, 2)}, {"shard": "abc"}, "c0de")
    assert not section.is_same(tmp_path, {"a": 2, "b": [1, 2]}, {"shard": "abc"}, "c0de")
    assert not section.is_same(tmp_path, TRACE.config, {"shard": "other"}, "c0de")
    assert not section.is_same(tmp_path, TRACE.config, TRACE.inputs, "other")


def test_a_section_that_fails_on_the_way_is_not_finished(tmp_path: Path) -> None:
    section.write(make(), TRACE, tmp_path)

    def failing():
        yield Item("first", {}, b"png")
        raise RuntimeError("on the way")

    broken = Section("x", "X", "Fig. 1", "", "simulation", [], {}, [], gallery=failing())
    with pytest.raises(RuntimeError, match="on the way"):
        section.write(broken, TRACE, tmp_path)

    with pytest.raises(RunError, match="no finished section"):
        section.read(tmp_path)


def test_nothing_simulated_is_reproduced() -> None:
    make("level2", Verdict.REPRODUCED)
    with pytest.raises(ValueError, match="cannot be reproduced from shards of origin simulation"):
        make("simulation", Verdict.REPRODUCED)


def test_what_the_paper_lacks_is_not_answered() -> None:
    figure = Plot("one", "One", "", Figure(), ("19",))
    with pytest.raises(ValueError, match="'19'"):
        Section("x", "X", "Fig. 19", "", "simulation", [figure], {}, [])
    claim = Claim("Fig. 1", "All is well.", "", "", Verdict.RECOVERS, "wellness")
    with pytest.raises(ValueError, match="wellness"):
        Section("x", "X", "Fig. 1", "", "simulation", [], {}, [claim])


def test_what_is_not_defined_is_left_empty(tmp_path: Path) -> None:
    table = Table(("a", "b"), (("PF", "nan%"), ("AR", "0.29 [nan, nan]")))
    section.write(Section("x", "X", "Fig. 1", "", "simulation", [], {"Numbers": table}, []), TRACE, tmp_path)
    assert section.read(tmp_path)["tables"]["Numbers"]["rows"] == [["PF", ""], ["AR", "0.29"]]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": "x"}'])
def test_another_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "section.json").write_text(content)
    with pytest.raises(RunError, match="cannot be read as a section"):
        section.read(tmp_path)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "section.json").write_text('{"schema": 99}')
    with pytest.raises(RunError, match="schema 99"):
        section.read(tmp_path)


def test_what_is_simulated_is_never_judged_reproduced() -> None:
    assert section.judge("simulation", True) is Verdict.RECOVERS
    assert section.judge("simulation", False) is Verdict.DOES_NOT
    assert section.judge("level2", True) is Verdict.REPRODUCED
    assert section.judge("level2", False) is Verdict.NOT_REPRODUCED


def test_what_the_simulation_does_not_say_needs_real_data() -> None:
    assert {judge_real("simulation", good) for good in (True, False)} == {Verdict.NEEDS_REAL}
    assert judge_real("level2", True) is Verdict.REPRODUCED
    assert judge_real("level2", False) is Verdict.NOT_REPRODUCED
    assert (remark("simulation"), remark("level2")) == ("the simulated Sun", "")
