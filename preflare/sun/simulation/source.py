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
from preflare.sun.window import Window


class Simulation:
    """Observations with the identities of the catalog and origin "simulation" (a ``Source``).

    seed: of every random number. precursors: factor on how often PF observations show precursors; at 0 AR and PF
    are one distribution. confounder: by how many standard deviations PF observations lie closer to disc centre than
    AR observations, which has nothing to do with flares. spectra: how many the analysis windows hold, in all (half of
    them AR) or by class; None: as many as the programme says. observations: names of those wanted, None for all;
    each is the same either way. format: "shards", or "fits" where ingest is to write level-2 files instead.
    Raises ConfigError for a number that cannot be meant, and for an observation that is not in the catalog.
    """

    def __init__(
        self,
        seed: int,
        precursors: float,
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
        if format not in ("shards", "fits"):
            raise ConfigError(f"simulation.format is {format!r}, expected shards or fits.")
        if window.onset or window.end:
            raise ConfigError("The simulated Sun has flares of its own; leave out window.onset and window.end.")
        self.seed = seed
        self.precursors = float(precursors)
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
        """When and how an observation is recorded; with ``spectra``, its slit is as long as that needs."""
        plan = self._drawn(entry)
        if self.spectra is None:
            return plan
        return replace(plan, slit=max(SHORTEST_SLIT, round(plan.slit * self._stretch[entry.label])))

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
        return self.programme.draw(self.random(SCHEDULE, *identity(entry.id)))

    @cached_property
    def _stretch(self) -> dict[Label, float]:
        """Class -> factor on the programme's slits that gives the number of spectra asked for."""
        drawn = dict.fromkeys((Label.AR, Label.PF), 0)
        for entry in self._catalog:
            plan = self._drawn(entry)
            phase = self.window.cut(entry.id, looks.start_of(entry.id), plan.times, self.told(entry, plan)).phase
            drawn[entry.label] += int((phase == Phase.PREFLARE).sum()) * plan.slit
        assert self.spectra is not None
        return {label: self.spectra[label.name] / count for label, count in drawn.items()}


def _by_class(spectra: int | Mapping[str, int] | None) -> dict[str, int] | None:
    if spectra is None:
        return None
    if isinstance(spectra, int):
        spectra = {"AR": spectra - spectra // 2, "PF": spectra // 2}
    found = {str(name): count for name, count in spectra.items()} if isinstance(spectra, Mapping) else {}
    if set(found) != {"AR", "PF"} or not all(isinstance(count, int) and count > 0 for count in found.values()):
        raise ConfigError(
            f"simulation.spectra is {spectra!r}, expected a number such as 5000000, numbers for AR and PF, or null."
        )
    return found
