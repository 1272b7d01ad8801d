"""GOES X-ray files, read by sunpy, as one curve on an observation's clock and on the scale that classes are read from.

The classes that forecasters gave with GOES-8 to 15 (all of 2014 and 2015) are of fluxes multiplied by 0.7 in the long
channel; the reprocessed science files (netCDF) of those satellites hold the flux itself, the older FITS files hold it
with the factor in. From GOES-16 on classes are of the flux itself. A curve here is always on the scale of the classes,
and says what it was multiplied by.
"""

import logging
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from preflare.errors import FlareError
from preflare.sun.goes import Goes
from preflare.sun.observation import iso

SCALED = range(8, 16)
FACTOR = 0.7
SUFFIXES = (".nc", ".fits", ".fits.gz")
# Files of all years of a satellite have _sYYYYMMDD_eYYYYMMDD and so no day.
DAY = re.compile(r"(?:_d|^go\d\d)((?:19|20)\d{6})(?!\d)")

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Curve:
    """goes: flux on the scale of the classes. satellite: "GOES-15". factor: what the file's flux was multiplied by.

    step: s between two points of the files, those left out included.
    """

    goes: Goes
    satellite: str
    factor: float
    step: float

    def coverage(self, begin: float, end: float) -> tuple[float, float]:
        """The share of a time (s on the curve's clock) that has points, and the longest gap in it, s."""
        inside = self.goes.time[(self.goes.time >= begin) & (self.goes.time <= end)]
        if not len(inside):
            return 0.0, end - begin
        # A point stands for the step around it.
        gaps = np.diff([begin, *inside, end]) - self.step * np.array([0.5, *[1.0] * (len(inside) - 1), 0.5])
        return 1 - float(gaps.clip(0).sum()) / max(end - begin, self.step), float(gaps.clip(0).max())


def read(path: Path, zero: datetime, begin: datetime, end: datetime) -> Curve | None:
    """The curve from begin to end, its time in s from zero; None if the files hold nothing of that time.

    path: a file, or a folder of files that sunpy reads as GOES XRS, named with their day as the archives do. Where
    several satellites were up, the one with the most points; points that the file flags are left out.
    Raises FlareError if there is no such file, or one that cannot be read.
    """
    curves: dict[tuple[str, float], list[tuple[np.ndarray, np.ndarray]]] = {}
    steps: dict[tuple[str, float], float] = {}
    for file in _files(path, begin.date(), end.date()):
        satellite, factor, time, flux = _read(file)
        inside = (time >= begin.timestamp()) & (time <= end.timestamp()) & np.isfinite(flux)
        if inside.any():
            curves.setdefault((satellite, factor), []).append((time[inside] - zero.timestamp(), factor * flux[inside]))
            steps[satellite, factor] = float(np.median(np.diff(time))) if len(time) > 1 else 0.0
    if not curves:
        return None
    satellite, factor = max(curves, key=lambda key: (sum(len(time) for time, _ in curves[key]), key))
    pieces = curves[satellite, factor]
    time, first = np.unique(np.concatenate([time for time, _ in pieces]), return_index=True)
    goes = Goes(time, np.concatenate([flux for _, flux in pieces])[first])
    return Curve(goes, satellite, factor, steps[satellite, factor])


def fetch(begin: datetime, end: datetime, cache: Path) -> None:
    """Get the one-minute files of a time through sunpy's Fido into a folder. Raises FlareError if that fails."""
    from sunpy.net import Fido
    from sunpy.net import attrs as a

    days = [(begin + timedelta(days=day)).date() for day in range((end.date() - begin.date()).days + 1)]
    if all(any(_day(file) == day for file in _listed(cache)) for day in days):
        return
    try:
        found = Fido.search(
            a.Time(begin.replace(tzinfo=None), end.replace(tzinfo=None)), a.Instrument.xrs, a.Resolution("avg1m")
        )
        came = Fido.fetch(found, path=str(cache / "{file}"), progress=False)
    except Exception as error:  # whatever a network, and the five libraries between it and us, come up with
        raise FlareError(
            f"No GOES files for {iso(begin)} could be had ({_first_line(error)}). Check the network, or give files on "
            "disk by source.goes=DIR."
        ) from error
    if came.errors:
        raise FlareError(f"GOES files for {iso(begin)} did not come whole. Give the command again.")


def _listed(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*") if file.name.endswith(SUFFIXES)) if folder.is_dir() else []


def _files(path: Path, first: date, last: date) -> Sequence[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FlareError(f"There is no file or folder {path}. Correct source.goes.")
    files = _listed(path)
    if not files:
        raise FlareError(f"{path} holds no GOES file: expected {', '.join(SUFFIXES)}. Correct source.goes.")
    # Science files are a day each, or all years of a satellite; those without a day in the name are looked into.
    days = {file: _day(file) for file in files}
    return [file for file, day in days.items() if day is None or first - timedelta(days=1) <= day <= last]


def _day(file: Path) -> date | None:
    found = DAY.search(file.name)
    try:
        return datetime.strptime(found.group(1), "%Y%m%d").date() if found else None
    except ValueError:
        return None


def _read(file: Path) -> tuple[str, float, np.ndarray, np.ndarray]:
    """Satellite, factor, UNIX time and flux of a file; NaN where the file flags a point."""
    series = _series(file)
    satellite = series.observatory or ""
    number = re.fullmatch(r"GOES-(\d+)", satellite)
    if number is None:
        raise FlareError(f"{file.name} does not say which GOES satellite it is from. Take the archive's own file.")
    table = series.to_dataframe()
    flux = table["xrsb"].to_numpy(np.float64, copy=True)
    if "xrsb_quality" in table:
        flux[table["xrsb_quality"].to_numpy() != 0] = np.nan
    flux[~(flux > 0)] = np.nan
    factor = FACTOR if int(number.group(1)) in SCALED and h5py.is_hdf5(file) else 1.0
    time = table.index.to_numpy().astype("datetime64[ns]").astype(np.int64) / 1e9
    return satellite, factor, time, flux


def _series(file: Path) -> Any:
    # Here, as it takes a second and few ingests ask for it.
    from sunpy.timeseries import TimeSeries

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # leap seconds that were rounded, and what the libraries deprecate
            return TimeSeries(str(file), source="XRS")
    except Exception as error:  # sunpy, h5netcdf, astropy and pandas each have their own
        known = h5py.is_hdf5(file) or file.read_bytes()[:6] == b"SIMPLE" or file.name.endswith(".gz")
        reason = _first_line(error) if known else "it is neither netCDF nor FITS"
        raise FlareError(
            f"{file.name} cannot be read as a GOES XRS file ({reason}). Download it again, or take it out "
            "of source.goes."
        ) from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].removeprefix("Something went wrong: ").rstrip(".")
