"""How far the explanations of a page can be trusted: what the cubes and the tables beside them say."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from preflare.explain import assessment, convergence, equivalence, representatives, rows, trial, truth
from preflare.explain.cube import Cube
from preflare.explain.display import WINDOW, smoothed, to_the_score
from preflare.explain.faithfulness import rank_correlation
from preflare.explain.target import QUANTITIES
from preflare.figures import completeness as completeness_figure
from preflare.figures import equivalence as equivalence_figure
from preflare.figures import representatives as representatives_figure
from preflare.figures import spectra as spectra_figure
from preflare.report.blocks import Block, drawn
from preflare.report.spectra import METHODS, Shown, methods
from preflare.report.tables import Table
from preflare.sun.line import Line

# Spectra of a cube that two explanations are compared on, and that a smoothing is fitted on, at most.
COMPARED, FITTED = 500, 40
# The paper's number of members.
PAPER = 9


def blocks(cubes: Sequence[Cube], chosen: Sequence[Shown], spectra: np.ndarray, line: Line, remark: str) -> list[Block]:
    """All there is to say of these cubes of one run or sweep, one at least.

    chosen: the spectra that the page shows in the paper's display, and those themselves, (n, wavelength).
    remark: in the corner of figures.
    """
    folder = cubes[0].path.parent
    quantity = QUANTITIES[str(cubes[0].attributes["quantity"])].title
    found = [completeness(cubes, folder, quantity, remark)]
    found += likeness(cubes, chosen, spectra, line, quantity, remark)
    members = rows.read(folder / trial.REPRESENTATIVES, representatives.Row)
    if members:
        found.append(standing(members, remark))
    tested = rows.read(folder / trial.FAITHFULNESS, assessment.Row)
    if tested:
        found.append(faithfulness(tested, quantity, _judged(cubes)))
    known = rows.read(folder / trial.TRUTH, truth.Row)
    if known:
        found.append(against_truth(known))
    return found


def completeness(cubes: Sequence[Cube], folder: Path, quantity: str, remark: str) -> Block:
    """The residual over all explained spectra, and against samples where the trial was held."""
    residuals = np.concatenate([one.rows("completeness", one.explained()) for one in cubes]).astype(np.float64)
    curve = rows.read(folder / trial.COMPLETENESS, convergence.Row)
    used = int(cubes[0].attributes["samples"])
    samples, median, most, difference = (
        np.array([getattr(row, name) for row in curve], dtype=float)
        for name in ("samples", "residual", "residual_90", "difference")
    )
    figure = completeness_figure.draw(residuals, samples, median, most, difference, used, quantity, remark)
    low, middle, high = np.quantile(residuals, [0.05, 0.5, 0.95])
    caption = (
        f"What is left between the sum of expected gradients and what it should be, over {len(residuals):,} explained "
        f"spectra: median {middle:+.3f}, 5 to 95% from {low:+.3f} to {high:+.3f}, in the unit of the {quantity}, with "
        f"{used} samples. Nothing was shifted or rescaled to make it vanish."
    )
    if curve:
        first, last = curve[0], curve[-1]
        own = next((row for row in curve if row.samples == used), last)
        caption += (
            f" Right, on {first.spectra} spectra: the median |residual| falls from {first.residual:.3f} with "
            f"{first.samples} samples to {last.residual:.4f} with {last.samples}; with {own.samples} it is "
            f"{own.relative:.1%} of the median sum, and the attributions differ from those with {last.samples} by "
            f"{own.difference:.1%} (blue). Dashed: what the cubes were made with."
        )
    return drawn("Do expected gradients add up?", caption, figure)


def likeness(
    cubes: Sequence[Cube], chosen: Sequence[Shown], spectra: np.ndarray, line: Line, quantity: str, remark: str
) -> list[Block]:
    """The two families beside each other, raw and as the paper displays them (Fig. 11)."""
    name = next((one for one in ("hirescam", "gradcam", "gradcam_reference") if one in methods(cubes)), None)
    if name is None:
        return []
    places = [one.explained() for one in cubes]
    some = [(one, index[:: -(-len(index) // COMPARED) or 1]) for one, index in zip(cubes, places, strict=True)]
    maps, gradients = (
        np.concatenate([one.rows(what, index) for one, index in some]) for what in (name, "expected_gradients")
    )
    compared, ranked = equivalence.compare(maps, gradients), rank_correlation(maps, gradients)
    step = (line.stop - line.start) / (line.points - 1)
    windows = list(range(5, min(82, line.points), 4))
    few = slice(None, None, -(-len(maps) // (FITTED * len(cubes))) or 1)
    best, curve = equivalence.fit_smoothing(gradients[few], maps[few], windows)
    example = len(chosen) // 2
    said = chosen[example].attributions
    fitted = equivalence.compare(said[name][None], smoothed(said["expected_gradients"][None], best))
    figure = equivalence_figure.draw(
        line.wavelength,
        (
            said["expected_gradients"],
            smoothed(said["expected_gradients"][None], best)[0],
            fitted.scale[0] * said[name] + fitted.constant[0],
        ),
        (compared.correlation, ranked),
        np.array(windows) * step,
        curve,
        best * step,
        WINDOW * step,
        (METHODS[name], quantity),
        remark,
    )
    linear, by_rank = np.median(compared.correlation), np.median(ranked)
    verdict = "agree up to a constant and a scale" if linear >= 0.9 else "are not the same up to a constant and a scale"
    near = (
        "Smoothing expected gradients brings them nearest, to"
        if curve.max() > np.median(equivalence.compare(maps[few], gradients[few]).correlation)
        else "No smoothing of expected gradients brings them nearer: at best it gives"
    )
    paper = curve[windows.index(WINDOW)] if WINDOW in windows else float("nan")
    caption = (
        f"{METHODS[name]} and expected gradients {verdict} (paper Sect. 7.2): over the wavelengths that both support "
        f"they correlate by {linear:.2f} (median of {len(maps):,} spectra; by rank {by_rank:.2f}), and by more than "
        f"0.9 in {(compared.correlation > 0.9).mean():.0%} of the spectra. {near} {curve.max():.2f}, over "
        f"{best * step:.2f} Å ({best} points); the paper's {WINDOW} points give {paper:.2f}. Left: "
        f"{chosen[example].title}."
    )
    scores = np.array([one.score for one in chosen])
    shown = {
        f"{METHODS[name]}": to_the_score(np.stack([one.attributions[name] for one in chosen]).astype(float), scores),
        f"expected gradients, {WINDOW} points": to_the_score(
            smoothed(np.stack([one.attributions["expected_gradients"] for one in chosen])), scores
        ),
    }
    limits = {title: float(np.nanpercentile(values, 99)) or 1.0 for title, values in shown.items()}
    panels = spectra_figure.draw(
        line.wavelength,
        spectra,
        shown,
        limits,
        [one.title for one in chosen],
        line.cores,
        line.features,
        remark,
        signed=False,
    )
    as_shown = equivalence.compare(*shown.values()).correlation
    display = (
        "The same two as the paper displays them (Fig. 11): expected gradients smoothed, both shifted until nothing is "
        "negative and scaled to sum to the score. The shift gives worth to wavelengths that speak against PF and to "
        "those that no network sees, and likens the two families by itself; the map stands at the centres of what its "
        f"cells see. So displayed, these {len(chosen)} spectra correlate by "
        f"{', '.join(f'{value:.2f}' for value in as_shown)}."
    )
    return [
        drawn("Do activation maps and expected gradients say the same?", caption, figure),
        drawn("As the paper displays them", display, panels),
    ]


def standing(members: Sequence[representatives.Row], remark: str) -> Block:
    """How few members stand for all."""
    error, chance, low, high = (
        np.array([getattr(row, name) for row in members]) for name in ("error", "chance", "chance_5", "chance_95")
    )
    shown = min(len(members), 30)
    figure = representatives_figure.draw(error[:shown], chance[:shown], low[:shown], high[:shown], remark)
    some = min(PAPER, len(members) - 1)
    caption = (
        f"Members chosen one by one so that their mean attribution comes closest to that of all {len(members)}: {some} "
        f"of them miss it by {error[some - 1]:.1%}, {some} drawn at random by {chance[some - 1]:.1%} (median; 5 to "
        f"95%: {low[some - 1]:.1%} to {high[some - 1]:.1%}), a single one by {chance[0]:.0%}. In the order of the "
        f"choice: {', '.join(row.member for row in members[:some])}. The paper chose {PAPER} of 50 by eye."
    )
    return drawn("How many members stand for all?", caption, figure)


def _judged(cubes: Sequence[Cube]) -> str:
    """Of whom the trial was, where not all were explained by the same members."""
    if len({str(one.attributes["members"]) for one in cubes}) == 1:
        return ""
    first = cubes[0].attributes
    return f", of the members who explained {first['observation']} ({first['members']})"


def faithfulness(tested: Sequence[assessment.Row], quantity: str, judged: str) -> Block:
    """The table of faithfulness. judged: of whom it is."""
    table = Table(
        ("explanation", *assessment.HEAD, "AUC in DN/s"),
        tuple((row.method, *assessment.cells(row), assessment.number(row.area_before)) for row in tested),
    )
    failed = [row.method for row in tested if not (row.from_weights and row.from_labels)]
    sentence = (
        f"{', '.join(failed)} {'fails' if len(failed) == 1 else 'fail'} a check (!)." if failed else "None fails here."
    )
    text = (
        f"On {tested[0].spectra} spectra{judged}. del and ins: mean {quantity} while the worthiest wavelengths are "
        "replaced by those of training spectra (low is good), or put in first (high is good). redrawn and labels: "
        "absolute rank correlation with what networks of redrawn weights say, and networks trained on labels shuffled "
        f"between observations; above {assessment.KEPT} an explanation did not come from weights or labels (Adebayo et "
        "al. 2018). "
        f"{sentence} seeds: rank correlation between members. first: with the first row, whose baselines are half AR "
        "and half PF; the rows from other baselines say how much hangs on that choice; faint ones, the tenth of the "
        "training spectra with the least light, stand for the quiet Sun; the paper rejects zeros and noise. share and "
        "AUC: of |attribution| on the wavelengths that a simulated precursor changed, against the share expected by "
        "chance and 0.5. Explanations of a network are no errors for missing what the network does not use."
    )
    return Block("Can the explanations be trusted?", text, table=table)


def against_truth(known: Sequence[truth.Row]) -> Block:
    """The table of truth by kind of precursor."""
    head = ("precursor", "method", "spectra", "share", "chance", "AUC", "AUC in DN/s")
    body = tuple(
        (
            row.kind,
            METHODS[row.method],
            f"{row.spectra:,}",
            *(assessment.number(value) for value in (row.share, row.chance, row.area, row.area_before)),
        )
        for row in known
    )
    found = [row for row in known if row.method == "expected_gradients" and row.kind != truth.ALL]
    best = max(found, key=lambda row: row.share / row.chance)
    text = (
        "Explained spectra in which the simulated Sun hid a precursor. share: of |attribution| on the wavelengths that "
        "it changed, beside what chance gives, their share of the spectrum. AUC: whether |attribution| tells these "
        "wavelengths from the others, 0.5 by chance; after normalisation, and before it, in DN/s. Dividing by the "
        "maximum spreads a change of the brightest core over all wavelengths. Expected gradients do best on the "
        f"{best.kind}: {best.share:.2f} for {best.chance:.2f} by chance."
    )
    return Block("Against the truth, by kind of precursor", text, table=Table(head, body))
