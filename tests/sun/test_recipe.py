from dataclasses import asdict, replace

from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from preflare.command import CONF
from preflare.sun.recipe import flatten, recipe


def test_flatten_names_what_it_finds() -> None:
    assert dict(flatten("a", {"b": {"c": 1}, "d": (1, (2, "x")), "e": None})) == {
        "a.b.c": 1,
        "a.d.0": 1,
        "a.d.1.0": 2,
        "a.d.1.1": "x",
        "a.e": None,
    }


def test_the_recipe_changes_with_every_choice() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(overrides=["+line=mg_ii", "+window=paper"])
    line, window = instantiate(config.line), instantiate(config.window)
    plain = recipe(line, window)
    assert plain["line.rules.null"] == line.rules.null and plain["line.cores.k"] == line.cores["k"]
    assert {key for key in plain if key.startswith("window.")} == {f"window.{key}" for key in asdict(window)}
    for other in (
        recipe(replace(line, points=99), window),
        recipe(line, replace(window, minutes=9)),
        recipe(line, window, {"seed": 1}),
    ):
        assert len(set(other.items()) ^ set(plain.items())) in (1, 2)
