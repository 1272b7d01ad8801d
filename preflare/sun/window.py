"""The analysis window: which repeats of an observation are kept, and in which phase each exposure lies.

    AR, QS   the first ``minutes`` of the observation
    PF       the ``minutes`` that end ``margin`` before the onset; then the flare, if ``after`` is flare_end
    unknown  as AR; nothing is looked up in the catalog

An exposure belongs to where it began: PREFLARE from the window's start to before its end, FLARE from the onset to
the flare's end, OUTSIDE otherwise (so, too, in the margin). Repeats are kept whole.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from preflare.checks import check_choice, check_number
from preflare.errors import CatalogError, ConfigError
from preflare.sun.catalog import Entry
from preflare.sun.observation import Label, Phase, instant, iso

LABELS = {label.prefix: label for label in Label}

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Cut:
    """An observation's window.

    number: place in the catalog, -1 if the observation has none under this label.
    window_start, window_end, onset, peak, end: ISO UTC, "" where unknown.
    provenance: of a PF: onset_source, where its onset comes from, and verified, yes or no, whether somebody has
        confirmed it there; for others empty.
    keep: (repeat,) bool, the repeats that belong in the shard. phase: (repeat, step) uint8, of all repeats.
    """

    label: Label
    number: int
    window_start: str
    window_end: str
    onset: str
    peak: str
    end: str
    flare_class: str
    active_region: str
    provenance: dict[str, float | int | str]
    keep: np.ndarray
    phase: np.ndarray


@dataclass(frozen=True)
class Window:
    """How observations are cut.

    minutes: length; None for all there is. margin: minutes between the end of a PF window and the onset.
    after: "flare_end" or "nothing". label: AR, PF, QS or NA (unknown); None: as the catalog says.
    onset, end: of the flare, ISO UTC; they take the place of the catalog's. Another onset than the catalog's is
        another flare, of which the catalog knows neither class, nor peak, nor end.
    Raises ConfigError for values that cannot be meant.
    """

    minutes: float | None
    margin: float
    after: str
    label: str | None
    onset: str | None
    end: str | None

    def __post_init__(self) -> None:
        if self.minutes is not None:
            # More than a day is a slip, and much more has no date.
            minutes = check_number("window.minutes", self.minutes, maximum=1440, above=0, unit="minutes")
            object.__setattr__(self, "minutes", minutes)
        object.__setattr__(self, "margin", check_number("window.margin", self.margin, 0, 1440, unit="minutes"))
        check_choice("window.after", self.after, ("flare_end", "nothing"))
        check_choice("window.label", self.label, tuple(LABELS), or_null=True)
        for name in ("onset", "end"):
            text = getattr(self, name)
            try:
                object.__setattr__(self, name, text and iso(instant(text)))
            except (TypeError, ValueError):
                raise ConfigError(f"window.{name} is {text!r}, expected a UTC time such as 2024-05-10T06:27.") from None

    def cut(self, id: str, start: datetime, time: np.ndarray, entry: Entry | None) -> Cut:
        """Cut an observation.

        start: of the observation. time: (repeat, step) s from start, finite. entry: what the catalog says, if
        anything.
        Raises CatalogError if nobody says what the observation is or when it flared, ConfigError if the window
        lies before the recording or holds no exposure.
        """
        label = self.label_of(id, entry)
        name = f"{label.prefix}_{id}"
        known = entry if label is not Label.UNKNOWN else None
        onset, end = self.onset, self.end
        flare = None
        if label is Label.PF:
            # The catalog's flare; with an onset of one's own that is not its, nothing is known of the flare.
            flare = known if known and (onset is None or onset == known.onset) else None
            onset, end = onset or (flare.onset if flare else ""), end or (flare.end if flare else "")
            _check_flare(name, onset, flare.peak if flare else "", end)
            first, last = self._before(name, start, instant(onset))
        elif onset or end:
            raise ConfigError(
                f"window.onset or window.end is given, but {name} is not labelled PF. Add window.label=PF."
            )
        else:
            first, last = start, self._length(start, time)
        keep, phase = self._select(name, start, time, first, last, onset, end)
        return Cut(
            label=label,
            number=known.number if known and known.label is label else -1,
            window_start=iso(first),
            window_end=iso(last),
            onset=onset or "",
            peak=flare.peak if flare else "",
            end=end or "",
            flare_class=flare.flare_class if flare else "",
            active_region=known.active_region if known else "",
            provenance=_provenance(label, flare, onset),
            keep=keep,
            phase=phase,
        )

    def label_of(self, id: str, entry: Entry | None) -> Label:
        """What an observation is: as the window says, else as the catalog does. Raises CatalogError if neither does."""
        if self.label is not None:
            return LABELS[self.label]
        if entry is None:
            raise CatalogError(
                f"The catalog has no observation {id}. Add it by catalog=FILE, or say what it is with "
                "window.label=AR, or with window.label=PF and window.onset=TIME, or take it unlabelled with window=all."
            )
        return entry.label

    def _length(self, start: datetime, time: np.ndarray) -> datetime:
        """The end of a window that begins with the observation; without a length, just after the last exposure."""
        seconds = float(time.max()) + 1 if self.minutes is None else 60 * self.minutes
        return start + timedelta(seconds=seconds)

    def _before(self, name: str, start: datetime, onset: datetime) -> tuple[datetime, datetime]:
        last = onset - timedelta(minutes=self.margin)
        if last <= start:
            raise ConfigError(
                f"{name} has its flare onset at {iso(onset)}, which less a margin of {self.margin:g} min is not after "
                f"its start at {iso(start)}: nothing was recorded before the flare. Correct the onset or its date."
            )
        first = start if self.minutes is None else last - timedelta(minutes=self.minutes)
        return max(first, start), last

    def _select(
        self,
        name: str,
        start: datetime,
        time: np.ndarray,
        first: datetime,
        last: datetime,
        onset: str | None,
        end: str | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        phase: np.ndarray = np.full(time.shape, Phase.OUTSIDE, np.uint8)
        begin, stop = (first - start).total_seconds(), (last - start).total_seconds()
        phase[(time >= begin) & (time < stop)] = Phase.PREFLARE
        if not (phase == Phase.PREFLARE).any():
            raise ConfigError(
                f"{name} has no exposure in its window, {iso(first)} to {iso(last)}: the files hold "
                f"{iso(start + timedelta(seconds=float(time.min())))} to "
                f"{iso(start + timedelta(seconds=float(time.max())))}. Get the files of that time, or set another "
                "window (window.onset, window.minutes, window=all)."
            )
        # A tenth is what slow rasters lose at the edges; more is worth a word.
        held = time[phase == Phase.PREFLARE]
        covered = (held.max() - held.min()) / 60
        if self.minutes is not None and (stop - begin < 60 * self.minutes or covered < 0.9 * self.minutes):
            log.info("%s: exposures cover %.1f of the window's %g min.", name, covered, self.minutes)
        until = stop
        if onset and self.after == "flare_end":
            until = np.inf
            if end:
                until = (instant(end) - start).total_seconds()
            else:
                log.info("%s: the end of its flare is unknown, so the shard runs on to the last repeat.", name)
            phase[(time >= (instant(onset) - start).total_seconds()) & (time <= until)] = Phase.FLARE
        keep: np.ndarray = np.any((time >= begin) & (time <= until), axis=1)
        return keep, phase


def _provenance(label: Label, flare: Entry | None, onset: str | None) -> dict[str, float | int | str]:
    if label is not Label.PF:
        return {}
    if flare is None or flare.onset != onset:
        return {"onset_source": "window.onset", "verified": "no"}
    return {"onset_source": flare.source, "verified": "yes" if flare.verified else "no"}


def _check_flare(name: str, onset: str, peak: str, end: str) -> None:
    if not onset:
        raise CatalogError(
            f"{name} is PF but its flare onset is unknown. Give it as window.onset=2014-03-29T17:35, or in a catalog "
            "of your own, catalog=FILE."
        )
    for what, text in (("peak", peak), ("end", end)):
        if text and text < onset:
            raise ConfigError(
                f"{name} has its flare onset at {onset}, after its {what} at {text}. Correct window.onset, "
                "window.end or the catalog."
            )
