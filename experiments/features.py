"""Sections 8.1, 8.2 and 8.4 of the paper: what spectra of high score look like, and what that says.

python experiments/features.py sweep=runs/paper_splits                 spectra with a score of 0.9 or more
python experiments/features.py sweep=runs/paper_splits score=0.8

Every clean spectrum of the windows that has a score is measured. Intervals and p-values are over observations; where
PF are compared with AR, over active regions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import MISSING, DictConfig
from scipy.stats import binomtest, spearmanr

from preflare.checks import check_number
from preflare.command import Drawn, verb
from preflare.errors import RunError
from preflare.figures import if_and_when, shares
from preflare.report import explained, measured, quiet_rises
from preflare.report.experiment import conclude
from preflare.report.explained import Explained
from preflare.report.features import Emission
from preflare.report.measured import Counted, Measured, Says
from preflare.report.quiet_rises import Rises
from preflare.report.section import Claim, Plot, Section, Verdict, judge, judge_real, remark
from preflare.report.tables import Table
from preflare.sun.line import Line
from preflare.sun.observation import Label
from preflare.sun.simulation.precursor import Precursor

CHANCE = 0.05


@dataclass
class Data:
    """Where the shards are."""

    root: str | None = None


@dataclass
class Config(Drawn):
    """The keys of conf/features.yaml; any other is refused."""

    sweep: str = MISSING
    score: Any = MISSING
    emission: Any = MISSING
    data: Data = field(default_factory=Data)
    output: str = MISSING


@verb("features", Config)
def main(config: DictConfig) -> None:
    """Measure spectra, count what they show, ask what it says, draw and tell."""
    score = check_number("score", config.score, 0, 1)
    line, them = explained.of_sweep(Path(config.sweep), config.data.root)
    emission = Emission(**config.emission)
    emission.check(line)
    inputs = {one.name: one.digest for one in them}
    conclude(config, inputs, lambda: make(them, line, score, emission))


def make(them: Sequence[Explained], line: Line, score: float, emission: Emission) -> Section:
    """The section."""
    if len({one.label for one in them} & {Label.AR, Label.PF}) < 2:
        raise RunError("The cubes are of one class, expected PF and AR to compare. Explain the others: explain.py")
    origin = them[0].shard.header.origin
    note = remark(origin)
    looks = [measured.measure(one, line, emission) for one in them]
    scores = np.concatenate([one.values["score"] for one in looks if one.pf])
    high = int((scores >= score).sum())
    if not high:
        raise RunError(f"No PF spectrum has a score of {score} or more; the highest is {scores.max(initial=0):.2f}.")
    owners = sum(bool((one.values["score"] >= score).any()) for one in looks if one.pf)
    counted, says = measured.count(looks, score), measured.says(looks)
    rises = [quiet_rises.count(one) for one in them]
    most = max(counted, key=lambda one: one.high[0] - one.ar[0])
    return Section(
        name="features",
        title="Features: what they look like, if and when",
        paper="Sects. 8.1, 8.2 and 8.4",
        lead=f"Of {len(scores):,} clean PF spectra {high:,}, in {owners} of {sum(one.pf for one in looks)} "
        f"observations, have a score of {score:g} or more. What sets them apart from AR most is {most.flag}: "
        f"{_interval(*most.high)} show it, of AR {_interval(*most.ar)}.",
        origin=origin,
        plots=[_features(counted, score, note), _scatter(says, note)],
        tables={
            "Features": _counts(counted, score),
            "If and when": _says(says),
            "Scores that rise while intensity and X-rays are flat": _rises(rises),
        },
        claims=[
            _flows(looks, score, origin),
            _shown(looks, counted, score, origin),
            _quiet(rises, origin),
            _if_and_when(says, origin),
        ],
        warnings=[
            "Intervals and p-values are over observations; spectra with high scores are in few of them.",
            f"Which features say if is judged over {len(measured.cases(looks))} active regions: observations of one "
            "are alike, flare or not. One whose region is not known counts as a region.",
            "Networks that did not see an observation may have seen its region on another day: of the score, if is no "
            "better than that.",
            "A raster's mean of a feature tells when: one that only some pixels show is diluted in it.",
        ],
    )


def _features(counted: Sequence[Counted], score: float, note: str) -> Plot:
    told = "; ".join(f"{one.flag} {one.high[0]:.0%} against {one.ar[0]:.0%}" for one in counted)
    return Plot(
        "features",
        "What high-score spectra look like",
        f"Shares of spectra that show a feature, with 95% intervals over observations. PF from a score of {score:g} "
        f"against AR: {told}.",
        shares.draw(
            [one.flag for one in counted],
            {
                f"PF, score {score:g} or more": np.array([one.high for one in counted]),
                "PF": np.array([one.pf for one in counted]),
                "AR": np.array([one.ar for one in counted]),
            },
            "spectra (%)",
            note,
        ),
    )


def _scatter(says: Sequence[Says], note: str) -> Plot:
    whether, when = _beyond_chance(says)
    return Plot(
        "if_and_when",
        "Which features say if, and which say when",
        "Medians of observations, PF against AR, beside Kendall's tau of raster means in the window, averaged over "
        f"PF observations; 95% intervals over observations. Beyond chance (p < {CHANCE}, of {len(says)} features "
        f"{CHANCE * len(says):.1f} each way would be by luck), if: {', '.join(whether) or 'none'}; when: "
        f"{', '.join(when) or 'none'}.",
        if_and_when.draw(
            [one.feature for one in says],
            np.array([one.area for one in says]),
            np.array([one.tau for one in says]),
            np.array([one.p_if < CHANCE or one.p_when < CHANCE for one in says]),
            note,
        ),
    )


def _counts(counted: Sequence[Counted], score: float) -> Table:
    rows = tuple((one.flag, *(_interval(*group) for group in (one.high, one.pf, one.ar))) for one in counted)
    return Table(("feature", f"PF, score {score:g} or more", "PF", "AR"), rows)


def _says(says: Sequence[Says]) -> Table:
    rows = []
    for one in says:
        shown = (_p(value) for value in (one.p_if, one.p_when))
        planted = f"{one.planted_area:.2f}" if np.isfinite(one.planted_area) else ""
        said = (_interval(*group, percent=False) for group in (one.area, one.tau))
        rows.append((one.feature, *(cell for pair in zip(said, shown, strict=True) for cell in pair), planted))
    head = ("feature", "if: AUC of medians", "p", "when: mean tau", "p", "AUC of planted precursors")
    return Table(head, tuple(rows))


def _rises(rises: Sequence[Rises]) -> Table:
    rows = []
    kinds = [("PF", True, False), ("AR", False, False)]
    if any(one.more or one.fewer for one in rises):
        kinds.append(("PF, precursors put in", True, True))
    for title, pf, planted in kinds:
        up, down, p = quiet_rises.together(rises, pf, planted)
        mine = [one for one in rises if one.pf is pf]
        rows.append(
            (
                title,
                str(sum(one.flat > 0 for one in mine)),
                f"{sum(one.places for one in mine):,}",
                f"{sum(one.flat for one in mine):,}",
                _interval(*up),
                _interval(*down),
                _p(p),
            )
        )
    return Table(("", "observations", "places", "flat", "rise", "fall", "p of more rises than falls"), tuple(rows))


def _flows(looks: Sequence[Measured], score: float, origin: str) -> Claim:
    value, low, high = measured.surplus(looks, score)
    truth, good = "", low > 0
    chosen = [one.kind[one.values["score"] >= score] for one in looks if one.pf and one.kind is not None]
    if chosen:
        kind = np.concatenate(chosen)
        red, blue = (float((kind == flow).mean()) for flow in (Precursor.RED_WING, Precursor.BLUE_WING))
        truth = f"{red:.0%} downflows, {blue:.0%} upflows among these"
        good = (low > 0) == (red > blue)
    return Claim(
        "Sect. 8.1",
        "Downflows are more common than upflows.",
        f"Of spectra with a score of {score:g} or more, {value:.0%} more [{low:.0%}, {high:.0%}] show downflows.",
        truth,
        judge(origin, good),
        "downflows",
    )


def _shown(looks: Sequence[Measured], counted: Sequence[Counted], score: float, origin: str) -> Claim:
    """What high scores go with: more frequent there than in AR, intervals apart."""
    named = {
        "triplet emission": Precursor.TRIPLET,
        "broad": Precursor.BROAD_CORE,
        "single peak": Precursor.SINGLE_PEAK,
    }
    mine = [one for one in counted if one.flag in named]
    more = {one.flag for one in mine if one.high[1] > one.ar[2]}
    chosen = [one.kind[one.values["score"] >= score] for one in looks if one.pf and one.kind is not None]
    truth, good = "", len(more) == len(named)
    if chosen:
        kind = np.concatenate(chosen)
        put_in = {flag: float((kind == one).mean()) for flag, one in named.items()}
        truth = ", ".join(f"{flag} into {share:.0%}" for flag, share in put_in.items()) + " of these"
        good = more == {flag for flag, share in put_in.items() if share > CHANCE}
    return Claim(
        "Sect. 8.1",
        "High scores go with triplet emission, broad cores and single peaks.",
        "From a score of "
        + f"{score:g} against AR: "
        + "; ".join(
            f"{one.flag} {one.high[0]:.0%} against {one.ar[0]:.0%}{'' if one.flag in more else ' (no more)'}"
            for one in mine
        )
        + ".",
        truth,
        judge(origin, good),
        "high_scores",
    )


def _quiet(rises: Sequence[Rises], origin: str) -> Claim:
    up, down, p = quiet_rises.together(rises, True)
    claim = "At some slit places the score rises while intensity and X-rays stay flat."
    if not np.isfinite(p):
        found = "Nowhere are intensity and X-rays flat for long enough to tell."
        return Claim("Sect. 8.2", claim, found, "", Verdict.NEEDS_REAL, "quiet_rises")
    truth, verdict = "", judge(origin, p < CHANCE)
    if any(one.more or one.fewer for one in rises):
        more, fewer, chance = quiet_rises.together(rises, True, planted=True)
        hits, all_up = sum(one.hits for one in rises if one.pf), sum(one.up for one in rises if one.pf)
        truth = (
            f"precursors grow more frequent at {more[0]:.0%}, less at {fewer[0]:.0%} of these (p = {chance:.2g}), "
            f"and at {hits} of the {all_up} where the score rises"
        )
        # Rises are where precursors grow if more of them are than of all flat places. Where neither leaves chance there
        # is nothing to recover.
        right = all_up > 0 and binomtest(hits, all_up, more[0], alternative="greater").pvalue < CHANCE
        verdict = judge(origin, p < CHANCE and right)
        verdict = Verdict.NEEDS_REAL if p >= CHANCE and chance >= CHANCE else verdict
    return Claim(
        "Sect. 8.2",
        claim,
        f"Of flat places of PF {up[0]:.0%} rise and {down[0]:.0%} fall, p = {p:.2g} that chance gives as many more.",
        truth,
        verdict,
        "quiet_rises",
    )


def _if_and_when(says: Sequence[Says], origin: str) -> Claim:
    claim = "Some features say whether a flare comes, others when."
    whether, when = _beyond_chance(says)
    found = f"If: {', '.join(whether) or 'none'}; when: {', '.join(when) or 'none'}."
    known = [one for one in says if np.isfinite([one.planted_area, one.area[0], one.tau[0]]).all()]
    if len(known) < 4:
        good = bool(whether) and bool(when)
        return Claim("Sect. 8.4", claim, found, "", judge_real(origin, good), "if_and_when")
    put_in = [one.planted_area for one in known]
    agree = [spearmanr(put_in, [getattr(one, name)[0] for one in known]) for name in ("area", "tau")]
    found += (
        f" Over features, what precursors change goes with if (rank correlation {agree[0].statistic:.2f}, "
        f"p = {agree[0].pvalue:.2g}) and with when ({agree[1].statistic:.2f}, p = {agree[1].pvalue:.2g})."
    )
    good = all(one.statistic > 0 and one.pvalue < CHANCE for one in agree)
    return Claim("Sect. 8.4", claim, found, "the same precursors say both", judge(origin, good), "if_and_when")


def _beyond_chance(says: Sequence[Says]) -> tuple[list[str], list[str]]:
    """The features that say if, and those that say when."""
    whether = [one.feature for one in says if one.p_if < CHANCE]
    return whether, [one.feature for one in says if one.p_when < CHANCE]


def _p(value: float) -> str:
    if not np.isfinite(value):
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _interval(value: float, low: float, high: float, percent: bool = True) -> str:
    if not np.isfinite(value):
        return ""
    return f"{value:.1%} [{low:.1%}, {high:.1%}]" if percent else f"{value:.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    main()
