"""How an observation was collected, from its shard (paper Fig. 1): its X-rays, and where its spectra are from."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np

from preflare.data.shard import Shard
from preflare.figures.collection import Collected
from preflare.figures.context import View
from preflare.figures.xrays import Curve
from preflare.names import brief
from preflare.sun import images
from preflare.sun.observation import Label, Phase, instant

# Arcsec of an image around the raster.
MARGIN = 15.0
# Pixels that a slit must have to be an example, where there are such.
LONG = 8


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
    return Curve(brief(shard.name), goes.time / 60, goes.flux, window, minute(header.onset), marks)


def collect(shard: Shard, films: Path | None) -> Collected:
    """The raster in the middle of the window, over the first slit-jaw film in a folder, beside it the first AIA cube,
    where there are such."""
    time, repeat = shard.read("time"), middle(shard)
    position, intensity = shard.read("position")[repeat], shard.read("intensity")[repeat]
    known = np.isfinite(position).all(axis=2) & np.isfinite(intensity)
    views, marks = surroundings(shard, films, repeat)
    cadence = float(np.median(np.diff(time[:, 0]))) / 60 if len(time) > 1 else float(np.ptp(time)) / 60
    covered = cells(position)[known]
    return Collected(brief(shard.name), curve(shard, marks), cadence, covered, intensity[known], *_apart(views))


def cells(position: np.ndarray) -> np.ndarray:
    """The corners (step, slit, 4, 2) of what pixels at (step, slit, 2) stand for: as far as half-way to the next.

    Of a single step, or pixel, as wide as they are long. NaN where a place or that of its neighbours is not known.
    """
    along, across = (_half(position, axis) for axis in (1, 0))
    turned = np.array([[0, 1], [-1, 0]])
    if across is None:
        across = np.full_like(position, 0.1) if along is None else along @ turned
    if along is None:
        along = across @ turned
    signs = ((-1, -1), (-1, 1), (1, 1), (1, -1))
    return np.stack([position + one * across + other * along for one, other in signs], axis=2)


def _half(position: np.ndarray, axis: int) -> np.ndarray | None:
    """Half the way from one place to the next on an axis; None if there is no next."""
    if position.shape[axis] < 2:
        return None
    half: np.ndarray = np.gradient(position.astype(np.float64), axis=axis) / 2
    return half


def limits(image: np.ndarray) -> tuple[float, float]:
    """What to draw black and white in an image: nearly the least and the most of it."""
    shown = image[np.isfinite(image)]
    low, high = np.percentile(shown, [1, 99.5]) if shown.size else (0, 1)
    return float(low), float(high)


def middle(shard: Shard) -> int:
    """The repeat in the middle of the window; the first if no repeat is whole in it."""
    inside = np.flatnonzero((shard.read("phase") == Phase.PREFLARE).all(axis=1))
    return int(inside[len(inside) // 2]) if len(inside) else 0


def behind(shard: Shard, films: Path | None, repeat: int) -> tuple[View | None, list[float]]:
    """The first of ``surroundings``, None and no minute where there is nothing."""
    views, marks = surroundings(shard, films, repeat)
    return _apart(views)[0], marks[:1]


def _apart(views: Sequence[View]) -> tuple[View | None, Sequence[View]]:
    return (views[0] if views else None), views[1:]


def surroundings(shard: Shard, films: Path | None, repeat: int) -> tuple[list[View], list[float]]:
    """Images of the first slit-jaw film and the first AIA cube in a folder, those taken nearest to a repeat, and their
    minutes from the start; nothing without films or places."""
    position, time = shard.read("position")[repeat], shard.read("time")[repeat]
    paths = images.find(films, shard.header.id) if films is not None else []
    if not paths or not np.isfinite(position).all(axis=2).any():
        return [], []
    start, extent = instant(shard.header.start), images.field(position, MARGIN)
    views, marks = [], []
    for film in map(images.Film.open, images.choose(paths, 2)):
        number = film.nearest(start + timedelta(seconds=float(time.mean())))
        image = film.cut(number, extent)
        views.append(View(f"{film.title} {film.moment(number):%H:%M:%S}", image, extent, limits(image)))
        marks.append((film.moment(number) - start).total_seconds() / 60)
    return views, marks


def examples(shards: Sequence[Shard]) -> list[Shard]:
    """A PF and an AR: as in the paper a raster and a sit-and-stare where there are, with X-rays where known, and not of
    the shortest slits."""
    found = []
    for label, raster in ((Label.PF, True), (Label.AR, False)):

        def rank(shard: Shard, raster: bool = raster) -> tuple[bool, bool, bool, str]:
            return ((shard.shape[1] > 1) is not raster, not shard.has_goes, shard.shape[2] < LONG, shard.name)

        found += sorted((shard for shard in shards if shard.header.label is label), key=rank)[:1]
    return found
