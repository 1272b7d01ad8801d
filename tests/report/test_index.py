"""The report: every link leads to a file of it, and it is replaced as a whole."""

import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from preflare.errors import RunError
from preflare.report import index, section
from preflare.report.section import Claim, Item, Plot, Section, Trace, Verdict
from preflare.report.tables import Table


def make(folder: Path, name: str) -> Path:
    made = Section(
        name=name,
        title=f"Section {name}",
        paper="Fig. 1",
        lead="5 < 6.",
        origin="simulation",
        plots=[Plot("one", "One", "Found: 3.", Figure(figsize=(3, 2)), ("1",))],
        tables={"Numbers": Table(("a", "b"), (("1", "2"),))},
        claims=[Claim("Fig. 1", "All is well.", "3 of 4", "4 of 4", Verdict.DOES_NOT)],
        gallery=[Item("first", {"label": "PF", "kind": 'a "b"'}, b"png"), Item("second", {"label": "AR"}, b"png")],
    )
    trace = Trace(f"python experiments/{name}.py", {"a": 1}, {f"shard {name}": "abc"}, 90, "c0de")
    section.write(made, trace, folder / name)
    return folder / name


def test_every_link_leads_to_a_file(tmp_path: Path) -> None:
    path = index.write([make(tmp_path, "first"), make(tmp_path, "second")], tmp_path / "report")

    assert path == tmp_path / "report" / "index.html"
    pages = sorted(path.parent.glob("*.html"))
    assert [page.name for page in pages] == ["first.html", "index.html", "second.html"]
    for page in pages:
        links = re.findall(r'(?:src|href)="([^"]+)"', page.read_text())
        assert len(links) > 2
        assert not any(link.startswith("http") for link in links)
        for link in (link for link in links if not link.startswith("data:")):
            target, _, place = link.partition("#")
            assert (path.parent / target).is_file()
            assert not place or f'id="{place}"' in (path.parent / target).read_text()
    assert "first.html#one" in path.read_text()


def test_it_says_what_was_found_and_from_what(tmp_path: Path) -> None:
    text = index.write([make(tmp_path, "first")], tmp_path / "report", ["The slits are missing."]).read_text()

    assert "5 &lt; 6." in text
    assert "The slits are missing." in text
    assert "simulated Sun" in text
    assert "method does not recover the planted truth" in text
    assert "python experiments/first.py" in text
    assert "shard first" in text
    assert "<td>1.5</td>" in text
    # Every figure of the paper has a row, drawn or not.
    assert text.count("<td>Fig. ") == 23
    assert "not in this report" in text


def test_the_gallery_can_be_filtered_by_every_fact(tmp_path: Path) -> None:
    index.write([make(tmp_path, "first")], tmp_path / "report")
    text = (tmp_path / "report" / "first.html").read_text()

    assert re.findall(r'data-fact="(\w+)"', text) == ["label", "kind"]
    assert "<option>AR</option><option>PF</option>" in text
    assert "&#34;label&#34;: &#34;PF&#34;" in text


def test_the_report_is_replaced_as_a_whole(tmp_path: Path) -> None:
    index.write([make(tmp_path, "first"), make(tmp_path, "second")], tmp_path / "report")
    index.write([tmp_path / "second"], tmp_path / "report")
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == ["index.html", "second", "second.html"]

    (tmp_path / "first" / "one.png").unlink()
    with pytest.raises(RunError, match="one.png is missing"):
        index.write([tmp_path / "first"], tmp_path / "report")
    assert (tmp_path / "report" / "second.html").is_file()
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_no_section_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no finished section"):
        index.write([], tmp_path / "report")
