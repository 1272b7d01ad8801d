"""Section 8.2 of the paper: slits against time, and whether what leads before the flare is where the flare will be
(Figs. 14, D.1, D.2; 105 of 135 slits).

python experiments/slits.py sweep=runs/paper_splits
python experiments/slits.py sweep=runs/paper_splits tolerance=2
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import MISSING, DictConfig

from preflare.checks import check_number
from preflare.command import Drawn, verb
from preflare.errors import RunError
from preflare.figures import alignment as alignment_figure
from preflare.figures import slit as slit_figure
from preflare.figures import style
from preflare.figures.slit import Map
from preflare.names import brief, short
from preflare.report import alignment, explained, published, slits
from preflare.report.alignment import ATTRIBUTION, BEYOND, INTENSITY, PLANTED, Alignment, Pair
from preflare.report.experiment import conclude
from preflare.report.explained import Explained
from preflare.report.resampling import interval
from preflare.report.section import Claim, Item, Plot, Section, Verdict, judge, judge_real, remark
from preflare.report.slits import Slit
from preflare.report.tables import Table
from preflare.sun.goes import CLASSES
from preflare.sun.line import Line
from preflare.sun.observation import Label

TOLERANCES = (1.0, 2.0, 5.0, 10.0, 20.0)
SURE = 0.01
# Pixels that a slit must have to be drawn large, where there are such.
LONG = 8

# Of the paper, that the maps of these names redo.
FIGURES = {"aligned": ("14",), "astray": ("D.2",), "quiet": ("D.1",)}


@dataclass
class Data:
    """Where the shards are."""

    root: str | None = None


@dataclass
class Config(Drawn):
    """The keys of conf/slits.yaml; any other is refused."""

    sweep: str = MISSING
    tolerance: Any = MISSING
    data: Data = field(default_factory=Data)
    output: str = MISSING


@dataclass(frozen=True, eq=False)
class Seen:
    """An observation's slits. pairs: predictor -> those that saw the flare. xrays: minutes, W/m²."""

    one: Explained
    slits: list[Slit]
    pairs: dict[str, list[Pair]]
    xrays: tuple[np.ndarray, np.ndarray]


@verb("slits", Config)
def main(config: DictConfig) -> None:
    """Map, align, draw and tell."""
    tolerance = check_number("tolerance", config.tolerance, above=0, unit="arcsec")
    line, them = explained.of_sweep(Path(config.sweep), config.data.root)
    inputs = {one.name: one.digest for one in them}
    conclude(config, inputs, lambda: make(them, line, tolerance))


def make(them: Sequence[Explained], line: Line, tolerance: float) -> Section:
    """The section."""
    origin = them[0].shard.header.origin
    note = remark(origin)
    everything = [see(one, line) for one in them]
    pf = [seen for seen in everything if seen.one.label is Label.PF]
    predictors = [name for name in (ATTRIBUTION, INTENSITY, BEYOND, PLANTED) if all(name in one.pairs for one in pf)]
    if not pf or not any(one.pairs[ATTRIBUTION] for one in pf):
        raise RunError(
            f"{them[0].cube.path.parent} explains no PF observation whose slit saw the flare: nothing can be aligned. "
            "Ingest with a window that goes on through the flare, and explain PF observations."
        )
    measured = {
        name: {reach: alignment.measure([one.pairs[name] for one in pf], reach) for reach in (*TOLERANCES, tolerance)}
        for name in predictors
    }
    limit = scale(everything)
    far = min(slits.agreement(seen.one) for seen in everything)
    main_one = measured[ATTRIBUTION][tolerance]
    return Section(
        name="slits",
        title="Slits",
        paper="Sect. 8.2, Figs. 14, D.1 and D.2",
        lead=_lead(main_one, pf, tolerance),
        origin=origin,
        plots=[*_maps(everything, tolerance, limit, note), _alignment(pf, measured, predictors, tolerance, note)],
        tables={
            "Alignment": _table(measured, predictors, tolerance),
            "Observations": _observations(pf, predictors, tolerance),
        },
        claims=[_claim(pf, measured, tolerance, origin), _reach(pf, origin)],
        warnings=[
            "The mean of an attribution over wavelength says no more than the network's answer: by completeness it is "
            f"the log-odds less their mean over baselines, over the number of wavelengths (correlation {far:.3f} or "
            "more in every observation). So every clean spectrum has one here, explained or not.",
            f"Slits shorter than {alignment.LONG:g} tolerances are left out at each: chance alone would align half of "
            "such a slit or more.",
            "Overexposed spectra count as the brightest of their observation. They are not clean, and have no "
            "score here: hatched in the maps.",
        ],
        gallery=_gallery(everything, tolerance, limit),
    )


def _lead(found: Alignment, pf: Sequence[Seen], tolerance: float) -> str:
    long = f"{alignment.LONG * tolerance:g} arcsec"
    if not found.slits:
        saw = sum(bool(one.pairs[ATTRIBUTION]) for one in pf)
        return (
            f"None of {found.short} slits of {saw} PF observations that saw the flare is {long} long: within "
            f"{tolerance:g} arcsec, chance alone would align most of them."
        )
    counted = sum(any(pair.is_long(tolerance) for pair in one.pairs[ATTRIBUTION]) for one in pf)
    return (
        f"In {found.aligned} of {found.slits} slits of {counted} PF observations the pixel of the highest mean "
        f"attribution before the flare lies within {tolerance:g} arcsec of the brightest pixel of the flare: that is "
        f"{found.share:.0%} in the mean of observations, where chance gives {found.shifted:.0%} (p = "
        f"{found.p_shifted:.2g}). Left out are {found.short} slits shorter than {long}, on which chance alone would "
        "align most."
    )


def see(one: Explained, line: Line) -> Seen:
    """An observation's slits and what they pair up to."""
    found = slits.slits(one, line)
    curve = slits.goes(one)
    nothing = np.empty(0)
    return Seen(one, found, alignment.pairs(found), (nothing, nothing) if curve is None else (curve.time, curve.flux))


def scale(everything: Sequence[Seen]) -> float:
    """The 99th percentile of the size of all attributions: the end of the one colour scale."""
    values = [np.abs(slit.attribution[np.isfinite(slit.attribution)]) for seen in everything for slit in seen.slits]
    return float(np.quantile(np.concatenate(values), 0.99)) or 1.0


def mapped(seen: Seen, slit: Slit) -> Map:
    """A slit for the figures: the analysis window and the flare."""
    kept = slit.before | slit.flare
    count = np.isfinite(slit.score).sum(axis=1)
    score = np.divide(np.nansum(slit.score, axis=1), count, out=np.full(len(count), np.nan), where=count > 0)
    light = slit.intensity[kept]
    profile, away, along = alignment.mean_before(slit.attribution, slit), alignment.from_flare(slit), slit.along
    return Map(
        title=f"{brief(slit.name)}, step {slit.step}",
        minutes=slit.minutes[kept],
        along=along,
        intensity=light,
        attribution=slit.attribution[kept],
        own_intensity=slits.each_side(slit.intensity, slit)[kept],
        own_attribution=slits.each_side(slit.attribution, slit)[kept],
        light=ends(light),
        score=score[kept],
        xrays=seen.xrays,
        onset=bool(slit.flare.any()),
        leads=float(along[np.nanargmax(profile)]) if np.isfinite(profile).any() else np.nan,
        flare=np.nan if away is None else float(along[int(np.argmin(away))]),
        footpoint=np.nan if slit.footpoint is None else float(along[int(np.argmin(slit.footpoint))]),
    )


def ends(light: np.ndarray) -> tuple[float, float]:
    """Intensities at the ends of a scale: nearly the least and the most there are above zero."""
    known = light[np.isfinite(light) & (light > 0)]
    low, high = np.quantile(known, [0.02, 0.995]) if known.size else (1.0, 1.0)
    return (float(low), float(high)) if high > low else (1.0, 10.0)


def verdict(slit: Slit, tolerance: float) -> str:
    """Whether a slit is aligned, "yes" or "no"; or why it does not count."""
    found = alignment.pairs([slit])[ATTRIBUTION]
    if not found:
        return "no flare seen"
    if not found[0].is_long(tolerance):
        return "too short"
    return "yes" if found[0].away[found[0].leads[0]] <= tolerance else "no"


def brightest_step(seen: Seen) -> Slit:
    """The slit with the brightest flare; without one, that with the highest mean score."""

    def rank(slit: Slit) -> tuple[float, float]:
        light = slit.intensity[slit.flare]
        score = slit.score[slit.before]
        return (
            float(np.nansum(light) / max(np.isfinite(light).sum(), 1)),
            float(np.nansum(score) / max(np.isfinite(score).sum(), 1)),
        )

    return max(seen.slits, key=rank)


def level(seen: Seen) -> float:
    """The mean score of an observation's window."""
    score = np.concatenate([slit.score[slit.before].ravel() for slit in seen.slits])
    return float(score[np.isfinite(score)].mean()) if np.isfinite(score).any() else 0.0


def _maps(everything: Sequence[Seen], tolerance: float, limit: float, note: str) -> list[Plot]:
    """The PF observations of highest score with a slit that is aligned and one that is not, and the AR one."""
    plots = []
    for name, title, label, wanted in (
        ("aligned", "A slit where attribution leads to the flare", Label.PF, "yes"),
        ("astray", "A slit where it does not", Label.PF, "no"),
        ("quiet", "A slit of a region that did not flare", Label.AR, "no flare seen"),
    ):
        mine = [
            (seen, slit)
            for seen in everything
            if seen.one.label is label
            for slit in [brightest_step(seen)]
            if verdict(slit, tolerance) == wanted
        ]
        mine = [pair for pair in mine if len(pair[1].along) >= LONG] or mine
        if not mine:
            continue
        seen, slit = max(mine, key=lambda pair: level(pair[0]))
        one = mapped(seen, slit)
        drawn = slit_figure.draw(one, limit, CLASSES, note)
        plots.append(Plot(name, title, _caption(slit, one), drawn, FIGURES[name]))
    return plots


def _caption(slit: Slit, one: Map) -> str:
    text = f"{one.title}: intensity with the GOES curve above, mean attribution with the mean score below" + (
        ". Left as in the paper, each side of the onset on its own scale; right on one scale" * one.onset
    )
    sides = [values[np.isfinite(values)] for values in (slit.attribution[slit.before], slit.attribution[slit.flare])]
    if all(len(values) for values in sides):
        text += (
            f", on which the flare's highest attribution is {sides[1].max() - sides[0].max():+.3f} from that before it "
            f"({sides[0].max():.3f})"
        )
    if one.onset:
        text += (
            f". Triangles: before, attribution leads at {one.leads:.0f} arcsec along the slit; the flare is brightest "
            f"at {one.flare:.0f}"
        )
    if np.isfinite(one.footpoint):
        text += f". Dashed: the pixel nearest to the footpoint that was put in, at {one.footpoint:.0f}"
    return f"{text}."


def _alignment(
    pf: Sequence[Seen],
    measured: dict[str, dict[float, Alignment]],
    predictors: Sequence[str],
    tolerance: float,
    note: str,
) -> Plot:
    shares = {name: alignment.shares([one.pairs[name] for one in pf], tolerance) for name in predictors}
    order = np.argsort(-shares[ATTRIBUTION][0], kind="stable")
    drawn = alignment_figure.draw(
        short([pf[place].one.name for place in order]),
        {name: mine[0][order] for name, mine in shares.items()},
        shares[ATTRIBUTION][1][order],
        TOLERANCES,
        {name: np.array([measured[name][reach].share for reach in TOLERANCES]) for name in predictors},
        np.array([measured[ATTRIBUTION][reach].shifted for reach in TOLERANCES]),
        tolerance,
        published.SLITS_ALIGNED / published.SLITS,
        note,
    )
    found = measured[ATTRIBUTION][tolerance]
    said = (
        f"At {tolerance:g} arcsec {found.share:.0%} are aligned where chance gives {found.shifted:.0%}."
        if found.slits
        else f"No slit is long enough for a tolerance of {tolerance:g} arcsec."
    )
    return Plot(
        "alignment",
        "Alignment with the flare to come",
        f"Left: the share of an observation's slits that are aligned, and by chance (grey: profiles shifted along the "
        f"slit). Right: the mean over observations against the tolerance, dashed by chance. {said} Without a tolerance "
        "and a chance level a share of slits says nothing.",
        drawn,
    )


def _table(measured: dict[str, dict[float, Alignment]], predictors: Sequence[str], tolerance: float) -> Table:
    rows = []
    for name in predictors:
        for reach in sorted({*TOLERANCES, tolerance}):
            one = measured[name][reach]
            rows.append(
                (
                    name,
                    f"{reach:g}",
                    f"{one.aligned} of {one.slits}",
                    str(one.short),
                    f"{one.share:.0%} ({one.interval[0]:.0%} to {one.interval[1]:.0%})" if one.slits else "",
                    f"{one.shifted:.0%}",
                    f"{one.p_shifted:.4f}",
                    f"{one.paired:.0%}",
                    f"{one.p_paired:.4f}",
                    f"{one.rank:.2f}",
                    f"{one.p_rank:.4f}",
                )
            )
    head = (
        "what leads",
        "within (arcsec)",
        "slits aligned",
        "too short",
        "share of an observation's",
        "by shifts",
        "p",
    )
    return Table((*head, "by other observations", "p", "rank of the flare's pixel", "p"), tuple(rows))


def _observations(pf: Sequence[Seen], predictors: Sequence[str], tolerance: float) -> Table:
    rows = []
    for seen in pf:
        mine = seen.pairs[ATTRIBUTION]
        first = seen.slits[0]
        shares = [alignment.shares([seen.pairs[name]], tolerance) for name in predictors]
        # How far the flare's brightest pixel is from the simulated footpoint, on the slit that comes nearest to it.
        off = [
            slit.footpoint[int(np.argmin(away))]
            for slit in seen.slits
            if slit.footpoint is not None and (away := alignment.from_flare(slit)) is not None
        ]
        rows.append(
            (
                seen.one.name,
                seen.one.shard.header.flare_class,
                f"{len(mine)} of {len(seen.slits)}",
                f"{first.along[-1]:.0f}",
                *(f"{share[0]:.0%}" for share, _ in shares),
                f"{shares[0][1][0]:.0%}",
                f"{min(off):.1f}" if off and np.isfinite(min(off)) else "",
            )
        )
    head = ("observation", "flare", "slits that saw it", "length (arcsec)", *predictors, "attribution by shifts")
    return Table((*head, "flare from its footpoint (arcsec)"), tuple(rows))


def _claim(pf: Sequence[Seen], measured: dict[str, dict[float, Alignment]], tolerance: float, origin: str) -> Claim:
    found, light, beyond = (measured[name][tolerance] for name in (ATTRIBUTION, INTENSITY, BEYOND))
    by_attribution, by_light = (
        alignment.shares([one.pairs[name] for one in pf], tolerance)[0] for name in (ATTRIBUTION, INTENSITY)
    )
    more = (by_attribution - by_light)[np.isfinite(by_attribution - by_light)]
    said = (
        f"{found.aligned} of {found.slits} ({found.aligned / max(found.slits, 1):.0%}) within {tolerance:g} arcsec; "
        f"mean of observations {found.share:.0%}, by chance {found.shifted:.0%} (shifts, p = {found.p_shifted:.4f}) "
        f"and {found.paired:.0%} (other observations, p = {found.p_paired:.4f})."
    )
    if len(more):
        low, high = interval(len(more), lambda drawn: float(more[drawn].mean()))
        said += (
            f" Intensity alone {light.share:.0%} (p = {light.p_shifted:.4f}), attribution less intensity "
            f"{100 * more.mean():+.0f} points ({100 * low:+.0f} to {100 * high:+.0f}); attribution beyond intensity "
            f"{beyond.share:.0%} (p = {beyond.p_shifted:.4f})."
        )
    good, put_in = beats_chance(found), ""
    if not found.slits:
        said = f"No slit of {found.short} is {alignment.LONG * tolerance:g} arcsec long."
    planted = measured[PLANTED][tolerance] if PLANTED in measured else None
    # Where not even what was put in leads to the flare, there is nothing to find.
    leads = origin == "level2" or (planted is not None and planted.p_shifted < SURE)
    stands = judge(origin, good) if found.slits and leads else Verdict.NEEDS_REAL
    if planted is not None and not planted.slits:
        put_in = "precursors, on slits too short to tell" if planted.short else "no precursors"
    elif planted is not None:
        put_in = (
            f"precursors lead to the flare in {planted.aligned} of {planted.slits} slits, mean {planted.share:.0%} "
            f"(chance {planted.shifted:.0%}, p = {planted.p_shifted:.4f})"
        )
    return Claim(
        "Sect. 8.2",
        f"In {published.SLITS_ALIGNED} of {published.SLITS} slits the highest attribution before the flare is where "
        "the flare is brightest.",
        said,
        put_in,
        stands,
        "aligned",
    )


def _reach(pf: Sequence[Seen], origin: str) -> Claim:
    """How high the mean score of a slit gets before the flare."""
    highest = []
    for slit in (slit for seen in pf for slit in seen.slits):
        score = slit.score[slit.before]
        known = np.isfinite(score).any(axis=1)
        if known.any():
            highest.append(float(np.nanmean(score[known], axis=1).max()))
    low, middle, high = np.quantile(highest, [0.25, 0.5, 0.75])
    return Claim(
        "Sect. 8.2, Fig. 14",
        f"The mean score of a slit reaches about {published.SLIT_SCORE:g}.",
        f"Before the flare {middle:.2f} in the median of {len(highest)} PF slits (quartiles {low:.2f} and {high:.2f}).",
        "",
        judge_real(origin, low <= published.SLIT_SCORE <= high),
        "slit_score",
    )


def beats_chance(one: Alignment) -> bool:
    """Whether slits are aligned more often than by shifts and than with other observations' profiles."""
    return bool(one.p_shifted < SURE and one.p_paired < SURE)


def _gallery(everything: Sequence[Seen], tolerance: float, limit: float) -> Iterator[Item]:
    """Every slit, drawn as it is written."""
    for seen in everything:
        for slit in seen.slits:
            one, aligned = mapped(seen, slit), verdict(slit, tolerance)
            facts = {"label": slit.label.name, "observation": slit.name, "aligned": aligned}
            yield Item(one.title, facts, style.png(slit_figure.small(one, limit)))


if __name__ == "__main__":
    main()
