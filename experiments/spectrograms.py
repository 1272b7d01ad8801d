"""Section 8.1 of the paper: spectrograms ranked by their score, and what makes them PF (Figs. 12 and 13).

python experiments/spectrograms.py sweep=runs/paper_splits
python experiments/spectrograms.py sweep=runs/paper_splits gallery=500       more to browse
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import MISSING, DictConfig

from preflare.checks import check_integer
from preflare.command import Drawn, verb
from preflare.errors import RunError
from preflare.figures import spectra as spectra_figure
from preflare.figures import spectrogram as figure
from preflare.figures import style
from preflare.figures.spectrogram import Panel
from preflare.names import brief
from preflare.report import explained, kinds, spectrograms
from preflare.report.experiment import conclude
from preflare.report.explained import Explained
from preflare.report.kinds import Kinds, Sample
from preflare.report.section import Claim, Item, Plot, Section, Verdict, remark
from preflare.report.spectrograms import Place, Spectrogram
from preflare.report.tables import Table
from preflare.sun.line import Line
from preflare.sun.observation import Label
from preflare.sun.simulation.precursor import Precursor

SHOWN = 4
SURE = 0.01


@dataclass
class Data:
    """Where the shards are."""

    root: str | None = None


@dataclass
class Config(Drawn):
    """The keys of conf/spectrograms.yaml; any other is refused."""

    sweep: str = MISSING
    gallery: Any = MISSING
    kinds: Any = MISSING
    data: Data = field(default_factory=Data)
    output: str = MISSING


@verb("spectrograms", Config)
def main(config: DictConfig) -> None:
    """Rank, group, draw and tell."""
    most = check_integer("gallery", config.gallery, SHOWN)
    groups = check_integer("kinds", config.kinds, 2)
    line, them = explained.of_sweep(Path(config.sweep), config.data.root)
    bare = [one.name for one in them if "expected_gradients" not in one.cube.names]
    if bare:
        raise RunError(
            f"{them[0].cube.path.parent} has no expected gradients of {bare[0]}. Explain it again without sample=0."
        )
    inputs = {one.name: one.digest for one in them}
    conclude(config, inputs, lambda: make(them, line, most, groups))


def make(them: Sequence[Explained], line: Line, most: int, groups: int) -> Section:
    """The section."""
    origin = them[0].shard.header.origin
    note = remark(origin)
    ranked = spectrograms.rank(them)
    if not ranked:
        raise RunError(f"{them[0].cube.path.parent} has no scores in any window. Explain with: python explain.py")
    made = spectrograms.cut(ranked[:most])
    samples = [kinds.sample(one) for one in them if one.label is Label.PF]
    found = kinds.find(samples, groups, line)
    belongs = found.of(np.array([one.mean for one in made]))
    carried = {one.name: kinds.carried(one, found) for one in them if one.label is Label.PF}
    shown = choose(ranked, carried, found, SHOWN)
    names = _named(found, belongs.tolist())
    limit = scale(made)
    chosen = spectrograms.cut([ranked[place] for place, _ in shown])
    of_chosen = _named(found, [kind for _, kind in shown])
    pf = sum(one.place.one.label is Label.PF for one in made)
    partly = any(len(one.explained()) < int(np.isfinite(one.scores()).sum()) for one in them)
    return Section(
        name="spectrograms",
        title="Spectrograms",
        paper="Sect. 8.1, Figs. 12 and 13",
        lead=f"{len(ranked):,} spectrograms (pixels of the slit at each step) by the mean score of their window. "
        f"Of the highest {len(made)}, {pf} are PF and {len(made) - pf} AR; they are in the gallery below. What speaks "
        f"for PF in {sum(len(one.rows) for one in samples):,} single spectra falls into {len(found.names)} kinds: "
        f"{'; '.join(found.names)}.",
        origin=origin,
        plots=[
            _spectrograms(chosen, of_chosen, line, limit, note),
            *_singles(chosen, line, limit, note),
        ],
        tables={
            "Kinds by attribution": _kinds_table(found, samples, belongs),
            "Spectrograms shown": _shown_table([place for place, _ in shown], chosen, of_chosen),
        },
        claims=_claims(found, samples, origin),
        warnings=["Only a sample of the spectra was explained: the rest of a spectrogram is hatched."]
        if partly
        else [],
        gallery=_gallery(made, names, line, limit),
    )


def choose(
    ranked: Sequence[Place], carried: Mapping[str, np.ndarray], found: Kinds, most: int
) -> list[tuple[int, int]]:
    """The spectrograms shown, as (place in the ranking, kind), by rank: the highest of all without a kind.

    Of each place in the spectrum where kinds are highest, the PF spectrogram to whose score they add most, of an
    observation not yet shown where there is one; then of single kinds not yet shown. carried: by name of the
    observation, as ``kinds.carried``.
    """
    pf = [number for number, place in enumerate(ranked) if place.one.label is Label.PF]
    adds = np.array([carried[ranked[number].one.name][:, ranked[number].step, ranked[number].pixel] for number in pf])
    lead = [kinds.leading(name) for name in found.names]
    groups = [[kind for kind, name in enumerate(lead) if name == one] for one in dict.fromkeys(lead)]
    chosen: dict[int, int] = {}
    for group in [*groups, *([kind] for kind in range(len(lead)))]:
        if len(chosen) == most or not pf or set(group) <= set(chosen.values()):
            continue
        names = {ranked[number].one.name for number in chosen}
        fresh = np.array([ranked[number].one.name not in names for number in pf])
        added = adds[:, group].sum(axis=1)
        best = int(np.argmax(np.where(fresh, added, 0) if added[fresh].any() else added))
        if added[best] and pf[best] not in chosen:
            chosen[pf[best]] = group[int(np.argmax(adds[best, group]))]
    return sorted(chosen.items()) or [(number, -1) for number in range(min(most, len(ranked)))]


def scale(made: Sequence[Spectrogram]) -> float:
    """The 99th percentile of the size of all attributions: the end of the one colour scale."""
    values = np.concatenate([np.abs(one.attribution[np.isfinite(one.attribution)]) for one in made])
    return float(np.quantile(values, 0.99)) or 1.0 if len(values) else 1.0


def _named(found: Kinds, which: Sequence[int]) -> list[str]:
    return [found.names[kind] if kind >= 0 else "nothing explained" for kind in which]


def title_of(kind: int) -> str:
    """A precursor's name."""
    return Precursor(kind).name.lower().replace("_", " ")


def planted(one: Spectrogram) -> str:
    """The two most frequent kinds that the simulation put into a spectrogram, with their shares; "" if it does not
    say."""
    if one.kind is None or not len(one.kind):
        return ""
    counts = np.bincount(one.kind, minlength=len(Precursor))
    order = [kind for kind in np.argsort(-counts, kind="stable").tolist() if counts[kind]][:2]
    return ", ".join(f"{title_of(kind)} {counts[kind] / len(one.kind):.0%}" for kind in order)


def _panel(one: Spectrogram, title: str, arrow: bool) -> Panel:
    minute = one.minutes[one.highest] if arrow and one.highest >= 0 else np.nan
    onset = one.place.one.label is not Label.AR
    return Panel(title, one.minutes, one.spectra, one.attribution, one.score, float(minute), onset)


def named(one: Spectrogram) -> str:
    """Its title as a figure has room for it."""
    return one.place.title.replace(one.place.one.name, brief(one.place.one.name))


def _marks(line: Line) -> dict[str, float]:
    """The cores and the feature of the line that no core hides: the first named."""
    return {**line.cores, **dict(list(line.features.items())[:1])}


def _spectrograms(chosen: Sequence[Spectrogram], names: Sequence[str], line: Line, limit: float, note: str) -> Plot:
    letters = "ABCDEFGH"
    panels = [_panel(one, f"{letters[place]}: {named(one)}", arrow=True) for place, one in enumerate(chosen)]
    told = "; ".join(
        f"{letters[place]} attributed at {name}, mean score {one.place.score:.2f}"
        + (f" (put in: {planted(one)})" if one.kind is not None else "")
        for place, (one, name) in enumerate(zip(chosen, names, strict=True))
    )
    return Plot(
        "spectrograms",
        "Spectrograms of different kinds",
        f"For places in the spectrum where attributions are highest, the PF spectrogram to whose score they add most. "
        f"{told}. Above, each spectrum by its maximum (dark is bright) "
        f"and the score (line); below, attributions on one scale of ±{limit:.2g}. The arrow marks the spectrum of the "
        "next figure.",
        figure.draw(panels, line.wavelength, limit, _marks(line), note),
        ("12",),
    )


def _singles(chosen: Sequence[Spectrogram], line: Line, limit: float, note: str) -> list[Plot]:
    there = [one for one in chosen if one.highest >= 0]
    if not there:
        return []
    rows = {
        "expected gradients": np.array([one.attribution[one.highest] for one in there]),
    }
    drawn = spectra_figure.draw(
        line.wavelength,
        np.array([one.spectra[one.highest] for one in there]),
        rows,
        {"expected gradients": limit},
        [
            f"{letter}: {named(one)},\n{one.minutes[one.highest]:.1f} min, score {one.score[one.highest]:.3f}"
            for letter, one in zip("ABCDEFGH", there, strict=False)
        ],
        line.cores,
        line.features,
        note,
    )
    highest = [f"{line.wavelength[int(np.argmax(one.attribution[one.highest]))]:.2f} Å" for one in there]
    return [
        Plot(
            "single_spectra",
            "Single spectra cut from them",
            f"The spectrum of the highest score of each; what speaks most for PF lies at {', '.join(highest)}.",
            drawn,
            ("13",),
        )
    ]


def _kinds_table(found: Kinds, samples: Sequence[Sample], belongs: np.ndarray) -> Table:
    rows_of = np.concatenate([np.empty(0, dtype=int), *(found.of(one.rows) for one in samples)])
    told = bool(samples) and all(one.planted is not None for one in samples)
    put_in = np.concatenate([one.planted for one in samples if one.planted is not None]) if told else None
    columns = [] if put_in is None else [kind for kind in Precursor if (put_in == kind).any()]
    rows = []
    for kind, name in enumerate(found.names):
        mine = rows_of == kind
        count = int(mine.sum())
        shares = [f"{(put_in[mine] == one).mean():.0%}" if put_in is not None and count else "" for one in columns]
        rows.append((name, f"{count:,}", str(int((belongs == kind).sum())), *shares))
    head = ("attributed at", "PF spectra", "spectrograms of the gallery")
    return Table((*head, *(f"put in: {title_of(one)}" for one in columns)), tuple(rows))


def _shown_table(shown: Sequence[int], chosen: Sequence[Spectrogram], names: Sequence[str]) -> Table:
    rows = [
        (letter, one.place.title, str(place + 1), f"{one.place.score:.3f}", name, planted(one))
        for letter, place, one, name in zip("ABCDEFGH", shown, chosen, names, strict=False)
    ]
    return Table(("", "spectrogram", "rank", "mean score", "attributed at", "put in"), tuple(rows))


def _claims(found: Kinds, samples: Sequence[Sample], origin: str) -> list[Claim]:
    said, put_in = f"Attributions fall into {len(found.names)} kinds: {'; '.join(found.names)}.", ""
    if origin == "level2":
        several = len({name.partition(", ")[0] for name in found.names}) > 1
        verdict = Verdict.REPRODUCED if several else Verdict.NOT_REPRODUCED
    elif not samples or any(one.planted is None for one in samples):
        verdict = Verdict.NEEDS_REAL
    else:
        gap, p, count = kinds.agreement(found, samples)
        said += (
            f" Two spectra of one kind are of one kind put in {100 * gap:.1f} percentage points more often than any "
            f"two (p = {p:.4f} over {count} observations)."
        )
        used = {int(kind) for one in samples if one.planted is not None for kind in one.planted} - {0}
        put_in = ", ".join(title_of(kind) for kind in sorted(used))
        verdict = Verdict.RECOVERS if p < SURE else Verdict.DOES_NOT
    return [
        Claim(
            "Sect. 8.1, Fig. 12",
            "Spectrograms of high score are of different kinds: triplet emission, flows, broad cores, asymmetry.",
            said,
            put_in,
            verdict,
            "kinds",
        )
    ]


def _gallery(made: Sequence[Spectrogram], names: Sequence[str], line: Line, limit: float) -> Iterator[Item]:
    """Drawn as they are written: two hundred open figures are too many."""
    for number, (one, name) in enumerate(zip(made, names, strict=True)):
        facts = {
            "label": one.place.one.label.name,
            "observation": one.place.one.name,
            "attributed at": name,
        }
        if one.kind is not None and len(one.kind):
            precursors = np.bincount(one.kind, minlength=len(Precursor))[1:]
            facts["put in"] = title_of(int(np.argmax(precursors)) + 1 if precursors.any() else 0)
        yield Item(
            f"{number + 1}: {one.place.title}, score {one.place.score:.3f}",
            facts,
            style.png(figure.small(_panel(one, "", arrow=False), line.wavelength, limit, _marks(line))),
        )


if __name__ == "__main__":
    main()
