from preflare.sun.simulation.recording import flatten


def test_flatten_names_what_it_finds() -> None:
    assert flatten("a", {"b": {"c": 1}, "d": (1, 2)}) == {"a.b.c": 1, "a.d": "1, 2"}
