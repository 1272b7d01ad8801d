"""Figures of the artefact experiment, and what is said under them (paper Figs. 6, 7 and 9)."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from preflare.explain.localisation import MEASURES, Target
from preflare.figures import localisation, spectra
from preflare.report.artifact import EXPECTED_GRADIENTS, Study, best_map
from preflare.report.section import Plot
from preflare.report.spectra import METHODS
from preflare.sun.line import Line

# Method -> (n, wavelength), or of every member (member, n, wavelength).
Maps = Mapping[str, np.ndarray]


def training(
    artifact: str,
    line: Line,
    seed: int,
    steps: Sequence[int],
    odds: Sequence[float],
    said: Sequence[Maps],
    share: Sequence[float],
    one: np.ndarray,
    target: Target,
    remark: str,
) -> Plot:
    """Fig. 6: one network's maps of one spectrum while it learns.

    steps: batches seen, and of each the log-odds, the maps of the spectrum and the share of expected gradients inside
    the artefact. one: (1, wavelength), the first spectrum of the target.
    """
    rows = {
        f"after {step:,} batches: log-odds {value:.2f}": maps
        for step, value, maps in zip(steps, odds, said, strict=True)
    }
    return Plot(
        f"{artifact}_training",
        f"{_titled(artifact)}: maps while a network trains",
        f"One held-out changed spectrum, asked of seed {seed} after {steps[0]:,} to {steps[-1]:,} batches "
        f"(Fig. 6): its log-odds go from {odds[0]:.2f} to {odds[-1]:.2f}, the share of expected gradients inside the "
        f"artefact from {share[0]:.0%} to {share[-1]:.0%}. Every map is divided by its own largest size.",
        _drawn(line, rows, one, target, remark),
        ("6",),
    )


def one_and_many(
    artifact: str,
    line: Line,
    names: Sequence[str],
    said: Mapping[str, Maps],
    one: np.ndarray,
    target: Target,
    remark: str,
) -> Plot:
    """Figs. 7 and 9: two members at the quartiles of what share they find, all of them, and one at its centre.

    names: of the members. said: networks (members, swa, annealed) -> maps of every member. one: (1, wavelength), the
    first spectrum of the target.
    """
    members = said["members"]
    method = "hirescam" if "hirescam" in members else EXPECTED_GRADIENTS
    share = target.measure(members[method])[MEASURES.index("share")].mean(axis=1)
    order = np.argsort(share, kind="stable")
    quartiles = {"lower": order[len(order) // 4], "upper": order[3 * len(order) // 4]}
    rows = {
        f"{names[number]}: {which} quartile": {kind: maps[number, :1] for kind, maps in members.items()}
        for which, number in quartiles.items()
    }
    rows[f"mean of {len(order)} members"] = {kind: maps[:, :1].mean(axis=0) for kind, maps in members.items()}
    for name, title in (("swa", "averaged weights"), ("annealed", "annealed")):
        rows[f"{names[0]}: {title}"] = {kind: maps[0, :1] for kind, maps in said[name].items()}
    together = target.measure(members[method].mean(axis=0))[MEASURES.index("share")].mean()
    return Plot(
        f"{artifact}_maps",
        f"{_titled(artifact)}: one network and many",
        f"One held-out changed spectrum, asked of two networks, at the quartiles of the share that {METHODS[method]} "
        f"finds inside the artefact ({share[quartiles['lower']]:.0%} and {share[quartiles['upper']]:.0%} over all "
        f"spectra, Fig. 7), of {len(order)} together ({together:.0%}, Fig. 9), and of one at the centre of its "
        "minimum.",
        _drawn(line, rows, one, target, remark),
        ("7", "9"),
    )


def against_members(studies: Sequence[Study], remark: str) -> Plot:
    """Every measure, method and artefact against the number of networks."""
    bands = {
        (measure, study.artifact.replace("_", " ")): {
            METHODS[kind]: localisation.Band(
                curve.members,
                curve.value[number],
                curve.low[number],
                curve.high[number],
                None if measure == "symmetry" else float(study.chance[kind][number]),
            )
            for kind, curve in study.found["members"].items()
        }
        for study in studies
        for number, measure in enumerate(MEASURES)
    }
    first = studies[0]
    best = best_map(first)
    curve, share = first.found["members"][best], MEASURES.index("share")
    return Plot(
        "artifact",
        "Against the number of networks",
        f"Means over networks, with 95% intervals; dashed by chance. On {first.artifact.replace('_', ' ')} the share "
        f"of {METHODS[best]} inside the artefact goes from {curve.value[share, 0]:.0%} for one network to "
        f"{curve.value[share, -1]:.0%} for {curve.members[-1]}.",
        localisation.draw(MEASURES, [study.artifact.replace("_", " ") for study in studies], bands, remark),
    )


def _titled(artifact: str) -> str:
    return artifact.replace("_", " ").capitalize()


def _drawn(line: Line, rows: Mapping[str, Maps], one: np.ndarray, target: Target, remark: str) -> Figure:
    """The same spectrum (1, wavelength) in each row; every map is divided by its own largest size."""
    kinds = next(iter(rows.values()))
    scaled = {METHODS[kind]: np.concatenate([_scaled(row[kind]) for row in rows.values()]) for kind in kinds}
    place = {"artefact": float(line.wavelength[target.inside[0]].mean())}
    limits = dict.fromkeys(scaled, 1.0)
    return spectra.draw(
        line.wavelength, one.repeat(len(rows), axis=0), scaled, limits, list(rows), line.cores, place, remark
    )


def _scaled(maps: np.ndarray) -> np.ndarray:
    largest = np.nanmax(np.abs(maps))
    return maps / largest if largest > 0 else maps
