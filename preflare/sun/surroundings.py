"""What the Sun did around an observation: its flare, other flares, its region, the X-rays; and what to make of it.

Flares come from a list on disk or from HEK, X-rays from GOES files. What a reader of a paper would want to know is
said aloud; what makes a label wrong is refused.
"""

import hashlib
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from omegaconf import ListConfig

from preflare.checks import check_choice, check_path
from preflare.errors import CatalogError
from preflare.sun import flares as flare_lists
from preflare.sun import hek, xrs
from preflare.sun.catalog import Entry
from preflare.sun.flares import Flare
from preflare.sun.goes import Goes, class_flux, flare_class, is_strong
from preflare.sun.observation import Label, check_identities, instant, iso
from preflare.sun.rotation import turned
from preflare.sun.window import Cut

# Arcsec from the field's centre beyond which a flare is hardly the field's.
FAR = 150.0
# How long after an AR observation its region is watched for a flare.
AHEAD = timedelta(hours=24)
# X-rays beside the observation, so that a figure shows what came before and after.
BESIDE = timedelta(minutes=30)
# What X-rays must have of the time that they are to speak for: the share with points, and the longest gap, s. A flare
# of class M takes about ten minutes from its start to half its decay: a longer gap may hide one.
COVERED, GAP = 0.9, 600.0
# Two peak fluxes of one flare, the one over the other.
SAME = 0.8, 1.25

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Field:
    """Where and how long an observation looked.

    start, end: of the whole observation, whatever files are at hand. x, y: (n,) arcsec, places the slit was at.
    """

    id: str
    start: datetime
    end: datetime
    x: np.ndarray
    y: np.ndarray

    @property
    def centre(self) -> tuple[float, float]:
        """Arcsec."""
        return float(self.x.mean()), float(self.y.mean())

    def holds(self, flare: Flare) -> bool:
        """Whether a flare lies in the field's box."""
        return self.x.min() <= flare.x <= self.x.max() and self.y.min() <= flare.y <= self.y.max()


class Surroundings:
    """Where to look things up (keys of ``conf/source/folder.yaml``).

    resolve: "hek", or None to leave onsets and regions to catalog and list. flares: a flare list on disk, or None.
    goes: a file or folder of GOES XRS files, "fido" to download them, or None. cache: folder for what is downloaded.
    allow: names of AR observations that are kept although an M or X flare occurred while they lasted.
    Raises ConfigError for values that cannot be meant.
    """

    def __init__(
        self,
        resolve: str | None,
        flares: str | None,
        goes: str | None,
        allow: Sequence[str] | str | None,
        cache: str,
    ) -> None:
        self.hek = check_choice("source.resolve", resolve, ("hek",), or_null=True) is not None
        self.flares = check_path("source.flares", flares) if flares is not None else None
        self.goes = check_path("source.goes", goes) if goes is not None and goes != "fido" else None
        self.fido = goes == "fido"
        self.allow: tuple[str, ...] = ()
        if allow is not None:
            self.allow = check_identities(list(allow) if isinstance(allow, list | tuple | ListConfig) else [allow])
        self.cache = check_path("source.cache", cache)

    @property
    def knows_flares(self) -> bool:
        """Whether there is a list to find an onset in."""
        return self.hek or self.flares is not None

    def check_reachable(self, moment: datetime) -> None:
        """Raise FlareError if HEK, or what has GOES files, is to be asked but cannot be, tried on an hour from then."""
        until = moment + timedelta(hours=1)
        if self.hek:
            hek.check_reachable(moment, until)
        if self.fido:
            xrs.fetch(moment, until, self.cache / "goes")

    def resolve(self, field: Field, label: Label, entry: Entry | None, onset: str | None) -> Entry | None:
        """The catalog's entry with onset and region as the list has them; as it is without a list.

        onset: the user's own, which stays as it is; the flare that the list has there is the entry's.
        Of the M and X flares that began while the observation lasted: the one at the known onset; else, if none is
        known, the nearest to the field's centre (those of unknown place last, the strongest first); else, if the
        catalog's is unverified and only one of them may be its flare, that one.
        An onset is verified if the list confirms the catalog's, or if HEK, which is public, has but one flare that it
        may be.
        """
        if not self.knows_flares or label not in (Label.AR, Label.PF):
            return entry
        entry = entry or Entry(-1, label, field.id, "", "", "", "", "", "", False)
        known = onset or entry.onset
        who = "HEK" if self.flares is None else self.flares.name
        strong = [flare for flare in self._flares(field) if flare.strong]
        flare, only = _chosen(field, strong, known), _only(field, strong, entry.flare_class)
        confirmed = flare is not None and bool(entry.onset)
        if label is Label.PF and flare is None and only is not None and not onset and not entry.verified:
            log.warning(
                "%s: the catalog has its onset at %s, but the one M or X flare by %s that may be its flare, %s, began "
                "at %s: that is taken.", entry.name, known, who, only.flare_class, iso(only.start),
            )  # fmt: skip
            flare = only
        if label is Label.PF and flare is not None:
            entry = replace(
                entry,
                onset=onset or iso(flare.start),
                peak=iso(flare.peak) if flare.peak else "",
                end=iso(flare.end) if flare.end else "",
                flare_class=flare.flare_class,
                active_region=flare.active_region or entry.active_region,
                source="window.onset" if onset else who,
                verified=(
                    entry.verified and onset == entry.onset
                    if onset
                    else entry.verified or confirmed or (self.flares is None and flare is only)
                ),
            )
        elif label is Label.PF and known:
            log.warning("%s: the list has no M or X flare within 10 min of its onset, %s.", entry.name, known)
        if not entry.active_region and self.hek:
            entry = replace(entry, active_region=self._region(field))
        return entry

    def describe(self, field: Field, cut: Cut) -> tuple[dict[str, float | int | str], Goes | None]:
        """Settings to keep beside the spectra, and the X-ray curve, None where unknown; says what is worth knowing.

        The settings are the evidence for the label: c_flares (in the window); of a PF flare_distance (arcsec from the
        field's centre, "unknown"), flare_inside (yes or no), other_flares (M and X while it lasted), earlier_flares
        (those of them that reach into the window); of an AR allowed (the M and X flares it was kept in spite of),
        hours_to_next_flare; goes_coverage (share of observation and flare that the curve covers), goes_class.
        Raises CatalogError for an AR observation in which an M or X flare occurred, unless it is allowed.
        """
        name = f"{cut.label.prefix}_{field.id}"
        settings: dict[str, float | int | str] = {}
        found = self._flares(field) if self.knows_flares else ()
        strong = [flare for flare in found if flare.strong and flare.start <= field.end]
        if self.knows_flares:
            settings["c_flares"] = _count_c(found, cut)
        if cut.label is Label.PF:
            settings |= self._remark_pf(name, field, cut, found)
        if cut.label is Label.AR:
            settings |= self._check_ar(name, [_said(flare) for flare in strong], "the flare list")
            settings |= self._next(name, field, cut, found)
        if self.goes is None and not self.fido:
            return settings, None
        curve = self._curve(name, field, cut)
        settings["goes_coverage"] = _coverage(curve, field, cut)
        if curve is None:
            return settings, None
        settings |= {"goes_satellite": curve.satellite, "goes_factor": curve.factor}
        for key, value in self._check_flux(name, field, cut, curve).items():
            settings[key] = f"{settings[key]}, {value}" if key in settings else value
        return settings, curve.goes

    def choices(self, field: Field, label: Label, around: Mapping[str, float | int | str]) -> dict[str, str]:
        """What of all that was looked up decides the settings: two that differ in it are not one ingest."""
        chosen: dict[str, str] = {}
        if self.knows_flares and label in (Label.AR, Label.PF):
            chosen["flares"] = hashlib.sha256(repr(self._flares(field)).encode()).hexdigest()
        if around.get("goes_satellite"):
            chosen["goes"] = f"{around['goes_satellite']}, {around['goes_coverage']} covered"
        return chosen

    def _flares(self, field: Field) -> tuple[Flare, ...]:
        """All flares from the observation's start, those that had begun before included, to ``AHEAD`` of its end."""
        begin, end = field.start, field.end + AHEAD
        if self.flares is not None:
            return tuple(flare for flare in flare_lists.read(self.flares) if flare.between(begin, end))
        return hek.flares(begin, end, self.cache / "hek")

    def _region(self, field: Field) -> str:
        """The number of the region nearest to the field's centre, "" if none is near."""
        x, y = field.centre
        regions = hek.regions(field.start, field.end, self.cache / "hek")
        # NOAA says once a day where regions are.
        places = [turned(region.x, region.y, region.time, field.start) for region in regions]
        distances = [math.hypot(place[0] - x, place[1] - y) for place in places]
        if min(distances, default=math.inf) > FAR:
            log.warning("%s: HEK has no active region within %.0f arcsec of its field.", field.id, FAR)
            return ""
        return regions[int(np.argmin(distances))].active_region

    def _remark_pf(self, name: str, field: Field, cut: Cut, found: Sequence[Flare]) -> dict[str, float | int | str]:
        settings: dict[str, float | int | str] = {}
        strong = [flare for flare in found if flare.strong]
        first, onset = instant(cut.window_start), instant(cut.onset)
        its = _chosen(field, strong, cut.onset)
        others = [flare for flare in strong if flare is not its and flare.start <= field.end]
        if others:
            settings["other_flares"] = ", ".join(map(_said, others))
            log.warning("%s: more M or X flares while it lasted: %s.", name, settings["other_flares"])
        earlier = [flare for flare in others if (flare.end or flare.start) >= first and flare.start < onset]
        if earlier:
            settings["earlier_flares"] = ", ".join(map(_said, earlier))
            log.warning("%s: an earlier M or X flare reaches into its window, which is then no quiet before one.", name)
        if its is None:
            return settings
        distance = its.distance(*field.centre)
        settings["flare_distance"] = "unknown" if math.isnan(distance) else distance
        if not math.isnan(distance):
            settings["flare_inside"] = "yes" if field.holds(its) else "no"
        if math.isnan(distance):
            log.warning("%s: where its %s flare was is unknown.", name, its.flare_class)
        elif distance > FAR or not field.holds(its):
            log.warning(
                "%s: its %s flare was %.0f arcsec from the field's centre, %s the field.",
                name, its.flare_class, distance, "inside" if field.holds(its) else "outside",
            )  # fmt: skip
        return settings

    def _check_ar(self, name: str, strong: Sequence[str], who: str) -> dict[str, float | int | str]:
        if not strong:
            return {}
        if name in self.allow:
            log.warning("%s: kept as asked, although by %s it saw %s.", name, who, ", ".join(strong))
            return {"allowed": f"{', '.join(strong)} by {who}"}
        raise CatalogError(
            f"{name} is AR, but by {who} an M or X flare occurred while it lasted: {', '.join(strong)}. Leave it out, "
            f"or keep it by source.allow=[{name}]."
        )

    def _next(self, name: str, field: Field, cut: Cut, found: Sequence[Flare]) -> dict[str, float | int | str]:
        """Hours from the observation's end to the next M or X flare of its region, or near its field."""

        def ours(flare: Flare) -> bool:
            if cut.active_region and flare.active_region:
                return cut.active_region[-4:] == flare.active_region[-4:]  # HEK has 2017 for 12017
            x, y = turned(flare.x, flare.y, flare.start, field.end)
            return math.hypot(x - field.centre[0], y - field.centre[1]) <= FAR

        later = [flare for flare in found if flare.strong and flare.start > field.end and ours(flare)]
        if not later:
            return {}
        hours = (later[0].start - field.end).total_seconds() / 3600
        log.warning("%s: %.1f hours after its end its region had an %s flare.", name, hours, later[0].flare_class)
        return {"hours_to_next_flare": hours}

    def _curve(self, name: str, field: Field, cut: Cut) -> xrs.Curve | None:
        path = self.goes
        begin = field.start - BESIDE
        end = max(field.end, instant(cut.end) if cut.end else field.end) + BESIDE
        if path is None:
            path = self.cache / "goes"
            xrs.fetch(begin, end, path)
        curve = xrs.read(path, field.start, begin, end)
        if curve is None:
            log.warning(
                "%s: the GOES files hold nothing of %s to %s, so there is no curve.", name, iso(begin), iso(end)
            )
        return curve

    def _check_flux(self, name: str, field: Field, cut: Cut, curve: xrs.Curve) -> dict[str, float | int | str]:
        """Compare the X-rays with what is known: of an AR that no M or X flare came, of a PF its class.

        Returns goes_checked (whether they cover enough for that; what they show counts all the same), goes_class and
        allowed.
        """
        if cut.label not in (Label.AR, Label.PF):
            return {}
        goes = curve.goes
        begin, end = 0.0, (field.end - field.start).total_seconds()
        if cut.label is Label.PF:
            begin = (instant(cut.onset) - field.start).total_seconds()
            last = (field.end + BESIDE - field.start).total_seconds()
            end = (instant(cut.end) - field.start).total_seconds() if cut.end else min(begin + 3600, last)
        share, gap = curve.coverage(begin, end)
        enough = share >= COVERED and gap <= GAP
        what = "its flare" if cut.label is Label.PF else "its duration"
        if not enough:
            log.warning(
                "%s: GOES has valid points for %.0f%% of %s, with a gap of %.0f min (at least %.0f%% and no gap over "
                "%.0f min are needed), so that %s could not be checked. Give other GOES files, or a flare list.",
                name, 100 * share, what, gap / 60, 100 * COVERED, GAP / 60,
                "its class" if cut.label is Label.PF else "whether an M or X flare occurred",
            )  # fmt: skip
        peak = goes.flux[(goes.time >= begin) & (goes.time <= end)].max(initial=0.0)
        checked: dict[str, float | int | str] = {"goes_checked": "yes" if enough else "no"}
        if peak == 0:
            return checked
        seen = flare_class(float(peak))
        if cut.label is Label.AR:
            return checked | self._check_ar(name, [seen] if is_strong(seen) else [], "the GOES flux")
        if enough and cut.flare_class and not SAME[0] < peak / class_flux(cut.flare_class) < SAME[1]:
            log.warning("%s: its flare is %s by the list, %s by the GOES flux.", name, cut.flare_class, seen)
        return checked | {"goes_class": seen}


def _said(flare: Flare) -> str:
    return f"{flare.flare_class} at {iso(flare.start)}"


def _coverage(curve: xrs.Curve | None, field: Field, cut: Cut) -> float:
    """Share of observation and flare that a curve covers, to three digits; what lies in a gap is not covered."""
    if curve is None:
        return 0.0
    duration = (max(field.end, instant(cut.end) if cut.end else field.end) - field.start).total_seconds()
    return round(curve.coverage(0.0, duration)[0], 3) if duration > 0 else 1.0


def _chosen(field: Field, strong: Sequence[Flare], onset: str) -> Flare | None:
    """The flare within 10 min of the onset; without one, of those while the observation lasted, the nearest."""
    if onset:
        gaps = {abs((flare.start - instant(onset)).total_seconds()): flare for flare in reversed(strong)}
        return gaps[min(gaps)] if gaps and min(gaps) <= 600 else None
    within = [flare for flare in strong if field.start <= flare.start <= field.end]

    def rank(flare: Flare) -> tuple[bool, float]:
        distance = flare.distance(*field.centre)
        unknown = math.isnan(distance)
        return unknown, -class_flux(flare.flare_class) if unknown else distance

    return min(within, key=rank, default=None)


def _only(field: Field, strong: Sequence[Flare], known: str) -> Flare | None:
    """The flare that an observation's must be: the one of known place near the field, of the class if one is known,
    when no other of that class, or of unknown place, began while the observation lasted.
    """

    def may_be(flare: Flare) -> bool:
        near = not flare.distance(*field.centre) > FAR or field.holds(flare)
        same = not known or SAME[0] < class_flux(flare.flare_class) / class_flux(known) < SAME[1]
        return field.start <= flare.start <= field.end and near and same

    found = [flare for flare in strong if may_be(flare)]
    return found[0] if len(found) == 1 and not math.isnan(found[0].x) else None


def _count_c(found: Sequence[Flare], cut: Cut) -> int:
    """C flares that began in the window."""
    first, last = instant(cut.window_start), instant(cut.window_end)
    return sum(flare.flare_class.startswith("C") and first <= flare.start <= last for flare in found)
