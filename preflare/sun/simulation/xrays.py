"""The X-rays of the simulated Sun: a quiet background, and the flare that the schedule tells of."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from preflare.sun.goes import Goes
from preflare.sun.simulation.programme import Schedule

CADENCE = 12.0  # s
MARGIN = 900.0  # s before and after the recording
# Peaks are M1 to X3, log-uniform, above a background of B4 to C2.
PEAK = (1.1e-5, 3e-4)
BACKGROUND = (4e-7, 2e-6)


def curve(random: np.random.Generator, schedule: Schedule, flares: bool) -> Goes:
    """The curve around a recording; with the flare if there is one, else with none above C.

    The flare begins at the onset and rises as the square of time; half its flux is left at its end, which is how
    GOES defines an end.
    """
    time = np.arange(-MARGIN, schedule.end + MARGIN, CADENCE)
    wander = gaussian_filter1d(random.standard_normal(len(time)), 600 / CADENCE, mode="wrap")
    level = np.exp(random.uniform(*np.log(BACKGROUND)) + 0.2 * wander / wander.std())
    strength = np.exp(random.uniform(*np.log(PEAK))) if flares else 0.0
    rise = np.clip((time - schedule.onset) / (schedule.peak - schedule.onset), 0, 1) ** 2
    decay = 0.5 ** (np.clip(time - schedule.peak, 0, None) / (schedule.end - schedule.peak))
    noise = 1 + 0.005 * random.standard_normal(len(time))
    return Goes(time, (level + strength * rise * decay) * noise)
