"""A simulated observation as the file of a multi-slit instrument (``preflare/sun/muse.py`` has its layout).

The same Sun, seen through ``SLITS`` slits at once: what a raster of the observation's programme does in a repeat, this
does in one exposure, over a wider field.
"""

import json
import os
from pathlib import Path

import h5py
import numpy as np

from preflare.errors import ConfigError
from preflare.sun.observation import iso
from preflare.sun.simulation.recording import Recording

SLITS, APART = 37, 4.45  # of MUSE; arcsec


def write(recording: Recording, fill: float, root: Path) -> tuple[Path, bool]:
    """Write the whole observation into ``root/<id>.h5``, one exposure in memory at a time.

    fill: what the detector puts where a count is missing. Returns the file and whether it was written: one that is
    there by the same recipe is left alone. Raises ConfigError if it is of another, or cannot be written.
    """
    path = root / f"{recording.entry.id}.h5"
    scratch = root / f".{path.name}.part"
    if path.exists():
        _check_same(path, recording)
        return path, False
    try:
        root.mkdir(parents=True, exist_ok=True)
        with h5py.File(scratch, "w") as file:
            _fill(file, recording, fill)
        os.replace(scratch, path)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror or error}). Choose another folder with data.root=DIR."
        ) from error
    finally:
        scratch.unlink(missing_ok=True)
    return path, True


def _check_same(path: Path, recording: Recording) -> None:
    try:
        with h5py.File(path, "r", locking="best-effort") as file:
            same = file.attrs["recipe"] == json.dumps(recording.recipe)
    except (OSError, KeyError):
        same = False
    if not same:
        raise ConfigError(
            f"{path} is already there, but not from this simulation. Choose another folder with data.root=DIR, or "
            "delete it first."
        )


def _fill(file: h5py.File, recording: Recording, fill: float) -> None:
    plan, time = recording.schedule, recording.times[:, 0]
    across = (np.arange(SLITS) - (SLITS - 1) / 2) * APART
    x, y = recording.centre
    file.attrs["start"], file.attrs["observation"] = iso(recording.start), recording.entry.id.rsplit("_", 1)[1]
    file.attrs["recipe"] = json.dumps(recording.recipe)
    file["wavelength"] = recording.native
    file["time"] = time
    file["exposure"] = np.full(len(time), plan.exposure)
    file["x"] = np.broadcast_to(x + across, (len(time), SLITS))
    file["y"] = np.broadcast_to(y + recording.along, (len(time), plan.slit))
    shape = (SLITS, plan.slit, len(recording.native))
    flux = file.create_dataset(
        "flux", (len(time), *shape), np.float32, chunks=(1, *shape), compression="gzip", compression_opts=1
    )
    for number, moment in enumerate(time):
        exposures = number * SLITS + np.arange(SLITS)
        counts, seconds = recording.counts_at(exposures, across, np.full(SLITS, moment))
        counts[(counts <= fill) | (seconds[:, None, None] == 0)] = np.nan
        flux[number] = counts
