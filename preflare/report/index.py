"""The report of the whole study: one folder of static HTML, a page for each section, that opens from disk."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment
from omegaconf import OmegaConf

from preflare.errors import RunError
from preflare.report import section, standing, templates
from preflare.report.steps import Made, Spent
from preflare.report.tables import Table

TITLE = "Identifying preflare spectra: the study, section by section"


def write(
    sections: Sequence[Path],
    folder: Path,
    missing: Sequence[str] = (),
    spent: Mapping[str, Spent] | None = None,
    made: Sequence[Made] = (),
) -> Path:
    """Build the report from the folders of finished sections, in this order, and return the path of its index.html.

    folder: of the report; a report that is there is replaced as a whole, once the new one is written. missing: a
    sentence for each section that is not there, shown as a warning. spent: step -> what it took; None: as long as the
    sections took. made: how runs and cubes were made.
    Raises RunError if there is no section, or one cannot be read.
    """
    if not sections:
        raise RunError("There is no finished section to report. Run an experiment first, for example: make paper")
    records = [section.read(path) for path in sections]
    scratch = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        for path, record in zip(sections, records, strict=True):
            _copy(path, record, scratch / record["name"])
        environment = templates.environment()
        for place, record in enumerate(records):
            page = environment.get_template("section.html").render(
                section=record,
                before=records[place - 1] if place else None,
                after=records[place + 1] if place + 1 < len(records) else None,
                claims=standing.answers([record]),
                filters=_filters(record),
                config=OmegaConf.to_yaml(OmegaConf.create(record["config"])),
                inputs=_pairs(record["inputs"]),
                versions=_pairs(record["versions"]),
            )
            (scratch / f"{record['name']}.html").write_text(page, encoding="utf-8")
        (scratch / "index.html").write_text(_index(environment, records, missing, spent, made), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder / "index.html"


def _index(
    environment: Environment,
    records: Sequence[dict[str, Any]],
    missing: Sequence[str],
    spent: Mapping[str, Spent] | None,
    made: Sequence[Made],
) -> str:
    origins = {record["origin"] for record in records}
    simulated = (
        "Shards of the simulated Sun: what stands here says whether the method finds what the simulation put in, and "
        "nothing about flares."
    )
    page: str = environment.get_template("index.html").render(
        title=TITLE,
        lead="Panos, Kleint & Zbinden (2023, A&A 671, A73), redone by preflare.",
        warnings=[*([simulated] if "simulation" in origins else []), *missing],
        sections=records,
        figures=standing.figures(records),
        claims=standing.claims(records),
        others=standing.others(records),
        times=_sections(records) if spent is None else _times(spent),
        commands="\n".join(record["command"] for record in records)
        if spent is None
        else "\n".join(one.command for one in spent.values()),
        made=made,
        versions=_pairs({name: text for record in records for name, text in record["versions"].items()}),
        inputs=_pairs({name: text for record in records for name, text in record["inputs"].items()}),
    )
    return page


def _sections(records: Sequence[dict[str, Any]]) -> Table:
    total = sum(record["seconds"] for record in records)
    rows = [(record["title"], f"{record['seconds'] / 60:.1f}") for record in records]
    return Table(("section", "minutes"), (*rows, ("all", f"{total / 60:.1f}")))


def _times(spent: Mapping[str, Spent]) -> Table:
    rows = [
        (name, f"{one.minutes:g}", f"{one.seconds / 60:.1f}", "" if one.done else "failed")
        for name, one in spent.items()
    ]
    budget, total = (sum(getattr(one, key) for one in spent.values()) for key in ("minutes", "seconds"))
    return Table(("step", "budget (min)", "spent (min)", ""), (*rows, ("all", f"{budget:g}", f"{total / 60:.1f}", "")))


def _copy(source: Path, record: dict[str, Any], target: Path) -> None:
    target.mkdir(parents=True)
    names = [f"{plot['name']}.{kind}" for plot in record["plots"] for kind in ("png", "pdf")]
    for name in [*names, *(item["image"] for item in record["gallery"])]:
        (target / name).parent.mkdir(exist_ok=True)
        try:
            shutil.copyfile(source / name, target / name)
        except FileNotFoundError:
            raise RunError(
                f"{source / name} is missing. Delete {source / section.FILE} and run its experiment again."
            ) from None


def _filters(record: dict[str, Any]) -> dict[str, list[str]]:
    """Every fact of the gallery and its values."""
    found: dict[str, set[str]] = {}
    for item in record["gallery"]:
        for fact, value in item["facts"].items():
            found.setdefault(fact, set()).add(value)
    return {fact: sorted(values) for fact, values in found.items()}


def _pairs(mapping: dict[str, str]) -> Table:
    return Table(("", ""), tuple(mapping.items()))
