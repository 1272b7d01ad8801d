"""Section 8.2 of the paper: attribution against intensity (Fig. 15), and intensity from the shape of spectra.

python experiments/intensity.py sweep=runs/paper_splits                     expected gradients
python experiments/intensity.py sweep=runs/paper_splits method=hirescam     another method

The break between the two lines is where they miss least; intervals are over observations, and what a fit explains is
told for observations it was not fitted to.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from omegaconf import MISSING, DictConfig

from preflare.checks import check_choice
from preflare.command import Drawn, verb
from preflare.errors import RunError
from preflare.figures import density, style
from preflare.figures.density import Through
from preflare.report import explained, global_explanation, intensity, sample
from preflare.report.experiment import conclude
from preflare.report.explained import Explained
from preflare.report.intensity import Broken, Encoded, Fit
from preflare.report.sample import Sample
from preflare.report.section import Claim, Plot, Section, Verdict, judge, judge_real, remark
from preflare.report.spectra import METHODS
from preflare.report.tables import Table
from preflare.sun.line import Line
from preflare.sun.quality import Quality

# Flags that cut off one end of the intensities.
RESTRICTING = ("HIGH_CONTINUUM", "QUIET_SUN")
SHAPE, CONTINUUM = "normalised spectrum", "its pseudo-continuum"
# Weakly encoded is what the shape tells less than this share of.
WEAK = 0.5
# Share of the points that a picture shows, on each axis.
SHOWN = 0.99


@dataclass
class Data:
    """Where the shards are."""

    root: str | None = None


@dataclass
class Config(Drawn):
    """The keys of conf/intensity.yaml; any other is refused."""

    sweep: str = MISSING
    method: str = MISSING
    data: Data = field(default_factory=Data)
    output: str = MISSING


@verb("intensity", Config)
def main(config: DictConfig) -> None:
    """Fit lines, with and without flagged spectra, predict intensities, draw and tell."""
    method = str(check_choice("method", config.method, tuple(METHODS)))
    line, them = explained.of_sweep(Path(config.sweep), config.data.root)
    inputs = {one.name: one.digest for one in them}
    conclude(config, inputs, lambda: make(them, line, method))


def make(them: Sequence[Explained], line: Line, method: str) -> Section:
    """The section."""
    origin = them[0].shard.header.origin
    note = remark(origin)
    # Flags that restrict the range of intensities are looked at one by one.
    free = replace(line, tolerated=tuple({*line.tolerated, *RESTRICTING}))
    everyone = sample.gather(them, free, method)
    pf = everyone.where(everyone.flaring)
    variants = {title: pf.where(keep) for title, keep in restricted(pf).items()}
    fits = {title: fit(part) for title, part in variants.items()}
    found = next(iter(fits.values()))
    if found is None:
        raise RunError(
            f"{len(pf.score)} explained PF spectra, or their intensities, are too few for two lines. Explain more."
        )
    lit = everyone.where(everyone.intensity > 0)
    told = tellers(lit, line)
    shape = told[SHAPE]
    flagged = {name: int((pf.quality & Quality[name] != 0).sum()) for name in RESTRICTING}
    return Section(
        name="intensity",
        title="Intensity",
        paper="Sect. 8.2, Fig. 15",
        lead=f"Mean attribution of {len(pf.score):,} explained spectra of {int(everyone.pf.sum())} PF observations "
        f"against their intensity: {_told(found)} In observations left out two lines explain "
        f"{found.held_out[1]:.0%} of the variance, one line {found.held_out[0]:.0%} (p = {found.p:.2g} that they miss "
        f"as much). Of the variance of log intensity, a normalised spectrum tells {shape.r2[0]:.0%} "
        f"[{shape.r2[1]:.0%}, {shape.r2[2]:.0%}] in observations left out.",
        origin=origin,
        plots=[_attribution(pf, found, method, note), _shape(lit, shape, note)],
        tables={
            "Two lines and a break": _lines(variants, fits),
            "What tells the intensity": _tellers(lit, told),
        },
        claims=_claims(pf, found, told, origin),
        warnings=[
            f"Of these spectra {flagged['HIGH_CONTINUUM']:,} carry HIGH_CONTINUUM and {flagged['QUIET_SUN']:,} "
            "QUIET_SUN (explained only with spectra=all). To leave either out restricts the range of "
            "intensities, which alone changes R².",
        ],
    )


def restricted(pf: Sample) -> dict[str, np.ndarray]:
    """Title -> which spectra are kept, (n,) bool: all, and without those that carry one flag, or either."""
    carries = {name: (pf.quality & Quality[name]) != 0 for name in RESTRICTING}
    found = {"all": np.ones(len(pf.quality), dtype=bool)}
    found |= {f"without {name}": ~here for name, here in carries.items()}
    return found | {"without either": ~np.any(list(carries.values()), axis=0)}


def fit(part: Sample) -> Broken | None:
    """Two lines through mean attributions against intensities; None where there are too few."""
    return intensity.broken(part.intensity, said(part), part.owner)


def said(part: Sample) -> np.ndarray:
    """The mean attribution of each spectrum, (n,), over the wavelengths that have one."""
    mean: np.ndarray = np.nanmean(part.attributions.astype(np.float64), axis=1)
    return mean


def _told(found: Broken) -> str:
    """Where the break is, or that none is supported."""
    at = f"{found.at:.0f} DN/s [{found.interval[0]:.0f}, {found.interval[1]:.0f}]"
    if not found.supported:
        return f"no break is supported (two lines would fit best with one at {at})."
    r2 = f"R² of {found.below.r2:.2f} below and {found.above.r2:.2f} above"
    return f"two lines are supported, with the break at {at}, {r2}."


def _attribution(pf: Sample, found: Broken, method: str, note: str) -> Plot:
    x, y = pf.intensity, 1000 * said(pf)
    right = float(np.quantile(x, SHOWN))
    low, high = np.quantile(y, ((1 - SHOWN) / 2, (1 + SHOWN) / 2))
    lines = []
    for one, ends, colour, side in (
        (found.below, (float(x.min()), found.at), style.RED, "below"),
        (found.above, (found.at, right), "#009e73", "above"),
    ):
        across = np.array(ends)
        lines.append(Through(across, 1000 * (one.intercept + one.slope * across), f"{side}: R² = {one.r2:.2f}", colour))
    return Plot(
        "attribution",
        "Attribution against intensity",
        f"Mean attribution ({METHODS[method]}) of every explained PF spectrum; on each axis {SHOWN:.0%} are shown. "
        f"Dashed: the break, found by fit, with its 95% interval over observations (dotted)"
        f"{'' if found.supported else '; observations left out do not support it'}. Slopes "
        f"{_slope(found.below)} below ({found.below.share:.0%} of the spectra) and {_slope(found.above)} above.",
        density.draw(
            x,
            y,
            lines,
            ("intensity (DN/s)", "mean attribution (10⁻³ log-odds)"),
            ((0.0, right), (float(low), float(high))),
            (found.at, *found.interval),
            note,
        ),
        ("15",),
    )


def _shape(lit: Sample, shape: Encoded, note: str) -> Plot:
    measured = np.log10(lit.intensity)
    ends = np.quantile(np.concatenate([measured, shape.predicted]), ((1 - SHOWN) / 2, (1 + SHOWN) / 2))
    limits = (float(ends[0]), float(ends[1]))
    return Plot(
        "shape",
        "Intensity from the normalised shape",
        "Intensity predicted by ridge regression on spectra divided by their maximum, every observation from all "
        f"others: R² = {shape.r2[0]:.2f} [{shape.r2[1]:.2f}, {shape.r2[2]:.2f}] over observations. On the line, "
        "predicted is measured.",
        density.draw(
            measured,
            shape.predicted,
            [Through(ends, ends, "", style.RED)],
            ("log intensity, measured (log DN/s)", "log intensity, predicted"),
            (limits, limits),
            None,
            note,
        ),
    )


def _lines(variants: dict[str, Sample], fits: dict[str, Broken | None]) -> Table:
    rows = []
    for title, part in variants.items():
        one = fits[title]
        if one is None:
            rows.append((title, f"{len(part.score):,}", *[""] * 8))
            continue
        rows.append(
            (
                title,
                f"{len(part.score):,}",
                f"{one.at:.0f} [{one.interval[0]:.0f}, {one.interval[1]:.0f}]",
                *(f"{side.r2:.2f}" for side in (one.below, one.above, one.one)),
                *(_slope(side) for side in (one.below, one.above)),
                *(f"{value:.1%}" for value in one.held_out),
            )
        )
    head = ("PF spectra", "count", "break (DN/s)", "R² below", "R² above", "R² of one line", "slope below")
    return Table((*head, "slope above", "left out: one line", "left out: two lines"), tuple(rows))


def tellers(lit: Sample, line: Line) -> dict[str, Encoded]:
    """How well log intensity is predicted, in observations left out, from spectra and from parts of them."""
    first, last = line.continuum
    continuum = lit.spectra[:, (line.wavelength >= first) & (line.wavelength <= last)].mean(axis=1, keepdims=True)
    inputs = {SHAPE: lit.spectra, CONTINUUM: continuum, "score": lit.score[:, None]}
    return {name: intensity.encoded(one, np.log10(lit.intensity), lit.owner) for name, one in inputs.items()}


def _tellers(lit: Sample, told: dict[str, Encoded]) -> Table:
    rows = []
    for name, one in told.items():
        within = global_explanation.correlation(lit, one.predicted, lit.intensity)
        rows.append((name, _interval(one.r2), _interval(within)))
    return Table(("", "R² in observations left out", "rank correlation within observations"), tuple(rows))


def _claims(pf: Sample, found: Broken, told: dict[str, Encoded], origin: str) -> list[Claim]:
    real = origin == "level2"
    one, two = found.held_out
    within = global_explanation.correlation(pf, said(pf), pf.intensity)
    claims = [
        Claim(
            "Sect. 8.2, Fig. 15",
            "Mean attribution follows one line up to some intensity and another above it.",
            f"In these spectra {_told(found)} In observations left out two lines explain {two:.1%}, one {one:.1%} (p = "
            f"{found.p:.3f}).",
            "" if real else "no break",
            judge_real(origin, found.supported),
            "two_lines",
        )
    ]
    if pf.truth is not None:
        there = global_explanation.correlation(pf, (pf.truth.kind > 0).astype(float), pf.intensity)
        sides = _side(within), _side(there)
        claims.append(
            Claim(
                "Sect. 8.2, Fig. 15",
                "Attribution goes with intensity.",
                f"Rank correlation within PF observations {_interval(within)}.",
                f"precursors go with intensity by {_interval(there)}",
                # Where neither goes with it there is nothing to recover.
                judge(origin, sides[0] == sides[1]) if any(sides) else Verdict.NEEDS_REAL,
                "brightness",
            )
        )
    shape, continuum = told[SHAPE], told[CONTINUUM]
    claims.append(
        Claim(
            "Sect. 8.2",
            "Intensity is only weakly encoded in spectra divided by their maximum.",
            f"R² of log intensity in observations left out {_interval(shape.r2)}: "
            f"{'less' if shape.r2[2] < WEAK else 'not clearly less'} than {WEAK:g}.",
            ""
            if real
            else f"a continuum that hardly follows the core's intensity; alone it tells {continuum.r2[0]:.2f}",
            # What the simulation put in tells the intensity well: that is not what the paper says.
            judge_real(origin, shape.r2[2] < WEAK),
            "weakly",
        )
    )
    return claims


def _side(within: tuple[float, float, float]) -> int:
    """Which side of zero an interval is on; 0 if it holds it."""
    return int(within[1] > 0) - int(within[2] < 0)


def _slope(one: Fit) -> str:
    return f"{1e6 * one.slope:+.1f}×10⁻⁶ per DN/s"


def _interval(of: tuple[float, float, float]) -> str:
    return f"{of[0]:.2f} [{of[1]:.2f}, {of[2]:.2f}]" if np.isfinite(of[0]) else ""


if __name__ == "__main__":
    main()
