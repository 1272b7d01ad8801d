"""What can be meant passes unchanged in value; all else is one sentence with the key, what was found and expected."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from preflare.checks import (
    check_choice,
    check_flag,
    check_integer,
    check_integers,
    check_named_numbers,
    check_number,
    check_numbers,
    check_pair,
    check_path,
    check_text,
)
from preflare.errors import ConfigError


def said(check: Callable[..., object], *arguments: object, **limits: object) -> str:
    with pytest.raises(ConfigError) as raised:
        check("a.key", *arguments, **limits)
    return str(raised.value)


@pytest.mark.parametrize("value", [0, 0.25, 1, np.float32(0.5)])
def test_a_number_becomes_a_float(value: object) -> None:
    found = check_number("a.key", value, 0, 1)
    assert type(found) is float and found == value


@pytest.mark.parametrize("value", ["abc", "1", None, True, [1], math.nan, math.inf, -math.inf, 1j])
def test_what_is_no_finite_number(value: object) -> None:
    assert said(check_number, value).endswith(", expected a number.")


def test_the_limits_of_a_number_are_said() -> None:
    assert said(check_number, -1, 0) == "a.key is -1, expected a number of 0 or more."
    assert said(check_number, 2, 0, 1) == "a.key is 2, expected a number from 0 to 1."
    assert said(check_number, 2, maximum=1.5) == "a.key is 2, expected a number of at most 1.5."
    assert said(check_number, 0, above=0, unit="Å") == "a.key is 0, expected a number of Å above 0."
    assert said(check_number, 0, maximum=1, above=0) == "a.key is 0, expected a number above 0 and at most 1."
    assert said(check_number, "abc", 0) == "a.key is 'abc', expected a number of 0 or more."
    assert check_number("a.key", 1, maximum=1, above=0) == 1


def test_a_whole_number() -> None:
    assert check_integer("a.key", 3, 3, 3) == 3
    assert said(check_integer, 2.5, 1) == "a.key is 2.5, expected a whole number of 1 or more."
    assert said(check_integer, 0, 1, 9) == "a.key is 0, expected a whole number from 1 to 9."
    assert said(check_integer, 2**32, 0, 2**32 - 1).endswith("from 0 to 4294967295.")
    assert said(check_integer, None) == "a.key is null, expected a whole number."
    assert said(check_integer, True) == "a.key is true, expected a whole number."
    assert said(check_integer, 2.0).startswith("a.key is 2.0")


def test_text() -> None:
    assert check_text("a.key", "mg_ii", "mg_ii") == "mg_ii"
    for value in (5, None, "", ["x"]):
        assert said(check_text, value, "mg_ii").endswith("expected text such as mg_ii.")


def test_a_path() -> None:
    assert check_path("a.key", "~/x") == Path.home() / "x"
    assert check_path("a.key", Path("x")) == Path("x")
    assert said(check_path, 2014) == "a.key is 2014, expected the path of a file or folder, as text: ./2014."
    for value in (None, "", True, ["x"]):
        assert said(check_path, value).endswith("expected the path of a file or folder, as text.")


def test_a_choice() -> None:
    assert check_choice("a.key", "AR", ("AR", "PF")) == "AR"
    assert check_choice("a.key", None, ("AR", "PF"), or_null=True) is None
    assert said(check_choice, "ar", ("AR", "PF")) == "a.key is 'ar', expected AR or PF."
    assert said(check_choice, 3, ("AR", "PF"), or_null=True) == "a.key is 3, expected AR, PF or null."
    assert said(check_choice, None, ("AR",)) == "a.key is null, expected AR."
    assert said(check_choice, OmegaConf.create(["AR"]), ("AR", "PF")) == "a.key is ['AR'], expected AR or PF."


def test_true_or_false() -> None:
    assert check_flag("a.b", True) is True and check_flag("a.b", False) is False
    for value in ("yes", 1, None):
        with pytest.raises(ConfigError, match="a.b is .*, expected true or false."):
            check_flag("a.b", value)


def test_a_pair() -> None:
    assert check_pair("a.key", OmegaConf.create([1, 2.5])) == (1.0, 2.5)
    for value in ([3], [2, 1], [1, 1], [1, 2, 3], ["a", "b"], [0, 1], 5, "12", None, [1, math.nan]):
        assert said(check_pair, value, above=0).endswith("expected two increasing numbers above 0, such as [1, 2].")
    assert said(check_pair, OmegaConf.create([3])).startswith("a.key is [3], expected two increasing numbers,")


def test_a_list_of_numbers() -> None:
    assert check_numbers("a.key", OmegaConf.create([4, 2.5])) == (4.0, 2.5)
    for value in ([], ["a"], [0], 5, "12", None, [1, math.inf]):
        assert said(check_numbers, value, above=0).endswith("expected one or more numbers above 0, such as [1, 2].")


def test_a_list_of_whole_numbers() -> None:
    assert check_integers("a.key", OmegaConf.create([4, 1]), 1) == (4, 1)
    assert check_integers("a.key", [], 1, or_empty=True) == ()
    for value in ([], ["a"], [3, 0], [2.0], [True], 5, "12", None):
        sentence = said(check_integers, value, 1)
        assert sentence.endswith("expected a list of whole numbers of 1 or more, as in [3, 4].")


def test_names_with_numbers() -> None:
    assert check_named_numbers("a.key", OmegaConf.create({"k": 1, "h": 2.5})) == {"k": 1.0, "h": 2.5}
    assert said(check_named_numbers, {"k": "abc"}) == "a.key.k is 'abc', expected a number."
    assert said(check_named_numbers, [1]).startswith("a.key is [1], expected names with numbers")
