"""The page: one self-contained HTML file about one run or sweep, and what the verb report does with it."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hydra.utils import instantiate
from omegaconf import OmegaConf

from preflare.errors import RunError
from preflare.explain.cube import Cube
from preflare.explain.ensemble import Ensemble
from preflare.explain.summary import summarise
from preflare.figures import spectra as spectra_figure
from preflare.report import commands, learning, spectra, tables, templates, text, trust
from preflare.report.blocks import Block, Picture, frame
from preflare.report.spectra import Shown
from preflare.sun.line import Line
from preflare.sun.observation import Label


def write(by: Ensemble, root: Path | None) -> Path:
    """Write ``report.html`` into the folder of the run or sweep and return its path.

    root: the folder of the runs' own shards, if they were moved. Nothing is written if anything is wrong.
    Raises RunError for cubes of another run, ShardError for shards that are gone or have changed.
    """
    path = by.folder.report
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    page = render(by, root)
    try:
        scratch.write_text(page, encoding="utf-8")
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
    return path


def render(by: Ensemble, root: Path | None) -> str:
    """The page as text; see ``write``."""
    first = by.runs[0]
    record, line = first.record, instantiate(first.config.line)
    home = root or Path(first.config.data.root)
    cubes = open_cubes(by)
    foreign = [cube for cube in cubes if cube.attributes["side"] == "none"]
    own = [cube for cube in cubes if cube.attributes["side"] in ("test", "mixed")]
    groups = [
        (f"{text.held_out(own)} {label.name} spectra", [cube for cube in own if cube.attributes["label"] == label])
        for label in (Label.PF, Label.AR)
    ]
    groups = [(title, members) for title, members in groups if members]
    shown = [spectra.choose(members) for _, members in groups]
    shown_foreign = [spectra.choose([cube]) for cube in foreign]
    limits = spectra.limits([one for group in (*shown, *shown_foreign) for one in group])

    def remark(members: Sequence[Cube]) -> str:
        about = members[0].attributes
        return text.remark(str(about["origin"]), record["trained_on"]["origin"], str(about.get("masked_by", "")))

    def picture(title: str, members: Sequence[Cube], chosen: Sequence[Shown]) -> Picture:
        names = spectra.methods(members)
        figure = spectra_figure.draw(
            line.wavelength,
            _read(chosen, home),
            {spectra.METHODS[name]: np.stack([one.attributions[name] for one in chosen]) for name in names},
            {spectra.METHODS[name]: limits[name] for name in names},
            [one.title for one in chosen],
            line.cores,
            line.features,
            remark(members),
        )
        return frame(title, text.attributions(members, chosen, line), figure)

    template = templates.environment().get_template("page.html")
    return template.render(
        title=text.title(record, line, len(by.runs)),
        lead=text.lead(by.runs, line),
        warnings=text.warnings(record),
        skill=learning.blocks(by),
        method=text.method(groups),
        own=[picture(title, members, one) for (title, members), one in zip(groups, shown, strict=True)],
        trust=_trust(own, shown, home, line, remark(own)) if own else [],
        foreign=[picture(cube.path.stem, [cube], one) for cube, one in zip(foreign, shown_foreign, strict=True)],
        foreign_warnings=text.foreign(record, foreign),
        foreign_table=tables.foreign({cube.path.stem: summarise(cube) for cube in foreign}),
        observations=tables.observations(
            [one.record for one in by.runs], [summarise(cube) for cube in cubes if cube not in foreign]
        ),
        observations_caption=text.observations(cubes),
        commands=commands.history(by, cubes, root),
        next_steps=commands.next_steps(by, root),
        facts=tables.facts(by),
        config=OmegaConf.to_yaml(first.config),
        versions=tables.Table(("package", "version"), tuple(record["versions"].items())),
        digests=tables.Table(("observation", "digest"), tuple(record["data"].items())),
    )


def _trust(own: Sequence[Cube], shown: Sequence[Sequence[Shown]], home: Path, line: Line, remark: str) -> list[Block]:
    return trust.blocks(own, shown[0], _read(shown[0], home), line, remark)


def _read(chosen: Sequence[Shown], home: Path) -> np.ndarray:
    return np.stack([spectra.read(one, home) for one in chosen])


def open_cubes(by: Ensemble) -> list[Cube]:
    """The cubes, sorted by name.

    Raises RunError for one that explains what the folder held before, and if not all explain the same quantity.
    """
    cubes = [Cube.open(path) for path in sorted(by.folder.cubes.glob("*.h5")) if not path.name.startswith(".")]
    finished = {by.name(number): str(one.record["finished"]) for number, one in enumerate(by.runs)}
    for cube in cubes:
        members = str(cube.attributes["members"]).split()
        if cube.attributes["finished"] != max((finished.get(one, "") for one in members), default=""):
            raise RunError(f"{cube.path} explains another run than the one in {by.folder.path}. Run explain.py again.")
    quantities = sorted({str(cube.attributes["quantity"]) for cube in cubes})
    if len(quantities) > 1:
        raise RunError(
            f"The cubes in {by.folder.cubes} explain {' and '.join(quantities)}, a page can show one of them. Run "
            f"explain.py again with explained={quantities[0]}."
        )
    return cubes
