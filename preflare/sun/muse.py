"""A multi-slit instrument: observations of many slits at once, from files that a simulation of one makes.

MUSE will look at the Sun through 37 slits side by side. An exposure gives every slit a spectrum for each of its
pixels; between exposures the slits may step. Nothing else in preflare knows of that: a slit is a step of the raster,
all at one time. There are no data of MUSE yet, so the layout is ours, an HDF5 file; ``python ingest.py
simulation.format=muse`` makes some:

    attrs       start (ISO UTC), observation (ten digits)
    flux        (exposure, slit, pixel, native)   DN in the exposure; NaN where missing
    wavelength  (native,)                         Å, evenly spaced
    time        (exposure,)                       s from start
    exposure    (exposure,)                       s
    x           (exposure, slit)                  helioprojective, arcsec
    y           (exposure, pixel)                 helioprojective, arcsec
"""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from preflare.checks import check_path
from preflare.digest import of_file
from preflare.errors import ConfigError, Level2Error
from preflare.sun.line import Line
from preflare.sun.observation import Block, Header, Observation, instant, iso
from preflare.sun.recipe import recipe
from preflare.sun.reduction import Reduction, Taps
from preflare.sun.window import Cut, Window

# Steps by which a wavelength may lie beside an even axis: what single precision leaves of one.
EVEN = 0.05
BESIDE_FLUX = ("wavelength", "time", "exposure", "x", "y")


class MultiSlit:
    """The one observation of a file (``conf/source/muse.yaml``).

    path: of the file; must be given. window: how to cut it; without a catalog, so it must say the label.
    Raises ConfigError for a path that is not text.
    """

    def __init__(self, path: str | None, window: Window) -> None:
        self.path = check_path("source.path", path) if path is not None else None
        self.window = window

    def observations(self, line: Line) -> Iterator[Observation]:
        """The observation; each exposure is a repeat, each slit a step.

        Raises Level2Error if the file is not of the layout above or does not cover the line, ConfigError or
        CatalogError if it cannot be cut.
        """
        if self.path is None:
            raise ConfigError("source=muse needs to know the file. Add source.path=FILE.")
        path = self.path
        start, id, shape, values = _read(path, line)
        time = np.broadcast_to(values["time"][:, None], shape[:2])
        cut = self.window.cut(id, start, time, None)
        header = Header(
            id=id,
            label=cut.label,
            origin="simulation",
            line=line.name,
            wavelength=line.wavelength,
            dispersion=abs(float(values["wavelength"][1] - values["wavelength"][0])),
            start=iso(start),
            window_start=cut.window_start,
            window_end=cut.window_end,
            onset=cut.onset,
            peak=cut.peak,
            end=cut.end,
            settings={
                "instrument": "MUSE",
                "mode": "multi-slit",
                "steps": shape[1],
                "exposure": float(np.median(values["exposure"])),
                "cadence": float(np.median(np.diff(values["time"]))) if shape[0] > 1 else 0.0,
                "x": float(values["x"].mean()),
                "y": float(values["y"].mean()),
            },
            sources={path.name: of_file(path)},
            recipe=recipe(line, self.window),
        )
        yield Observation(
            header=header,
            repeats=int(cut.keep.sum()),
            steps=shape[1],
            slit=shape[2],
            blocks=partial(_blocks, path, line, cut, time, values),
        )


def _read(path: Path, line: Line) -> tuple[datetime, str, tuple[int, ...], dict[str, np.ndarray]]:
    """Start, id, shape of the flux, and everything but the flux."""
    try:
        with h5py.File(path, "r", locking="best-effort") as file:
            start = instant(str(file.attrs["start"]))
            id = f"{start:%Y%m%d_%H%M%S}_{file.attrs['observation']}"
            shape = file["flux"].shape
            values = {name: file[name][()] for name in BESIDE_FLUX}
    except FileNotFoundError:
        raise Level2Error(f"There is no file {path}. Correct source.path.") from None
    except (OSError, KeyError, ValueError) as error:
        reason = str(error).strip("'\"").splitlines()[0]
        raise Level2Error(f"{path} is no multi-slit file ({reason}). preflare/sun/muse.py says what is one.") from error
    expected = {
        "wavelength": shape[3:],
        "time": shape[:1],
        "exposure": shape[:1],
        "x": shape[:2],
        "y": (shape[0], *shape[2:3]),
    }
    wrong = [f"{name} of {values[name].shape}" for name, size in expected.items() if values[name].shape != size]
    if len(shape) != 4 or wrong:
        raise Level2Error(
            f"{path} has flux of shape {shape}, expected (exposure, slit, pixel, native)"
            + "".join(f", and {one}, which does not fit" for one in wrong)
            + ". preflare/sun/muse.py says what is a multi-slit file."
        )
    _check_values(path, values)
    axis = values["wavelength"]
    if not (axis.min() <= line.start and line.stop <= axis.max()):
        raise Level2Error(
            f"{path} covers {axis.min():.2f} to {axis.max():.2f} Å, the line {line.title} needs {line.start:.2f} to "
            f"{line.stop:.2f} Å. Take another file, or another line."
        )
    return start, id, shape, values


def _check_values(path: Path, values: dict[str, np.ndarray]) -> None:
    """Raise Level2Error unless all are numbers, the axis is even and time goes on."""
    odd = [name for name, array in values.items() if not (array.size and np.isfinite(array).all())]
    if odd:
        raise Level2Error(
            f"{path}: {', '.join(odd)} not everywhere a finite number. Only flux may be missing somewhere, as NaN; "
            "correct the file."
        )
    axis, time = values["wavelength"], values["time"]
    even = np.linspace(axis[0], axis[-1], len(axis))
    if len(axis) < 2 or not np.abs(axis - even).max() < EVEN * abs(even[1] - even[0]):
        raise Level2Error(
            f"{path}: its wavelengths are not evenly spaced: they lie up to {np.abs(axis - even).max():.3g} Å beside "
            "an even axis. Resample the spectra to one first."
        )
    if not (np.diff(time) > 0).all():
        raise Level2Error(f"{path}: time does not increase from exposure to exposure. Sort the exposures by time.")


def _blocks(path: Path, line: Line, cut: Cut, time: np.ndarray, values: dict[str, np.ndarray]) -> Iterator[Block]:
    """One exposure at a time, so that size does not matter."""
    taps = Taps.between(values["wavelength"], line.wavelength)
    reduction = Reduction(taps, line)
    for repeat in np.flatnonzero(cut.keep).tolist():
        with h5py.File(path, "r", locking="best-effort") as file:
            counts = file["flux"][repeat, ..., taps.first : taps.first + taps.count]
        exposure = np.full(len(counts), values["exposure"][repeat], np.float32)
        spectra, intensity, quality = reduction(counts, exposure)
        x, y = np.broadcast_arrays(values["x"][repeat][:, None], values["y"][repeat])
        yield Block(
            spectra=spectra[None],
            intensity=intensity[None],
            time=time[[repeat]],
            phase=cut.phase[[repeat]],
            exposure=exposure[None],
            quality=quality[None],
            position=np.stack([x, y], axis=-1)[None].astype(np.float32),
        )
