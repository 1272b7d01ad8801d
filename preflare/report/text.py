"""The sentences of the page, with this run's numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hydra.utils import instantiate

from preflare.explain.activation_maps import MAPS
from preflare.explain.cube import Cube
from preflare.explain.explanation import ORIGINS
from preflare.explain.summary import summarise
from preflare.explain.target import QUANTITIES
from preflare.model.tables import CHOSEN_BY_TEST
from preflare.report.spectra import METHODS, RULE, Shown, methods, strongest
from preflare.run import Run
from preflare.sun.line import Line
from preflare.sun.observation import Label


def title(record: Mapping[str, Any], line: Line, members: int = 1) -> str:
    """What the page is about and on what data."""
    who = "a network" if members == 1 else f"{members} networks"
    return f"{line.title} spectra before a flare: {who} trained on {ORIGINS[record['trained_on']['origin']]}"


def lead(runs: Sequence[Run], line: Line) -> str:
    """What was trained, on how much."""
    network = instantiate(runs[0].config.model)
    weights = sum(parameter.numel() for parameter in network.parameters())
    sides = [run.record["partition"]["sides"]["train"] for run in runs]
    spectra = _span([sum(counts.values()) for counts in sides])
    who = "A" if len(runs) == 1 else f"Each of {len(runs)} networks, as the first a"
    return (
        f"{who} {type(network).__name__} with {weights:,} weights{',' if len(runs) > 1 else ''} learned from {spectra} "
        f"spectra of {_span([len(counts) for counts in sides])} observations to tell spectra of regions about to flare "
        f"(PF) from spectra of regions that did not (AR). A spectrum has {line.points} points from {line.start} to "
        f"{line.stop} Å and is divided by its own maximum."
    )


def warnings(record: Mapping[str, Any]) -> list[str]:
    """What a reader must know before any number."""
    found = []
    if record["trained_on"]["origin"] == "simulation":
        found.append(
            "Simulated data: the network was trained and tested on the simulated Sun. Its skill says how well the "
            "simulation can be told apart, and nothing about real active regions."
        )
    if record["dead"]:
        found.append("This network is dead: it gives the same answer to every spectrum, after every restart.")
    return found


def distribution(runs: Sequence[Run]) -> str:
    """Under the figure of a sweep's skill (paper Fig. 10)."""
    tss = np.array([run.record["metrics"]["test"]["tss"] for run in runs], dtype=float)
    partitions = len({str(run.record["partition"]) for run in runs})
    low, middle, high = np.nanquantile(tss, [0.25, 0.5, 0.75])
    return (
        f"Each dot is one of {len(runs)} networks on its test side, boxes are quartiles, red is the median. TSS has "
        f"median {middle:.3f}, quartiles {low:.3f} and {high:.3f}. "
        + (
            "All share one partition: the spread is that of initial weights and of the order of batches."
            if partitions == 1
            else f"They are of {partitions} partitions, whose observations differ: most of the spread is theirs. Test "
            "sides share observations, so that it is no error of the mean (paper Fig. 10)."
        )
    )


def skill_over_members(runs: Sequence[Run]) -> str:
    """Under the table of a sweep's skill."""
    chosen_by_test = any(run.record["partition"]["chosen_by"] == "test" for run in runs)
    return "On the test sides, each at its own best epoch." + (f" {CHOSEN_BY_TEST}" if chosen_by_test else "")


def members(runs: Sequence[Run]) -> str:
    """Under the table of members."""
    restarted = sum(len(run.record["attempts"]) > 1 for run in runs)
    return (
        f"Finished and living networks of the sweep; {restarted} of these {len(runs)} were restarted because their "
        "first network answered the same to every spectrum."
    )


def held_out(cubes: Sequence[Cube]) -> str:
    """Whether the members that explained had seen the observations: the first words of a title."""
    return "Seen and held-out" if any(cube.attributes["seen"] for cube in cubes) else "Held-out"


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def skill(record: Mapping[str, Any]) -> str:
    """Under the table of skill."""
    side = record["partition"]["chosen_by"]
    sentences = [f"At epoch {record['best_epoch']}, the one with the lowest loss on the {side} side."]
    if side == "test":
        sentences.append(CHOSEN_BY_TEST)
    sentences.append(
        "TSS is recall plus specificity minus 1: 1 is perfect, 0 is no skill. Spectra of one observation resemble "
        f"each other: the test side is {len(record['partition']['sides']['test'])} independent cases, not thousands."
    )
    return " ".join(sentences)


def curve(run: Run) -> str:
    """Under the learning curve."""
    record = run.record
    side = record["partition"]["chosen_by"]
    train = np.array([row["train/loss"] for row in run.history])
    chosen = np.array([row[f"{side}/loss"] for row in run.history])
    best = record["best_epoch"]
    return (
        f"Cross-entropy after each epoch, both sides with the same weights; answering one half to everything costs "
        f"{np.log(2):.3f}. Black, training side: {train[0]:.3f} after the first epoch, {train[-1]:.3f} after the last. "
        f"Grey, {side} side, which chooses the epoch: lowest {chosen[best]:.3f} at epoch {best} (red), "
        f"{chosen[-1]:.3f} after the last. Blue: lowest mean of both, epoch {record['best_mean_epoch']}."
    )


# Which spectra have the scores that are counted.
SCORED = "all clean spectra in the analysis window"
_MAPS = " Activation maps have no such unit and see only broad features."
_PUBLISHED = (
    " Grad-CAM is drawn as published: its average over positions loses most of the place with a network whose dense "
    "layer weighs positions."
)


def method(groups: Sequence[tuple[str, Sequence[Cube]]]) -> str:
    """How to read the coloured spectra."""
    cubes = [cube for _, members in groups for cube in members]
    if not cubes:
        return ""
    maps = [name for name in methods(cubes) if name in MAPS]
    quantity = QUANTITIES[str(cubes[0].attributes["quantity"])].title
    count = int(max(cube.attributes["member_count"] for cube in cubes))
    if count == 1:
        who = ""
    elif any(cube.attributes["seen"] for cube in cubes):
        who = f" Values are means over up to {count} members, some of which trained on what they explain."
    else:
        who = f" Values are means over up to {count} members, none of which trained on what it explains."
    return (
        f"Each line is one spectrum. Its colour is what each wavelength contributed to the {quantity}: red and orange "
        "raise it, blue lowers it, grey nothing; dotted where the method has no value. Shown are "
        f"{RULE} among the explained spectra of each class: {sampled(cubes)}. The colours of one method mean the same "
        "in every panel of this page (the scale ends at the 99th percentile of the spectra shown). Expected gradients "
        f"add up to the difference between a spectrum's {quantity} and its mean over the baselines."
        + who
        + (_MAPS if maps else "")
        + (_PUBLISHED if "gradcam" in maps else "")
    )


def attributions(members: Sequence[Cube], chosen: Sequence[Shown], line: Line) -> str:
    """Under a figure of coloured spectra."""
    summaries = [summarise(cube) for cube in members]
    count = sum(one.explained for one in summaries)
    spectra = sum(one.spectra for one in summaries)
    scores = ", ".join(f"{one.score:.3f} ({one.rank})" for one in chosen)
    sentences = [f"Scores from top to bottom: {scores}; no spectrum in the analysis window is clean."]
    if spectra:
        mean = sum(one.score * one.spectra for one in summaries if one.spectra) / spectra
        sentences = [
            f"Scores from top to bottom: {scores}; the mean over {SCORED}, {spectra:,} of them, is {mean:.3f}."
        ]
    for name in methods(members):
        place, mean = strongest(members, name)
        sentences.append(
            f"Strongest in {METHODS[name]}, over the {count:,} explained spectra: {_near(place, line)}, "
            f"{'raising' if mean > 0 else 'lowering'} it on average."
        )
    residual = float(np.median([one.residual for one in summaries]))
    draws = members[0].attributes["samples"]
    sentences.append(f"With {draws} draws, expected gradients miss their sum by {residual:.1%} (median).")
    return " ".join(sentences)


def remark(origin: str, trained_on: str, masked_by: str = "") -> str:
    """In the corner of a figure: what is shown, what the model knows, and what masked quiet Sun if it knows another."""
    said = [ORIGINS[origin]]
    if origin != trained_on:
        said.append(f"model trained on {ORIGINS[trained_on]}")
    if masked_by not in ("", origin):
        said.append(f"quiet Sun masked by a model of {ORIGINS[masked_by]}")
    return "; ".join(said)


def foreign(record: Mapping[str, Any], cubes: Sequence[Cube]) -> list[str]:
    """What a reader must know about observations that are not the run's own."""
    trained_on = record["trained_on"]["origin"]
    found = []
    for origin in sorted({str(cube.attributes["origin"]) for cube in cubes} - {trained_on}):
        found.append(
            f"These spectra are {ORIGINS[origin]}, and the model was trained on {ORIGINS[trained_on]}: scores and "
            "colours show how this model reacts to them, not what the Sun was about to do."
        )
    unknown = sorted(
        {str(cube.attributes["observation"]) for cube in cubes if cube.attributes["label"] == Label.UNKNOWN}
    )
    if unknown:
        found.append(f"No label (NA): nothing is known here about a flare in {', '.join(unknown)}.")
    return found


def observations(cubes: Sequence[Cube]) -> str:
    """Under the table of observations."""
    used = "Spectra used: what the partition took after balancing the classes."
    if not cubes:
        return used
    return (
        f"{used} Scored: {SCORED} of an explained observation. Residual: by how much expected gradients miss "
        "their sum, median over the explained spectra."
    )


def sampled(cubes: Sequence[Cube]) -> str:
    """Which spectra have attributions."""
    samples = {(cube.attributes["sample"], cube.attributes["spectra"]) for cube in cubes}
    if len(samples) > 1:
        return "not the same of each observation"
    sample, wanted = samples.pop()
    spectra = "clean spectra" if wanted == "clean" else "spectra that miss no wavelength, clean or not"
    if sample == "all":
        return f"all {spectra}, also outside the analysis window"
    return f"up to {sample} of an observation, drawn at random from its analysis window: {spectra}"


def _near(wavelength: float, line: Line) -> str:
    """Such as 2798.60 Å (0.17 Å blueward of triplet)."""
    marks = {**line.cores, **line.features}
    name = min(marks, key=lambda one: abs(marks[one] - wavelength))
    offset = wavelength - marks[name]
    side = "redward" if offset > 0 else "blueward"
    where = (
        f"on {name}"
        if abs(offset) < (line.stop - line.start) / (line.points - 1)
        else f"{abs(offset):.2f} Å {side} of {name}"
    )
    return f"{wavelength:.2f} Å ({where})"
