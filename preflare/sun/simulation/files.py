"""A simulated observation as the level-2 files of the archive: int16 rasters, tables of exposures, a slit-jaw file.

The files say that they are simulated in their primary header, ORIGIN. A raster file holds one repeat, a sit-and-stare
all of them. The catalog beside them tells ingest what flared when. An observation's folder appears at once and whole;
the recipe in it says what it was made from.
"""

import csv
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, fields
from datetime import timedelta
from pathlib import Path

import numpy as np
from astropy.io import fits

from preflare.errors import ConfigError
from preflare.sun.catalog import COLUMNS, Entry
from preflare.sun.level2 import ORIGIN, RASTER
from preflare.sun.line import Line
from preflare.sun.observation import iso
from preflare.sun.simulation.detector import Detector
from preflare.sun.simulation.profiles import Atom
from preflare.sun.simulation.programme import ARCSEC_PER_STEP
from preflare.sun.simulation.recording import SOLAR_RADIUS, Recording
from preflare.sun.simulation.slit_jaw import Film, film

# The columns of the archive's tables, in its order; readers go by their numbers.
POINTING = "XCENIX YCENIX OBS_VRIX OPHASEIX PC1_1IX PC1_2IX PC2_1IX PC2_2IX PC3_1IX PC3_2IX"
TEMPERATURES = "IT01P{0} IT06T{0} IT14S{0} IT15S{0} IT16S{0} IT17S{0} IT18S{0} IT19S{0} POFFX{0} POFFY{0} POFFF{0}"
SPECTRA_TABLE = (
    "TIME PZTX PZTY EXPTIMEF EXPTIMEN SUMSPTRF SUMSPATF SUMSPTRN SUMSPATN DSRCFIX DSRCNIX LUTIDF LUTIDN "
    f"{POINTING} PC3_3IX PC2_3IX {TEMPERATURES.format('FUV')} {TEMPERATURES.format('NUV')}"
).split()
IMAGE_TABLE = (
    "TIME PZTX PZTY EXPTIMES SLTPX1IX SLTPX2IX SUMSPTRS SUMSPATS DSRCSIX LUTIDS "
    f"{POINTING} {TEMPERATURES.format('SJI')}"
).split()
RECIPE = "recipe.json"
SPECTRA = 4096  # held in memory at once
RADIUS = 6.957e8  # m, of the Sun
DISTANCE = RADIUS / np.sin(np.radians(SOLAR_RADIUS / 3600))  # at which it has the simulation's radius


def write(recording: Recording, line: Line, atom: Atom, detector: Detector, root: Path) -> tuple[Path, bool]:
    """Write the whole observation, from its start to its flare's end, into ``root/<id>``.

    Returns that folder and whether it was written: one already there by the same recipe is left alone. Holds a few
    thousand spectra in memory. Raises ConfigError if the folder holds anything else, or cannot be written to.
    """
    folder, scratch = root / recording.entry.id, root / f".{recording.entry.id}.part"
    with _writing(root):
        if folder.exists():
            _check_same(folder, recording)
            return folder, False
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        try:
            _write_all(recording, line, atom, detector, scratch)
            (scratch / RECIPE).write_text(json.dumps(recording.recipe, indent=1) + "\n")
            os.replace(scratch, folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return folder, True


def _write_all(recording: Recording, line: Line, atom: Atom, detector: Detector, folder: Path) -> None:
    exposures = np.arange(recording.times.size)
    raster = recording.schedule.mode == RASTER
    repeats = np.split(exposures, len(recording.times)) if raster else [exposures]
    for number, piece in enumerate(repeats):
        name = f"iris_l2_{recording.entry.id}_raster_t000_r{number:05d}.fits"
        _write_raster(folder / name, recording, line, atom, detector, piece, len(repeats))
    passband = int(next(iter(atom.cores.values())))
    name = f"iris_l2_{recording.entry.id}_SJI_{passband}_t000.fits"
    _slit_jaw(recording, detector, film(recording, detector), passband).writeto(folder / name)


def _check_same(folder: Path, recording: Recording) -> None:
    try:
        found = json.loads((folder / RECIPE).read_text())
        differing = sorted(key for key in {**found, **recording.recipe} if found.get(key) != recording.recipe.get(key))
    except (OSError, ValueError, TypeError):
        raise ConfigError(
            f"{folder} is not a folder of simulated level-2 files: it has no readable {RECIPE}. Delete it, or choose "
            "another folder with data.root=DIR."
        ) from None
    if differing:
        raise ConfigError(
            f"{folder} is already there from another simulation; these differ: {', '.join(differing)}. "
            "Choose another folder with data.root=DIR, or delete it first."
        )


@contextmanager
def _writing(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigError(
            f"No level-2 files can be written into {root} ({reason}). Choose another folder with data.root=DIR."
        ) from error


def write_catalog(entries: Sequence[Entry], path: Path) -> None:
    """The entries as a file that ``catalog=FILE`` reads. Raises ConfigError if it cannot be written."""
    scratch = path.with_name(f".{path.name}.part")
    with _writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(COLUMNS)
            for entry in entries:
                cells = dict(zip((field.name for field in fields(entry)), astuple(entry), strict=True))
                rows.writerow((cells | {"label": entry.label.name, "verified": "no"})[name] for name in COLUMNS)
        scratch.replace(path)


def _stored(counts: np.ndarray, detector: Detector) -> np.ndarray:
    """Counts in DN as the int16 of the archive."""
    return np.rint((counts - detector.zero) / detector.scale).astype(np.int16)


def _write_raster(
    path: Path, recording: Recording, line: Line, atom: Atom, detector: Detector, exposures: np.ndarray, files: int
) -> None:
    plan = recording.schedule
    seconds = recording.seconds(exposures)
    time = recording.times.ravel()[exposures]
    x, y = recording.centre
    step = ARCSEC_PER_STEP if plan.mode == RASTER else 0.0
    primary = _primary(recording, time, "SPEC", seconds)
    primary.update(
        NRASTERP=plan.steps,
        STEPS_AV=step,
        STEPT_AV=plan.cadence,
        RASRPT=1 if plan.mode != RASTER else 1 + int(exposures[0]) // plan.steps,
        RASNRPT=files,
        FOVX=max(step * plan.steps, 0.33),
        SUMSPTRN=1,
        SUMSPTRF=1,
    )
    primary.update(_window(line.detector, atom.window, recording.native[0], recording.native[-1], plan.slit))
    header = fits.Header(
        {
            "XTENSION": "IMAGE", "BITPIX": 16, "NAXIS": 3, "NAXIS1": len(recording.native), "NAXIS2": plan.slit,
            "NAXIS3": len(exposures), "PCOUNT": 0, "GCOUNT": 1, "BSCALE": detector.scale, "BZERO": detector.zero,
        }
    )  # fmt: skip
    header.update(
        CTYPE1="WAVE", CUNIT1="Angstrom", CRVAL1=recording.native[0], CDELT1=detector.dispersion, CRPIX1=1.0,
        CTYPE2="HPLT-TAN", CUNIT2="arcsec", CRVAL2=y, CDELT2=plan.pixel, CRPIX2=(plan.slit + 1) / 2,
        CTYPE3="HPLN-TAN", CUNIT3="arcsec", CRVAL3=x, CDELT3=step, CRPIX3=(len(exposures) + 1) / 2,
        PC1_1=1.0, PC1_2=0.0, PC2_1=0.0, PC2_2=1.0, PC2_3=0.0, PC3_1=0.0, PC3_2=0.0, PC3_3=1.0,
    )  # fmt: skip
    table = {
        "TIME": time,
        "EXPTIMEF": seconds,
        "EXPTIMEN": seconds,
        "XCENIX": x + recording.across[exposures % plan.steps],
        "YCENIX": y,
        **dict.fromkeys(("SUMSPTRF", "SUMSPATF", "SUMSPTRN", "SUMSPATN", "PC1_1IX", "PC2_2IX", "PC3_3IX"), 1.0),
    }
    fits.PrimaryHDU(header=primary).writeto(path)
    image = fits.StreamingHDU(str(path), header)
    count = max(1, SPECTRA // plan.slit)
    for at in range(0, len(exposures), count):
        image.write(_stored(recording.counts(exposures[at : at + count])[0], detector))
    image.close()
    with fits.open(path, mode="append") as hdus:
        hdus.append(_table(SPECTRA_TABLE, table, len(exposures)))
        hdus.append(_frames(len(exposures)))


def _slit_jaw(recording: Recording, detector: Detector, images: Film, passband: int) -> fits.HDUList:
    plan = recording.schedule
    count, height, width = images.counts.shape
    x, y = recording.centre
    header = _primary(recording, images.time, "SJI", np.full(count, plan.exposure))
    header.update(FOVX=width * plan.pixel, NRASTERP=1)
    header.update(_window("SJI", f"SJI_{passband}", passband - 2.0, passband + 2.0, height))
    header.update(
        CTYPE1="HPLN-TAN", CUNIT1="arcsec", CRVAL1=x, CDELT1=plan.pixel, CRPIX1=(width + 1) / 2,
        CTYPE2="HPLT-TAN", CUNIT2="arcsec", CRVAL2=y, CDELT2=plan.pixel, CRPIX2=(height + 1) / 2,
        CTYPE3="Time", CUNIT3="seconds", CRVAL3=images.time[0], CDELT3=float(np.diff(images.time).mean()), CRPIX3=1.0,
        PC1_1=1.0, PC1_2=0.0, PC2_1=0.0, PC2_2=1.0, PC3_1=0.0, PC3_2=0.0,
    )  # fmt: skip
    table = {
        "TIME": images.time,
        "EXPTIMES": plan.exposure,
        "SLTPX1IX": (width + 1) / 2 + images.slit / plan.pixel,
        "SLTPX2IX": (height + 1) / 2,
        "XCENIX": x,
        "YCENIX": y,
        **dict.fromkeys(("SUMSPTRS", "SUMSPATS", "PC1_1IX", "PC2_2IX"), 1.0),
        # No roll; irispy takes 0 for a missing value.
        "PC1_2IX": 1e-12,
        "PC2_1IX": -1e-12,
    }
    image = fits.PrimaryHDU(_stored(images.counts, detector), header, do_not_scale_image_data=True)
    image.header["BSCALE"], image.header["BZERO"] = detector.scale, detector.zero
    return fits.HDUList([image, _table(IMAGE_TABLE, table, count), _frames(count)])


def _primary(recording: Recording, time: np.ndarray, instrument: str, seconds: np.ndarray) -> fits.Header:
    plan, start = recording.schedule, recording.start
    x, y = recording.centre
    taken = seconds[seconds > 0] if (seconds > 0).any() else seconds

    def when(after: float) -> str:
        return iso(start + timedelta(seconds=float(after)))

    header = fits.Header()
    header.update(
        TELESCOP="IRIS",
        INSTRUME=instrument,
        DATA_LEV=2.0,
        LVL_NUM=2.0,
        ORIGIN=ORIGIN,
        OBSID=recording.entry.id.rsplit("_", 1)[1],
        OBS_DESC="simulated",
        STARTOBS=when(0),
        ENDOBS=when(recording.times[-1, -1] + plan.exposure),
        DATE_OBS=when(time[0]),
        DATE_END=when(time[-1] + plan.exposure),
        OBSREP=len(recording.times),
        CAMERA=1 if instrument == "SPEC" else 2,
        BTYPE="Intensity",
        BUNIT="Corrected DN",
        SAA="           0",
        SAT_ROT=0.0,
        DSUN_OBS=DISTANCE,
        IAECEVFL="NO",
        IAECFLAG="NO",
        IAECFLFL="NO",
        FOVY=plan.slit * plan.pixel,
        XCEN=x,
        YCEN=y,
        SUMSPAT=1,
        EXPTIME=float(taken.mean()),
        EXPMIN=float(taken.min()),
        EXPMAX=float(taken.max()),
        NEXP=len(time),
        NEXPOBS=recording.times.size,
        CADEX_AV=plan.cadence,
    )
    # Files of the archive carry both; IRISreader does not open one that lacks them.
    header.add_history("simulated by preflare")
    header.add_comment("counts of a simulated Sun, not of the instrument")
    return header


def _window(detector: str, title: str, low: float, high: float, height: int) -> dict[str, object]:
    return {
        "NWIN": 1,
        "TDET1": detector,
        "TDESC1": title,
        "TWAVE1": (low + high) / 2,
        "TWMIN1": low,
        "TWMAX1": high,
        "TSR1": 1,
        "TER1": height,
    }


def _table(columns: Sequence[str], values: dict[str, np.ndarray | float], rows: int) -> fits.ImageHDU:
    """A row for each exposure; what the simulation does not know is 0."""
    data = np.zeros((rows, len(columns)))
    for name, value in values.items():
        data[:, columns.index(name)] = value
    header = fits.Header()
    header.update({name: number for number, name in enumerate(columns)})
    return fits.ImageHDU(data, header)


def _frames(rows: int) -> fits.TableHDU:
    return fits.TableHDU.from_columns([fits.Column("FRMID", "A10", array=[str(row) for row in range(rows)])])
