"""What a referee would raise about a data set, from its rows: one sentence each, with the numbers."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from preflare.explain.explanation import ORIGINS
from preflare.report.confounders import SMALL, Difference, differing
from preflare.report.inventory import Row
from preflare.report.metadata import Category, Prediction
from preflare.sun.goes import CLASSES, flare_class
from preflare.sun.line import Line
from preflare.sun.observation import Label
from preflare.sun.surroundings import FAR

# Shares and sizes from which something is worth a sentence.
FEW_CLEAN, LARGE_SHARE, COVERED, NEAR_LIMB = 0.2, 0.15, 0.9, 0.3
# Exposures that differ by more than this factor were chosen by the automatic exposure control.
UNEVEN = 1.5
DAYS = 3


def warnings(
    rows: Sequence[Row],
    differences: Sequence[Difference],
    verified: Mapping[str, bool],
    line: Line,
    words: Sequence[Category] = (),
    prediction: Prediction | None = None,
) -> list[str]:
    """The sentences, most general first.

    verified: observation -> whether somebody has confirmed its onset, of those whose shards do not say it.
    """
    found = [*_masks(rows), *_classes(rows), *_regions(rows), *_labels(rows, verified), *_evidence(rows)]
    found += [*_windows(rows), *_quality(rows), *_instrument(rows, line)]
    different = differing(differences)
    if different:
        varying = sum(np.isfinite(one.p) for one in differences)
        listed = ", ".join(f"{one.quantity} (AUC {one.auc:.2f}, p = {one.p:.2g})" for one in different[:6])
        found.append(
            f"The classes differ in more than flares: {listed}. Of {varying} quantities {0.05 * varying:.1f} would by "
            "chance. A network may have learned any of them."
        )
    for one in words:
        if one.p < SMALL:
            found.append(
                f"{one.quantity} differs between the classes (p = {one.p:.2g}): AR {_counts(one.ar)}; PF "
                f"{_counts(one.pf)}."
            )
    if prediction is not None and prediction.p < SMALL:
        found.append(
            f"Metadata alone, without any spectrum, tell AR from PF in regions left out: TSS {prediction.tss:.2f}, AUC "
            f"{prediction.auc:.2f} ({prediction.auc_interval[0]:.2f} to {prediction.auc_interval[1]:.2f}), p = "
            f"{prediction.p:.2g}. A network has to do better than that."
        )
    return found


def _counts(found: Mapping[str, int]) -> str:
    return _some([f"{value} ({count})" for value, count in found.items()])


def _masks(rows: Sequence[Row]) -> list[str]:
    found = []
    for origin in sorted({row.masked_by for row in rows} - {""}):
        masked = [row.name for row in rows if row.masked_by == origin]
        found.append(
            f"An autoencoder trained on {ORIGINS[origin]} decided which spectra of {len(masked)} observations are "
            f"quiet Sun, though it has never seen any of their kind: {_some(masked)}."
        )
    return found


def _classes(rows: Sequence[Row]) -> list[str]:
    counts = Counter(row.label for row in rows)
    if not counts[Label.AR] or not counts[Label.PF]:
        return [
            f"There are {counts[Label.PF]} PF and {counts[Label.AR]} AR observations: without both nothing can be "
            "learned or compared."
        ]
    found = []
    clean = {row.name: row.clean for row in rows if row.label in (Label.AR, Label.PF)}
    largest = max(clean, key=lambda name: clean[name])
    total = sum(clean.values())
    if total and clean[largest] > LARGE_SHARE * total and len(clean) > 1 / LARGE_SHARE:
        found.append(
            f"{largest} alone holds {100 * clean[largest] / total:.0f}% of the clean spectra: a score per spectrum "
            "is largely its score."
        )
    return found


def _regions(rows: Sequence[Row]) -> list[str]:
    labelled = [row for row in rows if row.label in (Label.AR, Label.PF)]
    found = []
    several = Counter(row.region for row in labelled if row.region)
    shared = {region: count for region, count in several.items() if count > 1}
    if shared:
        listed = ", ".join(f"{region} ({count})" for region, count in sorted(shared.items()))
        found.append(
            f"Several observations show the same active region: {listed}. A partition by observation puts a region on "
            "both sides."
        )
    unknown = sorted((row for row in labelled if not row.region), key=lambda row: row.start)
    pairs = [
        f"{one.name} and {other.name}"
        for one, other in zip(unknown, unknown[1:], strict=False)
        if (other.start - one.start).total_seconds() < DAYS * 86400
    ]
    if pairs:
        found.append(
            f"{len(unknown)} observations have no active region in the catalog; {len(pairs)} pairs of them lie less "
            f"than {DAYS} days apart and may show one region, the first being {pairs[0]}."
        )
    return found


def _labels(rows: Sequence[Row], verified: Mapping[str, bool]) -> list[str]:
    found = []
    doubtful = [_with_source(row) for row in rows if row.label is Label.PF and _confirmed(row, verified) is False]
    if doubtful:
        found.append(f"Nobody has confirmed the onsets of {len(doubtful)} PF observations: {_some(doubtful)}.")
    blind = [
        row.name
        for row in rows
        if row.label is Label.AR and (not np.isfinite(row.strongest) or row.settings.get("goes_checked") == "no")
    ]
    if blind:
        found.append(
            f"The X-ray flux of {len(blind)} AR observations is not known, or not throughout, so that nothing shows "
            f"that no flare occurred: {_some(blind)}."
        )
    for row in rows:
        if row.label is Label.AR and row.strongest >= CLASSES["M"]:
            found.append(f"{row.name} is AR, but the Sun's X-rays reach {flare_class(row.strongest)} in its window.")
        if row.label is Label.PF and row.strongest >= CLASSES["M"]:
            found.append(
                f"{row.name}: before its flare the Sun's X-rays already reach {flare_class(row.strongest)} in the "
                "window; an earlier flare may be what a network sees."
            )
    return found


def _confirmed(row: Row, verified: Mapping[str, bool]) -> bool | None:
    said = row.settings.get("verified")
    return said == "yes" if said is not None else verified.get(row.name)


def _with_source(row: Row) -> str:
    source = row.settings.get("onset_source")
    return f"{row.name} (onset by {source})" if source else row.name


def _evidence(rows: Sequence[Row]) -> list[str]:
    """What flare list and X-rays say against labels, as ingest wrote it into the shards."""

    def having(key: str) -> list[Row]:
        return [row for row in rows if row.settings.get(key) not in (None, "")]

    def listed(some: Sequence[Row], key: str, unit: str = "") -> str:
        return _some([f"{row.name} ({_plain(row.settings[key])}{unit})" for row in some])

    found = []
    if allowed := having("allowed"):
        found.append(
            f"{len(allowed)} AR observations were kept although an M or X flare occurred while they lasted: "
            f"{listed(allowed, 'allowed')}."
        )
    if earlier := having("earlier_flares"):
        found.append(
            f"An earlier M or X flare reaches into the window of {len(earlier)} PF observations, which then show no "
            f"quiet before one: {listed(earlier, 'earlier_flares')}."
        )
    # Those that reach into the window are said already.
    if others := [row for row in having("other_flares") if "earlier_flares" not in row.settings]:
        found.append(f"More M or X flares occurred while {len(others)} PF lasted: {listed(others, 'other_flares')}.")
    outside = [
        row
        for row in having("flare_distance")
        if row.setting("flare_distance") > FAR or row.settings.get("flare_inside") == "no"
    ]
    if outside:
        found.append(
            f"The flare of {len(outside)} PF observations was outside the field or over {FAR:.0f} arcsec from its "
            f"centre: {listed(outside, 'flare_distance', ' arcsec')}."
        )
    if nowhere := [row.name for row in having("flare_distance") if np.isnan(row.setting("flare_distance"))]:
        found.append(f"Where the flares of {len(nowhere)} PF observations were is unknown: {_some(nowhere)}.")
    if soon := having("hours_to_next_flare"):
        found.append(
            f"The regions of {len(soon)} AR observations had an M or X flare within a day of their end: "
            f"{listed(soon, 'hours_to_next_flare', ' h')}."
        )
    if small := [row for row in having("c_flares") if row.label is Label.AR and row.setting("c_flares") > 0]:
        found.append(f"C flares began in the windows of {len(small)} AR observations: {listed(small, 'c_flares')}.")
    labelled = [row for row in rows if row.label in (Label.AR, Label.PF)]
    unlisted = [row.name for row in labelled if "c_flares" not in row.settings]
    if unlisted and len(unlisted) < len(labelled):
        found.append(f"No flare list was asked about {len(unlisted)} observations: {_some(unlisted)}.")
    if partly := [row for row in having("goes_coverage") if row.setting("goes_coverage") < COVERED]:
        found.append(
            f"X-rays cover less than {COVERED:.0%} of {len(partly)} observations, so that a flare could be missed: "
            f"{listed(partly, 'goes_coverage')}."
        )
    return found


def _plain(value: float | int | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def _windows(rows: Sequence[Row]) -> list[str]:
    short = [
        f"{row.name} ({round(row.minutes, 1):g} of {row.window:.0f} min)"
        for row in rows
        if row.minutes < COVERED * row.window
    ]
    lengths = {round(row.window) for row in rows if row.label in (Label.AR, Label.PF)}
    found = [f"Exposures do not cover the window of {len(short)}: {_some(short)}."] if short else []
    if len(lengths) > 1:
        found.append(f"Windows are {min(lengths)} to {max(lengths)} minutes long.")
    return found


def _quality(rows: Sequence[Row]) -> list[str]:
    found = []
    few = [f"{row.name} ({100 * row.clean / row.spectra:.0f}%)" for row in rows if row.clean < FEW_CLEAN * row.spectra]
    if few:
        found.append(f"Hardly any spectra are clean in {len(few)}: {_some(few)}.")
    saa = [row.name for row in rows if row.shares.get("SAA", 0) > 0]
    if saa:
        found.append(f"{len(saa)} were partly taken in the South Atlantic Anomaly: {_some(saa)}.")
    return found


def _instrument(rows: Sequence[Row], line: Line) -> list[str]:
    found = []
    step = (line.stop - line.start) / (line.points - 1)
    coarse = [row.name for row in rows if row.dispersion > 2 * step]
    if coarse:
        widest = max(row.dispersion for row in rows)
        found.append(
            f"Pixels of up to {widest:.3f} Å are wider than two steps of the grid ({step:.4f} Å) in {_some(coarse)}: "
            "the grid promises detail that was not recorded."
        )
    if len({round(row.dispersion, 4) for row in rows}) > 1:
        found.append("Observations were summed by different numbers of pixels: their native dispersions differ.")
    uneven = [row.name for row in rows if row.exposures[1] > UNEVEN * row.exposures[0]]
    if uneven:
        found.append(f"Exposure times change within {len(uneven)}: {_some(uneven)}.")
    limb = [row.name for row in rows if row.setting("mu") < NEAR_LIMB]
    if limb:
        found.append(f"{len(limb)} lie near the limb (mu below {NEAR_LIMB}): {_some(limb)}.")
    return found


def _some(names: Sequence[str], most: int = 4) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
