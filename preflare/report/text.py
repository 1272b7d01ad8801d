"""The sentences of the page, with this run's numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hydra.utils import instantiate

from preflare.explain import equivalence
from preflare.explain.activation_maps import MAPS
from preflare.explain.cube import Cube
from preflare.explain.explanation import ORIGINS
from preflare.explain.summary import summarise
from preflare.model.tables import CHOSEN_BY_TEST
from preflare.report.spectra import METHODS, RULE, Shown, strongest
from preflare.run import Run
from preflare.sun.line import Line
from preflare.sun.observation import Label

# Spectra of a cube that two explanations are compared on, at most.
COMPARED = 500


def title(record: Mapping[str, Any], line: Line) -> str:
    """What the page is about and on what data."""
    return f"{line.title} spectra before a flare: a network trained on {ORIGINS[record['trained_on']['origin']]}"


def lead(run: Run, line: Line) -> str:
    """What was trained, on how much."""
    network = instantiate(run.config.model)
    weights = sum(parameter.numel() for parameter in network.parameters())
    counts = run.record["partition"]["sides"]["train"]
    return (
        f"A {type(network).__name__} with {weights:,} weights learned from {sum(counts.values()):,} spectra of "
        f"{len(counts)} observations to tell spectra of regions about to flare (PF) from spectra of regions that did "
        f"not (AR). A spectrum has {line.points} points from {line.start} to {line.stop} Å and is divided by its own "
        "maximum."
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
    maps = [name for name in METHODS if name in MAPS and name in cubes[0].names]
    return (
        "Each line is one held-out spectrum. Its colour is what each wavelength contributed to the log-odds of PF: "
        "red and orange for PF, blue against, grey nothing; dotted where the method has no value. Shown are "
        f"{RULE} among the explained spectra of each class: {sampled(cubes)}. The colours of one method mean the same "
        "in every panel of this page (the scale ends at the 99th percentile of the spectra shown). Expected gradients "
        "add up to the difference between a spectrum's log-odds and their mean over the baselines."
        + (_MAPS if maps else "")
        + (_PUBLISHED if "gradcam" in maps else "")
    )


def attributions(members: Sequence[Cube], chosen: Sequence[Shown], line: Line) -> str:
    """Under a figure of coloured spectra."""
    summaries = [summarise(cube) for cube in members]
    count = sum(one.explained for one in summaries)
    spectra = sum(one.spectra for one in summaries)
    scores = ", ".join(f"{one.score:.3f} ({one.rank})" for one in chosen)
    mean = sum(one.score * one.spectra for one in summaries) / spectra
    sentences = [
        f"Scores from top to bottom: {scores}; the mean over {scored(members)}, {spectra:,} of them, is {mean:.3f}."
    ]
    for name, title in METHODS.items():
        if name in members[0].names:
            place, mean = strongest(members, name)
            sentences.append(
                f"Strongest in {title}, over the {count:,} explained spectra: {_near(place, line)}, "
                f"{'for' if mean > 0 else 'against'} PF on average."
            )
    maps = [name for name in METHODS if name in MAPS and name in members[0].names]
    for name in maps:
        pairs = [
            equivalence.compare(one.rows(name, index), one.rows("expected_gradients", index))
            for one in members
            if len(index := _some(one.explained()))
        ]
        ranks = np.concatenate([pair.rank_correlation for pair in pairs])
        linear = np.concatenate([pair.correlation for pair in pairs])
        sentences.append(
            f"{METHODS[name]} and expected gradients are not the same up to a constant and a scale: over each "
            f"spectrum's wavelengths they correlate by {np.median(linear):.2f} (median; by rank "
            f"{np.median(ranks):.2f})."
            if np.median(linear) < 0.9
            else f"{METHODS[name]} and expected gradients agree up to a constant and a scale: they correlate by "
            f"{np.median(linear):.2f} (median; by rank {np.median(ranks):.2f})."
        )
    residual = float(np.median([one.residual for one in summaries]))
    draws = members[0].attributes["samples"]
    sentences.append(f"With {draws} draws, expected gradients miss their sum by {residual:.1%} (median).")
    return " ".join(sentences)


def _some(index: np.ndarray) -> np.ndarray:
    """Evenly spaced ones, COMPARED at most."""
    return index[:: -(-len(index) // COMPARED) or 1]


def remark(origin: str, trained_on: str) -> str:
    """In the corner of a figure: what is shown, and what the model knows."""
    if origin == trained_on:
        return ORIGINS[origin]
    return f"{ORIGINS[origin]}; model trained on {ORIGINS[trained_on]}"


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
        f"{used} Scored: {scored(cubes)} of an explained observation. Residual: by how much expected gradients miss "
        "their sum, median over the explained spectra."
    )


def scored(cubes: Sequence[Cube]) -> str:
    """Which spectra have the scores that are counted."""
    which = {str(cube.attributes["spectra"]) for cube in cubes}
    kind = {frozenset({"clean"}): "clean spectra", frozenset({"all"}): "spectra that miss no wavelength"}
    return f"all {kind.get(frozenset(which), 'spectra asked for')} in the analysis window"


def sampled(cubes: Sequence[Cube]) -> str:
    """Which spectra have attributions."""
    samples = {cube.attributes["sample"] for cube in cubes}
    if samples == {"all"}:
        return "every spectrum scored, also outside the analysis window"
    if len(samples) == 1:
        return f"up to {samples.pop()} of an observation, drawn at random from its analysis window"
    return "not as many of each observation"


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
