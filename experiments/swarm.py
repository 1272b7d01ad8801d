"""Section 7 of the paper: fifty networks on one partition, few that stand for all, and two ways to ask them (Fig. 11).

python experiments/swarm.py sweep=runs/paper_swarm                              networks that differ in their seed
python experiments/swarm.py sweep=runs/paper_swarm splits=runs/paper_splits     beside networks that differ in partition
python experiments/swarm.py --help                                              every choice
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import MISSING, DictConfig

from preflare.checks import check_integer
from preflare.command import Drawn, verb
from preflare.errors import RunError
from preflare.explain import ensemble, representatives
from preflare.explain.activation_maps import MAPS
from preflare.explain.display import smoothed, to_the_score
from preflare.explain.engine import Engine
from preflare.explain.ensemble import Ensemble
from preflare.explain.equivalence import compare, fit_smoothing
from preflare.explain.expected_gradients import ExpectedGradients
from preflare.explain.faithfulness import rank_correlation
from preflare.explain.target import LOG_ODDS, QUANTITIES
from preflare.explain.work import Work
from preflare.figures import distribution, learning_curves
from preflare.figures import equivalence as equivalence_figure
from preflare.figures import representatives as representatives_figure
from preflare.figures import spectra as spectra_figure
from preflare.model.tables import number
from preflare.report import published, swarm
from preflare.report.experiment import conclude
from preflare.report.section import Claim, Plot, Section, judge, judge_real, remark
from preflare.report.spectra import METHODS
from preflare.report.splits import Splits
from preflare.report.swarm import Likeness, Skill
from preflare.report.tables import Table
from preflare.sun.line import Line
from preflare.threads import cores, torch_threads

# Of the test side, for the random draw of spectra.
STREAM = 7
# The samples of expected gradients that suffice to the authors, and the epoch after which their Fig. 2 rises.
SAMPLES, TURN = 500, 50


@dataclass
class Data:
    """Where the shards are."""

    root: str | None = None


@dataclass
class Config(Drawn):
    """The keys of conf/swarm.yaml; any other is refused."""

    sweep: str = MISSING
    splits: str | None = None
    spectra: Any = MISSING
    representatives: Any = MISSING
    data: Data = field(default_factory=Data)
    expected_gradients: Any = MISSING
    output: str = MISSING


@dataclass(frozen=True, eq=False)
class Said:
    """What all members say. training, held_out: expected gradients (member, n, wavelength) of spectra of either side;
    maps: name -> (member, n, wavelength) of the held-out ones, (n, wavelength), whose mean scores are (n,). twice: what
    the first member says of these, (2, n, wavelength), from two draws of so many samples."""

    training: np.ndarray
    held_out: np.ndarray
    maps: dict[str, np.ndarray]
    spectra: np.ndarray
    scores: np.ndarray
    twice: np.ndarray
    samples: int


@verb("swarm", Config)
def main(config: DictConfig) -> None:
    """Ask every member about the same spectra, draw and tell."""
    count = check_integer("spectra", config.spectra, 10)
    few = check_integer("representatives", config.representatives, 1)
    by = ensemble.read(Path(config.sweep))
    skill = swarm.skill(by.runs)
    splits = Splits.of(ensemble.read(Path(config.splits)).runs) if config.splits else None
    root = Path(config.data.root or by.runs[0].config.data.root)
    inputs = {
        one.folder.path.as_posix(): str(one.record["finished"]) for one in [*by.runs, *(splits.runs if splits else ())]
    }
    inputs |= {f"shard {name}": digest for name, digest in by.runs[0].record["data"].items()}
    method = instantiate(config.expected_gradients)
    if few >= len(by.runs):
        raise RunError(f"representatives is {few}, expected fewer than the sweep's {len(by.runs)} living networks.")
    conclude(config, inputs, lambda: make(by, skill, splits, ask(by, root, method, count), few))


@torch_threads(1)
def ask(by: Ensemble, root: Path, method: ExpectedGradients, count: int) -> Said:
    """Let every member explain ``count`` spectra of each side, drawn at random."""
    work = Work(by, root, "best", "all", len(by.runs), tuple(MAPS), method, 0, cores(), LOG_ODDS)
    side = work.side(0)
    committee = work.seated(range(len(by.runs)))
    training, _ = side.some(count)
    test = side.data.datasets["test"]
    drawn = np.sort(np.random.default_rng(STREAM).choice(len(test), min(count, len(test)), replace=False))
    spectra = test.spectra[torch.from_numpy(drawn)][:, 0]
    explained = committee.engine(spectra)
    least = int(np.bincount(side.data.datasets["train"].labels.numpy(), minlength=2).min())
    baselines = min(SAMPLES // 2, 2 * least)
    twice = [
        Engine(committee.networks[:1], drawn.baselines, drawn.positions, cores())(spectra).attributions[0].numpy()
        for drawn in (side.paths(ExpectedGradients(baselines, 2, "random", seed))[0] for seed in (1, 2))
    ]
    return Said(
        committee.engine(training[:, 0]).attributions.numpy(),
        explained.attributions.numpy(),
        {name: committee.map(name, committee.networks, spectra) for name in work.maps},
        spectra.numpy(),
        torch.sigmoid(explained.log_odds).mean(dim=0).numpy(),
        np.stack(twice),
        2 * baselines,
    )


def make(by: Ensemble, skill: Skill, splits: Splits | None, said: Said, few: int) -> Section:
    """The section."""
    record = by.runs[0].record
    line = instantiate(by.runs[0].config.line)
    origin, side = record["trained_on"]["origin"], record["partition"]["chosen_by"]
    note = remark(origin)
    names = [f"seed {seed}" for seed in skill.seeds]
    order, _ = representatives.forward(said.training, len(names))
    errors = swarm.misses(said.held_out, order)
    chance = representatives.by_chance(said.held_out, len(names), representatives.DRAWS, 0)
    alike = [swarm.likeness(METHODS[name], maps, said.held_out) for name, maps in said.maps.items()]
    plots = [
        _skill(skill, splits, note),
        _curves(by, skill, side, note),
        _standing(names, order, errors, chance, few, note),
    ]
    tables = {"Members": _members(skill, names, order, errors)}
    warnings = []
    if said.maps:
        plots += [_equivalence(said, line, alike, note), _displayed(said, line, note)]
        tables["Activation maps beside expected gradients"] = _likeness(alike)
    else:
        warnings.append("The network has no convolution, so there are no activation maps to compare with.")
    if side == "test":
        warnings.append("The test side chose the epoch, as in the paper: its skill is optimistic.")
    return Section(
        name="swarm",
        title="The swarm",
        paper="Sect. 7, Figs. 2 and 11",
        lead=f"{len(names)} living networks on partition {record['partition']['seed']} differ in their seed alone. TSS "
        f"{_mean(skill.tss)}. The mean attribution of {few} of them, chosen on training spectra, misses that of all by "
        f"{errors[few - 1]:.1%} on {len(said.spectra)} held-out spectra; {few} drawn at random by "
        f"{np.median(chance[:, few - 1]):.1%}, a single one by {np.median(chance[:, 0]):.0%}.",
        origin=origin,
        plots=plots,
        tables=tables,
        claims=[
            *_overtrained(by, side, origin),
            *_claims(skill, splits, errors, chance, few, alike, origin),
            _enough(said, origin),
        ],
        warnings=warnings,
    )


def _mean(values: np.ndarray) -> str:
    return f"{np.nanmean(values):.3f} ± {np.nanstd(values):.3f}"


def _skill(skill: Skill, splits: Splits | None, note: str) -> Plot:
    theirs = np.array(published.SWARM)
    scores = {
        "TSS": skill.tss,
        "PPV + NPV - 1": skill.ppv_npv,
        "authors'\nPPV + NPV - 1": theirs,
        "accuracy": skill.accuracy,
    }
    beside, apart = "", {}
    if splits is not None:
        apart["PPV + NPV - 1\nof partitions"] = splits.ppv_npv
        beside = f" Over {len(splits.seeds)} partitions it is {_mean(splits.ppv_npv)} (right, on a scale of its own)."
    ends = [float(end(values)) for values in scores.values() for end in (np.nanmin, np.nanmax)]
    room = 0.05 * max(max(ends) - min(ends), 0.1)
    return Plot(
        "skill",
        "The skill of every seed",
        f"Test side at the best epoch, {len(skill.seeds)} networks. PPV + NPV - 1, which the authors call TSS: "
        f"{_mean(skill.ppv_npv)} here (mean and standard deviation), {_mean(theirs)} in their {len(theirs)} "
        f"runs.{beside}",
        distribution.draw(scores, (min(ends) - room, max(ends) + room), note, beside=apart),
    )


def _curves(by: Ensemble, skill: Skill, side: str, note: str) -> Plot:
    middle = int(np.argsort(skill.tss)[len(skill.tss) // 2])
    return Plot(
        "curves",
        "Learning curves",
        f"Red: seed {skill.seeds[middle]}, of median TSS (Fig. 2). The {side} side chooses the epoch: the best one is "
        f"{np.median(skill.best_epoch):g} in the median, from {skill.best_epoch.min()} to "
        f"{skill.best_epoch.max()} (counted from 0).",
        learning_curves.draw(
            [np.array([row["train/loss"] for row in one.history]) for one in by.runs],
            [np.array([row[f"{side}/loss"] for row in one.history]) for one in by.runs],
            middle,
            side,
            note,
            f"seed {skill.seeds[middle]}, of median TSS",
        ),
        ("2",),
    )


def _standing(names: list[str], order: list[int], errors: np.ndarray, chance: np.ndarray, few: int, note: str) -> Plot:
    shown = min(len(names) - 1, 3 * few)
    low, middle, high = np.quantile(chance[:, :shown], [0.05, 0.5, 0.95], axis=0)
    return Plot(
        "representatives",
        "How few stand for all?",
        f"By how much the mean expected gradients of few members miss those of all {len(names)}, on spectra that they "
        f"were not chosen by: {few} chosen one by one miss by {errors[few - 1]:.1%}, {few} at random by "
        f"{middle[min(few, shown) - 1]:.1%} (5 to 95%: {low[min(few, shown) - 1]:.1%} to "
        f"{high[min(few, shown) - 1]:.1%}). In the order of the choice: "
        f"{', '.join(names[one] for one in order[:few])}.",
        representatives_figure.draw(errors[:shown], middle, low, high, note),
    )


def _equivalence(said: Said, line: Line, alike: list[Likeness], note: str) -> Plot:
    name = "hirescam" if "hirescam" in said.maps else next(iter(said.maps))
    maps, gradients = said.maps[name].mean(axis=0), said.held_out.mean(axis=0)
    found = compare(maps, gradients)
    widest = swarm.fitting(gradients)
    windows = list(range(5, min(2 * widest, line.points - 1), 4))
    best, curve = fit_smoothing(gradients, maps, windows)
    step = (line.stop - line.start) / (line.points - 1)
    one = int(np.argsort(-said.scores)[0])
    wide = smoothed(gradients[[one]], best)
    fitted = compare(maps[[one]], wide)
    mine = next(row for row in alike if row.method == METHODS[name])
    return Plot(
        "equivalence",
        "Do both ways to ask say the same?",
        f"{METHODS[name]} and expected gradients of all members together correlate by {mine.together:.2f} (median of "
        f"{len(maps)} held-out spectra; of single members {mine.single:.2f}); smoothed over {best * step:.2f} Å, which "
        f"suits best, by {curve.max():.2f}. Scale and constant are fitted to each spectrum, nothing is shifted in "
        f"wavelength. Left: the spectrum of the highest score, {said.scores[one]:.2f}.",
        equivalence_figure.draw(
            line.wavelength,
            (gradients[one], wide[0], fitted.scale[0] * maps[one] + fitted.constant[0]),
            (found.correlation, rank_correlation(maps, gradients)),
            np.array(windows) * step,
            curve,
            best * step,
            widest * step,
            (METHODS[name], QUANTITIES[LOG_ODDS].title),
            note,
        ),
    )


def _displayed(said: Said, line: Line, note: str) -> Plot:
    """Fig. 11."""
    one = np.argsort(-said.scores)[:1]
    gradients = said.held_out.mean(axis=0)[one]
    maps = {METHODS[name]: to_the_score(said.maps[name].mean(axis=0)[one], said.scores[one]) for name in said.maps}
    shown = {name: values for name, values in maps.items() if name != METHODS["gradcam_reference"]}
    shown["expected gradients, smoothed"] = to_the_score(
        smoothed(gradients, swarm.fitting(gradients)), said.scores[one]
    )
    limits = {name: float(np.nanpercentile(values, 99)) or 1.0 for name, values in shown.items()}
    return Plot(
        "displayed",
        "The same spectrum, asked in different ways",
        "As the paper shows it (Fig. 11): expected gradients smoothed, all shifted until nothing is negative, and "
        f"scaled to sum to the score, {said.scores[one[0]]:.2f}. The shift alone likens maps to each other.",
        spectra_figure.draw(
            line.wavelength,
            said.spectra[one],
            shown,
            limits,
            [f"held-out spectrum of the highest score, {said.scores[one[0]]:.2f}"],
            line.cores,
            line.features,
            note,
            signed=False,
        ),
        ("11",),
    )


def _members(skill: Skill, names: list[str], order: list[int], errors: np.ndarray) -> Table:
    rows = []
    for place, member in enumerate(order):
        rows.append(
            (
                names[member],
                number(skill.tss[member]),
                number(skill.ppv_npv[member]),
                number(skill.accuracy[member]),
                str(skill.best_epoch[member]),
                f"{errors[place]:.1%}",
            )
        )
    head = ("chosen in this order", "TSS", "PPV + NPV - 1", "accuracy", "best epoch", "these miss all by")
    return Table(head, tuple(rows))


def _likeness(alike: list[Likeness]) -> Table:
    rows = [(row.method, f"{row.single:.2f}", f"{row.together:.2f}", f"{row.displayed:.2f}") for row in alike]
    return Table(("median correlation", "single members", "mean of all", "and smoothed as in the paper"), tuple(rows))


def _overtrained(by: Ensemble, side: str, origin: str) -> list[Claim]:
    """Of networks that were trained for long enough to tell."""
    losses = [np.array([row[f"{side}/loss"] for row in one.history]) for one in by.runs]
    rise = swarm.rises([one for one in losses if len(one) >= TURN + 2 * swarm.ABOUT], TURN)
    if not len(rise):
        return []
    return [
        Claim(
            "Sect. 3, Fig. 2",
            f"The {side} loss rises again after about epoch {TURN} of 100.",
            f"Over the last {swarm.ABOUT} epochs it is higher than over the {swarm.ABOUT} from epoch {TURN} in "
            f"{int((rise > 0).sum())} of {len(rise)} networks, by {np.median(rise):+.1%} in the median "
            f"({rise.min():+.1%} to {rise.max():+.1%}).",
            "",
            judge_real(origin, bool((rise > 0).mean() > 0.5)),
            "overtraining",
        )
    ]


def _enough(said: Said, origin: str) -> Claim:
    found = compare(said.twice[0], said.twice[1])
    alike = float(np.median(found.correlation))
    peaks = said.twice.max(axis=2)
    apart = float(np.median(np.abs(peaks[0] - peaks[1]) / np.abs(peaks).mean(axis=0)))
    return Claim(
        "Sect. 7.2",
        f"{SAMPLES} samples suffice for expected gradients.",
        f"Two random draws of {said.samples} give attributions of one network that correlate by {alike:.3f} (median of "
        f"{len(said.spectra)} spectra); their maxima differ by {apart:.1%}.",
        "the same expectation both times",
        judge(origin, alike > 0.99),
        "samples",
    )


def _claims(
    skill: Skill,
    splits: Splits | None,
    errors: np.ndarray,
    chance: np.ndarray,
    few: int,
    alike: list[Likeness],
    origin: str,
) -> list[Claim]:
    theirs = np.array(published.SWARM)
    spread, found = float(np.nanstd(skill.ppv_npv)), f"PPV + NPV - 1 {_mean(skill.ppv_npv)}"
    good = abs(float(np.nanmean(skill.ppv_npv)) - theirs.mean()) < 0.05 and spread < 2 * theirs.std()
    if splits is not None:
        found += f", over {len(splits.seeds)} partitions {_mean(splits.ppv_npv)}"
    claims = [
        Claim(
            "Sect. 7",
            f"Networks that differ in their seed have the same skill, {theirs.mean():.2f} ± {theirs.std():.2f}.",
            f"{found}.",
            "",
            judge_real(origin, good),
            "seeds",
        ),
        Claim(
            "Sect. 7.1",
            "Nine members of fifty stand for all with little loss.",
            f"{few} miss the mean of {len(errors)} by {errors[few - 1]:.1%}, drawn at random by "
            f"{np.median(chance[:, few - 1]):.1%} in the median; of random draws "
            f"{(chance[:, few - 1] <= errors[few - 1]).mean():.0%} do as well.",
            "",
            judge_real(origin, bool(errors[few - 1] < 0.1)),
            "nine",
        ),
    ]
    for row in alike:
        claims.append(
            Claim(
                "Sect. 7.2, Fig. 11",
                f"{row.method} and expected gradients say the same up to a constant.",
                f"Median correlation {row.together:.2f} (single members {row.single:.2f}), smoothed as in the paper "
                f"{row.displayed:.2f}.",
                "",
                judge_real(origin, row.displayed > 0.9),
                "equivalence",
            )
        )
    return claims


if __name__ == "__main__":
    main()
