"""One observation under watch: does its score rise, when is that an alarm, and what are such alarms worth (Sect. 9)?

python explain.py run=runs/paper_splits checkpoint=last members=representative shards=NEW.h5   first explain it
python experiments/forecast.py run=runs/paper_splits shards=NEW.h5                             then watch it
python experiments/forecast.py run=runs/paper_splits shards=NEW.h5 rate=1                      with more false alarms

Leaves figures, tables, scores.fits and scores.csv. How often alarms are false, and how early true ones come, is
measured on the sweep's own observations by members that did not train on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import MISSING, DictConfig

from preflare.checks import check_number
from preflare.command import Drawn, verb
from preflare.data.shard import open_all
from preflare.errors import RunError, ShardError
from preflare.explain import ensemble
from preflare.explain.cube import Cube
from preflare.explain.engine import Differentiated
from preflare.explain.ensemble import Ensemble
from preflare.explain.explanation import ORIGINS, cube_name
from preflare.figures import forecast as forecast_figure
from preflare.figures import places
from preflare.figures.forecast import Watch
from preflare.report import collection, explained, forecast, scores, timelines
from preflare.report.experiment import conclude
from preflare.report.explained import Explained
from preflare.report.forecast import KNOWN, Outcome
from preflare.report.section import Claim, Plot, Section, Verdict, remark
from preflare.report.tables import Table
from preflare.report.timelines import AVERAGES
from preflare.run import now
from preflare.sun.line import Line
from preflare.sun.observation import Label

FITS, CSV = "scores.fits", "scores.csv"


@dataclass
class Data:
    """Where the sweep's shards are."""

    root: str | None = None


@dataclass
class Config(Drawn):
    """The keys of conf/forecast.yaml; any other is refused."""

    run: str = MISSING
    shards: str = MISSING
    minutes: Any = MISSING
    rate: Any = MISSING
    images: str | None = None
    data: Data = field(default_factory=Data)
    output: str = MISSING


@dataclass(frozen=True, eq=False)
class Alarms:
    """By one quantity. threshold: from the AR of the sweep. outcomes: of each observation of the sweep by thresholds
    that owe it nothing. rate: false alarms per hour that those gave."""

    threshold: float
    outcomes: list[Outcome]

    def of(self, label: Label) -> list[Outcome]:
        return [one for one in self.outcomes if one.label is label and one.judged]

    def raised(self, label: Label) -> int:
        return sum(bool(np.isfinite(one.lead)) for one in self.of(label))

    @property
    def rate(self) -> float:
        hours = sum(one.hours for one in self.of(Label.AR))
        return self.raised(Label.AR) / hours if hours else np.nan

    @property
    def lead(self) -> float:
        leads = [one.lead for one in self.of(Label.PF) if np.isfinite(one.lead)]
        return float(np.median(leads)) if leads else np.nan


@verb("forecast", Config)
def main(config: DictConfig) -> None:
    """Read what was said of the observation and of the sweep's own, draw, write and tell."""
    window = check_number("minutes", config.minutes, above=0)
    rate = check_number("rate", config.rate, above=0)
    by = ensemble.read(Path(config.run))
    line = instantiate(by.runs[0].config.line)
    root = Path(config.data.root or by.runs[0].config.data.root)
    every = explained.open_all(by.folder.cubes, root)
    checkpoints = sorted({str(other.cube.attributes["checkpoint"]) for other in every})
    one = opened(by, Path(config.shards), line, checkpoints[0])
    if [one.cube.attributes["checkpoint"]] != checkpoints:
        raise RunError(
            f"{one.name} was explained with checkpoint={one.cube.attributes['checkpoint']}, the sweep's own "
            f"observations with {' and '.join(checkpoints)}: thresholds of these would say nothing of it. Explain all "
            "with one."
        )
    others = [
        other for other in every if other.shard.header.id != one.shard.header.id and not other.cube.attributes["seen"]
    ]
    films = Path(config.images) if config.images else None
    if films is not None and not films.is_dir():
        raise RunError(f"There is no folder {films} of images. Leave images= out, or correct it.")
    inputs = {other.cube.path.as_posix(): other.digest for other in [*others, one]}
    conclude(config, inputs, lambda: make(by, one, others, line, window, rate, films, Path(config.output)))


def opened(by: Ensemble, where: Path, line: Line, checkpoint: str) -> Explained:
    """The one shard there, with its cube. checkpoint: of the others' networks."""
    found = open_all(where, line)
    if len(found) > 1:
        raise ShardError(f"{where} holds {len(found)} shards, expected one observation. Give shards={found[0].path}.")
    shard = found[0]
    path = by.folder.cube(cube_name(by, shard))
    if not path.is_file():
        foreign = shard.header.origin != by.runs[0].record["trained_on"]["origin"]
        raise RunError(
            f"{shard.name} was not explained by {by.folder.path}: {path} is missing. Explain it first: python "
            f"explain.py run={by.folder.path} shards={shard.path} checkpoint={checkpoint} members=representative"
            + (" allow_simulated=true" if foreign else "")
        )
    cube = Cube.open(path)
    if cube.attributes["shard_digest"] != shard.digest:
        raise ShardError(f"{shard.path} has changed since {path} explained it. Run explain.py again.")
    return Explained(shard, cube)


def make(
    by: Ensemble,
    one: Explained,
    others: Sequence[Explained],
    line: Line,
    window: float,
    rate: float,
    films: Path | None,
    folder: Path,
) -> Section:
    """The section; writes the scores beside it."""
    lines = [timelines.timeline(other, AVERAGES[0]) for other in others]
    by_rise, by_score = forecast.watch(lines, window)
    rise, level = (
        Alarms(forecast.calibrate(watched, rate), forecast.leave_one_out(watched, rate))
        for watched in (by_rise, by_score)
    )
    limit = forecast.known(others)
    scored = np.isfinite(one.scores())
    if not scored.any():
        raise ShardError(f"{one.shard.path} has no clean spectrum with a score, so there is nothing to watch.")
    outside = forecast.outside(one, limit)
    watched = watch(by, one, window, rise.threshold, level.threshold)
    header, trained = one.shard.header, by.runs[0].record["trained_on"]
    foreign = header.origin != trained["origin"]
    folder.mkdir(parents=True, exist_ok=True)
    placed = scores.write_fits(
        folder / FITS,
        one,
        {
            name: one.cube.read(name) if name in one.cube.names else np.full(scored.shape, np.nan)
            for name in ("score", "log_odds", "log_odds_spread", "distance", "clean")
        },
        {"TRAINED": str(trained["origin"]), "MEMBERS": str(one.cube.attributes["member_count"]), "CREATED": now()},
    )
    rows = scores.write_csv(folder / CSV, one, limit)
    warnings = [
        "A score means nothing beside those of other observations (paper Sect. 9): only its rise within one may. The "
        "threshold on the score is there to show what it is worth.",
        f"Alarms were judged on {sum(each.judged for each in rise.outcomes)} of {len(others)} observations: lead times "
        "and rates are known no better than that.",
    ]
    if foreign:
        warnings.insert(
            0,
            f"The networks were trained on {ORIGINS[trained['origin']]}, this is {ORIGINS[header.origin]}: "
            "what follows shows how they react to it and says nothing about the Sun.",
        )
    mine, *theirs = (int(each.cube.attributes["member_count"]) for each in (one, *others))
    if not min(theirs) <= mine <= max(theirs):
        warnings.append(
            f"Scores of this observation are means over {mine} members, those that alarms were judged on over "
            f"{np.median(theirs):g}: means of more members vary less, so that thresholds and rates are not quite its "
            "own."
        )
    if one.cube.attributes["seen"]:
        warnings.insert(0, "Some of these members trained on this observation: its scores are too good.")
    if not placed:
        warnings.append(f"Places on the Sun are not known: {FITS} has no coordinates.")
    return Section(
        name="forecast",
        title=f"Under watch: {one.name}",
        paper="Sect. 9",
        lead=f"Trained on {ORIGINS[trained['origin']]} ({trained['instrument']}). {_farther(one, outside)} "
        f"{_said(watched, window)}",
        origin=header.origin,
        plots=[_plot(watched, one, window, rise, level, rate, line), *_places(one, films)],
        tables={
            "What is known of the observation": _about(one, by, outside, rows, placed),
            "What alarms are worth": _worth(rise, level),
            "Observations of the sweep": _outcomes(rise, level),
        },
        claims=_claims(rise, level, others),
        warnings=warnings,
    )


def watch(by: Ensemble, one: Explained, window: float, limit: float, level: float) -> Watch:
    """What is drawn of the observation."""
    timeline = timelines.timeline(one, AVERAGES[0])
    header = one.shard.header
    minutes, onset = timeline.minutes + one.zero / 60, one.zero / 60 if header.onset else np.nan
    before = ~(minutes > onset)
    rises = np.full(len(minutes), np.nan)
    rises[before] = forecast.rise(minutes[before], timeline.score[before], window)
    every = members(by, one)
    with np.errstate(invalid="ignore"):
        low, high = np.quantile(every, [0.05, 0.95], axis=0)

    def first(values: np.ndarray, threshold: float) -> float:
        over = np.flatnonzero(before & np.isfinite(rises) & (values >= threshold))
        return float(minutes[over[0]]) if len(over) else np.nan

    slit = {
        ("mean score over steps", "score"): _mean_over(one.scores(), 1).T,
        ("mean attribution over steps", "log-odds of PF"): _mean_over(_attributed(one), 1).T,
    }
    alarms = first(rises, limit), first(timeline.score, level)
    return Watch(minutes, timeline.score, low, high, rises, level, limit, alarms, onset, along(one), slit)


def along(one: Explained) -> np.ndarray:
    """Arcsec along the slit from its first pixel, (slit,), mean over the observation; pixels where not known."""
    position = _mean_over(one.shard.read("position").reshape(-1, one.cube.shape[2], 2), 0)
    far: np.ndarray = np.hypot(*(position - position[0]).T)
    return far if np.isfinite(far).all() and (np.diff(far) > 0).all() else np.arange(len(far), dtype=np.float64)


def members(by: Ensemble, one: Explained) -> np.ndarray:
    """The mean score of every raster, of exposures that count, by each member that explained it: (member, repeat)."""
    names = str(one.cube.attributes["members"]).split()
    networks = [
        Differentiated(run.network(str(one.cube.attributes["checkpoint"])))
        for place, run in enumerate(by.runs)
        if by.name(place) in names
    ]
    scored = np.isfinite(one.scores()) & timelines.counted(one)[:, :, None]
    found = np.full((len(networks), len(scored)), np.nan)
    with h5py.File(one.shard.path, "r", locking="best-effort") as file:
        for repeat in np.flatnonzero(scored.any(axis=(1, 2))):
            spectra = torch.from_numpy(file["spectra"][repeat][scored[repeat]])
            for place, network in enumerate(networks):
                found[place, repeat] = float(torch.sigmoid(network.log_odds(spectra)).mean())
    return found


def _attributed(one: Explained) -> np.ndarray:
    """The sum of expected gradients over wavelengths, (repeat, step, slit), NaN where not explained."""
    index = one.explained()
    whole = np.full(one.cube.shape[:3], np.nan)
    whole.reshape(-1)[index] = one.cube.rows("expected_gradients", index).sum(axis=1)
    return whole


def _mean_over(values: np.ndarray, axis: int) -> np.ndarray:
    """Over an axis, NaN where nothing on it has a value."""
    there = np.isfinite(values)
    count = there.sum(axis=axis)
    total = np.where(there, values, 0).sum(axis=axis)
    mean: np.ndarray = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean


def _farther(one: Explained, outside: float) -> str:
    """How much of the observation is unlike what the networks know."""
    count = int((np.isfinite(one.scores()) & one.window()[:, :, None]).sum())
    if np.isnan(outside):
        return f"Of its {count} clean spectra in the window nobody knows how like the training spectra they are."
    return (
        f"Of {count:,} clean spectra in its window {outside:.0%} lie farther from the training spectra than "
        f"{KNOWN:.0%} of the sweep's held-out ones do"
        f"{': most of it is unlike what the networks know' if outside > 0.5 else ''}."
    )


def _said(watched: Watch, window: float) -> str:
    alarm = watched.alarms[0]
    if not np.isfinite(watched.rise).any():
        return (
            f"Its rise cannot be judged: a rise over {window:g} minutes takes {forecast.FEWEST} rasters or more over "
            "half that time."
        )
    if np.isnan(alarm):
        return "Its rise raises no alarm."
    lead = f", {watched.onset - alarm:.1f} minutes before its flare" if np.isfinite(watched.onset) else ""
    return f"Its rise raises an alarm in minute {alarm:.1f}{lead}."


def _plot(watched: Watch, one: Explained, window: float, rise: Alarms, level: Alarms, rate: float, line: Line) -> Plot:
    note = remark(one.shard.header.origin)
    passed = "passes" if np.isfinite(watched.alarms[1]) else "does not pass"
    if not np.isfinite(watched.rise).any():
        passed = "is held to only where rises can be judged"
    count = int(one.cube.attributes["member_count"])
    spread = f", and where 90% of {count} members are" if count > 1 else ", by one member"
    return Plot(
        "watch",
        f"The score of {one.name} on its way",
        f"{line.title}: mean over rasters{spread}. {_said(watched, window)} The rise is the Theil-Sen slope of the "
        f"last {window:g} minutes, times these; nothing later is used. Thresholds give at most {rate:g} false alarms "
        f"an hour on the sweep's AR: {rise.threshold:.3f} for the rise, {level.threshold:.3f} for the score, which it "
        f"{passed}. Below, along the slit; attributions are those of explained spectra. Only clean spectra are "
        "counted.",
        forecast_figure.draw(watched, note),
    )


def _places(one: Explained, films: Path | None) -> list[Plot]:
    """Where on the Sun it is that the score is high; nothing where places are not known."""
    repeat = collection.middle(one.shard)
    position = one.shard.read("position")[repeat]
    known = np.isfinite(position).all(axis=2)
    if not known.any() or np.ptp(position[known], axis=0).max() == 0:
        return []
    before = one.window()[:, :, None]
    values = {
        title: _mean_over(np.where(before, found, np.nan), 0)[known]
        for title, found in (
            ("mean score", one.scores()),
            ("mean attribution (log-odds of PF)", _attributed(one)),
        )
    }
    view, _ = collection.behind(one.shard, films, repeat)
    note = remark(one.shard.header.origin)
    return [
        Plot(
            "places",
            "Where on the Sun",
            f"Means over the window at {int(known.sum()):,} places of the raster in its middle: the score from "
            f"{_ends(values['mean score'])}, the attribution from {_ends(values['mean attribution (log-odds of PF)'])}"
            + (
                ", over the slit-jaw image taken nearest to it."
                if view is not None
                else "; images=DIR puts one behind."
            ),
            places.draw(collection.cells(position)[known], values, view, note),
        )
    ]


def _ends(values: np.ndarray) -> str:
    """The lowest and the highest of those there are."""
    there = values[np.isfinite(values)]
    return f"{there.min():.2f} to {there.max():.2f}" if len(there) else "none"


def _about(one: Explained, by: Ensemble, outside: float, rows: int, placed: bool) -> Table:
    header, trained = one.shard.header, by.runs[0].record["trained_on"]
    pairs = [
        ("trained on", f"{ORIGINS[trained['origin']]}, {trained['instrument']}, {len(by.runs)} networks"),
        ("this observation", f"{ORIGINS[header.origin]}, {header.settings.get('instrument', 'unknown instrument')}"),
        ("clean spectra of its window outside what is known", f"{outside:.1%}"),
        ("members that explain it", str(one.cube.attributes["member_count"])),
        ("of them trained on it", "some" if one.cube.attributes["seen"] else "none"),
        ("repeats, steps, pixels", " × ".join(str(size) for size in one.cube.shape[:3])),
        ("flare", f"{header.flare_class} {header.onset}".strip() or "none known"),
        (
            "scores",
            f"{FITS}{'' if placed else ' (without coordinates)'}, {CSV} ({rows:,} rows, clean or not, as they say)",
        ),
    ]
    return Table(("what", "value"), tuple(pairs))


def _worth(rise: Alarms, level: Alarms) -> Table:
    rows = []
    for title, one in (("rise", rise), ("score itself", level)):
        flaring, quiet = one.of(Label.PF), one.of(Label.AR)
        # A PF is alarmed once at most, at any time of its watch.
        lucky = sum(1 - np.exp(-one.rate * other.there) for other in flaring)
        rows.append(
            (
                title,
                f"{one.threshold:.3f}",
                f"{one.raised(Label.PF)} of {len(flaring)}",
                f"{one.lead:.1f}" if np.isfinite(one.lead) else "",
                f"{one.raised(Label.AR)} of {len(quiet)}",
                f"{one.rate:.2f}" if np.isfinite(one.rate) else "",
                f"{lucky:.1f}" if np.isfinite(lucky) else "",
            )
        )
    head = (
        "alarm from",
        "threshold",
        "PF alarmed",
        "median lead (min)",
        "AR alarmed",
        "false per hour",
        "PF by chance",
    )
    return Table(head, tuple(rows))


def _outcomes(rise: Alarms, level: Alarms) -> Table:
    def lead(one: Outcome) -> str:
        return "not judged" if not one.judged else f"{one.lead:.1f}" if np.isfinite(one.lead) else "none"

    rows = [
        (a.name, f"{a.threshold:.3f}", lead(a), lead(b)) for a, b in zip(rise.outcomes, level.outcomes, strict=True)
    ]
    return Table(("observation", "threshold of the rise", "alarm, minutes before", "by the score"), tuple(rows))


def _claims(rise: Alarms, level: Alarms, others: Sequence[Explained]) -> list[Claim]:
    flaring, quiet = rise.of(Label.PF), rise.of(Label.AR)
    found = (
        f"Alarms from the rise: {rise.raised(Label.PF)} of {len(flaring)} PF, {rise.lead:.1f} minutes before in the "
        f"median, {rise.rate:.2f} an hour on AR. From the score: {level.raised(Label.PF)} of "
        f"{len(level.of(Label.PF))} PF, {level.rate:.2f} an hour on AR."
    )
    planted = {other.name: other.rises for other in others}
    if others[0].shard.header.origin == "simulation" and any(planted.values()):
        raised = np.array([bool(np.isfinite(one.lead)) for one in [*flaring, *quiet]])
        truth = np.array([planted[one.name] for one in [*flaring, *quiet]])
        caught, other, chance = timelines.agreement(raised, truth)
        found += f" Of those planted to rise {caught} of {int(truth.sum())}, {other} others (Fisher p = {chance:.2g})."
        good, truth_said = chance < timelines.CHANCE, f"precursors grow more frequent in {int(truth.sum())} PF"
        verdict = Verdict.RECOVERS if good else Verdict.DOES_NOT
    else:
        chance = forecast.more_alarms(rise.outcomes)
        found += f" PF are alarmed more than AR with Fisher p = {chance:.2g}."
        truth_said = ""
        real = others[0].shard.header.origin == "level2"
        good = chance < timelines.CHANCE
        verdict = (Verdict.REPRODUCED if good else Verdict.NOT_REPRODUCED) if real else Verdict.NEEDS_REAL
    return [
        Claim(
            "Sect. 9",
            "Rises of the score within an observation announce flares; its value does not.",
            found,
            truth_said,
            verdict,
            "forecast",
        )
    ]


if __name__ == "__main__":
    main()
