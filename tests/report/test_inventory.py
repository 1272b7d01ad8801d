"""A row per observation: counted again by loops, and for the real raster straight from the FITS file."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hydra.utils import instantiate
from omegaconf import OmegaConf

from preflare.command import CONF
from preflare.data import writing
from preflare.data.shard import Shard
from preflare.errors import ShardError
from preflare.report import data_report
from preflare.report.inventory import EXAMPLES, measure
from preflare.sun.folder import Folder
from preflare.sun.line import Line
from preflare.sun.observation import Label
from preflare.sun.quality import Quality

MakeShard = Callable[..., Path]


@pytest.fixture(scope="module")
def line() -> Line:
    return instantiate(OmegaConf.load(CONF / "line" / "mg_ii.yaml"))


def test_a_toy_shard_counted_by_hand(make_shard: MakeShard, tmp_path: Path, line: Line) -> None:
    row = measure(Shard.open(make_shard(tmp_path, Label.PF, 0)), line)
    # Four repeats of two steps of ten pixels, 100 s apart; the last repeat is in the flare, two spectra are flagged.
    assert (row.spectra, row.clean, row.steps, row.slit) == (60, 58, 2, 10)
    assert row.shares["MISSING"] == row.shares["LOW_SIGNAL"] == pytest.approx(1 / 60)
    assert set(row.shares) == {str(flag.name) for flag in Quality if flag}
    assert (row.intensity, row.exposure, row.exposures) == (100, 8, (8, 8))
    assert row.cadence == 200 and row.minutes == pytest.approx(500 / 60) and row.window == 25
    assert np.isnan(row.strongest) and np.isnan(row.setting("mu")) and np.isnan(row.setting("instrument"))
    assert row.examples["MISSING"] == [(0, 0, 0)] and row.examples["CORE_RATIO"] == []
    assert len(row.examples[""]) == EXAMPLES == len(set(row.examples[""]))


def test_the_continuum_does_not_depend_on_how_much_is_read_at_once(
    make_shard: MakeShard, tmp_path: Path, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Shard.open(make_shard(tmp_path, Label.AR, 1))
    row = measure(found, line)
    spectra, quality = found.read("spectra"), found.read("quality")
    inside = (line.wavelength >= 2799.71) & (line.wavelength <= 2800.15)
    means = [spectra[place][inside].astype(float).mean() for place in np.ndindex(quality.shape) if quality[place] == 0]
    assert row.continuum == pytest.approx(np.median(means))
    monkeypatch.setattr("preflare.report.inventory.ROWS", 20)
    assert measure(found, line).continuum == row.continuum


def test_nothing_clean_is_not_known(make_shard: MakeShard, tmp_path: Path, line: Line) -> None:
    row = measure(Shard.open(make_shard(tmp_path, Label.AR, 0, clean=False)), line)
    assert row.clean == 0 and np.isnan(row.intensity) and np.isnan(row.continuum) and row.examples[""] == []


def test_another_line_is_refused(make_shard: MakeShard, tmp_path: Path) -> None:
    other = instantiate(OmegaConf.load(CONF / "line" / "c_ii.yaml"))
    with pytest.raises(ShardError, match="holds the line mg_ii, expected c_ii"):
        measure(Shard.open(make_shard(tmp_path, Label.AR, 0)), other)


@pytest.mark.real_data
def test_the_real_raster_again_from_its_file(real_data: Path, tmp_path: Path, line: Line) -> None:
    window = instantiate(OmegaConf.load(CONF / "window" / "all.yaml"))
    (observation,) = Folder(str(real_data / "full_resolution"), window, None).observations(line)
    writing.write(tmp_path, observation)
    row = written(tmp_path)

    path = next((real_data / "full_resolution").glob("*raster*.fits"))
    with fits.open(path) as hdus:
        counts, header, table = hdus[3].data.astype(float), hdus[3].header, hdus[4]
        column = {key: table.data[:, table.header[key]] for key in ("TIME", "EXPTIMEN", "XCENIX", "YCENIX")}
        distance = hdus[0].header["DSUN_OBS"]
    axis = header["CRVAL1"] + header["CDELT1"] * (np.arange(header["NAXIS1"]) + 1 - header["CRPIX1"])
    grid = np.linspace(2794.14, 2805.72, 240)
    first, last = np.searchsorted(axis, grid[0], "right") - 1, np.searchsorted(axis, grid[-1])
    radius = np.degrees(np.arcsin(6.957e8 / distance)) * 3600
    remarks = ("HIGH_CONTINUUM", "OFF_LIMB")
    names = ("MISSING", "OVEREXPOSED", "LOW_SIGNAL", "PEAK_OUTSIDE_CORES", "CORE_RATIO", "ZERO_EXPOSURE", *remarks)
    tallies = dict.fromkeys(names, 0)
    intensity, continuum = [], []
    for step in range(3):
        for pixel in range(1094):
            native = counts[step, pixel].copy()
            lost = ~(native >= -100)
            missing = lost[first : last + 1].any()
            native[lost] = np.nan
            flux = np.interp(grid, axis, native) / column["EXPTIMEN"][step]
            flux = flux[np.isfinite(flux)]
            kept = np.isfinite(np.interp(grid, axis, native))
            saturated = (native[first : last + 1] >= 16183).any()
            flags = {"MISSING": missing, "OVEREXPOSED": saturated or longest(flux == flux.max(initial=-np.inf)) >= 10}
            flags["ZERO_EXPOSURE"] = not column["EXPTIMEN"][step] > 0
            # The slit is upright here to 0.1 degrees.
            up = column["YCENIX"][step] + header["CDELT2"] * (pixel + 1 - header["CRPIX2"])
            flags["OFF_LIMB"] = np.hypot(column["XCENIX"][step], up) > radius
            if flux.size:
                where = grid[kept]
                peak = flux.max()
                flags["LOW_SIGNAL"] = peak < 10
                flags["PEAK_OUTSIDE_CORES"] = np.abs(where[flux.argmax()] - [2796.34, 2803.52]).min() > 0.485
                k, h = (flux[np.abs(where - core) <= 1.0] for core in (2796.34, 2803.52))
                flags["CORE_RATIO"] = k.size and h.size and not 0.7 <= k.max() / h.max() <= 2.3
                inside = flux[(where >= 2799.71) & (where <= 2800.15)]
                flags["HIGH_CONTINUUM"] = inside.size and inside.mean() >= 0.4 * peak
                if not any(flags[name] for name in tallies if name not in remarks):
                    intensity.append(peak)
                    continuum.append(inside.mean() / peak)
            for name, set_ in flags.items():
                tallies[name] += bool(set_)
    total = 3 * 1094
    assert row["spectra"] == total and row["clean"] == len(intensity) > 3000
    assert {name: round(row[f"share_{name}"] * total) for name in tallies} == tallies
    assert row["intensity"] == pytest.approx(np.median(intensity), rel=1e-5)
    assert row["continuum"] == pytest.approx(np.median(continuum), rel=1e-4)
    assert row["exposure"] == pytest.approx(np.median(column["EXPTIMEN"]))
    assert row["minutes"] == pytest.approx(np.ptp(column["TIME"]) / 60)
    assert row["dispersion"] == pytest.approx(header["CDELT1"])
    assert (row["steps"], row["slit"], row["cadence"]) == (3, 1094, None), "one repeat has no cadence"
    x, y = column["XCENIX"].mean(), column["YCENIX"].mean()
    assert (row["setting_x"], row["setting_y"]) == (pytest.approx(x, abs=0.05), pytest.approx(y, abs=0.05))
    sine = np.sin(np.radians(np.hypot(x, y) / 3600)) * distance / 6.957e8
    assert row["setting_mu"] == pytest.approx(np.sqrt(1 - sine**2), abs=1e-3)
    near = np.abs(axis - 2799.474) < 0.3
    profile = np.nanmean(np.where(counts >= -100, counts, np.nan)[..., near], axis=(0, 1))
    assert row["setting_zero_point"] == pytest.approx(shift(axis[near], profile), abs=0.5)


@pytest.mark.real_data
def test_the_cadence_of_real_repeats_again_from_their_files(real_data: Path, tmp_path: Path, line: Line) -> None:
    window = instantiate(OmegaConf.load(CONF / "window" / "all.yaml"))
    (observation,) = Folder(str(real_data / "coarse"), window, None).observations(line)
    writing.write(tmp_path, observation)
    middle = []
    for path in (real_data / "coarse").glob("*raster*.fits*"):
        with fits.open(path) as hdus:
            table = next(hdu for hdu in hdus[1:] if "EXPTIMEN" in hdu.header)
            middle.append(np.median(table.data[:, table.header["TIME"]]))
    assert len(middle) == 4
    assert written(tmp_path)["cadence"] == pytest.approx(np.median(np.diff(sorted(middle))))


def written(folder: Path) -> dict[str, float | None]:
    """The only row that report.py writes of a folder; None for what is empty, NaN for words."""
    data_report.write(folder)
    (row,) = csv.DictReader((folder / data_report.CSV).read_text(encoding="utf-8").splitlines())
    return {key: _number(value) for key, value in row.items()}


def _number(text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return np.nan


def longest(run: np.ndarray) -> int:
    """How many in a row are true."""
    most = now = 0
    for one in run:
        now = now + 1 if one else 0
        most = max(most, now)
    return most


def shift(axis: np.ndarray, profile: np.ndarray) -> float:
    """km/s from Ni I at rest to the parabola through the three lowest pixels of its line, on a level background."""
    near = np.flatnonzero(np.abs(axis - 2799.474) <= 0.15)
    lowest = near[profile[near].argmin()]
    left, middle, right = profile[lowest - 1 : lowest + 2]
    place = axis[lowest] + (axis[1] - axis[0]) * (left - right) / (left - 2 * middle + right) / 2
    return float((place / 2799.474 - 1) * 299792.458)
