"""Section 8.3 of the paper: what the networks look for, over all spectra (Fig. 16).

python experiments/global_explanation.py sweep=runs/paper_splits                 spectra with a score of 0.9 or more
python experiments/global_explanation.py sweep=runs/paper_splits method=hirescam another method's maxima

Intervals and p-values are over observations: spectra of one are not independent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import MISSING, DictConfig

from preflare.checks import check_choice, check_number
from preflare.command import Drawn, verb
from preflare.errors import ConfigError, RunError
from preflare.figures import global_histogram, kinds
from preflare.report import explained, sample
from preflare.report import global_explanation as found_in
from preflare.report.experiment import conclude
from preflare.report.explained import Explained
from preflare.report.global_explanation import Planted
from preflare.report.sample import Sample
from preflare.report.section import Claim, Plot, Section, Verdict, judge, judge_real, remark
from preflare.report.spectra import METHODS
from preflare.report.tables import Table
from preflare.sun.line import Line
from preflare.sun.observation import Label
from preflare.sun.simulation.precursor import Precursor

CHANCE = 0.05
# Of the intensities, the shares whose spectra are shown as bright and as faint.
FIFTH = 0.2


@dataclass
class Data:
    """Where the shards are."""

    root: str | None = None


@dataclass
class Config(Drawn):
    """The keys of conf/global_explanation.yaml; any other is refused."""

    sweep: str = MISSING
    score: Any = MISSING
    method: str = MISSING
    metals: list[str] = field(default_factory=list)
    data: Data = field(default_factory=Data)
    output: str = MISSING


@verb("global_explanation", Config)
def main(config: DictConfig) -> None:
    """Collect maxima, compare them with chance and with what was planted, draw and tell."""
    score = check_number("score", config.score, 0, 1)
    method = str(check_choice("method", config.method, tuple(METHODS)))
    line, them = explained.of_sweep(Path(config.sweep), config.data.root)
    unknown = sorted(set(config.metals) - set(line.features))
    if unknown or not config.metals:
        known = ", ".join(line.features)
        raise ConfigError(f"metals is {list(config.metals)}, expected one or more of line.features: {known}.")
    inputs = {one.name: one.digest for one in them}
    conclude(config, inputs, lambda: make(them, line, score, method, list(config.metals)))


def make(them: Sequence[Explained], line: Line, score: float, method: str, metals: Sequence[str]) -> Section:
    """The section."""
    if len({one.label for one in them} & {Label.AR, Label.PF}) < 2:
        raise RunError("The cubes are of one class, expected PF and AR to compare. Explain the others: explain.py")
    origin = them[0].shard.header.origin
    note = remark(origin)
    everyone = sample.gather(them, line, method)
    high = everyone.where(everyone.flaring & (everyone.score >= score))
    if not len(high.score):
        top = everyone.score[everyone.flaring].max(initial=0)
        raise RunError(
            f"No explained PF spectrum has a score of {score} or more; the highest is {top:.2f}. Lower score."
        )
    planted = [] if high.truth is None else found_in.planted(high, high.truth)
    owners = len(np.unique(high.owner))
    where = {one.region: one for one in found_in.by_region(high, line)}
    strongest = max((one for name, one in where.items() if name != "elsewhere"), key=lambda one: one.share)
    plots = [_histogram(everyone, high, line, score, method, note)]
    if planted:
        plots.append(_kinds(high, planted, line, note))
    tables = {"Where the maxima are": _regions(them, line, score, method)}
    if planted:
        tables["Maxima and planted precursors"] = _planted(planted)
    tables["Metallic lines and intensity, within PF observations"] = _metals(everyone, line, metals)
    return Section(
        name="global_explanation",
        title="Global explanation",
        paper="Sect. 8.3, Fig. 16",
        lead=f"{len(high.score):,} explained spectra of {owners} of {int(everyone.pf.sum())} PF observations have a "
        f"score of {score:g} or more. Of their maximum attributions, weighted by size, {strongest.share:.0%} "
        f"[{strongest.low:.0%}, {strongest.high:.0%}] lie at {strongest.region}, which holds "
        f"{strongest.chance:.1%} of the wavelengths.",
        origin=origin,
        plots=plots,
        tables=tables,
        claims=[*_places(high, planted, line, origin), _proxy(everyone, line, metals, origin)],
        warnings=[
            "Intervals and p-values are over observations, of which few have high scores: "
            f"{owners} hold all that is explained here.",
            "Maxima are of attributions as computed, neither smoothed nor shifted; a spectrum counts by the size of "
            "its maximum.",
            *(
                [
                    "Every kind put in shows some of the subordinate lines, too, and most kinds change most of a "
                    "spectrum: that a maximum is on it says little, unless maxima of other kinds are there less often."
                ]
                * bool(planted)
            ),
        ],
    )


def _histogram(everyone: Sample, high: Sample, line: Line, score: float, method: str, note: str) -> Plot:
    weight = found_in.histogram(high)
    pf = everyone.flaring
    bright, faint = np.quantile(everyone.intensity[pf], (1 - FIFTH, FIFTH))
    top = line.wavelength[int(weight.argmax())]
    unseen = ~np.any(np.nan_to_num(everyone.attributions) != 0, axis=0)
    return Plot(
        "histogram",
        "Where attributions are largest",
        f"Maximum attributions ({METHODS[method]}) of {len(high.score):,} PF spectra with a score of {score:g} or "
        f"more, summed at their wavelengths: {weight.max():.0%} of the weight is at {top:.2f} Å. Below, the fifths of "
        f"PF spectra of highest (from {bright:.0f} DN/s) and lowest intensity (to {faint:.0f} DN/s): divided by their "
        "maximum, bright spectra have a low continuum, in which metallic lines are shallow. No network sees the "
        "wavelengths in grey.",
        global_histogram.draw(
            line.wavelength,
            weight,
            {
                f"PF, score {score:g} or more": high.spectra.mean(axis=0),
                "PF": everyone.spectra[pf].mean(axis=0),
                "AR": everyone.spectra[~pf].mean(axis=0),
            },
            {
                "faintest fifth of PF": everyone.spectra[pf & (everyone.intensity <= faint)].mean(axis=0),
                "brightest fifth of PF": everyone.spectra[pf & (everyone.intensity >= bright)].mean(axis=0),
            },
            line.cores,
            line.features,
            unseen,
            note,
        ),
        ("16",),
    )


def _kinds(high: Sample, planted: Sequence[Planted], line: Line, note: str) -> Plot:
    assert high.truth is not None
    rows = {}
    for one in planted[1:]:
        here = high.truth.kind == Precursor[one.kind.upper().replace(" ", "_")]
        rows[f"{one.kind}: {one.hits:.0%} of {one.spectra} on what changed, {one.anywhere:.0%} by chance"] = (
            found_in.histogram(high.where(here)),
            high.truth.after[here].mean(axis=0),
        )
    whole = planted[0]
    return Plot(
        "kinds",
        "Maxima of each kind of precursor",
        f"Maximum attributions (red) of spectra with each kind that the simulation put in, over the share of these "
        f"spectra it changed (blue). Of all, {whole.hits:.0%} of the maxima are on changed wavelengths, "
        f"{whole.anywhere:.0%} by chance (p = {whole.p:.4f} over {whole.observations} observations).",
        kinds.draw(line.wavelength, rows, {**line.cores, **line.features}, note),
    )


def _regions(them: Sequence[Explained], line: Line, score: float, method: str) -> Table:
    """The share of maxima in each region, a column for every method that all cubes hold."""
    there = [name for name in METHODS if all(name in one.cube.names for one in them)]
    there.sort(key=lambda name: name != method)
    columns = []
    for name in there:
        other = sample.gather(them, line, name)
        columns.append(found_in.by_region(other.where(other.flaring & (other.score >= score)), line))
    rows = []
    for place, one in enumerate(columns[0]):
        cells = [_interval(column[place].share, column[place].low, column[place].high) for column in columns]
        rows.append((one.region, f"{one.chance:.1%}", *cells))
    return Table(("region", "by chance", *(METHODS[name] for name in there)), tuple(rows))


def _planted(planted: Sequence[Planted]) -> Table:
    rows = []
    for one in planted:
        others = (f"{one.others:.0%}", f"{one.p_others:.4f}") if np.isfinite(one.others) else ("", "")
        shown = (f"{one.hits:.0%}", f"{one.anywhere:.0%}", f"{one.p:.4f}", *others)
        rows.append((one.kind, f"{one.spectra:,}", str(one.observations), *shown))
    head = ("kind", "spectra", "observations", "on what changed", "by chance", "p", "maxima of other kinds", "p")
    return Table(head, tuple(rows))


def _metals(everyone: Sample, line: Line, metals: Sequence[str]) -> Table:
    pf = everyone.where(everyone.flaring)
    bright = np.log(pf.intensity)
    first, last = line.continuum
    continuum = pf.spectra[:, (line.wavelength >= first) & (line.wavelength <= last)].mean(axis=1)
    rows = [("pseudo-continuum", _correlation(pf, continuum, bright), "")]
    for name in metals:
        place = line.features[name]
        depth = found_in.depth(pf.spectra, line.wavelength, place)
        said = np.nan_to_num(pf.attributions[:, found_in.near(line.wavelength, [place])]).sum(axis=1)
        rows.append((f"{name}, {place:.2f} Å", _correlation(pf, depth, bright), _correlation(pf, said, bright)))
    return Table(("", "level or depth, with intensity", "attribution, with intensity"), tuple(rows))


def _places(high: Sample, planted: Sequence[Planted], line: Line, origin: str) -> list[Claim]:
    """What is above chance; with a truth, one claim of the kinds found again and one of those that are not."""
    paper, said = (
        "Sect. 8.3, Fig. 16",
        "High scores rest on the cores and either side of them, the triplet and metallic lines",
    )
    named = [one for one in found_in.by_region(high, line) if one.region != "elsewhere"]
    above = [one.region for one in named if one.low > one.chance]
    found = f"Above chance: {', '.join(above) or 'none'}."
    if not planted:
        return [Claim(paper, f"{said}.", found, "", judge_real(origin, len(above) > 0), "histogram")]
    found += (
        f" {planted[0].hits:.0%} of maxima are on wavelengths that the precursor changed, anywhere would be "
        f"{planted[0].anywhere:.0%} (p = {planted[0].p:.4f})."
    )
    good = found_in.recovered(planted, CHANCE)
    known = [one for one in planted[1:] if np.isfinite(one.p_others)]
    claims = []
    for names, verdict, words in (
        (good, Verdict.RECOVERS, "more often than"),
        ([one.kind for one in known if one.kind not in good], Verdict.DOES_NOT, "no more often than"),
        ([one.kind for one in planted[1:] if one not in known], Verdict.NEEDS_REAL, "with too few to compare with of"),
    ):
        of = [one for one in planted if one.kind in names]
        each = ", ".join(
            f"{one.kind} {one.hits:.0%}" + (f" against {one.others:.0%}" if np.isfinite(one.others) else "")
            for one in of
        )
        if of:
            claims.append(
                Claim(
                    paper,
                    f"{said} (kinds put in: {', '.join(names)}).",
                    f"{found} Maxima of these kinds are on what they changed {words} maxima of other kinds of the same "
                    f"observations: {each}.",
                    ", ".join(f"{one.kind} changed {one.anywhere:.0%} of the wavelengths" for one in of),
                    verdict,
                    "histogram",
                )
            )
    return claims


def _proxy(everyone: Sample, line: Line, metals: Sequence[str], origin: str) -> Claim:
    pf = everyone.where(everyone.flaring)
    depths = {name: found_in.depth(pf.spectra, line.wavelength, line.features[name]) for name in metals}
    bright = np.log(pf.intensity)
    value, low, high = found_in.correlation(pf, np.mean(list(depths.values()), axis=0), bright)
    each = ", ".join(f"{name} {found_in.correlation(pf, depth, bright)[0]:.2f}" for name, depth in depths.items())
    verdict = judge(origin, high < 0) if np.isfinite(value) else Verdict.NEEDS_REAL
    return Claim(
        "Sect. 8.3, Fig. 16, lower panel",
        "Metallic lines are a proxy for the intensity that normalisation takes away: bright spectra have a flat, low "
        "continuum.",
        f"Rank correlation of their mean depth with intensity within observations: {value:.2f} [{low:.2f}, {high:.2f}] "
        f"({each}).",
        "" if origin == "level2" else "a continuum that hardly follows the core's intensity",
        verdict,
        "metals",
    )


def _correlation(part: Sample, one: np.ndarray, other: np.ndarray) -> str:
    value, low, high = found_in.correlation(part, one, other)
    return f"{value:.2f} [{low:.2f}, {high:.2f}]" if np.isfinite(value) else ""


def _interval(value: float, low: float, high: float, percent: bool = True) -> str:
    if not np.isfinite(value):
        return ""
    return f"{value:.1%} [{low:.1%}, {high:.1%}]" if percent else f"{value:.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    main()
