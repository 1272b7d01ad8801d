"""The images beside the slit: the same scene, seen in a passband around the brightest core."""

from dataclasses import dataclass

import numpy as np

from preflare.sun.simulation.detector import Detector
from preflare.sun.simulation.profiles import Shapes
from preflare.sun.simulation.programme import ARCSEC_PER_STEP
from preflare.sun.simulation.recording import SLIT_JAW, Recording

CADENCE = 60.0  # s between images, at least
BESIDE = 10.0  # arcsec shown either side of the slit's places
PASSBAND = 430.0  # km/s, the 4 Å of the filter


@dataclass(frozen=True, eq=False)
class Film:
    """counts: (image, y, x) DN. time: (image,) s from the start. slit: (image,) arcsec, where the slit then stood."""

    counts: np.ndarray
    time: np.ndarray
    slit: np.ndarray


def brightness(shapes: Shapes) -> np.ndarray:
    """What the passband holds, (n,) DN/s: the core's emission, its integral in closed form, and the continuum."""
    overlap = shapes.gap / np.sqrt(1 + shapes.gap**2)
    off = np.exp(-((shapes.reversal / shapes.width) ** 2) / (2 * (1 + shapes.gap**2)))
    emission = shapes.intensity * shapes.width * np.sqrt(2 * np.pi) * (1 - shapes.depth * overlap * off)
    return emission / PASSBAND + shapes.continuum


def film(recording: Recording, detector: Detector) -> Film:
    """The images of an observation, one with every so many exposures, as high as the slit is long."""
    plan = recording.schedule
    every = plan.steps * max(1, int(np.ceil(CADENCE / (plan.steps * plan.cadence))))
    exposures = np.arange(0, recording.times.size, every)
    reach = (plan.steps - 1) / 2 * ARCSEC_PER_STEP + BESIDE
    width = 2 * int(np.ceil(reach / plan.pixel)) + 1
    across = (np.arange(width) - width // 2) * plan.pixel
    x, y = (axis.ravel() for axis in np.meshgrid(across, recording.along))
    time = recording.times.ravel()[exposures]
    counts = np.empty((len(exposures), plan.slit, width), np.float32)
    for image, (number, moment) in enumerate(zip(exposures.tolist(), time, strict=True)):
        light = brightness(recording.scene.shapes(x, y, np.full(len(x), moment))[1])
        counts[image] = detector.counts(recording.random(SLIT_JAW, number), light.reshape(plan.slit, -1), plan.exposure)
    return Film(counts, time, recording.across[exposures % plan.steps])
