"""Every figure and every claim of the paper has a row, whatever sections there are."""

import pytest

from preflare.report import published, section, standing, templates


def record(**claim: str) -> dict:
    said = {
        "paper": "Sect. 7.1",
        "claim": "Nine.",
        "found": "9",
        "truth": "",
        "verdict": "needs the real data",
        **claim,
    }
    plots = [{"name": "skill", "title": "Skill", "figures": ["10", "D.1"]}]
    return {"name": "swarm", "plots": plots, "claims": [{"key": "", **said}]}


def test_what_no_section_covers_is_said() -> None:
    assert [row.number for row in standing.figures([])] == [f"Fig. {number}" for number in published.FIGURES]
    assert {row.stands for row in standing.claims([])} == {"not in this report"}
    assert [row.says for row in standing.claims([])] == [one.says for one in published.CLAIMS.values()]
    missing = {row.number: row.stands for row in standing.figures([])}
    assert missing["Fig. 10"] == ("not in this report",)
    assert missing["Fig. 18"] == ("needs the real data: images of the Sun",)


def test_a_figure_leads_to_where_it_is_drawn_and_stands_as_what_it_bears_out() -> None:
    rows = {row.number: row for row in standing.figures([record(key="splits", verdict="reproduced")])}
    assert rows["Fig. 10"].drawn == (standing.Link("swarm.html#skill", "Skill"),)
    assert rows["Fig. 10"].stands == ("reproduced",)
    assert rows["Fig. D.1"].stands == ("drawn; nothing in it to recover",)
    assert rows["Fig. 11"].drawn == ()
    # Drawn, but the section says nothing of its claims.
    rows = {row.number: row for row in standing.figures([record()])}
    assert rows["Fig. 10"].stands == ("not in this report",)


def test_only_what_does_not_stand_is_marked() -> None:
    macro = templates.environment().get_template("claims.html").module.verdict  # type: ignore[attr-defined]
    marked = [text for text in (*section.Verdict, standing.ABSENT, standing.DRAWN) if "class" in macro(text)]
    assert marked == [
        "method does not recover the planted truth",
        "not reproduced",
        "not in this report",
    ]


def test_all_answers_to_a_claim_are_shown_where_the_paper_has_it() -> None:
    rows = standing.claims([record(key="nine"), record(key="nine", found="8"), record(key="", found="7")])
    place = list(published.CLAIMS).index("nine")
    assert [row.found for row in rows if row.found] == ["9", "8"]
    assert (rows[place].page, rows[place + 1].found, rows[place + 2].page) == ("swarm.html", "8", "")
    assert len(rows) == len(published.CLAIMS) + 1


@pytest.mark.parametrize("key", ["", "nine"])
def test_what_is_ours_is_told_apart(key: str) -> None:
    assert [row.found for row in standing.others([record(key=key)])] == ([] if key else ["9"])
    assert [row.found for row in standing.answers([record(key=key)])] == ["9"]
