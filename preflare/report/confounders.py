"""What else differs between the classes: metadata of AR against PF observations, each as a test.

A network may learn whatever tells the classes apart. Here an active region is one case of its class, however many
observations or spectra it has: it was seen by one programme, from one place.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import mannwhitneyu

from preflare.report.inventory import Row
from preflare.report.resampling import cases
from preflare.sun.observation import Label

# Below which a difference is worth a warning.
SMALL = 0.05
# Settings that are compared in another form; rising is a truth of the simulated Sun, which no observer knows.
PASSED_OVER = ("x", "y", "exposure", "cadence", "steps", "rising")
# Settings that are evidence for a label: they differ between the classes by what these are.
EVIDENCE = (
    "allowed",
    "earlier_flares",
    "other_flares",
    "flare_distance",
    "flare_inside",
    "hours_to_next_flare",
    "goes_class",
)
# Of settings; those of header keywords are as level-2 files have them.
UNITS = {
    "zero_point": "km/s",
    "DSUN_OBS": "m",
    "SAT_ROT": "deg",
    "hours_to_next_flare": "h",
    "flare_distance": "arcsec",
}


# What is measured in the spectra themselves.
MEASURED = ("clean share", "median intensity", "median pseudo-continuum", "zero_point")


@dataclass(frozen=True)
class Difference:
    """One quantity in both classes.

    ar, pf: medians. known: how many active regions of each state it. auc: probability that a PF region has the larger
    value (a tie counts half): 0.5 is no difference. p: two-sided, of the Mann-Whitney test; NaN where nothing varies.
    """

    quantity: str
    unit: str
    ar: float
    pf: float
    known: tuple[int, int]
    auc: float
    p: float


def compare(rows: Sequence[Row]) -> list[Difference]:
    """Every quantity that at least two active regions of each class state, by their means, most different first.

    A region that is not known is one by itself. Empty if a class has fewer than two.
    """
    found = []
    rows = [row for row in rows if row.label in (Label.AR, Label.PF)]
    regions = cases([row.label is Label.PF for row in rows], [row.region or row.name for row in rows])
    for (quantity, unit), values in _quantities(rows).items():
        sides: dict[Label, list[float]] = {Label.AR: [], Label.PF: []}
        for places in regions:
            stated = [values[place] for place in places if np.isfinite(values[place])]
            if stated:
                sides[rows[places[0]].label].append(float(np.mean(stated)))
        by_class = [np.array(side) for side in sides.values()]
        if min(map(len, by_class)) >= 2:
            found.append(_difference(quantity, unit, *by_class))
    return sorted(found, key=lambda one: (-abs(one.auc - 0.5), one.quantity))


def _difference(quantity: str, unit: str, ar: np.ndarray, pf: np.ndarray) -> Difference:
    varies = np.ptp(np.concatenate([ar, pf])) > 0
    # Exact without ties, else the normal approximation with its correction.
    test = mannwhitneyu(pf, ar, alternative="two-sided") if varies else None
    return Difference(
        quantity=quantity,
        unit=unit,
        ar=float(np.median(ar)),
        pf=float(np.median(pf)),
        known=(len(ar), len(pf)),
        auc=float(test.statistic) / (len(ar) * len(pf)) if test else 0.5,
        p=float(test.pvalue) if test else np.nan,
    )


def _quantities(rows: Sequence[Row]) -> dict[tuple[str, str], list[float]]:
    """(quantity, unit) -> a value for each row, NaN where it has none."""
    found: dict[tuple[str, str], list[float]] = {
        ("exposure", "s"): [row.exposure for row in rows],
        ("cadence", "s"): [row.cadence for row in rows],
        ("raster steps", ""): [float(row.steps) for row in rows],
        ("sit-and-stare", "0 or 1"): [float(row.settings.get("mode") == "sit-and-stare") for row in rows],
        ("slit pixels", ""): [float(row.slit) for row in rows],
        ("spectra", ""): [float(row.spectra) for row in rows],
        ("clean share", ""): [row.clean / row.spectra if row.spectra else np.nan for row in rows],
        ("median intensity", "DN/s"): [row.intensity for row in rows],
        ("median pseudo-continuum", ""): [row.continuum for row in rows],
        ("window covered", "min"): [row.minutes for row in rows],
        ("distance from disc centre", "arcsec"): [float(np.hypot(row.setting("x"), row.setting("y"))) for row in rows],
        ("helioprojective x", "arcsec"): [row.setting("x") for row in rows],
        ("year", ""): [row.start.year + row.start.timetuple().tm_yday / 365.25 for row in rows],
    }
    for name in rows[0].shares if rows else ():
        found[f"share {name}", ""] = [row.shares[name] for row in rows]
    keys = sorted({key for row in rows for key in row.settings if key not in PASSED_OVER})
    for key in keys:
        values = [row.setting(key) for row in rows]
        if np.isfinite(values).any():
            found[key, UNITS.get(key, "")] = values
    return found


def metadata(rows: Sequence[Row]) -> dict[str, list[float]]:
    """Quantity -> a value for each row, NaN where it has none: those that are known without looking at a spectrum."""
    return {
        quantity: values
        for (quantity, _), values in _quantities(rows).items()
        if quantity not in (*MEASURED, *EVIDENCE) and not quantity.startswith("share ")
    }


def values_of(rows: Sequence[Row], quantity: str) -> np.ndarray:
    """(row,) of a quantity that was compared, NaN where a row has none."""
    (values,) = (values for (name, _), values in _quantities(rows).items() if name == quantity)
    return np.array(values)


def differing(differences: Sequence[Difference]) -> list[Difference]:
    """Those that a referee would ask about: p below ``SMALL``, unadjusted."""
    return [one for one in differences if one.p < SMALL]
