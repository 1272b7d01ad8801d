"""Kinds of attributions: found where planted, named by the line, and compared with a slow count."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from preflare.command import CONF
from preflare.explain.cube import Cube
from preflare.report import explained, kinds
from preflare.report.kinds import Kinds, Sample
from preflare.sun.line import Line
from preflare.sun.observation import Label


@pytest.fixture(scope="module")
def line() -> Line:
    return instantiate(OmegaConf.load(Path(CONF) / "line" / "mg_ii.yaml"))


def bumps(line: Line, *places: float) -> np.ndarray:
    """A row with bumps of falling height."""
    return sum(
        (1 - 0.3 * rank) * np.exp(-(((line.wavelength - place) / 0.1) ** 2)) for rank, place in enumerate(places)
    )


def test_two_kinds_are_found_and_named(line: Line) -> None:
    stream = np.random.default_rng(0)
    one, two = bumps(line, 2798.77), bumps(line, 2797.0, 2804.2)
    truth = stream.integers(0, 2, 60)
    rows = np.array([one, two])[truth] * stream.uniform(0.5, 3, (60, 1)) + 0.02 * stream.standard_normal((60, 240))
    found = kinds.find([Sample("a", rows[:30], None), Sample("b", rows[30:], None)], 2, line)

    assert sorted(found.names) == ["k red wing and h red wing", "triplet"]
    told = np.array([found.names[kind] == "k red wing and h red wing" for kind in found.of(rows)])
    np.testing.assert_array_equal(told, truth == 1)
    np.testing.assert_allclose(np.linalg.norm(found.centres, axis=1), 1)


def test_what_cannot_be_told_has_no_kind(line: Line) -> None:
    found = Kinds(("triplet",), bumps(line, 2798.77)[None])
    rows = np.stack([np.full(240, np.nan), bumps(line, 2796.0)])
    np.testing.assert_array_equal(found.of(rows), [-1, 0])


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (2796.34, "k core"),
        (2796.8, "k red wing"),
        (2803.0, "h blue wing"),
        (2798.8, "triplet"),
        (2798.937, "triplet"),
        (2799.09, "Mn I"),
        (2801.9, "Mn I (2)"),
        (2800.5, "2800.5 Å"),
    ],
)
def test_places_in_words(line: Line, place: float, name: str) -> None:
    assert kinds.where(line, place) == name
    assert kinds.name(line, bumps(line, place)) == name


def test_what_kinds_add_is_that_of_a_loop(
    line: Line,
    tmp_path: Path,
    make_shard: Callable[..., Path],
    make_cube: Callable[..., Cube],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kinds, "BLOCK", 7)
    stream = np.random.default_rng(3)
    shapes = np.array([bumps(line, 2798.77), bumps(line, 2797.0)])
    which, score = stream.integers(0, 2, (4, 2, 10)), stream.uniform(0.1, 0.9, (4, 2, 10))
    score[0, 0, 1] = 0.99
    make_cube(tmp_path / "cubes", make_shard(tmp_path / "shards", Label.PF, 0), score, shapes[which])
    (one,) = explained.open_all(tmp_path / "cubes", tmp_path / "shards")
    slow = np.zeros((2, 2, 10))
    for repeat, step, pixel in np.ndindex(3, 2, 10):  # the last repeat lies in the flare
        seen = one.cube.read("score")[repeat, step, pixel]
        if seen > 0.5 and (repeat, step, pixel) not in ((0, 0, 0), (0, 0, 1)):  # not clean
            slow[which[repeat, step, pixel], step, pixel] += seen / 3
    np.testing.assert_allclose(kinds.carried(one, Kinds(("triplet", "k red wing"), kinds.shape(shapes))), slow)
    clean = one.cube.read("score").reshape(-1)[2:60]
    assert len(kinds.sample(one).rows) == (clean > 0.5).sum()


def test_equal_names_are_told_apart(line: Line) -> None:
    broad = np.exp(-(((line.wavelength - 2798.77) / 1.5) ** 2))
    rows = np.repeat([bumps(line, 2798.77), broad], 10, axis=0)
    found = kinds.find([Sample("a", rows, None)], 2, line)
    assert found.names == ("triplet", "triplet, second kind")
    assert [kinds.leading(name) for name in (*found.names, "Mn I (2) and k core, third kind")] == [
        "triplet",
        "triplet",
        "Mn I (2)",
    ]


def test_no_more_kinds_than_different_rows(line: Line) -> None:
    rows = np.repeat(bumps(line, 2798.77)[None], 5, axis=0)
    assert kinds.find([Sample("a", rows, None)], 6, line).names == ("triplet",)
    assert kinds.find([Sample("a", np.empty((0, 240)), None)], 6, line).names == ()


def test_the_excess_is_that_of_all_pairs() -> None:
    stream = np.random.default_rng(1)
    found, planted = stream.integers(0, 3, 25), stream.integers(1, 4, 25)
    pairs = list(combinations(range(25), 2))
    same = [planted[a] == planted[b] for a, b in pairs]
    given = [planted[a] == planted[b] for a, b in pairs if found[a] == found[b]]
    assert kinds.excess(found, planted) == pytest.approx(np.mean(given) - np.mean(same))


def test_the_excess_is_undefined_without_two_kinds() -> None:
    assert np.isnan(kinds.excess(np.array([0, 0, 0]), np.array([1, 2, 1])))
    assert np.isnan(kinds.excess(np.array([0, 1, 0]), np.array([1, 1, 1])))
    assert np.isnan(kinds.excess(np.array([0, 1]), np.array([1, 2])))


def test_agreement_of_kinds_planted_and_of_noise(line: Line) -> None:
    stream = np.random.default_rng(2)
    shapes = np.array([bumps(line, 2798.77), bumps(line, 2797.0), bumps(line, 2804.2)])
    true, noise = [], []
    for number in range(8):
        planted = stream.integers(1, 4, 40).astype(np.uint8)
        rows = shapes[planted - 1] + 0.05 * stream.standard_normal((40, 240))
        true.append(Sample(str(number), rows, planted))
        noise.append(Sample(str(number), rows, stream.permutation(planted)))
    found = kinds.find(true, 3, line)
    gap, p, count = kinds.agreement(found, true)
    assert gap > 0.6 and p < 0.01 and count == 8
    gap, p, _ = kinds.agreement(found, noise)
    assert abs(gap) < 0.05 and p > 0.01
