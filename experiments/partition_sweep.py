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
from preflare.figures import distribution, learning_curves, left_out
from preflare.model.sweep import collect
from preflare.model.tables import number
from preflare.names import short
from preflare.report import explained, published
from preflare.report.experiment import conclude
from preflare.report.held_out import Called, call, tss, tss_interval, without_each
from preflare.report.section import Claim, Plot, Section, judge_real, remark
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
        title: [call(one) for one in explained.open_all(Path(folder) / "cubes", root)]
        for title, folder in (("Leave-one-out", config.left_out), ("Folds", config.folds))
        if folder is not None
    }
    inputs = {run.folder.path.as_posix(): run.record["finished"] for run in runs}
    inputs |= {
        f"{title}: {one.name}": f"{one.called} of {one.spectra}" for title, all in held_out.items() for one in all
    }
    conclude(config, inputs, lambda: make(splits, place, held_out))
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


def make(splits: Splits, place: int, held_out: dict[str, Sequence[Called]]) -> Section:
    """The section, from arrays."""
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
        ),
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
    tables = {"Splits": _splits(splits)}
    claims = [
        Claim(
            "Sect. 6, Fig. 10",
            "Skill depends on which observations are held out (quartiles of PPV + NPV - 1: 0.36, 0.56, 0.72).",
            f"Quartiles {_three((low, middle, high))}; with undefined values as 0 "
            f"{_three(quartiles(splits.ppv_npv, DEAD))}, the authors' then "
            f"{_three(quartiles(np.array([*published.SPLITS, *[np.nan] * published.SPLITS_DROPPED]), DEAD))}.",
            "",
            judge_real(origin, _alike(splits)),
        )
    ]
    for title, called in held_out.items():
        plots.append(_left_out_plot(title, called, note))
        tables[title] = _left_out_table(called)
        claims.append(_left_out_claim(title, called, origin))
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


def _three(values: tuple[float, float, float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


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
        f"(95% interval over observations {low:.2f} to {high:.2f}). Left, the share of an observation's spectra called "
        "right; right, TSS without it.",
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


def _left_out_claim(title: str, called: Sequence[Called], origin: str) -> Claim:
    whole, others = tss(called), np.array(without_each(called))
    most = int(np.nanargmax(np.abs(others - whole)))
    return Claim(
        f"Sect. 6 ({title.lower()})",
        "Leaving single observations out makes little difference.",
        f"Held-out scores pooled: TSS {whole:.2f}; without one observation between {np.nanmin(others):.2f} and "
        f"{np.nanmax(others):.2f} (most by {called[most].name}).",
        "",
        judge_real(origin, bool(np.nanmax(np.abs(others - whole)) < 0.1)),
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
