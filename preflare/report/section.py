"""A section of the study: what one experiment found, as a folder that the report is built from.

    section.json         ``Section`` as text, with config, inputs, versions and seconds; written last
    <plot>.png, .pdf     its figures
    gallery/<n>.png      pictures to browse, if it has any

A section is finished when section.json is there, and is what it would be again if that names the same config, inputs
and code (``is_same``).
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from preflare.errors import RunError
from preflare.figures import style
from preflare.report import published
from preflare.report.tables import Table, shown
from preflare.run import now, versions

SCHEMA = 1
# Where a claim is that the paper does not make.
OURS = "ours"
FILE = "section.json"


class Verdict(StrEnum):
    """Where a figure or a numbered claim of the paper stands."""

    RECOVERS = "method recovers the planted truth"
    DOES_NOT = "method does not recover the planted truth"
    NEEDS_REAL = "needs the real data"
    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"


def judge(origin: str, good: bool) -> Verdict:
    """The verdict on what was tested on shards of this origin, good or not."""
    if origin == "level2":
        return Verdict.REPRODUCED if good else Verdict.NOT_REPRODUCED
    return Verdict.RECOVERS if good else Verdict.DOES_NOT


def judge_real(origin: str, good: bool) -> Verdict:
    """The verdict on what the simulation says nothing about: it needs the real data."""
    return judge(origin, good) if origin == "level2" else Verdict.NEEDS_REAL


def remark(origin: str) -> str:
    """For the corner of a figure of shards of this origin; "" where there is nothing to say."""
    return "the simulated Sun" if origin == "simulation" else ""


@dataclass(frozen=True)
class Claim:
    """paper: where it is, such as "Fig. 10", or OURS. claim: what the paper says. found: what this run gives, with its
    numbers. truth: what the simulation put in; "" on real shards or where it says nothing about it. key: of the one it
    answers of published.CLAIMS; "" for none."""

    paper: str
    claim: str
    found: str
    truth: str
    verdict: Verdict
    key: str = ""


@dataclass(frozen=True)
class Plot:
    """A figure to be written. name: of its files; caption: what was found, with the numbers of this run. figures: those
    of published.FIGURES that it redoes."""

    name: str
    title: str
    caption: str
    figure: Figure
    figures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Item:
    """A picture of the gallery. facts: what it can be filtered by, such as {"label": "PF"}."""

    caption: str
    facts: Mapping[str, str]
    image: bytes


@dataclass(frozen=True)
class Section:
    """name: of its folder and page. paper: what it redoes, such as "Sect. 6, Fig. 10". lead: a few sentences.

    origin: of the shards, simulation or level2. tables: title -> table. gallery: pictures, drawn as they are written.
    Raises ValueError where something simulated is called reproduced, and for claims and figures the paper lacks.
    """

    name: str
    title: str
    paper: str
    lead: str
    origin: str
    plots: Sequence[Plot]
    tables: Mapping[str, Table]
    claims: Sequence[Claim]
    warnings: Sequence[str] = ()
    gallery: Iterator[Item] | Sequence[Item] = ()

    def __post_init__(self) -> None:
        real = {Verdict.REPRODUCED, Verdict.NOT_REPRODUCED}
        for claim in self.claims:
            if claim.verdict in real and self.origin != "level2":
                raise ValueError(f"{claim.paper} cannot be {claim.verdict} from shards of origin {self.origin}.")
        unknown = {claim.key for claim in self.claims if claim.key} - set(published.CLAIMS)
        unknown |= {number for plot in self.plots for number in plot.figures} - set(published.FIGURES)
        if unknown:
            raise ValueError(f"{self.name} answers what is not in preflare.report.published: {sorted(unknown)}.")


@dataclass(frozen=True)
class Trace:
    """Where the numbers come from. command: that makes it again. inputs: name -> digest, or when it was finished.
    code: digest of what made it."""

    command: str
    config: Mapping[str, Any]
    inputs: Mapping[str, str]
    seconds: float
    code: str


def write(section: Section, trace: Trace, folder: Path) -> Path:
    """Write a section into its folder, section.json last, and return the path of that."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / FILE
    target.unlink(missing_ok=True)
    for plot in section.plots:
        (folder / f"{plot.name}.png").write_bytes(style.png(plot.figure))
        (folder / f"{plot.name}.pdf").write_bytes(style.pdf(plot.figure))
    gallery = []
    for number, item in enumerate(section.gallery):
        image = folder / "gallery" / f"{number:03}.png"
        image.parent.mkdir(exist_ok=True)
        image.write_bytes(item.image)
        gallery.append({"image": f"gallery/{image.name}", "caption": item.caption, "facts": dict(item.facts)})
    record = {
        "schema": SCHEMA,
        "name": section.name,
        "title": section.title,
        "paper": section.paper,
        "lead": section.lead,
        "origin": section.origin,
        "plots": [
            {
                "name": plot.name,
                "title": plot.title,
                "caption": plot.caption,
                "width": round(style.SCREEN * plot.figure.get_figwidth()),
                "figures": list(plot.figures),
            }
            for plot in section.plots
        ],
        "tables": {
            title: {"head": table.head, "rows": [[shown(cell) for cell in row] for row in table.rows]}
            for title, table in section.tables.items()
        },
        "claims": [asdict(claim) for claim in section.claims],
        "warnings": list(section.warnings),
        "gallery": gallery,
        **asdict(trace),
        "versions": versions(),
        "finished": now(),
    }
    scratch = folder / f".{FILE}.part"
    scratch.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    os.replace(scratch, target)
    return target


def read(folder: Path) -> dict[str, Any]:
    """What ``write`` wrote into section.json. Raises RunError if it is not there or is no section of ours."""
    path = folder / FILE
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        newer = record["schema"] > SCHEMA
    except FileNotFoundError:
        raise RunError(f"{folder} holds no finished section: {path} is missing. Run its experiment again.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} cannot be read as a section. Delete it and run its experiment again.") from error
    if newer:
        raise RunError(f"{path} was written by a newer preflare (schema {record['schema']}, this one reads {SCHEMA}).")
    # What sections did not say at first.
    record.setdefault("code", "")
    for entries, key, nothing in ((record["plots"], "figures", []), (record["claims"], "key", "")):
        for entry in entries:
            entry.setdefault(key, nothing)
    return record


def is_same(folder: Path, config: Mapping[str, Any], inputs: Mapping[str, str], code: str) -> bool:
    """Whether a finished section of this config, these inputs and this code is already there."""
    if not (folder / FILE).is_file():
        return False
    record = read(folder)
    same: bool = record["config"] == json.loads(json.dumps(config)) and record["inputs"] == dict(inputs)
    return same and record["code"] == code
