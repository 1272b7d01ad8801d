"""The null test: where nothing but chance is at work, the study's p-values are small as rarely as they promise.

First on twenty simulated Suns without precursors, of seeds 0 to 19, from the simulation through training and explaining
to the sections. Then on cheap data sets, where the alternative is at hand, too: observations of 37 names, each with a
level and a memory of its own, scores and spectra that wander, attributions that prefer places, labels dealt at random.
"""

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from scipy import stats
from scipy.signal import lfilter

from preflare.command import CONF
from preflare.explain.truth import Truth
from preflare.report import drift, global_explanation, intensity, measured, null, quiet_rises, section, timelines
from preflare.report.explained import Explained
from preflare.report.features import Emission
from preflare.report.sample import Sample
from preflare.sun.goes import Goes
from preflare.sun.line import Line
from preflare.sun.observation import Label

SETS, OBSERVATIONS, PF = 20, 37, 19
PIXELS = 6
# The Suns of the test, in parts that two processes can share.
SUNS, PARTS = 20, 2


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_suns_without_precursors_have_no_more_small_p_values_than_chance(
    part: int,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    verb: Callable[..., int],
    load_verb: Callable[..., ModuleType],
) -> None:
    """The part that is done last judges all Suns; alone, a part judges its own."""
    count = SUNS // PARTS
    output = tmp_path / "null"
    assert verb("experiments/null", f"suns={count}", f"first={part * count}", f"output={output}") == 0
    record = section.read(output)
    assert record["plots"][0]["name"] == "p_values" and "by chance: none" in record["lead"]

    experiment = load_verb("experiments/null")
    shared = tmp_path_factory.getbasetemp()
    shared = (shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared) / "null_suns"
    shared.mkdir(exist_ok=True)
    mine = experiment.read(output / experiment.CSV)
    experiment.write(shared / f"{part}.csv", mine)
    suns = [sun for path in sorted(shared.glob("*.csv")) for sun in experiment.read(path).values()]
    assert sorted(mine) == list(range(part * count, (part + 1) * count))

    # Kind by kind, so that of twenty codes without a fault one would fail; the score's PF against AR is one of them.
    shares = null.by_kind(suns)
    names = [one.kind for one in shares if not null.why(one.kind)]
    assert {"features: score says if", "timelines: PF observations rise", "timelines: AR observations rise"} < {*names}
    assert null.too_many(shares) == []
    # All of them, and each section's.
    chosen = [null.of_chance(sun) for sun in suns]
    assert null.together("all", chosen).excess > 0.05
    for title, begins in experiment.GROUPS.items():
        assert null.together(title, chosen, begins).excess > 0.05 / len(experiment.GROUPS), title


@pytest.fixture(scope="module")
def line() -> Line:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return instantiate(compose(overrides=["+line=mg_ii"]).line)


def wander(stream: np.random.Generator, memory: float, *shape: int) -> np.ndarray:
    """Noise of unit variance that remembers along its first axis."""
    white = stream.standard_normal((shape[0] + 60, *shape[1:]))
    return lfilter([np.sqrt(1 - memory**2)], [1, -memory], white, axis=0)[60:]


class Chance:
    """Shard, header and cube of one observation in one: rasters of a few pixels, in which nothing happens.

    rise: what the score and the triplet gain over the window, in standard deviations.
    """

    onset, window_end, start, flare_class = "2014-03-29T14:26:00", "", "2014-03-29T14:00:00", "M1.0"
    active_region = ""

    def __init__(self, stream: np.random.Generator, line: Line, number: int, label: Label, rise: float) -> None:
        repeats, memory = int(stream.integers(8, 40)), stream.uniform(0, 0.6)
        # What all pixels see, and what each sees alone.
        common, own = wander(stream, memory, repeats), wander(stream, memory, repeats, 1, PIXELS)
        state = stream.normal() + common[:, None, None] + own + rise * np.linspace(0, 1, repeats)[:, None, None]
        grid = line.wavelength
        bumps = [np.exp(-(((grid - core) / 0.25) ** 2) / 2) for core in (*line.cores.values(), 2798.77)]
        spectra = 0.15 + bumps[0] + 0.8 * bumps[1] + (0.05 + 0.02 * state)[..., None] * bumps[2]
        spectra += 0.02 * stream.standard_normal(spectra.shape)
        self.name, self.label, self.header, self.truth = f"{label.name}_{number}", label, self, ()
        self.shape = (repeats, 1, PIXELS, len(grid))
        time = np.arange(repeats)[:, None] * (1500 / repeats)
        self._data = {
            "score": 1 / (1 + np.exp(-state)),
            "spectra": spectra / spectra.max(axis=-1, keepdims=True),
            "intensity": 50 * (1 + 0.1 * wander(stream, memory, repeats, 1, PIXELS)),
            "phase": np.ones((repeats, 1), np.uint8),
            "time": time,
        }

    def read(self, name: str) -> np.ndarray:
        return self._data[name]

    def of_clean(self, name: str) -> np.ndarray:
        """All are."""
        return self._data[name]

    def goes(self) -> Goes:
        return Goes(np.arange(0, 1600.0, 10), np.full(160, 1e-6))


def p_values(seed: int, line: Line, rise: float = 0.0) -> tuple[dict[str, float], list[float]]:
    """Of one data set, the study's p-values by name, and those of all observations' rises. rise: of PF."""
    stream = np.random.default_rng(seed)
    labels = [Label.PF] * PF + [Label.AR] * (OBSERVATIONS - PF)
    fakes = [Chance(stream, line, n, label, rise if label is Label.PF else 0.0) for n, label in enumerate(labels)]
    them = [Explained(fake, fake) for fake in fakes]  # type: ignore[arg-type]
    ways = [timelines.timeline(one) for one in them]
    trends = [one.trend() for one in ways]
    strong, between = timelines.regimes(np.array([one.score.mean() for one in ways[:PF]]))
    looks = [measured.measure(one, line, Emission("triplet", 2799.32)) for one in them]
    rises = [quiet_rises.count(one) for one in them]
    found = {
        "timelines, PF against AR": timelines.difference(trends, labels)[1],
        "timelines, two regimes": timelines.one_group(PF, between)[2],
        "timelines, strong against planted": timelines.agreement(strong, stream.permutation(PF) < 13)[2],
        "the triplet says if": measured.p_if(looks, "triplet"),
        "the triplet says when": measured.p_when(looks, "triplet"),
        "the score says when": measured.p_when(looks, "score"),
        "the score rises where all else is flat": quiet_rises.together(rises, True)[2],
        **maxima(stream, rise),
        "two lines against one": lines(stream, rise),
    }
    return found, [one.p for one in drift.rises(ways)]


def lines(stream: np.random.Generator, gain: float) -> float:
    """The p that attribution bends where intensity is high, of observations that have each a line of their own."""
    owner = np.repeat(np.arange(PF), 30)
    x = stream.standard_normal(len(owner))
    y = (0.5 + 0.3 * stream.standard_normal(PF)[owner]) * x + stream.standard_normal(len(owner))
    found = intensity.broken(x, y + gain * np.maximum(x, 0), owner, resamples=1)
    assert found is not None
    return found.p


def maxima(stream: np.random.Generator, gain: float) -> dict[str, float]:
    """The p of maxima on planted places, of all kinds against anywhere and of one against the others, where
    attributions prefer places observation by observation."""
    owner = np.repeat(np.arange(PF), 30)
    attributions = stream.standard_normal((len(owner), 100)) + 2 * stream.standard_normal((PF, 100))[owner]
    kind, at = stream.integers(1, 4, len(owner)), stream.integers(0, 80, 4)
    after = np.abs(np.arange(100) - at[kind][:, None] - 10) <= 8
    attributions += gain * after
    ones = np.ones(len(owner))
    sample = Sample(np.ones(PF, bool), owner, ones, ones, ones, attributions, attributions, None)
    every, one, *_ = global_explanation.planted(sample, Truth(after, after, kind))
    return {"maxima on what changed": every.p, "maxima where their kind changed": one.p_others}


@pytest.mark.slow
def test_chance_alone_is_called_so(line: Line) -> None:
    sets = [p_values(seed, line) for seed in range(SETS)]
    named = [found for found, _ in sets]
    total = sum(p < 0.05 for found in named for p in found.values())
    count = sum(len(found) for found in named)
    # As many as twenty data sets may have, were their share exactly nominal.
    assert total <= stats.binom.ppf(0.975, count, 0.05)
    for name in named[0]:
        few = sum(found[name] < 0.05 for found in named)
        assert few <= stats.binom.ppf(0.995, SETS, 0.05), name
    rises = np.concatenate([each for _, each in sets])
    assert np.mean(rises < 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / len(rises))


@pytest.fixture(scope="module")
def rising(line: Line) -> dict[str, float]:
    return p_values(0, line, rise=3.0)[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "timelines, PF against AR",
        "the triplet says if",
        "the triplet says when",
        "the score says when",
        "the score rises where all else is flat",
        "maxima on what changed",
        "maxima where their kind changed",
        "two lines against one",
    ],
)
def test_what_is_no_chance_is_found(rising: dict[str, float], name: str) -> None:
    assert rising[name] < 0.01


def test_a_data_set_has_every_p_value(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet_rises, "count", lambda one: quiet_rises.Rises(one.name, True, 9, 9, 1, 0, 0.0))
    found, rises = p_values(0, line)
    assert all(0 < p <= 1 for p in found.values())
    assert len(rises) == OBSERVATIONS


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("suns=0", "suns is 0, expected"),
        ("networks=0", "networks is 0, expected"),
        ("rate=0", "rate is 0, expected a number above 0"),
        ("emission.feature=He", "emission.feature is 'He'"),
        ("'tolerances=[0]'", "tolerances: each is 0"),
    ],
)
def test_bad_input_is_refused(
    tmp_path: Path, verb: Callable[..., int], capfd: pytest.CaptureFixture[str], argument: str, said: str
) -> None:
    assert verb("experiments/null", f"output={tmp_path / 'x'}", argument.strip("'")) == 1
    assert said in capfd.readouterr().err
    assert not (tmp_path / "x").exists()
