"""Line profiles: what an atom in a chromosphere of given shape radiates, in DN/s against wavelength.

The photosphere is a continuum with the damping wings of the cores and narrow absorption lines, all of which differ a
little from place to place; on it stand the emission cores (a Gaussian with a central reversal, an asymmetry, far wings
and a flow beside it) and the subordinate lines.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from scipy.ndimage import gaussian_filter1d

LIGHT = 299_792.458  # km/s
FWHM = 2 * np.sqrt(2 * np.log(2))  # of a Gaussian, in standard deviations


@dataclass(frozen=True)
class Atom:
    """The wavelengths and strengths of one line window (``conf/simulation/*.yaml``).

    line: name of the line config this describes. window: as the archive's files call its spectral window.
    cores: name -> laboratory wavelength, vacuum Å; the first is the brighter one.
    widths, depths: of each core and its reversal, relative to the width and depth in ``Shapes``.
    subordinate: Å of the subordinate lines that blend into one, seen in emission above hot ground.
    damping: strength of each core's damping wings, in ``1 / (1 + sum(strength / (distance² + core²)^(exponent/2)))``,
        distances in Å.
    absorption: (Å, central depth, standard deviation in Å, variation) of each absorption line, before the instrument;
        how much its opacity varies from place to place is relative to ``lines`` in ``Shapes``.
    subordinate_absorption: the same of the subordinate lines, where the ground is cool; relative to ``blend``.
    """

    line: str
    window: str
    cores: Mapping[str, float]
    widths: tuple[float, ...]
    depths: tuple[float, ...]
    subordinate: tuple[float, ...]
    damping: tuple[float, ...]
    damping_exponent: float
    damping_core: float
    absorption: tuple[tuple[float, float, float, float], ...]
    subordinate_absorption: tuple[tuple[float, float, float, float], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "cores", {str(name): float(value) for name, value in self.cores.items()})
        for name in ("widths", "depths", "subordinate", "damping"):
            object.__setattr__(self, name, tuple(float(value) for value in getattr(self, name)))
        for name in ("absorption", "subordinate_absorption"):
            rows = tuple(tuple(float(value) for value in row) for row in getattr(self, name))
            object.__setattr__(self, name, rows)


@dataclass
class Shapes:
    """The numbers that make n line profiles, each an array (n,); velocities in km/s, positive away from us.

    intensity: DN/s, of the first core's emission before its reversal. ratio: first core over second.
    continuum: DN/s, of the photosphere far from every line. damping, lines, blend: by how much the logarithms of the
        opacity in the damping wings, the absorption lines and the subordinate absorption differ from the atom's.
    shift: of core and subordinate lines. width: standard deviation of the core.
    depth: of the central reversal, 0 to 1. gap: its width relative to the core's. reversal: its velocity relative to
        the core.
    asymmetry: -1 (red peak alone) to 1 (blue peak alone).
    wing: emission in far wings, relative to the core.
    flow: a second component relative to the core, at velocity flow_shift from it.
    subordinate: subordinate lines' emission, relative to the core.
    """

    intensity: np.ndarray
    ratio: np.ndarray
    continuum: np.ndarray
    damping: np.ndarray
    lines: np.ndarray
    blend: np.ndarray
    shift: np.ndarray
    width: np.ndarray
    depth: np.ndarray
    gap: np.ndarray
    reversal: np.ndarray
    asymmetry: np.ndarray
    wing: np.ndarray
    flow: np.ndarray
    flow_shift: np.ndarray
    subordinate: np.ndarray

    def take(self, rows: np.ndarray) -> "Shapes":
        """The shapes of some rows, copied."""
        return Shapes(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


# Relative to the core's width, so that a broad core is broad in all its parts.
ASYMMETRY_WIDTH = 0.6
WING_WIDTH = 3.0
FLOW_WIDTH = 18.0  # km/s
SUBORDINATE_WIDTH = 11.0  # km/s
REACH = 2.2  # Å either side of a core beyond which its emission is not computed


@dataclass(frozen=True, eq=False)
class Photosphere:
    """Spectra of the photosphere at an instrument's resolution, 1 far from every line; each (wavelength,).

    mean: of the atom as it is. damping, lines, blend: what an opacity of the damping wings, the absorption lines and
    the subordinate absorption larger by a factor e would add, to first order; less than nothing. A saturated line
    hardly grows.
    """

    mean: np.ndarray
    damping: np.ndarray
    lines: np.ndarray
    blend: np.ndarray


def photosphere(atom: Atom, wavelength: np.ndarray, resolution: float) -> Photosphere:
    """The photosphere of an atom at these wavelengths. resolution: FWHM, Å."""
    # Absorption lines are narrower than a pixel: sampled finely, broadened, then read off.
    step = 0.004
    fine = np.arange(wavelength[0] - 0.5, wavelength[-1] + 0.5, step)

    def optical_depth(rows: tuple[tuple[float, float, float, float], ...]) -> tuple[np.ndarray, np.ndarray]:
        """Of all rows, and how it varies."""
        whole, varying = np.zeros_like(fine), np.zeros_like(fine)
        for centre, depth, width, variation in rows:
            absorbed = -np.log1p(-depth * np.exp(-(((fine - centre) / width) ** 2) / 2))
            whole += absorbed
            varying += variation * absorbed
        return whole, varying

    def seen(spectrum: np.ndarray) -> np.ndarray:
        return np.interp(wavelength, fine, gaussian_filter1d(spectrum, resolution / FWHM / step, mode="nearest"))

    damping = np.zeros_like(fine)
    for centre, strength in zip(atom.cores.values(), atom.damping, strict=True):
        damping += strength / ((fine - centre) ** 2 + atom.damping_core**2) ** (atom.damping_exponent / 2)
    (lines, varying), (blend, melting) = optical_depth(atom.absorption), optical_depth(atom.subordinate_absorption)
    mean = np.exp(-lines - blend) / (1 + damping)
    return Photosphere(
        *(seen(part) for part in (mean, -mean * damping / (1 + damping), -mean * varying, -mean * melting))
    )


def radiance(atom: Atom, wavelength: np.ndarray, shapes: Shapes, ground: Photosphere, resolution: float) -> np.ndarray:
    """The n spectra in DN/s without noise, (n, wavelength) float32.

    wavelength: Å, evenly spaced. ground: the photosphere at these wavelengths. resolution: FWHM, Å.
    """
    emission = np.zeros((len(shapes.intensity), len(wavelength)), np.float32)
    column = {field.name: getattr(shapes, field.name)[:, None].astype(np.float32) for field in fields(shapes)}
    cores = zip(atom.cores.values(), atom.widths, atom.depths, strict=True)
    for order, (centre, width, depth) in enumerate(cores):
        near, velocity = _near(wavelength, centre, REACH)
        level = column["intensity"] if order == 0 else column["intensity"] / column["ratio"]
        own = column | {
            "width": np.float32(width) * column["width"],
            "depth": np.minimum(np.float32(depth) * column["depth"], 1),
        }
        emission[:, near] += level * _core(velocity - column["shift"], own)
    for centre in atom.subordinate:
        near, velocity = _near(wavelength, centre, REACH / 2)
        level = column["intensity"] * column["subordinate"] / len(atom.subordinate)
        emission[:, near] += level * _gaussian(velocity - column["shift"], SUBORDINATE_WIDTH)
    step = wavelength[1] - wavelength[0]
    broadened = gaussian_filter1d(emission, resolution / FWHM / step, axis=-1, mode="nearest", truncate=3)
    # Term by term and no matrix product: its rounding would depend on how many spectra are asked for at once.
    background = np.repeat(ground.mean[None].astype(np.float32), len(emission), axis=0)
    for name in ("damping", "lines", "blend"):
        background += column[name] * getattr(ground, name).astype(np.float32)
    return broadened + column["continuum"] * background


def _near(wavelength: np.ndarray, centre: float, reach: float) -> tuple[slice, np.ndarray]:
    first, last = np.searchsorted(wavelength, (centre - reach, centre + reach))
    return slice(first, last), ((wavelength[first:last] / centre - 1) * LIGHT).astype(np.float32)


def _core(velocity: np.ndarray, column: Mapping[str, np.ndarray]) -> np.ndarray:
    width = column["width"]
    reversal = 1 - column["depth"] * _gaussian(velocity - column["reversal"], column["gap"] * width)
    slope = 1 - column["asymmetry"] * velocity / np.sqrt(velocity**2 + (ASYMMETRY_WIDTH * width) ** 2)
    wings = column["wing"] / (1 + (velocity / (WING_WIDTH * width)) ** 2)
    flow = column["flow"] * _gaussian(velocity - column["flow_shift"], FLOW_WIDTH)
    return _gaussian(velocity, width) * reversal * slope + wings + flow


def _gaussian(offset: np.ndarray, width: np.ndarray | float) -> np.ndarray:
    return np.exp(np.float32(-0.5) * (offset / width) ** 2)
