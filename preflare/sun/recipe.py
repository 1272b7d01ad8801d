"""The recipe of an observation: every choice that decides what its shard holds, by dotted key."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

from preflare.sun.line import Line
from preflare.sun.window import Window

Plain = float | int | str | bool | None


def recipe(line: Line, window: Window, simulation: Mapping[str, object] | None = None) -> dict[str, Plain]:
    """Of the line what shapes a spectrum, the whole window, and the numbers of the simulation if it is one."""
    chosen = {key: getattr(line, key) for key in ("detector", "start", "stop", "points", "cores", "rules")}
    parts = {"line": chosen, "window": window} | ({"simulation": simulation} if simulation is not None else {})
    return {key: value for name, part in parts.items() for key, value in flatten(name, part)}


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
