"""The Sun's soft X-rays as the GOES satellites see them, 1 to 8 Å, which define flares and their classes."""

import re
from dataclasses import dataclass

import numpy as np

from preflare.errors import ShardError

# W/m² at which a class begins.
CLASSES = {"X": 1e-4, "M": 1e-5, "C": 1e-6, "B": 1e-7, "A": 1e-8}
CLASS = re.compile(r"[ABCMX][0-9]+(\.[0-9]+)?")


@dataclass(frozen=True, eq=False)
class Goes:
    """A curve. time: (n,) float64, s from the observation's start, increasing. flux: (n,) float64, W/m².

    Raises ShardError for anything else.
    """

    time: np.ndarray
    flux: np.ndarray

    def __post_init__(self) -> None:
        if self.time.ndim != 1 or self.time.shape != self.flux.shape or not (np.diff(self.time) > 0).all():
            raise ShardError(
                f"A GOES curve has times of shape {self.time.shape} and fluxes of shape {self.flux.shape}, expected "
                "two of one length, the times increasing."
            )


def flare_class(flux: float) -> str:
    """The class of a peak flux in W/m², cut (not rounded) to a decimal as GOES does: 2.39e-5 is M2.3."""
    for letter, least in CLASSES.items():
        # The tiny excess keeps 1e-5 an M1.0 although 1e-5 / 1e-6 is 9.99...
        if flux >= least * (1 - 1e-9):
            return f"{letter}{int(flux / least * 10 + 1e-6) / 10:.1f}"
    return f"A{int(flux / CLASSES['A'] * 10 + 1e-6) / 10:.1f}"


def class_flux(name: str) -> float:
    """The peak flux in W/m² that a class such as M2.3 stands for. Raises ValueError if it is none."""
    flux = CLASSES[name[0]] * float(name[1:]) if CLASS.fullmatch(name) else 0.0
    if flux == 0:
        raise ValueError(f"{name!r} is no GOES class such as M2.3")
    return flux


def is_strong(name: str) -> bool:
    """Whether a class is M or X: the flares that decide between PF and AR."""
    return class_flux(name) >= CLASSES["M"] * (1 - 1e-9)
