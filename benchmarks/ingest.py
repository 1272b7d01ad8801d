"""How fast level-2 files become spectra, and in how much memory: preflare, one exposure at a time, and irispy.

    python benchmarks/ingest.py           a simulated observation as level-2 files: 0.25 GB, a quarter, four times that
    python benchmarks/ingest.py DIR       the first raster of a real one, twenty times: speed alone

Every measurement is made in a process of its own, on files that are in the page cache; rates are per second of
processor time, so that what else the machine does matters little. Ways that leave something out say so.
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
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.io import fits
from hydra.utils import instantiate
from omegaconf import OmegaConf
from scipy.interpolate import interp1d

from preflare.command import CONF
from preflare.data import shard
from preflare.sun.folder import Folder
from preflare.sun.line import Line

HOME = Path(__file__).resolve().parents[1]
NAME = "PF_20140329_140938_3860258481"
TURNS = 3
# Files of the observation, of a quarter of it, and of four times it.
SIZES = (15, 60, 240)


def simulate(root: Path) -> list[Path]:
    """A raster of 4 steps and 1140 pixels, as int16; 4.2 MB and 4560 spectra a file."""
    settings = ("simulation=large", "simulation.spectra=4000000", "simulation.format=fits", f"observations=[{NAME}]")
    subprocess.run(
        [sys.executable, HOME / "ingest.py", *settings, f"data.root={root}"], check=True, capture_output=True
    )
    return sorted((root / "fits" / NAME.removeprefix("PF_")).glob("*raster*.fits"))


def repeat(files: list[Path], count: int, to: Path) -> Path:
    """So many of the files; once they are used up again from the first, two hours later."""
    to.mkdir()
    for number in range(count):
        again, which = divmod(number, len(files))
        path = to / f"raster_r{number:05d}.fits"
        shutil.copy(files[which], path)
        if again:
            with fits.open(path, mode="update") as hdus:
                table = next(hdu for hdu in hdus[1:] if "TIME" in hdu.header)
                table.data[:, table.header["TIME"]] += 7200.0 * again
    return to


def ingest(folder: Path, line: Line) -> int:
    """All of ``python ingest.py``: flags, digests of files and content, the shard."""
    window = instantiate(OmegaConf.load(CONF / "window/all.yaml"))
    with tempfile.TemporaryDirectory(dir=folder.parent) as root:
        (observation,) = Folder(str(folder), window, None).observations(line)
        path, _ = shard.write(Path(root), observation)
        return int(np.prod(shard.Shard.open(path).shape[:3]))


def blocks(folder: Path, line: Line) -> int:
    """The same up to flagged, normalised spectra in memory, of which none is kept; the files are hashed, too."""
    window = instantiate(OmegaConf.load(CONF / "window/all.yaml"))
    (observation,) = Folder(str(folder), window, None).observations(line)
    return sum(block.intensity.size for block in observation.blocks())


def exposures(folder: Path, line: Line, clean: Callable[[np.ndarray, Line], np.ndarray] | None) -> int:
    """One exposure at a time: look whether it is null, read it, divide what is above zero, interpolate the image."""
    kept = []
    for path in sorted(folder.glob("*raster*.fits")):
        with fits.open(path) as hdus:
            number = next(
                key for key in range(1, len(hdus) - 2) if "Mg II" in str(hdus[0].header.get(f"TDESC{key}", ""))
            )
            hdu, table = hdus[number], hdus[-2]
            header = hdu.header
            axis = header["CRVAL1"] + header["CDELT1"] * (np.arange(header["NAXIS1"]) + 1 - header["CRPIX1"])
            count, column = header["NAXIS3"], table.header["EXPTIMEN"]
            valid = [not np.all(hdu.section[step, :, :] == -200) for step in range(count)]
            assert len(valid) == count
            for step in range(count):
                image = hdu.section[step, :, :]
                seconds = table.data[step, column]
                if seconds > 0:
                    image = np.where(image > 0, image / seconds, image)
                spectra = interp1d(axis, image, kind="linear")(line.wavelength)
                kept.append(clean(spectra, line) if clean else spectra)
    return sum(len(spectra) for spectra in kept)


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


def _masked_singly(spectra: np.ndarray, line: Line) -> np.ndarray:
    """The same, a spectrum at a time, as cleaning scripts of the field do."""
    return np.concatenate([_masked(spectrum[None], line) for spectrum in spectra])


def irispy(folder: Path, line: Line) -> int:
    """irispy-lmsal reads all files, one window; then division and interpolation of each cube. Nothing is flagged."""
    from irispy.io.spectrograph import read_spectrograph_lvl2

    read = read_spectrograph_lvl2(sorted(folder.glob("*raster*.fits")), spectral_windows="Mg II k 2796")
    found = 0
    for cube in read["Mg II k 2796"].data:
        axis = cube.axis_world_coords("em.wl")[0].to_value("Angstrom")
        seconds = np.asarray(cube.exposure_time.to_value("s"), np.float32)[:, None, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.asarray(cube.data, np.float32) / seconds
        found += interp1d(axis, values, kind="linear")(line.wavelength)[..., 0].size
    return found


WAYS: dict[str, Callable[[Path, Line], int]] = {
    "preflare, to a shard": ingest,
    "preflare, to flagged spectra": blocks,
    "one exposure at a time, masked": lambda folder, line: exposures(folder, line, _masked),
    "one exposure at a time, masked singly": lambda folder, line: exposures(folder, line, _masked_singly),
    "one exposure at a time, interpolated only": lambda folder, line: exposures(folder, line, None),
    "irispy-lmsal, interpolated only": irispy,
}


def measure(way: str, folder: Path, line: Line) -> dict[str, float]:
    """Spectra, seconds of processor time, and GiB at most beyond what the imports take; after a warm-up on a file."""
    first = min(folder.glob("*raster*.fits"))
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "one").mkdir()
        shutil.copy(first, Path(home) / "one")
        WAYS[way](Path(home) / "one", line)
    begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    count = WAYS[way](folder, line)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"spectra": count, "seconds": seconds, "begin": begin / 2**20, "peak": peak / 2**20}


def alone(way: str, folder: Path) -> dict[str, float]:
    """A measurement in a process of its own; empty if it failed, which is said."""
    answer = subprocess.run(
        [sys.executable, __file__, way, str(folder)],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(HOME)},
    )
    if answer.returncode:
        print(answer.stderr.splitlines()[-1:], file=sys.stderr)
        return {}
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def compare(folder: Path) -> None:
    """Turns of all the ways on the same files, medians; ratios within turns."""
    size = sum(path.stat().st_size for path in folder.glob("*raster*.fits")) / 1e6
    turns = [{way: alone(way, folder) for way in WAYS} for _ in range(TURNS)]
    spectra = turns[0]["preflare, to a shard"]["spectra"]
    print(f"| {size:.0f} MB, {spectra:,.0f} spectra | spectra/s | MB/s | ratio | peak, GiB |")
    print("|---|---|---|---|---|")
    slow = "one exposure at a time, masked"
    for way in WAYS:
        if not all(turn[way] for turn in turns):
            print(f"| {way} | cannot read these files | | | |", flush=True)
            continue
        seconds = statistics.median(turn[way]["seconds"] for turn in turns)
        ratio = statistics.median(turn[slow]["seconds"] / turn[way]["seconds"] for turn in turns)
        peak = max(turn[way]["peak"] for turn in turns)
        print(f"| {way} | {spectra / seconds:,.0f} | {size / seconds:.0f} | {ratio:.2f} | {peak:.2f} |", flush=True)


def main(arguments: list[str]) -> None:
    with tempfile.TemporaryDirectory() as home:
        if arguments:
            first = min(Path(arguments[0]).glob("*raster*.fits"))
            compare(repeat([first], 20, Path(home) / "real"))
            return
        files = simulate(Path(home) / "simulation")
        folders = {count: repeat(files, count, Path(home) / str(count)) for count in SIZES}
        compare(folders[SIZES[1]])
        print("\n| peak memory, GiB (at begin) | " + " | ".join(f"{4.21 * count:.0f} MB" for count in SIZES) + " |")
        print("|---|" + "---|" * len(SIZES))
        for way in WAYS:
            found = [alone(way, folder) for folder in folders.values()]
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
