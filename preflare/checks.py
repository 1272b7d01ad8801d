"""Checks of the values that config files and the command line hand to a constructor: found, expected, in one sentence.

Each takes the key as a user types it (``data.batch_size``) and the value, and raises ConfigError if it cannot be meant.
"""

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path

from preflare.errors import ConfigError


def check_number(
    name: str,
    value: object,
    minimum: float = -math.inf,
    maximum: float = math.inf,
    *,
    above: float = -math.inf,
    unit: str = "",
) -> float:
    """The value as a float if it is a finite number from minimum to maximum and greater than above."""
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not (math.isfinite(number) and minimum <= number <= maximum and number > above):
        expected = " ".join(["a number", *([f"of {unit}"] if unit else []), *_limits(minimum, maximum, above)])
        raise ConfigError(f"{name} is {_said(value)}, expected {expected}.")
    return number


def check_integer(name: str, value: object, minimum: int | None = None, maximum: int | None = None) -> int:
    """The value as an int if it is a whole number from minimum to maximum; 2.0 is none."""
    least, most = -math.inf if minimum is None else minimum, math.inf if maximum is None else maximum
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        expected = " ".join(["a whole number", *_limits(least, most, -math.inf)])
        raise ConfigError(f"{name} is {_said(value)}, expected {expected}.")
    return value


def check_text(name: str, value: object, example: str) -> str:
    """The value if it is text and not empty."""
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{name} is {_said(value)}, expected text such as {example}.")
    return value


def check_path(name: str, value: object) -> Path:
    """The value as a Path, ~ expanded. A number is none: YAML reads 2014 as a number, and ./2014 as text."""
    if isinstance(value, str | Path) and str(value):
        return Path(value).expanduser()
    advice = f": ./{value}" if isinstance(value, Real) and not isinstance(value, bool) else ""
    raise ConfigError(f"{name} is {_said(value)}, expected the path of a file or folder, as text{advice}.")


def check_choice(name: str, value: object, choices: Sequence[str], or_null: bool = False) -> str | None:
    """The value if it is one of the choices, or None where that is allowed."""
    if value is None and or_null:
        return None
    if not isinstance(value, str) or value not in choices:
        options = [*choices, *(["null"] if or_null else [])]
        expected = f"{', '.join(options[:-1])} or {options[-1]}" if len(options) > 1 else options[0]
        raise ConfigError(f"{name} is {_said(value)}, expected {expected}.")
    return value


def check_flag(name: str, value: object) -> bool:
    """The value if it is true or false."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} is {_said(value)}, expected true or false.")
    return value


def check_pair(name: str, value: object, above: float = -math.inf) -> tuple[float, float]:
    """The value as a tuple if it is two increasing numbers, all greater than above."""
    found = _numbers(value, above)
    if found is None or len(found) != 2 or not found[0] < found[1]:
        expected = " ".join(["two increasing numbers", *_limits(-math.inf, math.inf, above)])
        raise ConfigError(f"{name} is {_said(value)}, expected {expected}, such as [1, 2].")
    return found[0], found[1]


def check_numbers(name: str, value: object, above: float = -math.inf) -> tuple[float, ...]:
    """The value as a tuple if it is a list of one or more numbers, all greater than above."""
    found = _numbers(value, above)
    if not found:
        expected = " ".join(["one or more numbers", *_limits(-math.inf, math.inf, above)])
        raise ConfigError(f"{name} is {_said(value)}, expected {expected}, such as [1, 2].")
    return found


def check_integers(name: str, value: object, minimum: int, or_empty: bool = False) -> tuple[int, ...]:
    """The value as a tuple if it is a list of one or more whole numbers, none below minimum; or of none, if allowed."""
    if isinstance(value, Sequence) and not isinstance(value, str) and (value or or_empty):
        try:
            return tuple(check_integer("", item, minimum) for item in value)
        except ConfigError:
            pass
    raise ConfigError(f"{name} is {_said(value)}, expected a list of whole numbers of {minimum} or more, as in [3, 4].")


def check_named_numbers(name: str, value: object) -> dict[str, float]:
    """The value as a dict if it is a mapping of names to numbers."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name} is {_said(value)}, expected names with numbers, such as {{one: 1.5}}.")
    return {str(key): check_number(f"{name}.{key}", item) for key, item in value.items()}


def _numbers(value: object, above: float) -> tuple[float, ...] | None:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return None
    try:
        return tuple(check_number("", item, above=above) for item in value)
    except ConfigError:
        return None


def _limits(minimum: float, maximum: float, above: float) -> list[str]:
    if math.isfinite(above):
        return [f"above {above:g}" + (f" and at most {maximum:.12g}" if math.isfinite(maximum) else "")]
    if math.isfinite(minimum) and math.isfinite(maximum):
        return [f"from {minimum:.12g} to {maximum:.12g}"]
    if math.isfinite(minimum):
        return [f"of {minimum:.12g} or more"]
    return [f"of at most {maximum:.12g}"] if math.isfinite(maximum) else []


def _said(value: object) -> str:
    """As a user would write it: null, true and [1, 2] as in YAML."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(_said(item) for item in value)}]"
    return repr(value)
