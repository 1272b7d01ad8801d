import json
from dataclasses import asdict, replace

from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from preflare.command import CONF
from preflare.sun.recipe import flatten, recipe, stored


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
        recipe(replace(line, continuum=(2799.8, 2800.15)), window),
        recipe(replace(line, reference_halfwidth=0.3), window),
        recipe(replace(line, features={**line.features, str(line.reference): 2799.5}), window),
    ):
        assert len(set(other.items()) ^ set(plain.items())) in (1, 2)


def test_a_line_comes_back_from_its_recipe() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(overrides=["+line=mg_ii", "+window=paper"])
    line, window = instantiate(config.line), instantiate(config.window)
    rules = replace(line.rules, low_signal=40.0, core_ratio=(0.5, 3.0), peak_halfwidth=None)
    made = replace(line, start=2795.0, points=480, cores={"k": 2796.4, "h": 2803.5}, rules=rules)
    made = replace(made, continuum=(2799.8, 2800.1))
    kept = json.loads(json.dumps(recipe(made, window), sort_keys=True))
    assert stored(line, kept, made.wavelength) == made
    assert list(stored(line, kept, made.wavelength).cores) == ["k", "h"], "their order is that of the ratio"
    assert stored(line, {"seed": 1}, line.wavelength) == line
