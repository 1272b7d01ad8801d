"""The recipe of an observation: every choice that decides what its shard holds, by dotted key."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace

import numpy as np

from preflare.sun.line import Line
from preflare.sun.window import Window

Plain = float | int | str | bool | None


def recipe(line: Line, window: Window, simulation: Mapping[str, object] | None = None) -> dict[str, Plain]:
    """Of the line what shapes a spectrum, the whole window, and the numbers of the simulation if it is one."""
    decides = ("detector", "start", "stop", "points", "cores", "rules", "continuum", "reference", "reference_halfwidth")
    chosen = {key: getattr(line, key) for key in decides}
    if line.reference is not None:
        chosen["rest"] = line.features[line.reference]
    parts = {"line": chosen, "window": window} | ({"simulation": simulation} if simulation is not None else {})
    return {key: value for name, part in parts.items() for key, value in flatten(name, part)}


def stored(line: Line, recipe: Mapping[str, Plain], wavelength: np.ndarray) -> Line:
    """The line as an observation was made with it: grid, cores, rules and continuum of its recipe, else as ``line``.

    What the recipe does not name stays as it is. Raises ConfigError if both together cannot be meant.
    """
    rules: dict[str, object] = {key: recipe[f"line.rules.{key}"] for key in _names(line.rules, recipe, "line.rules")}
    if "line.rules.core_ratio.0" in recipe:
        rules["core_ratio"] = (recipe["line.rules.core_ratio.0"], recipe["line.rules.core_ratio.1"])
    chosen: dict[str, object] = {
        "start": float(wavelength[0]),
        "stop": float(wavelength[-1]),
        "points": len(wavelength),
        "rules": replace(line.rules, **rules),  # type: ignore[arg-type]
    }
    if "line.continuum.0" in recipe:
        chosen["continuum"] = (recipe["line.continuum.0"], recipe["line.continuum.1"])
    cores = {key.removeprefix("line.cores."): value for key, value in recipe.items() if key.startswith("line.cores.")}
    if cores:
        # JSON sorted them; their order is that of the core ratio.
        order = list(line.cores)
        ranked = sorted(cores, key=lambda name: order.index(name) if name in order else len(order))
        chosen["cores"] = {name: cores[name] for name in ranked}
    return replace(line, **chosen)  # type: ignore[arg-type]


def _names(value: object, recipe: Mapping[str, Plain], prefix: str) -> list[str]:
    return [field.name for field in fields(value) if f"{prefix}.{field.name}" in recipe]  # type: ignore[arg-type]


def flatten(prefix: str, value: object) -> Iterator[tuple[str, Plain]]:
    """Dataclasses, mappings and sequences, inside each other, as dotted keys with plain values; places from 0."""
    if is_dataclass(value):
        items = [(field.name, getattr(value, field.name)) for field in fields(value)]
    elif isinstance(value, Mapping):
        items = [(str(key), inner) for key, inner in value.items()]
    elif isinstance(value, tuple | list):
        items = [(str(place), inner) for place, inner in enumerate(value)]
    else:
        assert value is None or isinstance(value, float | int | str), f"{prefix} is {value!r}"
        yield prefix, value
        return
    for key, inner in items:
        yield from flatten(f"{prefix}.{key}", inner)
