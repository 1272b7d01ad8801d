"""How an observation was collected, from its shard (paper Fig. 1): its X-rays, and where its spectra are from."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np

from preflare.data.shard import Shard
from preflare.figures.collection import Collected
from preflare.figures.context import View
from preflare.figures.xrays import Curve
from preflare.sun import images
from preflare.sun.observation import Label, Phase, instant

# Arcsec of an image around the raster.
MARGIN = 15.0


def curve(shard: Shard, marks: Sequence[float] = ()) -> Curve | None:
    """The X-rays around an observation, None where they are not known. marks: minutes of images shown elsewhere."""
    goes = shard.goes()
    if goes is None:
        return None
    header = shard.header
    start = instant(header.start)

    def minute(text: str) -> float:
        return (instant(text) - start).total_seconds() / 60 if text else np.nan

    window = minute(header.window_start), minute(header.window_end)
    return Curve(shard.name[:18], goes.time / 60, goes.flux, window, minute(header.onset), marks)


def collect(shard: Shard, films: Path | None) -> Collected:
    """The raster in the middle of the window, over the first slit-jaw film in a folder, where there is one."""
    time, repeat = shard.read("time"), middle(shard)
    position, intensity = shard.read("position")[repeat], shard.read("intensity")[repeat]
    known = np.isfinite(position).all(axis=2) & np.isfinite(intensity)
    view, marks = behind(shard, films, repeat)
    cadence = float(np.median(np.diff(time[:, 0]))) / 60 if len(time) > 1 else float(np.ptp(time)) / 60
    return Collected(shard.name, curve(shard, marks), cadence, position[known], intensity[known], view)


def middle(shard: Shard) -> int:
    """The repeat in the middle of the window; the first if no repeat is whole in it."""
    inside = np.flatnonzero((shard.read("phase") == Phase.PREFLARE).all(axis=1))
    return int(inside[len(inside) // 2]) if len(inside) else 0


def behind(shard: Shard, films: Path | None, repeat: int) -> tuple[View | None, list[float]]:
    """The image of the first slit-jaw film in a folder taken nearest to a repeat, and its minute from the start; None
    and no minute without films or places."""
    position, time = shard.read("position")[repeat], shard.read("time")[repeat]
    paths = images.find(films, shard.header.id) if films is not None else []
    if not paths or not np.isfinite(position).all(axis=2).any():
        return None, []
    film, start = images.Film.open(paths[0]), instant(shard.header.start)
    number = film.nearest(start + timedelta(seconds=float(time.mean())))
    extent = images.field(position, MARGIN)
    view = View(f"{film.title} {film.moment(number):%H:%M:%S}", film.cut(number, extent), extent)
    return view, [(film.moment(number) - start).total_seconds() / 60]


def examples(shards: Sequence[Shard]) -> list[Shard]:
    """A PF and an AR: as in the paper a raster and a sit-and-stare where there are, with X-rays where known."""
    found = []
    for label, raster in ((Label.PF, True), (Label.AR, False)):
        same = [shard for shard in shards if shard.header.label is label]
        found += sorted(same, key=lambda shard: ((shard.shape[1] > 1) is not raster, not shard.has_goes, shard.name))[
            :1
        ]
    return found
