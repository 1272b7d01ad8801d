"""From radiance to counts: what the camera and the archive make of a spectrum."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import convolve1d

from preflare.checks import check_number


@dataclass(frozen=True)
class Detector:
    """A camera and the archive's way to store its images.

    dispersion: Å per pixel. resolution: FWHM, Å. photons: per DN. read_noise: DN, standard deviation.
    smear: share of a pixel's noise that the archive's resampling moves to each neighbour; its variance stays.
    scale, zero: BSCALE and BZERO of the int16 archive files; fill: what stands for a missing pixel, DN.
    cosmic_rays: hits per pixel and second. lost: share of exposures that did not arrive.
    dead_rows: share of slit pixels without data; dusty_rows: share of those dimmed by dust on the slit.
    Raises ConfigError for numbers that cannot be meant.
    """

    dispersion: float
    resolution: float
    photons: float
    read_noise: float
    smear: float
    scale: float
    zero: float
    fill: float
    cosmic_rays: float
    lost: float
    dead_rows: float
    dusty_rows: float

    def __post_init__(self) -> None:
        for name in ("dispersion", "resolution", "photons", "scale"):
            check_number(f"simulation.detector.{name}", getattr(self, name), above=0)
        for name in ("read_noise", "cosmic_rays"):
            check_number(f"simulation.detector.{name}", getattr(self, name), 0)
        for name in ("lost", "dead_rows", "dusty_rows"):
            check_number(f"simulation.detector.{name}", getattr(self, name), 0, 1)
        for name in ("zero", "fill"):
            check_number(f"simulation.detector.{name}", getattr(self, name))

    @property
    def ceiling(self) -> float:
        """The largest count the archive can hold, DN."""
        return 32767 * self.scale + self.zero

    def rows(self, random: np.random.Generator, slit: int) -> np.ndarray:
        """Transmission of each slit pixel, (slit,): 1, less under dust, NaN where there are no data."""
        u = random.random(slit)
        dust = random.uniform(0.25, 0.8, slit)
        dusty = (u >= self.dead_rows) & (u < self.dead_rows + self.dusty_rows)
        return np.where(u < self.dead_rows, np.nan, np.where(dusty, dust, 1.0))

    def lose(self, random: np.random.Generator, exposures: int) -> np.ndarray:
        """Which exposures did not arrive, (exposures,) bool."""
        return random.random(exposures) < self.lost

    def counts(self, random: np.random.Generator, radiance: np.ndarray, exposure: float) -> np.ndarray:
        """Counts as an archive file states them, float32 DN, of radiance in DN/s: noisy, quantised, with a ceiling.

        Photon noise is Poisson, of ``photons`` per DN; neighbours share the noise. A cosmic ray adds 100 to 10,000 DN
        to a pixel and a part of it to the next.
        """
        expected = np.asarray(radiance, np.float64) * exposure
        counts = random.poisson(np.clip(expected, 0, None) * self.photons) / self.photons
        counts += self.read_noise * random.standard_normal(counts.shape, np.float32)
        # The noise alone: the stated resolution holds the signal's share.
        kernel = np.array([self.smear, 1 - 2 * self.smear, self.smear])
        counts = expected + convolve1d(counts - expected, kernel / np.linalg.norm(kernel), mode="nearest")
        flat = counts.reshape(-1)
        hits = random.integers(0, flat.size, random.poisson(self.cosmic_rays * exposure * flat.size))
        charge = 10 ** random.uniform(2, 4, len(hits))
        np.add.at(flat, hits, charge)
        np.add.at(flat, np.minimum(hits + 1, flat.size - 1), random.uniform(0, 1, len(hits)) * charge)
        return self.store(counts)

    def store(self, counts: np.ndarray) -> np.ndarray:
        """Round and limit counts as int16 with the archive's scale and zero does; float32."""
        stored = np.clip(np.rint((counts - self.zero) / self.scale), -32768, 32767)
        return (stored * self.scale + self.zero).astype(np.float32)
