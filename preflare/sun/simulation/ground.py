"""The ground an observation stands on: how active it is, its photosphere and its spots, as smooth fields.

Activity is Gaussian, and quiet Sun is where it is lowest. An observation of an active region is pointed at ground
that is not quiet; one of the quiet Sun sees the same quiet ground and nothing else.
"""

import numpy as np
from scipy.special import expit, log_ndtr, ndtri_exp

from preflare.sun.simulation.fields import Fields

# Quiet Sun has an activity below this, in standard deviations: 31% of all ground.
QUIET = -0.5
# Standard deviations of activity over which quiet Sun gives way to plage: it ends within an arcsec or two.
BORDER = 0.06
# The value of its field from which ground is darkened by a spot.
SPOT = 1.5


class Ground:
    """Activity, photosphere and spot, each a field of mean 0 and variance 1, as functions of place and time.

    quiet: whether there is only quiet Sun: the activity then has the distribution that it has where it is below
    ``QUIET``, and there are no spots.
    """

    def __init__(self, random: np.random.Generator, quiet: bool) -> None:
        self._fields = Fields(random, 3, length=9.0, duration=2400.0)
        self._quiet = quiet
        self._sign = 1.0

    def point_at(self, place: np.ndarray, time: float) -> None:
        """Point an observation of an active region: where the ground at a place (x, y) is quiet, activity changes sign.

        A Gaussian field with the other sign is as likely as the field.
        """
        activity = self(*(np.array([value]) for value in (*place, time)))[0, 0]
        if not self._quiet and activity <= QUIET:
            self._sign = -1.0

    def __call__(self, x: np.ndarray, y: np.ndarray, time: np.ndarray) -> np.ndarray:
        """x, y: (n,) arcsec; time: (n,) s. Returns (3, n)."""
        activity, photosphere, spot = self._fields(x, y, time)
        activity = self._sign * activity
        if self._quiet:
            # The same quantile of the part of the distribution that is quiet.
            activity = ndtri_exp(log_ndtr(activity) + log_ndtr(QUIET))
            spot = np.minimum(spot, SPOT)
        return np.stack([activity, photosphere, spot])

    def is_quiet(self, x: np.ndarray, y: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Whether the ground is quiet Sun, (n,) bool."""
        activity, _, spot = self(x, y, time)
        # What the quantile rounds to the very limit is quiet.
        found: np.ndarray = (activity <= QUIET) & (spot <= SPOT)
        return found


def quietness(activity: np.ndarray) -> np.ndarray:
    """1 in quiet Sun, 0 elsewhere, with a border between; of an activity (n,)."""
    return expit((QUIET - activity) / BORDER)
