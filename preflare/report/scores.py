"""The scores of one observation for other programs: FITS images with coordinates on the Sun, and CSV."""

import csv
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from astropy.io import fits

from preflare.report.explained import Explained
from preflare.sun.observation import instant

# Day zero of the modified Julian date.
MJD = datetime(1858, 11, 17, tzinfo=UTC)
COLUMNS = ("repeat", "step", "pixel", "time", "x", "y", "score", "log_odds", "distance", "outside", "clean")


def places(position: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """A linear fit of places on the Sun, x and y in arcsec, by pixel along the slit and step, both counted from 0.

    position: (repeat, step, slit, 2), of which the median over repeats is fitted. Returns the place of the first pixel
    (2,) and what one pixel and one step add, (2, 2), columns slit and step; None if places are unknown or all the same.
    Of a single step, or pixel, the missing direction is at right angles, of the same length.
    """
    known = np.isfinite(position).all(axis=3)
    if not known.any():
        return None
    with np.errstate(invalid="ignore"):
        middle = np.ma.median(np.ma.masked_array(position, ~np.broadcast_to(known[..., None], position.shape)), axis=0)
    step, pixel = np.indices(middle.shape[:2])
    there = ~np.ma.getmaskarray(middle).any(axis=2)
    design = np.stack([np.ones(there.sum()), pixel[there], step[there]], axis=1)
    fit, *_ = np.linalg.lstsq(design, np.asarray(middle[there], np.float64), rcond=None)
    origin, along, across = fit
    if not along.any():
        along = np.array([across[1], -across[0]])
    if not across.any():
        across = np.array([along[1], -along[0]])
    matrix = np.stack([along, across], axis=1)
    size = np.linalg.norm(along) * np.linalg.norm(across)
    return (origin, matrix) if size > 0 and abs(np.linalg.det(matrix)) > 1e-6 * size else None


def write_fits(path: Path, one: Explained, arrays: Mapping[str, np.ndarray], about: Mapping[str, str]) -> bool:
    """An image for each array (repeat, step, slit): axis 1 is the slit, axis 2 the step, axis 3 the repeat; the first
    is the primary. A table TIMES has the seconds of every exposure from the start.

    about: keyword -> value, of the primary header. Returns whether places on the Sun were known. The time axis is
    that of a regular cadence; times as they were are in the table.
    """
    header = one.shard.header
    time = one.shard.read("time")
    fit = places(one.shard.read("position"))
    hdus: list[fits.PrimaryHDU | fits.ImageHDU | fits.BinTableHDU] = []
    for name, values in arrays.items():
        image = (fits.ImageHDU if hdus else fits.PrimaryHDU)(values.astype(">f4"))
        if hdus:
            image.name = name.upper()
        if not hdus:
            for key, value in about.items():
                image.header[key] = value
        image.header["DATE-OBS"] = image.header["DATEREF"] = header.start.rstrip("Z")
        image.header["MJD-OBS"] = image.header["MJDREF"] = (instant(header.start) - MJD) / timedelta(days=1)
        image.header["OBJECT"] = one.name
        image.header["WCSAXES"] = 3
        if fit is not None:
            _celestial(image.header, *fit)
        image.header["CTYPE3"], image.header["CUNIT3"] = "UTC", "s"
        image.header["CRPIX3"] = 1.0
        image.header["CRVAL3"] = float(time[0].mean())
        image.header["CD3_3"] = float(np.median(np.diff(time.mean(axis=1)))) if len(time) > 1 else 1.0
        hdus.append(image)
    table = fits.BinTableHDU.from_columns([fits.Column("SECONDS", f"{time.shape[1]}D", unit="s", array=time)])
    table.name = "TIMES"
    hdus.append(table)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        fits.HDUList(hdus).writeto(scratch, overwrite=True)
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
    return fit is not None


def _celestial(header: fits.Header, origin: np.ndarray, matrix: np.ndarray) -> None:
    for place, kind in enumerate(("HPLN-TAN", "HPLT-TAN")):
        axis = place + 1
        header[f"CTYPE{axis}"], header[f"CUNIT{axis}"] = kind, "arcsec"
        header[f"CRPIX{axis}"], header[f"CRVAL{axis}"] = 1.0, float(origin[place])
        for column in (0, 1):
            header[f"CD{axis}_{column + 1}"] = float(matrix[place, column])


def write_csv(path: Path, one: Explained, limit: float) -> int:
    """A row for each spectrum that has a score, COLUMNS; returns how many. Of those that are not clean, which networks
    were not trained for, the last column is 0. limit: distances above it are outside what the networks know."""
    shard, cube = one.shard, one.cube
    score, log_odds, distance = (cube.read(name) for name in ("score", "log_odds", "distance"))
    clean = cube.clean()
    time, position = shard.read("time"), shard.read("position")
    start = instant(shard.header.start)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    there = np.argwhere(np.isfinite(score))
    try:
        with scratch.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for repeat, step, pixel in there:
                at = (repeat, step, pixel)
                moment = start + timedelta(seconds=float(time[repeat, step]))
                x, y = position[at]
                writer.writerow(
                    (
                        *at,
                        moment.replace(tzinfo=None).isoformat(timespec="milliseconds"),
                        f"{x:.2f}",
                        f"{y:.2f}",
                        f"{score[at]:.5f}",
                        f"{log_odds[at]:.4f}",
                        f"{distance[at]:.3f}",
                        int(distance[at] > limit),
                        int(clean[at]),
                    )
                )
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
    return len(there)
