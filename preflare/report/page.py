"""The page: one self-contained HTML file about one run, and what the verb report does."""

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hydra.utils import instantiate
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure
from omegaconf import OmegaConf

from preflare.errors import RunError
from preflare.explain.cube import Cube
from preflare.explain.summary import summarise
from preflare.figures import learning_curve, style
from preflare.figures import spectra as spectra_figure
from preflare.report import commands, spectra, tables, text
from preflare.report.spectra import Shown
from preflare.run import Run
from preflare.sun.observation import Label


@dataclass(frozen=True)
class Picture:
    """A figure of the page. image: PNG in base64; width: in CSS pixels."""

    title: str
    caption: str
    image: str
    width: int


def write(run: Run, root: Path | None) -> Path:
    """Write ``report.html`` into the run folder and return its path.

    root: the folder of the run's own shards, if they were moved. Nothing is written if anything is wrong.
    Raises RunError for cubes of another run, ShardError for shards that are gone or have changed.
    """
    path = run.folder.report
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    page = render(run, root)
    try:
        scratch.write_text(page, encoding="utf-8")
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
    return path


def render(run: Run, root: Path | None) -> str:
    """The page as text; see ``write``."""
    record, line = run.record, instantiate(run.config.line)
    home = root or Path(run.config.data.root)
    cubes = open_cubes(run)
    own = [cube for cube in cubes if cube.attributes["side"] == "test"]
    foreign = [cube for cube in cubes if cube.attributes["side"] == "none"]
    groups = [
        (f"Held-out {label.name} spectra", [cube for cube in own if cube.attributes["label"] == label])
        for label in (Label.PF, Label.AR)
    ]
    groups = [(title, members) for title, members in groups if members]
    shown = [spectra.choose(members) for _, members in groups]
    shown_foreign = [spectra.choose([cube]) for cube in foreign]
    limits = spectra.limits([one for group in (*shown, *shown_foreign) for one in group])

    def picture(title: str, members: Sequence[Cube], chosen: Sequence[Shown]) -> Picture:
        remark = text.remark(str(members[0].attributes["origin"]), record["trained_on"]["origin"])
        figure = spectra_figure.draw(
            line.wavelength,
            np.stack([spectra.read(one, home) for one in chosen]),
            {spectra.METHODS[name]: np.stack([one.attributions[name] for one in chosen]) for name in limits},
            {spectra.METHODS[name]: limit for name, limit in limits.items()},
            [one.title for one in chosen],
            {**line.cores, **line.features},
            remark,
        )
        return frame(title, text.attributions(members, chosen, line), figure)

    environment = Environment(
        loader=PackageLoader("preflare.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html").render(
        title=text.title(record, line),
        lead=text.lead(run, line),
        warnings=text.warnings(record),
        skill=tables.skill(record),
        skill_caption=text.skill(record),
        curve=frame("Loss against epoch", text.curve(run), _curve(run)),
        method=text.method(groups),
        own=[picture(title, members, one) for (title, members), one in zip(groups, shown, strict=True)],
        foreign=[picture(cube.path.stem, [cube], one) for cube, one in zip(foreign, shown_foreign, strict=True)],
        foreign_warnings=text.foreign(record, foreign),
        foreign_table=tables.foreign({cube.path.stem: summarise(cube) for cube in foreign}),
        observations=tables.observations(record, [summarise(cube) for cube in cubes if cube not in foreign]),
        observations_caption=text.observations(cubes),
        commands=commands.history(run, cubes, root),
        next_steps=commands.next_steps(run, root),
        facts=tables.facts(run),
        config=OmegaConf.to_yaml(run.config),
        versions=tables.Table(("package", "version"), tuple(record["versions"].items())),
        digests=tables.Table(("observation", "digest"), tuple(record["data"].items())),
    )


def _curve(run: Run) -> Figure:
    record = run.record
    side = record["partition"]["chosen_by"]
    return learning_curve.draw(
        np.array([row["train/loss"] for row in run.history]),
        np.array([row[f"{side}/loss"] for row in run.history]),
        record["best_epoch"],
        record["best_mean_epoch"],
        side,
    )


def frame(title: str, caption: str, figure: Figure) -> Picture:
    """A figure as the page shows it: with sharper pixels than the screen may have, at its size in inches."""
    image = base64.b64encode(style.png(figure)).decode()
    return Picture(title, caption, image, round(96 * figure.get_figwidth()))


def open_cubes(run: Run) -> list[Cube]:
    """The run's cubes, sorted by name. Raises RunError for one that explains what the folder held before."""
    cubes = [Cube.open(path) for path in sorted(run.folder.cubes.glob("*.h5")) if not path.name.startswith(".")]
    for cube in cubes:
        if cube.attributes["finished"] != run.record["finished"]:
            raise RunError(f"{cube.path} explains another run than the one in {run.folder.path}. Run explain.py again.")
    return cubes
