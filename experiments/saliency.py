"""The saliency cubes of all observations: who explained what, and whether it matters that they had seen it.

python experiments/saliency.py sweep=runs/paper_splits in_sample=runs/paper_swarm
python experiments/saliency.py --help                                                how to make both

The paper explains all PF observations by networks that were trained with most of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from hydra.utils import instantiate
from omegaconf import MISSING, DictConfig
from scipy import stats

from preflare.command import Drawn, verb
from preflare.errors import RunError
from preflare.explain import ensemble
from preflare.explain.summary import summarise
from preflare.figures import in_sample as figure
from preflare.report import explained, in_sample, published
from preflare.report.experiment import conclude
from preflare.report.explained import Explained
from preflare.report.held_out import call, tss
from preflare.report.in_sample import Beside, Pair
from preflare.report.resampling import interval
from preflare.report.section import OURS, Claim, Plot, Section, Verdict, judge, judge_real, remark
from preflare.report.tables import Table
from preflare.sun.line import Line
from preflare.sun.observation import Label

CHANCE = 0.05
# Share of what the network says that attributions may miss and still be called complete.
COMPLETE = 0.05


@dataclass
class Data:
    """Where the shards are."""

    root: str | None = None


@dataclass
class Config(Drawn):
    """The keys of conf/saliency.yaml; any other is refused."""

    sweep: str = MISSING
    in_sample: str = MISSING
    data: Data = field(default_factory=Data)
    output: str = MISSING


@verb("saliency", Config)
def main(config: DictConfig) -> None:
    """Read both ways to explain, compare, draw and tell."""
    sweeps = [ensemble.read(Path(path)) for path in (config.sweep, config.in_sample)]
    line = instantiate(sweeps[0].runs[0].config.line)
    root = Path(config.data.root or sweeps[0].runs[0].config.data.root)
    ways = [explained.open_all(by.folder.cubes, root) for by in sweeps]
    pairs = in_sample.pairs(*ways)
    if len(pairs) < 2:
        raise RunError(
            f"{config.sweep} and {config.in_sample} explained {len(pairs)} observations in common (unseen by the "
            "first, with spectra in common), expected two or more. Explain all both ways, with one sample and seed."
        )
    inputs = {
        f"{title}: {one.name}": one.digest
        for title, way in zip(("sweep", "in_sample"), ways, strict=True)
        for one in way
    }
    conclude(config, inputs, lambda: make(ways[0], pairs, line))


def make(all: Sequence[Explained], pairs: Sequence[Pair], line: Line) -> Section:
    """The section."""
    origin = all[0].shard.header.origin
    note = remark(origin)
    rows = [in_sample.beside(pair) for pair in pairs]
    seen = np.array([row.seen for row in rows])
    ratio, p = in_sample.above_chance(rows)
    order, (low, high) = _rank(rows)
    others = [pair.other for pair in pairs]
    own, theirs = _checkpoint(all), _checkpoint(others)
    return Section(
        name="saliency",
        title="Saliency cubes",
        paper="Sect. 7",
        lead=f"{len(all)} observations, {sum(len(one.cube.explained()) for one in all):,} explained spectra, by "
        f"members that did not train with them (checkpoint {own}). {len(pairs)} were also explained by the networks of "
        f"one partition (checkpoint {theirs}), which trained with {int(seen.sum())} of them, as in the paper. The mean "
        f"scores of observations then correlate by {order:.2f} (by rank; 95% {low:.2f} to {high:.2f}), attributions of "
        f"a spectrum by {_middle(rows, seen):.2f} in the median where they trained with it, and by "
        f"{_middle(rows, ~seen):.2f} where they did not.",
        origin=origin,
        plots=_plots(rows, pairs, seen, line, note),
        tables={"Cubes": _cubes(all), "Both ways": _both(rows), "What it changes": _changes(rows, pairs, seen)},
        claims=[_data(all, origin), *_complete(all, origin), *_claims(rows, seen, ratio, p, origin)],
        warnings=[
            f"Other networks speak in either way{', of another checkpoint' if own != theirs else ''}: what differs "
            "where none had seen an observation is due to that alone.",
            *_chose("members that did not train with them", all),
            *_chose("the networks of one partition", others),
        ],
    )


def _checkpoint(them: Sequence[Explained]) -> str:
    return " and ".join(sorted({str(one.cube.attributes["checkpoint"]) for one in them}))


def _chose(who: str, them: Sequence[Explained]) -> list[str]:
    """Which observations were not quite unknown to those who did not train with them."""
    count = sum(bool(one.cube.attributes["chose"]) for one in them)
    return [
        f"{count} of {len(them)} observations explained by {who} were on the side whose loss chose the epoch of some "
        "of these, so that their scores may be too good. No side chooses the epoch of checkpoint=last."
    ] * bool(count)


def _rank(rows: Sequence[Beside]) -> tuple[float, tuple[float, float]]:
    """Spearman's correlation of the mean scores of observations, with its interval."""
    first, second = (np.array([getattr(row, name) for row in rows]) for name in ("unseen_score", "other_score"))

    def rho(drawn: np.ndarray) -> float:
        if min(np.ptp(first[drawn]), np.ptp(second[drawn])) == 0:
            return np.nan
        return float(stats.spearmanr(first[drawn], second[drawn]).statistic)

    labels = np.array([int(row.label) for row in rows])
    return rho(np.arange(len(rows))), interval(labels, rho)


def _middle(rows: Sequence[Beside], which: np.ndarray, name: str = "alike") -> float:
    values = np.array([getattr(row, name) for row in rows])[which]
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else np.nan


def _plots(rows: Sequence[Beside], pairs: Sequence[Pair], seen: np.ndarray, line: Line, note: str) -> list[Plot]:
    flaring = np.array([row.label is Label.PF for row in rows])

    def of(name: str) -> np.ndarray:
        return np.array([getattr(row, name) for row in rows])

    plots = [
        Plot(
            "both_ways",
            "The same observations, explained both ways",
            f"Mean scores and median correlations of attributions of {len(rows)} observations; filled: the other "
            f"networks trained with it. There attributions correlate by {_middle(rows, seen):.2f} in the median, where "
            f"they did not by {_middle(rows, ~seen):.2f}.",
            figure.draw(
                of("unseen_score"),
                of("other_score"),
                of("alike"),
                flaring,
                seen,
                (_middle(rows, seen), _middle(rows, ~seen)),
                note,
            ),
        )
    ]
    chosen = [pair for pair, row in zip(pairs, rows, strict=True) if row.seen and row.label is Label.PF]
    if chosen:
        own, theirs, changed = in_sample.profile(chosen)
        alike = float(np.corrcoef(own, theirs)[0, 1])
        truth = (
            ""
            if changed is None or not changed.any()
            else f" With how often precursors changed a wavelength they correlate by "
            f"{np.corrcoef(own, changed)[0, 1]:.2f} and {np.corrcoef(theirs, changed)[0, 1]:.2f}."
        )
        plots.append(
            Plot(
                "profiles",
                "Where attributions are, both ways",
                f"Mean |attribution| of the {len(chosen)} PF observations that the other networks trained with, each "
                f"with the same weight. The two curves correlate by {alike:.2f}.{truth}",
                figure.profiles(
                    line.wavelength,
                    own / (own.sum() or 1),
                    theirs / (theirs.sum() or 1),
                    changed,
                    line.cores,
                    line.features,
                    note,
                ),
            )
        )
    return plots


def _cubes(all: Sequence[Explained]) -> Table:
    rows = []
    for one in all:
        said = summarise(one.cube)
        rows.append(
            (
                one.name,
                str(one.cube.attributes.get("member_count", "")),
                "yes" if one.cube.attributes["seen"] else "no",
                f"{said.spectra:,}",
                f"{said.score:.3f}",
                f"{said.above_half:.0%}",
                f"{said.explained:,}",
                f"{said.residual:.1%}",
            )
        )
    head = ("observation", "members", "seen", "spectra", "mean score", "> 0.5", "explained", "residual")
    return Table(head, tuple(rows))


def _both(rows: Sequence[Beside]) -> Table:
    body = [
        (
            row.name,
            "yes" if row.seen else "no",
            str(row.spectra),
            *(f"{value:.2f}" for value in (row.unseen_score, row.other_score, row.ranks, row.alike)),
            *(f"{value:.2f}" for value in (row.unseen_share, row.other_share, row.chance)),
        )
        for row in rows
    ]
    head = ("observation", "others trained with it", "spectra", "score, unseen", "score, others", "ranks of scores")
    return Table((*head, "attributions", "share on truth, unseen", "others", "by chance"), tuple(body))


def _changes(rows: Sequence[Beside], pairs: Sequence[Pair], seen: np.ndarray) -> Table:
    """What is concluded from observations that the others trained with, and that they did not."""
    groups = (("trained with", seen), ("not trained with", ~seen))
    body: list[tuple[str, ...]] = []

    def line(title: str, value: Callable[[np.ndarray], float], digits: int = 2) -> None:
        found = [value(which) if which.any() else np.nan for _, which in groups]
        body.append((title, *(f"{one:.{digits}f}" if np.isfinite(one) else "" for one in found)))

    def skill(which: np.ndarray, way: str) -> float:
        return tss([call(getattr(pair, way)) for pair, chosen in zip(pairs, which, strict=True) if chosen])

    line("observations", lambda which: float(which.sum()), 0)
    line("TSS by those that did not see them", lambda which: skill(which, "unseen"))
    line("TSS by the others", lambda which: skill(which, "other"))
    line("correlation of scores over spectra, by rank (median)", lambda which: _middle(rows, which, "ranks"))
    line("correlation of attributions (median)", lambda which: _middle(rows, which))
    line("share on truth, those that did not see them (median)", lambda which: _middle(rows, which, "unseen_share"))
    line("share on truth, the others (median)", lambda which: _middle(rows, which, "other_share"))
    return Table(("the others have these", *(title for title, _ in groups)), tuple(body))


def _data(all: Sequence[Explained], origin: str) -> Claim:
    count = {label: sum(one.label is label for one in all) for label in (Label.PF, Label.AR)}
    spectra = {label: sum(int(np.prod(one.cube.shape[:3])) for one in all if one.label is label) for label in count}
    theirs = {Label.PF: published.PF_SPECTRA, Label.AR: published.AR_SPECTRA}
    same = (count[Label.PF], count[Label.AR]) == (published.PF_OBSERVATIONS, published.AR_OBSERVATIONS)
    return Claim(
        "Sect. 2",
        f"{published.PF_OBSERVATIONS} PF and {published.AR_OBSERVATIONS} AR observations give "
        "2.4 and 2.5 million spectra.",
        f"{count[Label.PF]} PF and {count[Label.AR]} AR observations, {spectra[Label.PF]:,} and "
        f"{spectra[Label.AR]:,} spectra, flares included.",
        "",
        judge_real(origin, same and max(abs(spectra[label] / theirs[label] - 1) for label in count) < 0.1),
        "data",
    )


def _complete(all: Sequence[Explained], origin: str) -> list[Claim]:
    """Of networks that say anything."""
    missed = np.array([summarise(one.cube).residual for one in all])
    missed = missed[np.isfinite(missed)]
    if not len(missed):
        return []
    samples = sorted({str(one.cube.attributes.get("samples", "?")) for one in all})
    return [
        Claim(
            "Sect. 7.2, Fig. C.1",
            "Expected gradients of a spectrum sum to what the network says of it.",
            f"With {', '.join(samples)} samples they miss it by {np.median(missed):.1%} in the median of observations, "
            f"by {missed.max():.1%} in the worst (medians over spectra).",
            "what the networks say, less their mean over the baselines",
            judge(origin, bool(np.median(missed) < COMPLETE)),
            "completeness",
        )
    ]


def _claims(rows: Sequence[Beside], seen: np.ndarray, ratio: float, p: float, origin: str) -> list[Claim]:
    low, high = interval(
        seen.astype(int),
        lambda drawn: (
            _middle([rows[one] for one in drawn], ~seen[drawn]) - _middle([rows[one] for one in drawn], seen[drawn])
        ),
    )
    more = low > 0
    told = (
        f"having seen them changes {'more' if more else 'no more'} than other networks do (difference "
        f"{_middle(rows, ~seen) - _middle(rows, seen):+.2f}, 95% {low:+.2f} to {high:+.2f})"
        if np.isfinite(low)
        else "whether having seen them changes more than other networks do cannot be told"
    )
    claims = [
        Claim(
            OURS,
            "Networks may explain observations that they were trained with.",
            f"Their attributions correlate with those of networks that had not seen them by {_middle(rows, seen):.2f}, "
            f"and by {_middle(rows, ~seen):.2f} on observations that neither had seen: {told}.",
            "",
            judge_real(origin, not more) if np.isfinite(low) else Verdict.NEEDS_REAL,
        )
    ]
    if np.isfinite(p):
        claims.append(
            Claim(
                OURS,
                "Attributions by networks that did not see an observation are where precursors are.",
                f"Their share on the wavelengths that a precursor changed is {ratio:.2f} times that by chance (mean "
                f"over observations), p = {p:.2g} by signed ranks.",
                "wavelengths changed in each spectrum",
                Verdict.RECOVERS if p < CHANCE else Verdict.DOES_NOT,
            )
        )
    return claims


if __name__ == "__main__":
    main()
