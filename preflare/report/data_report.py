"""The data report: one self-contained page about a folder of shards, our Table D.1, and the same table as CSV."""

import csv
import io
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from hydra.utils import instantiate
from omegaconf import OmegaConf
from rich.console import Console
from rich.progress import track

from preflare.command import CONF
from preflare.data import shard as shards
from preflare.data.shard import Shard
from preflare.errors import ConfigError, ShardError
from preflare.explain.explanation import ORIGINS
from preflare.report import confounders, data_pictures, inventory, metadata, referee, templates
from preflare.report.inventory import Row
from preflare.report.tables import Table
from preflare.sun import catalog, images, quality
from preflare.sun.line import Line
from preflare.sun.observation import Label
from preflare.sun.quality import Quality
from preflare.sun.recipe import stored

PAGE, CSV = "data_report.html", "data_report.csv"
REMARK = "simulated data"
SIMULATED = (
    "Simulated data: these shards were made by the simulated Sun. What is said of them says nothing about real "
    "observations."
)


def write(where: Path, films: Path | None = None, tolerated: Sequence[str] | None = None) -> Path:
    """Write ``data_report.html`` and ``data_report.csv`` beside the shards and return the page's path.

    where: a folder of shards of one line and origin, or one shard. films: a folder with slit-jaw films and AIA cubes,
    or None. tolerated: flags that do not make a spectrum unclean; None: those of the line's config. Nothing is written
    if anything is wrong.
    Raises ShardError for shards that cannot be used or are of different rules, ConfigError for a folder without images
    of theirs or a flag that there is not, Level2Error for images that cannot be used.
    """
    found, line = _open(where)
    if tolerated is not None:
        line = replace(line, tolerated=tuple(tolerated))
    quality.tolerated(line)
    _check_films(films, found)
    console = Console(stderr=True)
    rows = [
        inventory.measure(shard, line)
        for shard in track(found, "Reading shards", console=console, transient=True, disable=not console.is_terminal)
    ]
    folder = where if where.is_dir() else where.parent
    command = ["python", "report.py", f"shards={where}", *([f"images={films}"] if films else [])]
    if tolerated is not None:
        command.append(f"line.tolerated=[{','.join(tolerated)}]")
    texts = {PAGE: render(found, rows, line, films, shlex.join(command)), CSV: table(rows)}
    for name, text in texts.items():
        scratch = folder / f".{name}.{os.getpid()}.part"
        try:
            scratch.write_text(text, encoding="utf-8")
            os.replace(scratch, folder / name)
        finally:
            scratch.unlink(missing_ok=True)
    return folder / PAGE


def _open(where: Path) -> tuple[list[Shard], Line]:
    """The shards, by class and number, and the line that they say they hold, with the rules that they were made by."""
    first = Shard.open(shards.find(where)[0]).header
    path = CONF / "line" / f"{first.line}.yaml"
    if not path.is_file():
        raise ShardError(
            f"{where} holds the line {first.line}, of which there is no {path}. Put the line's config there."
        )
    config: Line = instantiate(OmegaConf.load(path))
    line = stored(config, first.recipe, first.wavelength)
    found = shards.open_all(where, line)
    for shard in found:
        _check_rules(found[0], shard, config)
    order = {Label.PF: 0, Label.AR: 1}
    key = lambda one: (order.get(one.header.label, 2), one.header.number, one.name)  # noqa: E731
    return sorted(found, key=key), line


def _check_rules(first: Shard, other: Shard, config: Line) -> None:
    """Raise ShardError if two shards were flagged by different rules: nothing that is counted could be compared."""
    one, two = (
        asdict(replace(stored(config, shard.header.recipe, shard.header.wavelength), tolerated=()))
        for shard in (first, other)
    )
    one, two = ({"detector": line["detector"], "cores": line["cores"]} | line["rules"] for line in (one, two))
    differing = [key for key in one if one[key] != two[key]]
    if differing:
        key = differing[0]
        what = f"line.{key}" if key in ("detector", "cores") else f"line.rules.{key}"
        raise ShardError(
            f"{first.path} and {other.path.name} were flagged by different rules: {what} is {one[key]} in one, "
            f"{two[key]} in the other. Report on them apart, shards=FILE or a folder each, or ingest one again."
        )


def _plain(value: Any) -> Any:
    """Tuples as lists, mappings as dicts: what YAML knows."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple | list) else value


def _check_films(films: Path | None, found: Sequence[Shard]) -> None:
    if films is None:
        return
    if not films.is_dir():
        raise ConfigError(f"There is no folder {films}. Correct images=DIR, or leave it out.")
    if not any(images.find(films, shard.header.id) for shard in found):
        raise ConfigError(
            f"{films} holds no slit-jaw film or AIA cube of these observations, expected files such as "
            f"iris_l2_{found[0].header.id}_SJI_2796_t000.fits. Correct images=DIR, or leave it out."
        )


def render(found: Sequence[Shard], rows: Sequence[Row], line: Line, films: Path | None, command: str) -> str:
    """The page as text."""
    simulated = found[0].header.origin == "simulation"
    foreign = sorted({row.masked_by for row in rows} - {""})
    masked = f"quiet Sun masked by a model of {' and '.join(ORIGINS[origin] for origin in foreign)}" if foreign else ""
    remark = REMARK if simulated else ""
    pictures = data_pictures.contexts(found, rows, films, remark)
    differences = confounders.compare(rows)
    words, prediction = metadata.categories(rows), metadata.predict(rows)
    # For shards that do not say it; the simulated Sun knows its own onsets, the catalog's are of the real one.
    verified = {} if simulated else {entry.name: entry.verified for entry in catalog.read()}
    template = templates.environment().get_template("data_report.html")
    return template.render(
        title=f"The data: {line.title} spectra of {len(rows)} observation{'s' * (len(rows) != 1)}",
        lead=_lead(rows, line, simulated),
        notices=[*([SIMULATED] if simulated else []), *([f"{masked[0].upper()}{masked[1:]}."] if masked else [])],
        warnings=referee.warnings(rows, differences, verified, line, words, prediction),
        observations=_observations(rows),
        observations_caption=(
            "Everything is of the analysis window; flares after it are not counted. Intensity: median of the clean "
            "spectra's maxima. Continuum: median share of the maximum that the pseudo-continuum is. Covered: minutes "
            "from the first exposure to the last, and of the window. mu: cosine of the heliocentric angle at the "
            f"field's centre. The same table, with more columns, is in {CSV}."
        ),
        flags=_flags(rows),
        flags_caption=_flags_caption(line),
        examples=data_pictures.examples(found, rows, line, "; ".join(part for part in (remark, masked) if part)),
        context=pictures,
        unseen=[row.name for row in rows if row.name not in {picture.title for picture in pictures}],
        xrays=data_pictures.x_rays(found, rows, remark),
        differences=_differences(differences),
        differences_caption=(
            "Medians over active regions, each the mean of its observations; known: of how many regions. AUC is the "
            "probability that a PF region has the larger value; 0.5 is no difference. p is of the two-sided "
            "Mann-Whitney test, for each quantity alone: of twenty, one is below "
            "0.05 by chance."
        ),
        words=_words(words),
        words_caption=(
            "How many observations have each value. TSS: of the best guess by the value, on these very observations, "
            "so that a value each is a TSS of 1. p: of Fisher's exact test for two values, of "
            f"{metadata.PERMUTATIONS} permutations of the labels for more."
        ),
        predicted=_predicted(prediction),
        subset=_subset(rows, differences),
        command=command,
        rules=OmegaConf.to_yaml(OmegaConf.create(_plain(asdict(line)))),
        digests=Table(("observation", "digest"), tuple((shard.name, shard.digest) for shard in found)),
    )


def _lead(rows: Sequence[Row], line: Line, simulated: bool) -> str:
    total, clean = sum(row.spectra for row in rows), sum(row.clean for row in rows)
    counts = ", ".join(
        f"{sum(row.label is label for row in rows)} {'of unknown label' if label is Label.UNKNOWN else label.prefix}"
        for label in (Label.PF, Label.AR, Label.QS, Label.UNKNOWN)
        if any(row.label is label for row in rows)
    )
    origin = "the simulated Sun" if simulated else "IRIS level-2 files"
    over = line.rules.normalise_over
    smoothed = f", once smoothed by a running median over {over} points" if over else ""
    return (
        f"{counts}, from {origin}: {total:,} spectra in their analysis windows, {clean:,} of them clean "
        f"({100 * clean / max(total, 1):.1f}%). A spectrum has {line.points} points from {line.start} to {line.stop} Å "
        f"and is divided by its own maximum{smoothed}. The rules of its flags are those it was ingested with (below)."
    )


def _observations(rows: Sequence[Row]) -> Table:
    # Titles and cells of two lines: all columns are to be seen on a screen of 1280 pixels.
    head: tuple[str, ...] = ("observation", "onset", "flare", "region", "spectra", "clean\n%")
    head += (
        "intensity\nDN/s",
        "contin-\nuum",
        "mode",
        "steps\nx slit",
        "exposure\ns",
        "cadence\ns",
        "covered\nmin",
        "mu",
        "x, y\narcsec",
    )
    body = [
        (
            _short(row.name),
            row.onset[:16].replace("T", "\n"),
            row.flare_class,
            row.region,
            f"{row.spectra:,}",
            _number(100 * row.clean / row.spectra if row.spectra else np.nan, 1),
            _number(row.intensity, 0),
            _number(row.continuum, 3),
            str(row.settings.get("mode", "")).replace("-and-", "-and-\n"),
            f"{row.steps}\nx {row.slit}",
            _number(row.exposure, 2),
            _number(row.cadence, 1),
            f"{row.minutes:.1f}\nof {row.window:.1f}",
            _number(row.setting("mu"), 2),
            f"{_number(row.setting('x'), 0)}, {_number(row.setting('y'), 0)}".strip(", "),
        )
        for row in rows
    ]
    # A column that says nothing of any observation only takes room.
    kept = [place for place in range(len(head)) if any(cells[place] for cells in body)]
    return Table(tuple(head[at] for at in kept), tuple(tuple(cells[at] for at in kept) for cells in body))


def _flags(rows: Sequence[Row]) -> Table:
    """Every flag that any observation has, in percent of its spectra."""
    seen = [str(flag.name) for flag in Quality if flag and any(row.shares[str(flag.name)] for row in rows)]
    body = [(_short(row.name), *(f"{100 * row.shares[name]:.2f}" for name in seen)) for row in rows]
    return Table(("observation", *(name.replace("_", "_\n") for name in seen)), tuple(body))


def _short(name: str) -> str:
    """An observation's name in two lines, the OBSID in the second."""
    return "_\n".join(name.rsplit("_", 1))


def _flags_caption(line: Line) -> str:
    tolerated = ", ".join(line.tolerated) or "none"
    return (
        "Percent of the window's spectra that carry each flag; a spectrum may carry several, and flags that none "
        f"carries are not shown. A spectrum is clean if it carries none but those the line tolerates ({tolerated})."
    )


def _differences(differences: Sequence[confounders.Difference]) -> Table | None:
    varying = [one for one in differences if np.isfinite(one.p)]
    if not varying:
        return None
    body = [
        (
            one.quantity + (f", {one.unit}" if one.unit else ""),
            *_pair(one.ar, one.pf),
            f"{one.known[0]}, {one.known[1]}",
            f"{one.auc:.2f}",
            "" if np.isnan(one.p) else f"{one.p:.2g}",
        )
        for one in varying
    ]
    return Table(("quantity", "AR", "PF", "AR, PF known", "AUC", "p"), tuple(body))


def _pair(*values: float) -> tuple[str, ...]:
    """Numbers with four digits, or as many more as show that they differ."""
    for digits in range(4, 12):
        said = tuple(f"{value:.{digits}g}" for value in values)
        if len(set(said)) == len(set(values)):
            break
    return said


def _words(words: Sequence[metadata.Category]) -> Table | None:
    varying = [one for one in words if np.isfinite(one.p)]
    if not varying:
        return None

    def listed(counts: Mapping[str, int]) -> str:
        some = [f"{value} ({count})" for value, count in list(counts.items())[:4]]
        return "\n".join([*some, *([f"and {len(counts) - 4} more"] if len(counts) > 4 else [])])

    body = [(one.quantity, listed(one.ar), listed(one.pf), f"{one.tss:.2f}", f"{one.p:.2g}") for one in varying]
    return Table(("quantity", "AR", "PF", "TSS", "p"), tuple(body))


def _predicted(found: metadata.Prediction | None) -> str:
    if found is None:
        return "Metadata alone were not tried as a classifier: that takes three observations of each class that differ."
    return (
        f"Metadata alone predict the class of {found.observations} observations, each judged without its region "
        f"(there are {found.regions}), with a TSS of {found.tss:.2f} ({_said(found.tss_interval)}) and an AUC of "
        f"{found.auc:.2f} ({_said(found.auc_interval)}; p = {found.p:.2g} by {metadata.PERMUTATIONS} permutations of "
        "the regions' labels; intervals of 95%, regions redrawn): a ridge classifier on "
        f"{found.quantities} numbers and values, none of them from a spectrum. What a network "
        "reaches is to be compared with that, not with 0."
    )


def _said(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.2f} to {interval[1]:.2f}"


def _subset(rows: Sequence[Row], differences: Sequence[confounders.Difference]) -> tuple[str, str] | None:
    """What a matched subset is for, and the names in it; None if nothing tells the classes apart."""
    telling = confounders.differing(differences)
    if not telling:
        return None
    quantity = telling[0].quantity
    names = metadata.matched(rows, telling[0])
    if not names:
        return f"No subset was found in which {quantity} does not differ between the classes.", ""
    said = (
        f"Most telling is {quantity}. In this subset of {len(names)} observations, half of each class, it no longer is "
        f"(p at least {metadata.ALIKE}, AUC within {metadata.NEAR} of 0.5); skill that remains there is not due to it:"
    )
    return said, "\n".join(names)


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else ""


def table(rows: Sequence[Row]) -> str:
    """Every number of every row, as CSV; empty where unknown."""
    keys = sorted({key for row in rows for key in row.settings})
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    plain: tuple[str, ...] = ("label", "number", "start", "onset", "flare_class", "region", "spectra", "clean")
    plain += (
        "intensity",
        "continuum",
        "exposure",
        "cadence",
        "minutes",
        "window",
        "steps",
        "slit",
        "dispersion",
        "strongest",
        "masked_by",
    )
    names = [str(flag.name) for flag in Quality if flag]
    writer.writerow(["observation", *plain, *(f"share_{name}" for name in names), *(f"setting_{key}" for key in keys)])
    for row in rows:
        cells: list[object] = [row.name]
        for key in plain:
            value = getattr(row, key)
            cells.append(value.prefix if isinstance(value, Label) else value)
        cells += [row.shares[name] for name in names] + [row.settings.get(key, "") for key in keys]
        writer.writerow(_cell(value) for value in cells)
    return stream.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else repr(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
