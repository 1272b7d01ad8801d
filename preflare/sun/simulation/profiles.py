"""Line profiles: what an atom in a chromosphere of given shape radiates, in DN/s against wavelength.

The photosphere is a continuum with the damping wings of the cores and narrow absorption lines; on it stand the
emission cores (a Gaussian with a central reversal, an asymmetry, far wings and a flow beside it) and the
subordinate lines.
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
    widths: of each core, relative to the width in ``Shapes``.
    subordinate: Å of the subordinate lines that blend into one, seen in emission above hot ground.
    damping: strength of each core's damping wings, in ``1 / (1 + sum(strength / (distance² + core²)^(exponent/2)))``,
        distances in Å.
    absorption: (Å, central depth, standard deviation in Å) of each absorption line, before the instrument.
    """

    line: str
    window: str
    cores: Mapping[str, float]
    widths: tuple[float, ...]
    subordinate: tuple[float, ...]
    damping: tuple[float, ...]
    damping_exponent: float
    damping_core: float
    absorption: tuple[tuple[float, float, float], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "cores", {str(name): float(value) for name, value in self.cores.items()})
        for name in ("widths", "subordinate", "damping"):
            object.__setattr__(self, name, tuple(float(value) for value in getattr(self, name)))
        rows = tuple((float(centre), float(depth), float(width)) for centre, depth, width in self.absorption)
        object.__setattr__(self, "absorption", rows)


@dataclass
class Shapes:
    """The numbers that make n line profiles, each an array (n,); velocities in km/s, positive away from us.

    intensity: DN/s, of the first core's emission before its reversal. ratio: first core over second.
    continuum: DN/s, of the photosphere far from every line.
    shift: of core and subordinate lines. width: standard deviation of the core.
    depth: of the central reversal, 0 to 1. reversal: velocity of the reversal relative to the core.
    asymmetry: -1 (red peak alone) to 1 (blue peak alone).
    wing: emission in far wings, relative to the core.
    flow: a second component relative to the core, at velocity flow_shift from it.
    subordinate: subordinate lines' emission, relative to the core.
    """

    intensity: np.ndarray
    ratio: np.ndarray
    continuum: np.ndarray
    shift: np.ndarray
    width: np.ndarray
    depth: np.ndarray
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
REVERSAL_WIDTH = 0.47
ASYMMETRY_WIDTH = 0.6
WING_WIDTH = 3.0
FLOW_WIDTH = 18.0  # km/s
SUBORDINATE_WIDTH = 11.0  # km/s
REACH = 2.2  # Å either side of a core beyond which its emission is not computed


def photosphere(atom: Atom, wavelength: np.ndarray, resolution: float) -> np.ndarray:
    """The photospheric spectrum at an instrument's resolution (FWHM, Å), 1 far from every line; (wavelength,)."""
    # Absorption lines are narrower than a pixel: sampled finely, broadened, then read off.
    step = 0.004
    fine = np.arange(wavelength[0] - 0.5, wavelength[-1] + 0.5, step)
    opacity = np.zeros_like(fine)
    for centre, strength in zip(atom.cores.values(), atom.damping, strict=True):
        opacity += strength / ((fine - centre) ** 2 + atom.damping_core**2) ** (atom.damping_exponent / 2)
    spectrum = 1 / (1 + opacity)
    for centre, depth, width in atom.absorption:
        spectrum *= 1 - depth * np.exp(-(((fine - centre) / width) ** 2) / 2)
    return np.interp(wavelength, fine, gaussian_filter1d(spectrum, resolution / FWHM / step, mode="nearest"))


def radiance(
    atom: Atom, wavelength: np.ndarray, shapes: Shapes, background: np.ndarray, resolution: float
) -> np.ndarray:
    """The n spectra in DN/s without noise, (n, wavelength) float32.

    wavelength: Å, evenly spaced. background: ``photosphere`` at these wavelengths. resolution: FWHM, Å.
    """
    emission = np.zeros((len(shapes.intensity), len(wavelength)), np.float32)
    column = {field.name: getattr(shapes, field.name)[:, None].astype(np.float32) for field in fields(shapes)}
    for order, (centre, relative) in enumerate(zip(atom.cores.values(), atom.widths, strict=True)):
        near, velocity = _near(wavelength, centre, REACH)
        level = column["intensity"] if order == 0 else column["intensity"] / column["ratio"]
        emission[:, near] += level * _core(velocity - column["shift"], np.float32(relative) * column["width"], column)
    for centre in atom.subordinate:
        near, velocity = _near(wavelength, centre, REACH / 2)
        level = column["intensity"] * column["subordinate"] / len(atom.subordinate)
        emission[:, near] += level * _gaussian(velocity - column["shift"], SUBORDINATE_WIDTH)
    step = wavelength[1] - wavelength[0]
    broadened = gaussian_filter1d(emission, resolution / FWHM / step, axis=-1, mode="nearest", truncate=3)
    return broadened + column["continuum"] * background.astype(np.float32)


def _near(wavelength: np.ndarray, centre: float, reach: float) -> tuple[slice, np.ndarray]:
    first, last = np.searchsorted(wavelength, (centre - reach, centre + reach))
    return slice(first, last), ((wavelength[first:last] / centre - 1) * LIGHT).astype(np.float32)


def _core(velocity: np.ndarray, width: np.ndarray, column: Mapping[str, np.ndarray]) -> np.ndarray:
    reversal = 1 - column["depth"] * _gaussian(velocity - column["reversal"], REVERSAL_WIDTH * width)
    slope = 1 - column["asymmetry"] * velocity / np.sqrt(velocity**2 + (ASYMMETRY_WIDTH * width) ** 2)
    wings = column["wing"] / (1 + (velocity / (WING_WIDTH * width)) ** 2)
    flow = column["flow"] * _gaussian(velocity - column["flow_shift"], FLOW_WIDTH)
    return _gaussian(velocity, width) * reversal * slope + wings + flow


def _gaussian(offset: np.ndarray, width: np.ndarray | float) -> np.ndarray:
    return np.exp(np.float32(-0.5) * (offset / width) ** 2)
