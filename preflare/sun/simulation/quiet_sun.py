"""Simulated quiet Sun as a source of observations, for the autoencoder that masks it (paper Sect. 2)."""

from datetime import UTC, datetime, timedelta

from preflare.checks import check_integer
from preflare.sun.catalog import Entry
from preflare.sun.observation import Label
from preflare.sun.simulation import look as looks
from preflare.sun.simulation.detector import Detector
from preflare.sun.simulation.profiles import Atom
from preflare.sun.simulation.programme import Programme, Schedule
from preflare.sun.simulation.scene import Gathering
from preflare.sun.simulation.source import Simulation
from preflare.sun.window import Window

FIRST = datetime(2014, 1, 1, tzinfo=UTC)
# Days between observations, so far apart that no two have a look in common.
APART = 7
OBSID = 3_600_000_000
# There are no precursors.
NOWHERE = Gathering(reach=1.0, everywhere=0.0, strength=1.0)


class QuietSun(Simulation):
    """Observations of quiet Sun with origin "simulation" and label QS: no spots, plage, brightenings or flares.

    count: how many. seed: of every random number. Raises ConfigError for a number that cannot be meant.
    """

    def __init__(
        self, count: int, seed: int, atom: Atom, programme: Programme, detector: Detector, window: Window
    ) -> None:
        super().__init__(seed, 0.0, NOWHERE, 0.0, None, "shards", atom, programme, detector, window)
        self._entries = entries(check_integer("source.count", count, 1))
        self._catalog = self._entries
        self._regions = looks.regions([entry.id for entry in self._entries])

    def told(self, entry: Entry, plan: Schedule) -> Entry:
        """The entry itself: nothing happens, in no active region."""
        return entry


def entries(count: int) -> tuple[Entry, ...]:
    """So many observations of quiet Sun, one every ``APART`` days."""
    return tuple(
        Entry(
            number=-1,
            label=Label.QS,
            id=f"{FIRST + timedelta(days=APART * place):%Y%m%d_%H%M%S}_{OBSID + place}",
            onset="",
            peak="",
            end="",
            flare_class="",
            active_region="",
            source="simulation",
            verified=False,
        )
        for place in range(count)
    )
