"""Where the figures and claims of the paper stand, by the sections that there are: none is silently absent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from preflare.report import published

ABSENT = "not in this report"
DRAWN = "drawn; nothing in it to recover"


@dataclass(frozen=True)
class Link:
    """A place in the report: the page and what it is called."""

    page: str
    title: str


@dataclass(frozen=True)
class Figure:
    """A figure of the paper. drawn: where it is redone. stands: verdicts on what it bears out, or why none are."""

    number: str
    shows: str
    drawn: tuple[Link, ...]
    stands: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """A claim and an answer to it, as ``section.Claim`` has them. page: of the answer; "" where there is none."""

    where: str
    says: str
    page: str
    found: str
    truth: str
    stands: str


def figures(records: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """A row for each figure of the paper. records: of sections, as ``section.read`` gives them."""
    rows = []
    for number, one in published.FIGURES.items():
        drawn = tuple(
            Link(f"{record['name']}.html#{plot['name']}", plot["title"])
            for record in records
            for plot in record["plots"]
            if number in plot["figures"]
        )
        answers = [claim for record in records for claim in record["claims"] if claim["key"] in one.claims]
        verdicts = tuple(dict.fromkeys(claim["verdict"] for claim in answers))
        stands = (verdicts or ((ABSENT,) if one.claims else (DRAWN,))) if drawn else (one.missing,)
        rows.append(Figure(f"Fig. {number}", one.shows, drawn, stands))
    return rows


def claims(records: Sequence[Mapping[str, Any]]) -> list[Row]:
    """A row for each answer to a claim of the paper, in the paper's order, and one for each that has no answer."""
    rows = []
    for key, one in published.CLAIMS.items():
        found = answers(records, key)
        rows += found or [Row(one.where, one.says, "", "", "", ABSENT)]
    return rows


def others(records: Sequence[Mapping[str, Any]]) -> list[Row]:
    """What sections tell beside the claims of published.CLAIMS."""
    return answers(records, "")


def answers(records: Sequence[Mapping[str, Any]], key: str | None = None) -> list[Row]:
    """What sections tell of one claim; of all if there is no key."""
    return [
        Row(claim["paper"], claim["claim"], f"{record['name']}.html", claim["found"], claim["truth"], claim["verdict"])
        for record in records
        for claim in record["claims"]
        if key in (None, claim["key"])
    ]
