"""The simulated Sun as a source of observations: those of the catalog, each a pure function of the seed and its id."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cached_property

import numpy as np

from preflare.errors import ConfigError
from preflare.sun import catalog
from preflare.sun.catalog import Entry
from preflare.sun.line import Line
from preflare.sun.observation import Label, Observation, Phase, check_identities, iso
from preflare.sun.simulation import look as looks
from preflare.sun.simulation.detector import Detector
from preflare.sun.simulation.look import Look
from preflare.sun.simulation.profiles import Atom
from preflare.sun.simulation.programme import SHORTEST_SLIT, Programme, Schedule
from preflare.sun.simulation.recording import LOOK, REGION, SCHEDULE, Recording, identity
from preflare.sun.simulation.scene import Gathering
from preflare.sun.window import Window


class Simulation:
    """Observations with the identities of the catalog and origin "simulation" (a ``Source``).

    seed: of every random number. precursors: factor on how often PF observations show precursors; at 0 AR and PF
    are one distribution. gathering: where they are. confounder: by how many standard deviations PF observations lie
    closer to disc centre than AR observations, which has nothing to do with flares. spectra: how many the analysis
    windows are to hold, in all (half of them AR) or by class, as near as slits of whole pixels come to it; None: as
    many as the programme says. observations: names of those wanted, None for all;
    each is the same either way. format: "shards", or "fits" or "muse" where ingest is to write level-2 or multi-slit
    files instead.
    Raises ConfigError for a number that cannot be meant, and for an observation that is not in the catalog.
    """

    def __init__(
        self,
        seed: int,
        precursors: float,
        gathering: Gathering,
        confounder: float,
        spectra: int | Mapping[str, int] | None,
        format: str,
        atom: Atom,
        programme: Programme,
        detector: Detector,
        window: Window,
        observations: Sequence[str] | str | None = None,
    ) -> None:
        if not isinstance(seed, int) or seed < 0:
            raise ConfigError(f"simulation.seed is {seed!r}, expected 0, 1, 2, ...")
        if isinstance(precursors, str) or not precursors >= 0:
            raise ConfigError(f"simulation.precursors is {precursors!r}, expected a factor of 0 or more.")
        if not isinstance(confounder, float | int) or not np.isfinite(confounder):
            raise ConfigError(f"simulation.confounder is {confounder!r}, expected a number; 0 plants no difference.")
        if format not in ("shards", "fits", "muse"):
            raise ConfigError(f"simulation.format is {format!r}, expected shards, fits or muse.")
        if window.onset or window.end:
            raise ConfigError("The simulated Sun has flares of its own; leave out window.onset and window.end.")
        self.seed = seed
        self.precursors = float(precursors)
        self.gathering = gathering
        self.confounder = float(confounder)
        self.spectra = _by_class(spectra)
        self.format = format
        self.atom = atom
        self.programme = programme
        self.detector = detector
        self.window = window
        self._catalog = catalog.read()
        self._entries = self._catalog
        if observations is not None:
            wanted = set(check_identities([observations] if isinstance(observations, str) else observations))
            unknown = sorted(wanted - {entry.name for entry in self._entries})
            if unknown:
                raise ConfigError(
                    f"The simulated Sun has no observation {', '.join(unknown)}; expected those of the catalog."
                )
            self._entries = tuple(entry for entry in self._entries if entry.name in wanted)
        self._regions = looks.regions([entry.id for entry in self._catalog])

    def observations(self, line: Line) -> Iterator[Observation]:
        """The observations in the catalog's order. Raises ConfigError for a line that the atom does not describe."""
        for recording in self.recordings(line):
            yield recording.observation()

    def recordings(self, line: Line) -> Iterator[Recording]:
        """What the observations are made from, in the same order; raises the same."""
        if line.name != self.atom.line:
            raise ConfigError(
                f"The simulated Sun radiates the line {self.atom.line}, not {line.name}. Use line={self.atom.line}."
            )
        for entry in self._entries:
            yield Recording(self, entry, line)

    def entries(self, line: Line) -> list[Entry]:
        """What a catalog would say of all observations there are, wanted or not."""
        return [Recording(self, entry, line).entry for entry in self._catalog]

    def random(self, purpose: int, *key: int) -> np.random.Generator:
        """The stream of random numbers for one purpose and key."""
        return np.random.default_rng(np.random.SeedSequence([self.seed, purpose, *key]))

    def region(self, id: str) -> str:
        """The day the region of an observation was first observed, YYYYMMDD."""
        return self._regions[id]

    def look(self, entry: Entry) -> Look:
        """The look of an observation; its class matters only to the confounder."""
        region = self.random(REGION, int(self.region(entry.id)))
        towards = (0.5 if entry.label is Label.PF else -0.5) * self.confounder
        return looks.draw(self.random(LOOK, *identity(entry.id)), region, towards)

    def schedule(self, entry: Entry) -> Schedule:
        """When and how an observation is recorded; with ``spectra``, its slit is as long as that needs.

        Raises ConfigError if the shortest slits hold more spectra than are wanted.
        """
        plan = self._drawn(entry)
        return plan if self.spectra is None else replace(plan, slit=self._slits[entry.id])

    def told(self, entry: Entry, plan: Schedule) -> Entry:
        """The catalog's entry as it would be had this observation been made; without a flare class."""

        def when(seconds: float) -> str:
            return iso(looks.start_of(entry.id) + timedelta(seconds=seconds)) if entry.label is Label.PF else ""

        return replace(
            entry,
            onset=when(plan.onset),
            peak=when(plan.peak),
            end=when(plan.end),
            flare_class="",
            active_region=f"simulated-{self.region(entry.id)}",
        )

    def _drawn(self, entry: Entry) -> Schedule:
        stream = self.random(SCHEDULE, *identity(entry.id))
        stream.random()  # the mode's
        return self.programme.draw(stream, entry.id in self._rasters)

    @cached_property
    def _rasters(self) -> set[str]:
        """Ids of the observations that are rasters: the same share of each class, or the mode would tell them apart."""
        found: set[str] = set()
        for label in {entry.label for entry in self._catalog}:
            ids = [entry.id for entry in self._catalog if entry.label is label]
            ids.sort(key=lambda id: self.random(SCHEDULE, *identity(id)).random())
            found |= set(ids[: round(self.programme.rasters * len(ids))])
        return found

    @cached_property
    def _slits(self) -> dict[str, int]:
        """Id -> length of the slit, so that the windows of each class hold as many spectra as asked for."""
        assert self.spectra is not None
        found: dict[str, int] = {}
        for label in (Label.AR, Label.PF):
            entries = [entry for entry in self._catalog if entry.label is label]
            plans = [self._drawn(entry) for entry in entries]
            exposures = [self._exposures(entry, plan) for entry, plan in zip(entries, plans, strict=True)]
            slits = lengths(np.array([plan.slit for plan in plans]), np.array(exposures), self.spectra[label.name])
            if slits is None:
                raise ConfigError(
                    f"simulation.spectra asks for {self.spectra[label.name]} {label.name} spectra in the windows; "
                    f"expected {SHORTEST_SLIT * sum(exposures)} or more, which the shortest slits give. Ask for more, "
                    "or for fewer exposures (simulation.programme.cadences)."
                )
            found |= {entry.id: int(slit) for entry, slit in zip(entries, slits, strict=True)}
        return found

    def _exposures(self, entry: Entry, plan: Schedule) -> int:
        """How many exposures lie in the analysis window."""
        cut = self.window.cut(entry.id, looks.start_of(entry.id), plan.times, self.told(entry, plan))
        return int((cut.phase == Phase.PREFLARE).sum())

    def held(self) -> dict[str, int]:
        """Class -> how many spectra the analysis windows of the whole catalog hold."""
        found = {"AR": 0, "PF": 0}
        for entry in self._catalog:
            plan = self.schedule(entry)
            found[entry.label.name] += plan.slit * self._exposures(entry, plan)
        return found


def lengths(drawn: np.ndarray, exposures: np.ndarray, wanted: int) -> np.ndarray | None:
    """Lengths of slits in proportion to those drawn, of whole pixels, whose spectra come as near to a number as can be.

    drawn, exposures: (observation,), slits and how often each is exposed. None if the shortest slits hold more.
    """
    if SHORTEST_SLIT * exposures.sum() > wanted:
        return None
    slits = np.maximum(SHORTEST_SLIT, np.floor(drawn * (wanted / (drawn @ exposures))).astype(int))
    # The floor leaves a rest of less than a pixel each, unless slits that cannot be shorter use it up.
    while (excess := slits @ exposures - wanted) > 0:
        row = np.argmax(np.where(slits > SHORTEST_SLIT, np.minimum(exposures, excess + 1), 0))
        slits[row] -= 1
    for row in np.argsort(-exposures, kind="stable"):
        slits[row] += int((wanted - slits @ exposures) // exposures[row])
    last = np.argmin(exposures)
    slits[last] += int(2 * (wanted - slits @ exposures) >= exposures[last])
    return slits


def _by_class(spectra: int | Mapping[str, int] | None) -> dict[str, int] | None:
    if spectra is None:
        return None
    found = {str(name): count for name, count in spectra.items()} if isinstance(spectra, Mapping) else {}
    if isinstance(spectra, int) and not isinstance(spectra, bool):
        found = {"AR": spectra - spectra // 2, "PF": spectra // 2}
    if set(found) != {"AR", "PF"} or not all(isinstance(count, int) and count > 0 for count in found.values()):
        raise ConfigError(
            f"simulation.spectra is {spectra!r}, expected a number such as 5000000, numbers for AR and PF, or null."
        )
    return found
