"""Writes small files in the layout of NOAA's science-quality GOES XRS files."""

from datetime import UTC, datetime
from pathlib import Path

import h5netcdf
import numpy as np


def write(
    folder: Path, start: datetime, flux: np.ndarray, satellite: int = 15, flags: np.ndarray | None = None
) -> Path:
    """A file of the long channel, W/m² a minute from start, named with its day."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"sci_xrsf-l2-avg1m_g{satellite:02d}_d{start:%Y%m%d}_v1-0-0.nc"
    with h5netcdf.File(folder / name, "w") as file:
        file.attrs["id"] = name
        file.attrs["summary"] = "XRS 1-minute averages"
        file.dimensions = {"time": len(flux)}
        seconds = 60.0 * np.arange(len(flux)) + (start - datetime(2000, 1, 1, 12, tzinfo=UTC)).total_seconds()
        time = file.create_variable("time", ("time",), data=seconds)
        time.attrs["units"] = "seconds since 2000-01-01 12:00:00 UTC"
        for channel, values in (("a", 0.1 * flux), ("b", flux)):
            file.create_variable(f"xrs{channel}_flux", ("time",), data=np.asarray(values, np.float32))
            flag = np.zeros(len(flux)) if flags is None else flags
            file.create_variable(f"xrs{channel}_flag", ("time",), data=flag.astype(np.uint16))
    return folder / name
