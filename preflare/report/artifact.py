"""What the artefact experiment found: rows of numbers, a table, and a page of text that judges the paper's claims."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from preflare.explain.activation_maps import MAPS
from preflare.explain.localisation import MEASURES, Curve
from preflare.report.spectra import METHODS
from preflare.report.tables import Table

EXPECTED_GRADIENTS = "expected_gradients"
# Measure, whether more of it is what the paper claims for the ensemble, and the claim.
CLAIMS = (
    ("share", True, "The ensemble puts more of its attention on the artefact than a single network"),
    ("symmetry", True, "The ensemble covers the artefact more symmetrically"),
    ("residue", False, "The ensemble leaves less residue in the line cores"),
)
ACCURATE = 0.99


@dataclass(frozen=True, eq=False)
class Study:
    """One artefact.

    held_out, explained: numbers of spectra. found: networks (members, swa, annealed) -> method -> Curve of MEASURES.
    accuracy: networks -> Curve of the accuracy on those held out. chance: method -> (measure,). seen: activation map ->
    share of single members' maxima at cells that see some of the artefact.
    """

    artifact: str
    held_out: int
    explained: int
    found: Mapping[str, Mapping[str, Curve]]
    accuracy: Mapping[str, Curve]
    chance: Mapping[str, np.ndarray]
    seen: Mapping[str, float]


def rows(studies: Sequence[Study]) -> list[dict[str, object]]:
    """A row for each artefact, kind of network, method and number of members."""
    made: list[dict[str, object]] = []
    for study in studies:
        for networks, methods in study.found.items():
            for method, curve in methods.items():
                for place, size in enumerate(curve.members):
                    row: dict[str, object] = {
                        "artifact": study.artifact,
                        "networks": networks,
                        "method": method,
                        "members": int(size),
                    }
                    row |= _cells("accuracy", study.accuracy[networks], 0, place)
                    for number, name in enumerate(MEASURES):
                        row |= _cells(name, curve, number, place)
                        row[f"{name} chance"] = _rounded(study.chance[method][number])
                        row[f"{name} median of one"] = _rounded(curve.median[number])
                    made.append(row)
    return made


def table(study: Study) -> Table:
    """One and all members side by side, and chance, for each method."""
    count = study.accuracy["members"].single.shape[1]
    head = ["method"]
    for name in MEASURES:
        head += [f"{name}, 1", f"{name}, {count}", "chance"]
    rows = []
    for method, curve in study.found["members"].items():
        cells = [METHODS[method]]
        for number in range(len(MEASURES)):
            cells += [_interval(curve, number, 0), _interval(curve, number, -1), f"{study.chance[method][number]:.2f}"]
        rows.append(tuple(cells))
    return Table(tuple(head), tuple(rows))


def best_map(study: Study) -> str:
    """The activation map whose ensemble hits most often; of equals, the one with the largest share inside.

    Expected gradients where there is no activation map.
    """
    maps = {method: curve for method, curve in study.found["members"].items() if method in MAPS}
    if not maps:
        return EXPECTED_GRADIENTS
    return max(maps, key=lambda method: tuple(maps[method].value[:2, -1].round(3)))


def claim(curve: Curve, measure: str, more: bool) -> str:
    """Whether an ensemble of all members has more (or less) of a measure than the median single one: yes, no, open.

    yes and no: its whole interval lies on that side.
    """
    number = MEASURES.index(measure)
    above, below = curve.low[number, -1] > curve.median[number], curve.high[number, -1] < curve.median[number]
    if not (above or below):
        return "open"
    return "yes" if above == more else "no"


def text(studies: Sequence[Study], origin: str, default: Sequence[str], record: Sequence[str]) -> str:
    """The page, as Markdown. origin: whose spectra. default: maps that explain.py computes. record: its last lines."""
    parts = [
        "# Do explanations find a planted artefact?",
        f"Networks learnt to tell spectra of {origin} from twins with an artefact; nothing else can tell them apart. "
        "Twins are on one side of the partition. All numbers are of held-out changed spectra, of the log-odds, and "
        "count what speaks for the artefact (the positive part). Brackets: 95% intervals by bootstrap over members and "
        "spectra.",
        "- hit: the map's maximum is near the artefact's centre; chance: how much of what the map covers is near it.\n"
        "- share: of the map, inside the artefact; chance: the artefact's share of the wavelengths.\n"
        "- symmetry: of the two sides of the centre; 1 is equal, 0 is one side alone.\n"
        "- residue: share of the map in the line cores.",
    ]
    for study in studies:
        parts += [f"## {study.artifact}", _accuracy(study), _markdown(study)]
        parts += ["The paper's claims, by these numbers:", _claims(study)]
        if _limits(study):
            parts.append(_limits(study))
        parts += ["One network at the centre of its minimum, in place of many:", _centres(study)]
    parts += ["## Which activation map", _decision(studies[0], default), "## Record", "\n".join(record)]
    return "\n\n".join(parts) + "\n"


def _accuracy(study: Study) -> str:
    accuracy = study.accuracy["members"]
    good = int((accuracy.single[0] >= ACCURATE).sum())
    count = accuracy.single.shape[1]
    return (
        f"The median of {count} members calls {accuracy.median[0]:.2%} of {study.held_out:,} held-out spectra "
        f"correctly, the mean of all {accuracy.value[0, -1]:.2%}; {good} of {count} reach {ACCURATE:.0%}. Explained: "
        f"{study.explained} changed spectra."
    )


def _markdown(study: Study) -> str:
    count = study.accuracy["members"].single.shape[1]
    head = ["method", "hit, 1", f"hit, {count}", "chance", "share, 1", f"share, {count}", "chance"]
    head += ["symmetry, 1", f"symmetry, {count}", "residue, 1", f"residue, {count}", "chance"]
    body = []
    for method, curve in study.found["members"].items():
        cells = [method]
        for number, name in enumerate(MEASURES):
            cells += [_interval(curve, number, 0), _interval(curve, number, -1)]
            cells += [] if name == "symmetry" else [f"{study.chance[method][number]:.2f}"]
        body.append(cells)
    return _grid(head, body)


def _claims(study: Study) -> str:
    lines = []
    for method in dict.fromkeys((best_map(study), EXPECTED_GRADIENTS)):
        curve = study.found["members"][method]
        for measure, more, said in CLAIMS:
            number = MEASURES.index(measure)
            answer = {"yes": "yes", "no": "NO", "open": "not decided"}[claim(curve, measure, more)]
            lines.append(
                f"- {said} ({method}): {answer}; {curve.median[number]:.2f} for the median network, "
                f"{_interval(curve, number, -1)} for the ensemble."
            )
    return "\n".join(lines)


def _limits(study: Study) -> str:
    """Why single maps miss."""
    best = best_map(study)
    curve = study.found["members"][best]
    if study.seen.get(best, 0) <= curve.value[0, 0]:
        return ""
    return (
        f"Of single members' {best} maps, {study.seen[best]:.0%} have their maximum at a cell that sees some of the "
        f"artefact, {curve.value[0, 0]:.0%} near its centre: a cell answers for all that it sees, wherever in it."
    )


def _centres(study: Study) -> str:
    best = best_map(study)
    body = []
    for networks, methods in study.found.items():
        cells = [networks, str(study.accuracy[networks].single.shape[1]), f"{study.accuracy[networks].median[0]:.2%}"]
        for method in (best, EXPECTED_GRADIENTS):
            cells += [_interval(methods[method], number, 0) for number in (0, 1)]
        body.append(cells)
    head = ["one of", "networks", "accuracy", f"hit, {best}", "share", f"hit, {EXPECTED_GRADIENTS}", "share"]
    return f"{_grid(head, body)}\n\n{_replaced(study, best)}"


def _replaced(study: Study, best: str) -> str:
    """Whether one network at its centre finds as much as the ensemble."""
    share = MEASURES.index("share")
    together = study.found["members"][best]
    said = []
    for networks, methods in study.found.items():
        if networks != "members":
            one = methods[best].value[share, 0]
            verb = "reaches" if one >= together.low[share, -1] else "does NOT reach"
            said.append(
                f"By its {best} map, one network ({networks}) {verb} the ensemble's share inside: {one:.2f} against "
                f"{_interval(together, share, -1)}."
            )
    return " ".join(said)


def _decision(study: Study, default: Sequence[str]) -> str:
    best = best_map(study)
    if best == EXPECTED_GRADIENTS:
        return "These networks have no convolution, so there is none."
    ranks = ", ".join(
        f"{method} {curve.value[0, -1]:.2f}" for method, curve in study.found["members"].items() if method in MAPS
    )
    told = "is among" if best in default else "is NOT among"
    return (
        f"On {study.artifact}, the ensembles' hit rates are {ranks}. The best, {best}, {told} the maps that explain.py "
        f"computes by default ({', '.join(default)})."
    )


def _grid(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _interval(curve: Curve, number: int, place: int) -> str:
    value, low, high = (float(values[number, place]) for values in (curve.value, curve.low, curve.high))
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def _cells(name: str, curve: Curve, number: int, place: int) -> dict[str, object]:
    values = (curve.value, curve.low, curve.high)
    return dict(
        zip(
            (name, f"{name} low", f"{name} high"),
            (_rounded(array[number, place]) for array in values),
            strict=True,
        )
    )


def _rounded(value: float) -> float:
    return round(float(value), 4)
