"""What the data report shows: examples of every flag, X-rays, and the surroundings of observations."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import h5py
import numpy as np
from matplotlib.figure import Figure

from preflare.data.shard import Shard
from preflare.figures import context as context_figure
from preflare.figures import flag_examples, xrays
from preflare.report import collection, inventory
from preflare.report.blocks import Picture, frame
from preflare.report.inventory import Row
from preflare.sun import images
from preflare.sun.goes import CLASSES
from preflare.sun.line import Line

# Arcsec shown around the slit's places.
MARGIN = 10.0
# Of a view, relative to its height, at least.
BREADTH = 0.8
# Images of an observation that are shown: slit-jaw and AIA.
VIEWS = 4


def examples(found: Sequence[Shard], rows: Sequence[Row], line: Line, remark: str) -> Picture:
    """Up to four spectra of each flag, from as many observations as have it."""
    spectra: dict[str, list[np.ndarray]] = {}
    titles: dict[str, list[str]] = {}
    for name in rows[0].examples:
        having = [(shard, row) for shard, row in zip(found, rows, strict=True) if row.examples[name]]
        if not having:
            continue
        # Round by round: the first of every observation, then the second.
        queue = [
            (shard, row.examples[name][turn])
            for turn in range(inventory.EXAMPLES)
            for shard, row in having
            if turn < len(row.examples[name])
        ]
        step = max(1, len(queue) // inventory.EXAMPLES) if len(having) > 1 else 1
        for shard, place in queue[::step][: inventory.EXAMPLES]:
            spectrum, peak = _spectrum(shard, place)
            title = name or "clean"
            # One panel says that nothing is left.
            if not np.isfinite(spectrum).any() and title in spectra:
                continue
            spectra.setdefault(title, []).append(spectrum)
            known = f", {peak:.0f} DN/s" if np.isfinite(peak) else ""
            titles.setdefault(title, []).append(
                f"{shard.name[:18]}\nrepeat {place[0]}, step {place[1]}, pixel {place[2]}{known}"
            )
    figure = flag_examples.draw(
        line.wavelength,
        {name: np.stack(values) for name, values in spectra.items()},
        titles,
        {**line.cores, **line.features},
        remark,
    )
    caption = (
        "Clean spectra and spectra that carry each flag, divided by their maximum; gaps are points that were masked."
    )
    return frame("Examples of every flag", caption, figure)


def _spectrum(shard: Shard, place: tuple[int, int, int]) -> tuple[np.ndarray, float]:
    with h5py.File(shard.path, "r", locking="best-effort") as file:
        return file["spectra"][place], float(file["intensity"][place])


def x_rays(found: Sequence[Shard], rows: Sequence[Row], remark: str) -> Picture | None:
    """The X-ray curves that are known; None if none is."""
    curves = [curve for shard in found if (curve := collection.curve(shard)) is not None]
    if not curves:
        return None
    caption = (
        f"X-rays of the whole Sun around {len(curves)} of {len(rows)} observations. Grey band: the window; upright "
        "orange line: the onset; level grey lines: where the classes named at their ends begin."
    )
    return frame("X-rays around the observations", caption, xrays.draw(curves, CLASSES, remark))


def contexts(found: Sequence[Shard], rows: Sequence[Row], films: Path | None, remark: str) -> list[Picture]:
    """The surroundings of every observation that has images; without any, none."""
    if films is None:
        return []
    pictures = []
    for shard, row in zip(found, rows, strict=True):
        paths = images.choose(images.find(films, shard.header.id), VIEWS)
        if paths:
            pictures.append(_context(shard, row, [images.Film.open(path) for path in paths], remark))
    return pictures


def _context(shard: Shard, row: Row, films: Sequence[images.Film], remark: str) -> Picture:
    """One observation: the images nearest to the middle of its exposures' times."""
    time, position = shard.read("time"), shard.read("position")
    middle = row.start + timedelta(seconds=float(np.median(time)))
    repeat = int(np.abs(np.median(time, axis=1) - np.median(time)).argmin())
    left, right, bottom, top = images.field(position, MARGIN)
    # A slit is long and a raster narrow: show some of what lies beside.
    beside = max(0.0, BREADTH * (top - bottom) - (right - left)) / 2
    extent = (left - beside, right + beside, bottom, top)
    views, marks, offsets = [], [], []
    for film in films:
        number = film.nearest(middle)
        moment = film.moment(number)
        marks.append((moment - row.start).total_seconds() / 60)
        offsets.append(abs((moment - middle).total_seconds()) / 60)
        image, told = film.cut(number, extent), f"{film.title}\n{moment:%Y-%m-%d %H:%M:%S}"
        views.append(context_figure.View(told, image, extent, collection.limits(image)))
    figure: Figure = context_figure.draw(
        row.name, collection.curve(shard, marks), views, images.slits(position[repeat]), CLASSES, remark
    )
    caption = (
        f"Images upright in helioprojective coordinates, with the slit's {row.steps} place{'s' * (row.steps != 1)} in "
        f"one repeat in green; taken up to {max(offsets):.1f} min from the middle of the exposures."
        + ("" if shard.has_goes else " The X-ray flux is not known.")
    )
    return frame(row.name, caption, figure)
