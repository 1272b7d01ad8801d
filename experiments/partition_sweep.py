"""Section 6 of the paper: a network for each partition, and what the choice of observations decides (Fig. 10).

python experiments/partition_sweep.py sweep=runs/paper_splits                           the splits
python experiments/partition_sweep.py sweep=runs/paper_splits left_out=runs/left_out    and each observation left out
python experiments/partition_sweep.py --help                                            how to make those

Leaves figures, tables and the chosen partition as a config for the swarm.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from omegaconf import MISSING, DictConfig

from preflare import run
from preflare.command import Drawn, verb
from preflare.errors import RunError
from preflare.explain import ensemble
from preflare.figures import distribution, learning_curves, left_out
from preflare.model.sweep import collect
from preflare.model.tables import number
from preflare.names import short
from preflare.report import explained, published
from preflare.report.experiment import conclude
from preflare.report.held_out import Called, call, rescore, tss, tss_interval, without_each
from preflare.report.section import OURS, Claim, Plot, Section, judge_real, remark
from preflare.report.splits import DEAD, Splits, quartiles
from preflare.report.tables import Table
from preflare.run import Run


@dataclass
class Data:
    """Where the shards are."""

    root: str | None = None


@dataclass
class Config(Drawn):
    """The keys of conf/partition_sweep.yaml; any other is refused."""

    sweep: str = MISSING
    left_out: str | None = None
    folds: str | None = None
    chosen: int = MISSING
    data: Data = field(default_factory=Data)
    output: str = MISSING


@verb("partition_sweep", Config)
def main(config: DictConfig) -> None:
    """Gather the splits, and what is held out, into a section; save the chosen partition as a config."""
    runs = read(Path(config.sweep))
    splits = Splits.of(runs)
    place = splits.place(config.chosen)
    root = Path(config.data.root or runs[0].config.data.root)
    held_out = {
        title: [call(one) for one in explained.open_all(ensemble.read(Path(folder)).folder.cubes, root)]
        for title, folder in (("Leave-one-out", config.left_out), ("Folds", config.folds))
        if folder is not None
    }
    inputs = {run.folder.path.as_posix(): run.record["finished"] for run in runs}
    inputs |= {f"shard {name}": digest for name, digest in runs[0].record["data"].items()}
    inputs |= {
        f"{title}: {one.name}": f"{one.called} of {one.spectra}" for title, all in held_out.items() for one in all
    }
    conclude(config, inputs, lambda: make(splits, place, held_out, rescore(splits.runs, root)))
    _save(Path(config.output) / "experiment", config.chosen)


def read(sweep: Path) -> list[Run]:
    """Every finished run of a sweep, dead ones too. Raises RunError if there is none."""
    rows = [row for row in collect(sweep) if row["status"] == "finished"] if sweep.is_dir() else []
    if not rows:
        raise RunError(
            f"{sweep} holds no finished run. Train the sweep: "
            "python train.py -m experiment=paper_splits 'partition.seed=range(50)'"
        )
    return [run.read(sweep / row["run"]) for row in rows]


def make(
    splits: Splits, place: int, held_out: dict[str, Sequence[Called]], sides: Sequence[Sequence[Called]]
) -> Section:
    """The section, from arrays. sides: what each split calls its test side."""
    origin = splits.runs[0].record["trained_on"]["origin"]
    note = remark(origin)
    side = splits.runs[0].record["partition"]["chosen_by"]
    low, middle, high = quartiles(splits.ppv_npv)
    plots = [
        Plot(
            "skill",
            "The skill of every split",
            f"Test side at the best epoch, {len(splits.seeds)} splits, none dropped; cross: partition "
            f"{splits.seeds[place]}, on which the study goes on. TSS has the quartiles "
            f"{_three(quartiles(splits.tss))}. What the authors call TSS is PPV + NPV - 1: "
            f"{_three((low, middle, high))} here, {_three(quartiles(np.array(published.SPLITS)))} in the "
            f"{len(published.SPLITS)} splits they plot.",
            distribution.draw(
                {
                    "TSS": splits.tss,
                    "PPV + NPV - 1": splits.ppv_npv,
                    "authors'\nPPV + NPV - 1": np.array(published.SPLITS),
                    "accuracy": splits.accuracy,
                    "test to train": splits.ratio,
                },
                (min(-0.35, float(np.nanmin(splits.tss)) - 0.05), 1.05),
                note,
                {
                    "TSS": splits.tss[place],
                    "PPV + NPV - 1": splits.ppv_npv[place],
                    "authors'\nPPV + NPV - 1": published.SPLIT_SCORE,
                    "accuracy": splits.accuracy[place],
                    "test to train": splits.ratio[place],
                },
            ),
            ("10",),
        ),
        _best_epochs(splits, place, note),
        Plot(
            "curves",
            "Learning curves",
            f"All splits; red: partition {splits.seeds[place]}. The {side} side chooses the epoch: the best one is "
            f"{np.median(splits.best_epoch):g} in the median (from 0).",
            learning_curves.draw(
                [np.array([row["train/loss"] for row in one.history]) for one in splits.runs],
                [np.array([row[f"{side}/loss"] for row in one.history]) for one in splits.runs],
                place,
                side,
                note,
                f"partition {splits.seeds[place]}",
            ),
        ),
    ]
    tables = {"Beside the authors' splits": _beside(splits), "Splits": _splits(splits)}
    claims = [
        Claim(
            "Sect. 6, Fig. 10",
            "Skill depends on which observations are held out (quartiles of PPV + NPV - 1: 0.36, 0.56, 0.72).",
            f"Quartiles {_three((low, middle, high))}; with undefined values as 0 "
            f"{_three(quartiles(splits.ppv_npv, DEAD))}, the authors' then "
            f"{_three(quartiles(np.array([*published.SPLITS, *[np.nan] * published.SPLITS_DROPPED]), DEAD))}.",
            "",
            judge_real(origin, _alike(splits)),
            "splits",
        ),
        _chosen(splits, place, origin),
        _epochs_claim(splits, origin),
    ]
    for title, called in held_out.items():
        plots.append(_left_out_plot(title, called, note))
        tables[title] = _left_out_table(called)
        claims.append(
            _left_out_claim(called, origin) if title == "Leave-one-out" else _folds_claim(called, splits, origin)
        )
    tables["Test sides without one observation"] = _test_sides(sides)
    if np.isfinite(_changes(sides[place])).any():  # with one observation of a class there is no TSS without it
        plots.append(_test_side_plot(splits.seeds[place], sides[place], note))
        claims.append(_test_side_claim(splits.seeds[place], sides[place], sides, origin))
    return Section(
        name="partition_sweep",
        title="Partition sweep",
        paper="Sect. 6, Fig. 10",
        lead=f"{len(splits.seeds)} partitions, one network each: TSS {number(float(np.nanmedian(splits.tss)))} in the "
        f"median, from {number(float(np.nanmin(splits.tss)))} to {number(float(np.nanmax(splits.tss)))}; "
        f"{int(splits.dead.sum())} networks stayed dead. Partition {splits.seeds[place]}, on which the study goes on, "
        f"has {number(float(splits.tss[place]))}.",
        origin=origin,
        plots=plots,
        tables=tables,
        claims=claims,
        warnings=["The test side chose the epoch, as in the paper: its skill is optimistic."] if side == "test" else [],
    )


def _alike(splits: Splits) -> bool:
    """Whether each quartile lies within 0.1 of the authors'."""
    ours, theirs = quartiles(splits.ppv_npv), quartiles(np.array(published.SPLITS))
    return max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) < 0.1


def _three(values: tuple[float, float, float], digits: int = 2) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in values)


def _best_epochs(splits: Splits, place: int, note: str) -> Plot:
    theirs = np.array(published.BEST_EPOCHS)
    last = max(int(one.config.trainer.max_epochs) for one in splits.runs)
    return Plot(
        "best_epochs",
        "The best epoch of every split",
        f"Of {last} epochs, from 0: quartiles {_three(quartiles(splits.best_epoch), 1)} here, "
        f"{_three(quartiles(theirs), 0)} in the {len(theirs)} splits that the authors plot; cross: partition "
        f"{splits.seeds[place]}, {splits.best_epoch[place]} here, {published.SPLIT_EPOCH} theirs.",
        distribution.draw(
            {"here": splits.best_epoch.astype(float), "authors'": theirs.astype(float)},
            (-1, max(last, 20)),
            note,
            {"here": float(splits.best_epoch[place]), "authors'": published.SPLIT_EPOCH},
            "best epoch (from 0)",
        ),
        ("10",),
    )


def _beside(splits: Splits) -> Table:
    rows = [
        ("PPV + NPV - 1", splits.ppv_npv, quartiles(np.array(published.SPLITS)), 2),
        ("TSS", splits.tss, (), 2),
        ("accuracy", splits.accuracy, published.ACCURACY, 3),
        ("best epoch", splits.best_epoch, quartiles(np.array(published.BEST_EPOCHS)), 1),
        ("test to training spectra", splits.ratio, published.RATIO, 2),
    ]
    body = [
        (title, _three(quartiles(ours), digits), ", ".join(f"{value:.{digits}f}" for value in theirs))
        for title, ours, theirs, digits in rows
    ]
    return Table(("quartiles of", "here", "authors'"), tuple(body))


def _splits(splits: Splits) -> Table:
    rows = []
    for place, one in enumerate(splits.runs):
        rows.append(
            (
                str(splits.seeds[place]),
                number(splits.tss[place]),
                number(splits.ppv_npv[place]),
                number(splits.accuracy[place]),
                str(splits.best_epoch[place]),
                f"{splits.ratio[place]:.2f}",
                str(len(one.record["attempts"]) - 1),
            )
        )
    head = ("partition.seed", "TSS", "PPV + NPV - 1", "accuracy", "best epoch", "test to train", "restarts")
    return Table(head, tuple(rows))


def _left_out_plot(title: str, called: Sequence[Called], note: str) -> Plot:
    whole, (low, high) = tss(called), tss_interval(called)
    return Plot(
        title.lower().replace("-", "_"),
        f"{title}: what each observation carries",
        f"Every observation judged by a network that did not see it, last checkpoint, all pooled: TSS {whole:.2f} "
        f"(95% interval over active regions {low:.2f} to {high:.2f}). Left, the share of an observation's spectra "
        "called right; right, TSS without it.",
        left_out.draw(
            short([one.name for one in called]),
            np.array([one.correct for one in called]),
            np.array(without_each(called)),
            whole,
            note,
        ),
    )


def _left_out_table(called: Sequence[Called]) -> Table:
    rows = [
        (one.name, f"{one.spectra:,}", f"{one.correct:.2f}", f"{other:.3f}")
        for one, other in zip(called, without_each(called), strict=True)
    ]
    return Table(("observation", "spectra", "called right", "TSS of the others"), tuple(rows))


def _left_out_claim(called: Sequence[Called], origin: str) -> Claim:
    whole, others = tss(called), np.array(without_each(called))
    most = int(np.nanargmax(np.abs(others - whole)))
    return Claim(
        "Sect. 6",
        "Leaving single observations out makes little difference.",
        f"From the training side, held-out scores pooled: TSS {whole:.2f}; without one observation between "
        f"{np.nanmin(others):.2f} and {np.nanmax(others):.2f} (most by {called[most].name}).",
        "",
        judge_real(origin, bool(np.nanmax(np.abs(others - whole)) < 0.1)),
        "leave_one_out",
    )


def _folds_claim(called: Sequence[Called], splits: Splits, origin: str) -> Claim:
    whole, (low, high), middle = tss(called), tss_interval(called), float(np.nanmedian(splits.tss))
    return Claim(
        OURS,
        "Every observation held out once, in folds, tells the skill that many splits tell.",
        f"Held-out scores pooled: TSS {whole:.2f} (95% interval over active regions {low:.2f} to {high:.2f}); "
        f"{len(splits.seeds)} splits have {middle:.2f} in the median.",
        "",
        judge_real(origin, low <= middle <= high),
    )


def _test_side_plot(seed: int, called: Sequence[Called], note: str) -> Plot:
    whole, others = tss(called), np.array(without_each(called))
    return Plot(
        "test_side",
        f"The test side of partition {seed} without one observation",
        f"The same network, TSS {whole:.2f} on all {len(called)}, judged without one of them: from "
        f"{np.nanmin(others):.2f} to {np.nanmax(others):.2f}. Left, the share of an observation's spectra called "
        "right.",
        left_out.draw([one.name for one in called], np.array([one.correct for one in called]), others, whole, note),
    )


def _changes(called: Sequence[Called]) -> np.ndarray:
    """By how much TSS of a test side changes without each of its observations; NaN where a class is gone."""
    return np.array(without_each(called)) - tss(called)


def _test_sides(sides: Sequence[Sequence[Called]]) -> Table:
    found: dict[str, list[tuple[float, float]]] = {}
    for called in sides:
        for one, change in zip(called, _changes(called), strict=True):
            found.setdefault(one.name, []).append((one.correct, float(change)))
    rows = []
    for name in sorted(found):
        correct, change = np.array(found[name]).T
        there = change[np.isfinite(change)]
        cells = (f"{there.mean():+.3f}", f"{there.min():+.3f} to {there.max():+.3f}") if len(there) else ("", "")
        rows.append((name, str(len(change)), f"{correct.mean():.2f}", *cells))
    return Table(("observation", "test sides", "called right", "TSS without it, mean change", "from, to"), tuple(rows))


def _test_side_claim(seed: int, called: Sequence[Called], sides: Sequence[Sequence[Called]], origin: str) -> Claim:
    own = _largest(_changes(called))
    each = np.array([_largest(_changes(one)) for one in sides])
    return Claim(
        "Sect. 6",
        "Leaving single observations out makes little difference.",
        f"From the test side, without training again: TSS of partition {seed} changes by {own:.2f} at most, that of "
        f"all {len(sides)} by {np.nanmedian(each):.2f} at most in the median, by {np.nanmax(each):.2f} in the worst.",
        "",
        judge_real(origin, bool(np.nanmedian(each) < 0.1)),
        "leave_one_out",
    )


def _largest(changes: np.ndarray) -> float:
    known = np.abs(changes[np.isfinite(changes)])
    return float(known.max()) if len(known) else np.nan


def _chosen(splits: Splits, place: int, origin: str) -> Claim:
    score, right = float(splits.ppv_npv[place]), float(splits.accuracy[place])
    better = int((splits.ppv_npv > score).sum())
    near = abs(score - published.SPLIT_SCORE) < 0.05 and abs(right - published.SPLIT_ACCURACY) < 0.05
    return Claim(
        "Sect. 6, Fig. 10",
        f"Split {published.SPLIT} has a skill of {published.SPLIT_SCORE} and an accuracy of "
        f"{published.SPLIT_ACCURACY:.2%}.",
        f"Partition {splits.seeds[place]}: PPV + NPV - 1 {score:.2f}, TSS {splits.tss[place]:.2f}, accuracy "
        f"{right:.2%}, best epoch {splits.best_epoch[place]}; {better} of {len(splits.seeds)} have more.",
        "",
        judge_real(origin, near and int(splits.seeds[place]) == published.SPLIT),
        "split",
    )


def _epochs_claim(splits: Splits, origin: str) -> Claim:
    ours, theirs = quartiles(splits.best_epoch), quartiles(np.array(published.BEST_EPOCHS))
    alike = max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) < 3
    return Claim(
        "Sect. 6, Fig. 10",
        f"Splits are best at different epochs (quartiles {_three(theirs, 0)}).",
        f"Quartiles {_three(ours, 1)}, from {splits.best_epoch.min()} to {splits.best_epoch.max()}.",
        "",
        judge_real(origin, alike),
        "best_epoch",
    )


def _save(folder: Path, chosen: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "chosen.yaml").write_text(
        "# @package _global_\n"
        f"# Section 7 on partition {chosen}, as experiment=paper_swarm.\n"
        f"name: chosen\npartition:\n  seed: {chosen}\ntrainer:\n  max_epochs: 100\n"
    )


if __name__ == "__main__":
    main()
