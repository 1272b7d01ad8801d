"""How fast level-2 files become spectra, and in how much memory: preflare, IRISreader, and irispy.

    python benchmarks/ingest.py           simulated level-2 files, 0.25 GB, a quarter, four times that
    python benchmarks/ingest.py DIR       the first raster of a real one, twenty-four times: speed alone

Every measurement is made in a process of its own, on files that are in the page cache, in turns; rates are by the clock
and per second of processor time. IRISreader is the library itself, called as the authors did, one exposure at a time;
beside it the same way without what it looks up, as fast as NumPy makes it. Ways that leave something out say so.
"""

import json
import logging
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from astropy.io import fits
from hydra.utils import instantiate
from omegaconf import OmegaConf
from scipy.interpolate import interp1d

from preflare.command import CONF
from preflare.data import shard
from preflare.data.parallel import write_all
from preflare.sun.folder import Folder
from preflare.sun.line import Line
from preflare.sun.observation import Observation

HOME = Path(__file__).resolve().parents[1]
NAME = "PF_20140329_140938_3860258481"
TURNS = 3
OBSERVATIONS = 6
# Files of all observations, of a quarter of that, and of four times that.
SIZES = (18, 60, 240)


def simulate(root: Path) -> list[Path]:
    """A raster of 4 steps and 1140 pixels, as int16; 4.2 MB and 4560 spectra a file."""
    settings = ("simulation=large", "simulation.spectra=4000000", "simulation.format=fits", f"observations=[{NAME}]")
    subprocess.run(
        [sys.executable, HOME / "ingest.py", *settings, f"data.root={root}"], check=True, capture_output=True
    )
    return sorted((root / "fits" / NAME.removeprefix("PF_")).glob("*raster*.fits"))


def observations(files: list[Path], count: int, home: Path) -> Path:
    """So many of the files, divided among observations, a folder each; used up, they begin again, two hours later."""
    for part in range(OBSERVATIONS):
        (home / str(part)).mkdir(parents=True)
        for number in range(part * count // OBSERVATIONS, (part + 1) * count // OBSERVATIONS):
            again, which = divmod(number, len(files))
            path = home / str(part) / f"raster_r{number:05d}.fits"
            shutil.copy(files[which], path)
            with fits.open(path, mode="update") as hdus:
                hdus[0].header["STARTOBS"] = f"2014-03-{10 + part}T14:09:38.000"
                table = next(hdu for hdu in hdus[1:] if "TIME" in hdu.header)
                table.data[:, table.header["TIME"]] += 7200.0 * again
    return home


def rasters(home: Path) -> list[list[Path]]:
    """The files of each observation."""
    return [sorted(folder.glob("*raster*.fits")) for folder in sorted(home.iterdir()) if folder.is_dir()]


def opened(home: Path, line: Line) -> Iterator[Observation]:
    """Each observation, whole, its files hashed."""
    window = instantiate(OmegaConf.load(CONF / "window/all.yaml"))
    for files in rasters(home):
        yield from Folder(str(files[0].parent), window, None).observations(line)


def ingest(home: Path, line: Line, workers: int) -> int:
    """All of ``python ingest.py``: flags, digests of files and content, the shards."""
    with tempfile.TemporaryDirectory(dir=home.parent) as root:
        done = [path for _, path, _ in write_all(Path(root), opened(home, line), workers, lambda *_: None)]
        return sum(int(np.prod(shard.Shard.open(path).shape[:3])) for path in done)


def blocks(home: Path, line: Line) -> int:
    """The same up to flagged, normalised spectra in memory, of which none is kept; the files are hashed, too."""
    return sum(block.intensity.size for one in opened(home, line) for block in one.blocks())


def irisreader(home: Path, line: Line, clean: Callable[[np.ndarray, Line], np.ndarray] | None, store: bool) -> int:
    """IRISreader's own interpolated images; masked, normalised and stored as the authors' level 2C if asked."""
    # An alias that NumPy dropped in 1.24; IRISreader 0.3.2 is older.
    np.int = int  # type: ignore[attr-defined]
    from irisreader import raster_cube

    found = 0
    grid = line.start, line.stop, line.points
    for files in rasters(home):
        cube = raster_cube([str(path) for path in files], line="Mg II k", keep_null=True)
        kept = []
        for step in range(cube.n_steps):
            spectra = cube.get_interpolated_image_step(step, *grid, divide_by_exptime=True)
            kept.append(clean(spectra, line) if clean else spectra)
        if store:
            _store(home, kept)
        found += sum(len(spectra) for spectra in kept)
        cube.close()
    return found


def _store(home: Path, kept: list[np.ndarray]) -> None:
    with tempfile.TemporaryDirectory(dir=home.parent) as root:
        np.savez(Path(root) / "level_2C.npz", data=np.stack(kept))


def exposures(home: Path, line: Line, clean: Callable[[np.ndarray, Line], np.ndarray] | None, store: bool) -> int:
    """One exposure at a time: read it, divide what is above zero, interpolate the image; nothing else is looked up."""
    found = 0
    for files in rasters(home):
        kept = []
        for path in files:
            with fits.open(path) as hdus:
                number = next(
                    key for key in range(1, len(hdus) - 2) if "Mg II" in str(hdus[0].header.get(f"TDESC{key}", ""))
                )
                hdu, table = hdus[number], hdus[-2]
                header = hdu.header
                axis = header["CRVAL1"] + header["CDELT1"] * (np.arange(header["NAXIS1"]) + 1 - header["CRPIX1"])
                for step in range(header["NAXIS3"]):
                    image = hdu.section[step, :, :]
                    seconds = table.data[step, table.header["EXPTIMEN"]]
                    if seconds > 0:
                        image = np.where(image > 0, image / seconds, image)
                    spectra = interp1d(axis, image, kind="linear")(line.wavelength)
                    kept.append(clean(spectra, line) if clean else spectra)
        if store:
            _store(home, kept)
        found += sum(len(spectra) for spectra in kept)
    return found


def _masked(spectra: np.ndarray, line: Line) -> np.ndarray:
    """The paper's rules on an exposure (slit, wavelength), in NumPy: bad spectra become NaN, others are normalised."""
    top = spectra.max(axis=1)
    equal = spectra == top[:, None]
    run = np.lib.stride_tricks.sliding_window_view(equal, line.rules.overexposed_run, axis=1).all(axis=2).any(axis=1)
    cores = list(line.cores.values())
    peaks = [spectra[:, np.abs(line.wavelength - core) <= line.rules.ratio_halfwidth].max(axis=1) for core in cores]
    place = line.wavelength[spectra.argmax(axis=1)]
    outside = np.all([np.abs(place - core) > (line.rules.peak_halfwidth or 0) for core in cores], axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = peaks[0] / peaks[1]
        bad = (
            (spectra < -100).any(axis=1) | run | (top < line.rules.low_signal) | outside | (ratio < 0.7) | (ratio > 2.3)
        )
        return np.where(bad[:, None], np.nan, spectra / top[:, None]).astype(np.float32)


def irispy(home: Path, line: Line) -> int:
    """irispy-lmsal reads all files, one window; then division and interpolation of each cube. Nothing is flagged."""
    from irispy.io.spectrograph import read_spectrograph_lvl2

    found = 0
    for files in rasters(home):
        read = read_spectrograph_lvl2(files, spectral_windows="Mg II k 2796")
        for cube in read["Mg II k 2796"].data:
            axis = cube.axis_world_coords("em.wl")[0].to_value("Angstrom")
            seconds = np.asarray(cube.exposure_time.to_value("s"), np.float32)[:, None, None]
            with np.errstate(divide="ignore", invalid="ignore"):
                values = np.asarray(cube.data, np.float32) / seconds
            found += interp1d(axis, values, kind="linear")(line.wavelength)[..., 0].size
    return found


# The way that others are compared with, and what stands in for it where it cannot read the files.
BASE, STAND_IN = "IRISreader, masked, to a file", "one exposure at a time in NumPy, masked, to a file"
WAYS: dict[str, Callable[[Path, Line], int]] = {
    "preflare, to shards, two processes": lambda home, line: ingest(home, line, 2),
    "preflare, to shards": lambda home, line: ingest(home, line, 1),
    "preflare, to flagged spectra": blocks,
    BASE: lambda home, line: irisreader(home, line, _masked, True),
    "IRISreader, masked": lambda home, line: irisreader(home, line, _masked, False),
    "IRISreader, interpolated only": lambda home, line: irisreader(home, line, None, False),
    STAND_IN: lambda home, line: exposures(home, line, _masked, True),
    "irispy-lmsal, interpolated only": irispy,
}


def measure(way: str, home: Path, line: Line) -> dict[str, float]:
    """Spectra, seconds by the clock and of processor time, and GiB at begin and at most.

    The second of two turns is measured: on a virtual machine memory that nobody has used yet costs more than all else.
    """
    begin = _peak()
    WAYS[way](home, line)
    start, clock = sum(os.times()[:4]), time.perf_counter()
    count = WAYS[way](home, line)
    seconds, spent = time.perf_counter() - clock, sum(os.times()[:4]) - start
    return {"spectra": count, "clock": seconds, "processor": spent, "begin": begin, "peak": _peak()}


def _peak() -> float:
    """GiB at most so far of this process, or of its largest child."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 2**20


def alone(way: str, home: Path) -> dict[str, float]:
    """A measurement in a process of its own; empty if it failed, which is said."""
    answer = subprocess.run(
        [sys.executable, __file__, way, str(home)],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(HOME)},
    )
    if answer.returncode:
        print(answer.stderr.splitlines()[-1:], file=sys.stderr)
        return {}
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def compare(home: Path) -> None:
    """Turns of all the ways on the same files, medians; ratios within turns."""
    size = sum(path.stat().st_size for files in rasters(home) for path in files) / 1e6
    turns = [{way: alone(way, home) for way in WAYS} for _ in range(TURNS)]
    spectra = turns[0]["preflare, to shards"]["spectra"]
    base = BASE if all(turn[BASE] for turn in turns) else STAND_IN
    print(f"| {size:.0f} MB, {spectra:,.0f} spectra | spectra/s | MB/s | ratio | by processor time | peak, GiB |")
    print("|---|---|---|---|---|---|")
    for way in WAYS:
        if not all(turn[way] for turn in turns):
            print(f"| {way} | cannot read these files | | | | |", flush=True)
            continue
        seconds = statistics.median(turn[way]["clock"] for turn in turns)
        clock, spent = (
            statistics.median(turn[base][kind] / turn[way][kind] for turn in turns) for kind in ("clock", "processor")
        )
        peak = max(turn[way]["peak"] for turn in turns)
        rates = f"{spectra / seconds:,.0f} | {size / seconds:.0f}"
        print(f"| {way} | {rates} | {clock:.2f} | {spent:.2f} | {peak:.2f} |", flush=True)


def main(arguments: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        if arguments:
            first = min(Path(arguments[0]).glob("*raster*.fits"))
            compare(observations([first], 24, home / "real"))
            return
        files = simulate(home / "simulation")
        sizes = {count: observations(files, count, home / str(count)) for count in SIZES}
        compare(sizes[SIZES[1]])
        print("\n| peak memory, GiB (at begin) | " + " | ".join(f"{4.21 * count:.0f} MB" for count in SIZES) + " |")
        print("|---|" + "---|" * len(SIZES))
        for way in WAYS:
            found = [alone(way, one) for one in sizes.values()]
            cells = " | ".join(f"{one['peak']:.2f} ({one['begin']:.2f})" for one in found)
            print(f"| {way} | {cells} |", flush=True)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    if sys.argv[1:2] and sys.argv[1] in WAYS:
        mg_ii = instantiate(OmegaConf.load(CONF / "line/mg_ii.yaml"))
        print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]), mg_ii)))
    else:
        main(sys.argv[1:])
