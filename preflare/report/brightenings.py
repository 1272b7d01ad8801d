"""Brightenings in slit-jaw films before a flare, and how much of them lay where the raster looked (paper Sect. 8.5).

A raster that misses what goes on beside it cannot tell of it. A brightening is a patch in place and time that outshines
what its pixels usually show.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from scipy.ndimage import label
from scipy.stats import rankdata, zscore

from preflare.report.explained import Explained
from preflare.report.resampling import interval, p_value
from preflare.sun import images
from preflare.sun.images import Extent, Film
from preflare.sun.observation import instant

# In robust standard deviations of a pixel above its median over time: of a brightening. Pixels of a film, in place and
# time and side by side, that make one.
THRESHOLD, LEAST = 5.0, 4
# Images that a median needs.
FEWEST = 5
# Arcsec: about the size of pixels that are looked at; what is so near to the slit's places counts as seen.
COARSE, REACH = 1.0, 1.0
DRAWS = 9999


@dataclass(frozen=True)
class Brightenings:
    """Of one observation's window. images: looked at. count: of brightenings. inside: the share of their light within
    the raster's field, NaN without any. field: the share of the images that this field covers."""

    name: str
    images: int
    count: int
    inside: float
    field: float


def of(one: Explained, films: Path) -> Brightenings | None:
    """In the first slit-jaw film of an observation in a folder; None without one, without places of the slit, or with
    fewer than ``FEWEST`` images of the window."""
    paths = [path for path in images.find(films, one.shard.header.id) if "_SJI_" in path.name]
    position = one.shard.read("position")[one.window()]
    if not paths or not np.isfinite(position).all(axis=-1).any() or not np.ptp(position[np.isfinite(position)]):
        return None
    film, header = Film.open(paths[0]), one.shard.header
    first, last = instant(header.window_start), instant(header.onset or header.window_end)
    moments = [film.start + timedelta(seconds=float(time)) for time in film.time]
    numbers = [number for number, moment in enumerate(moments) if first <= moment < last]
    if len(numbers) < FEWEST:
        return None
    extent = whole(film, numbers)
    stack = np.array([coarse(film.cut(number, extent), film.scale) for number in numbers])
    inside = within(stack.shape[1:], extent, images.field(position, REACH))
    return measure(one.name, stack, inside)


def measure(name: str, stack: np.ndarray, inside: np.ndarray) -> Brightenings:
    """Count and weigh. stack: (image, y, x) DN, NaN where nothing is shown; inside: (y, x) bool, the raster's field."""
    excess, number = find(stack)
    light = excess.sum(axis=0)
    share = float(light[inside].sum() / light.sum()) if number else np.nan
    shown = np.isfinite(stack).any(axis=0)
    return Brightenings(name, len(stack), number, share, float(inside[shown].mean()) if shown.any() else np.nan)


def find(stack: np.ndarray) -> tuple[np.ndarray, int]:
    """What brightenings of images (image, y, x) shine above the medians of their pixels, of the same shape and 0
    elsewhere, and how many there are.

    A pixel's scatter is its median distance from its median, or that of the typical pixel if it is more.
    """
    shown = np.isfinite(stack).mean(axis=0) > 0.5
    if not shown.any():
        return np.zeros(stack.shape), 0
    above = np.where(shown, stack, 0.0)
    above = np.nan_to_num(above - np.nanmedian(above, axis=0))
    scatter = 1.4826 * np.median(np.abs(above), axis=0)
    bright = above > THRESHOLD * np.maximum(scatter, np.median(scatter[shown]))
    patches, count = label(bright)
    large = np.bincount(patches.ravel(), minlength=count + 1) >= LEAST
    large[0] = False
    return np.where(large[patches], above, 0.0), int(large.sum())


def whole(film: Film, numbers: Sequence[int]) -> Extent:
    """The field that all of some images show together, in arcsec: the box around their corners."""
    height, width = film.size
    pixels = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]])
    corners = np.concatenate([film.places(number, pixels) for number in numbers])
    return images.field(corners, 0.0)


def coarse(image: np.ndarray, scale: tuple[float, float]) -> np.ndarray:
    """An image (y, x) in pixels of about ``COARSE`` arcsec: means of so many, what is left over cut off."""
    x, y = (max(1, round(COARSE / abs(one))) for one in scale)
    height, width = image.shape[0] // y, image.shape[1] // x
    mean: np.ndarray = image[: height * y, : width * x].reshape(height, y, width, x).mean(axis=(1, 3))
    return mean


def within(shape: tuple[int, ...], extent: Extent, field: Extent) -> np.ndarray:
    """Which pixels (y, x) of an image of an extent have their middle in a field."""
    left, right, bottom, top = extent
    x = left + (np.arange(shape[1]) + 0.5) * (right - left) / shape[1]
    y = bottom + (np.arange(shape[0]) + 0.5) * (top - bottom) / shape[0]
    inside: np.ndarray = ((y >= field[2]) & (y <= field[3]))[:, None] & (x >= field[0]) & (x <= field[1])
    return inside


def correlation(one: np.ndarray, other: np.ndarray, seed: int = 0) -> tuple[float, float, float, float, int]:
    """Spearman's correlation of two values (n,) of observations, its 95% interval and two-sided p, and how many have
    both; NaN for fewer than four, or where one does not vary."""
    there = np.isfinite(one) & np.isfinite(other)
    one, other = one[there], other[there]
    if len(one) < 4 or not np.ptp(one) or not np.ptp(other):
        return np.nan, np.nan, np.nan, np.nan, len(one)

    def rank(places: np.ndarray) -> float:
        a, b = rankdata(one[places]), rankdata(other[places])
        return float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) and np.ptp(b) else np.nan

    observed = rank(np.arange(len(one)))
    a, b = zscore(rankdata(one)), zscore(rankdata(other))
    dealt = np.random.default_rng(seed).permuted(np.tile(b, (DRAWS, 1)), axis=1)
    chance = np.abs(dealt @ a) / len(one)
    return observed, *interval(len(one), rank), p_value(abs(observed) - 1e-12, chance), len(one)
