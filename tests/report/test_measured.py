"""Counts, areas and trends of features whose answer is known."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from scipy import stats
from sklearn.metrics import roc_auc_score

from preflare.explain.cube import Cube
from preflare.report import explained, features, measured
from preflare.report.features import Emission
from preflare.report.measured import Measured
from preflare.sun.line import Line
from preflare.sun.observation import Label


@pytest.fixture(scope="module")
def line() -> Line:
    with initialize_config_dir(str(Path(__file__).resolve().parents[2] / "conf"), version_base="1.3"):
        return instantiate(compose(overrides=["+line=mg_ii"]).line)


def made(name: str, pf: bool, kind: bool = True, **values: np.ndarray) -> Measured:
    count = len(next(iter(values.values())))
    zeros = dict.fromkeys((*features.UNITS, "score"), np.zeros(count))
    repeat = np.arange(count) // 2
    kinds = np.zeros(count) if kind else None
    return Measured(name, pf, zeros | values, repeat, np.arange(count / 2) - 20.0, kinds, name)


def test_an_observation_is_measured_where_clean_and_scored(
    tmp_path: Path, make_shard: Callable[..., Path], make_cube: Callable[..., Cube], line: Line
) -> None:
    shard = make_shard(tmp_path / "shards", Label.PF, 0)
    score = np.full((4, 2, 10), 0.7)
    score[1, 0, 4] = np.nan
    make_cube(tmp_path / "cubes", shard, score, np.zeros((4, 2, 10, 240)))
    (one,) = explained.open_all(tmp_path / "cubes", tmp_path / "shards")
    found = measured.measure(one, line, Emission("triplet", 2799.32))
    # Two are flagged, one is not scored, and the last repeat lies in the flare.
    assert np.bincount(found.repeat, minlength=4).tolist() == [18, 19, 20, 0]
    assert found.pf and found.kind is None
    assert (found.values["triplet"] > 0).all()  # toys of PF have the triplet in emission
    np.testing.assert_allclose(found.minutes, one.minutes().mean(axis=1))


def test_counts_are_shares_of_the_spectra_asked_for() -> None:
    flows = np.array([20.0, 20, 20, -20, 0, 0, 0, 0])
    score = np.array([0.95, 0.95, 0.2, 0.95, 0.95, 0.2, 0.2, 0.2])
    them = [
        made("PF_1", True, bisector=flows, score=score),
        made("PF_2", True, bisector=-flows, score=0 * score),
        made("AR_1", False, bisector=0 * flows, width=np.arange(8.0)),
    ]
    down = measured.count(them, 0.9)[0]
    assert down.flag == "downflow"
    assert (down.high[0], down.pf[0], down.ar[0]) == (0.5, 0.25, 0.0)
    assert measured.surplus(them, 0.9)[0] == pytest.approx((2 - 1) / 4)
    broad = measured.count(them, 0.9)[-1]
    assert broad.ar[0] == pytest.approx(1 / 8)  # above the 0.9 quantile of 0 to 7, which is 6.3


def test_the_area_is_scikit_learns() -> None:
    stream = np.random.default_rng(0)
    one, other = stream.integers(0, 9, 40).astype(float), stream.integers(2, 12, 30).astype(float)
    expected = roc_auc_score(np.repeat([1, 0], [40, 30]), np.concatenate([one, other]))
    assert measured.area(np.append(one, np.nan), other) == pytest.approx(expected)
    assert np.isnan(measured.area(one[:0], other))


def test_a_feature_that_rises_and_one_that_differs_are_told_apart() -> None:
    stream = np.random.default_rng(1)

    def one(name: str, pf: bool) -> Measured:
        noise = stream.normal(size=(3, 24))
        rise = np.linspace(0, 4, 24) if pf else np.zeros(24)
        return made(name, pf, width=noise[0] + 3 * pf, triplet=noise[1] + rise - 2 * pf, centre=noise[2])

    them = [one(f"PF_{place}", True) for place in range(12)] + [one(f"AR_{place}", False) for place in range(12)]
    found = {row.feature: row for row in measured.says(them)}
    assert list(found) == [*features.UNITS, "score"]
    assert found["width"].area[0] == 1.0
    assert found["width"].tau[1] < 0 < found["width"].tau[2]
    assert found["triplet"].tau[1] > 0.5
    assert measured.p_when(them, "triplet") < 0.001 < 0.05 < measured.p_when(them, "centre")
    assert measured.p_if(them, "width") < 0.001 < 0.05 < measured.p_if(them, "centre")
    assert found["width"].p_if == measured.p_if(them, "width")
    assert found["triplet"].p_when == measured.p_when(them, "triplet")
    assert np.isnan(measured.p_if(them[:12], "width"))
    assert np.isnan(measured.p_when(them[12:], "width"))
    raster = them[0].values["triplet"].reshape(12, 2).mean(axis=1)
    assert measured.tau(them[0], "triplet") == pytest.approx(stats.kendalltau(np.arange(12), raster).statistic)
    assert np.isnan(measured.tau(them[0], "intensity"))  # does not vary


def test_the_planted_area_is_of_spectra_with_a_precursor() -> None:
    stream = np.random.default_rng(2)
    kind, width = np.repeat([0, 3], 20), stream.normal(size=40)
    width[kind > 0] += 1
    one = made("PF_1", True, width=width)
    one = replace(one, kind=kind)
    found = {row.feature: row.planted_area for row in measured.says([one, made("AR_1", False, width=width)])}
    assert found["width"] == pytest.approx(roc_auc_score(kind > 0, width))
    assert np.isnan(found["score"])


def test_observations_of_one_region_are_one_case() -> None:
    """Regions of several observations, each of one class: what a region looks like tells the classes apart no more
    often than promised, and where observations are what counts, twice as often."""
    stream = np.random.default_rng(3)
    sizes = [(True, 6), (True, 3), (True, 2), *[(True, 1)] * 7, (False, 3), (False, 3), (False, 2), *[(False, 1)] * 9]
    apart, together = [], []
    for _ in range(200):
        them = []
        for region, (pf, size) in enumerate(sizes):
            look = stream.normal()
            values = look + stream.normal(size=(size, 1)) + np.zeros(4)
            them += [
                replace(made(f"{region}-{n}", pf, width=value), region=str(region)) for n, value in enumerate(values)
            ]
        together.append(measured.p_if(them, "width"))
        apart.append(measured.p_if([replace(one, region=one.name) for one in them], "width"))
    limit = stats.binom.ppf(0.99, 200, 0.05) / 200
    assert np.mean(np.array(together) < 0.05) <= limit < np.mean(np.array(apart) < 0.05)
    assert [len(places) for places in measured.cases(them)] == [size for _, size in sizes]


def test_the_interval_of_an_area_is_over_regions() -> None:
    stream = np.random.default_rng(4)
    them = [made(f"{pf}-{n}", pf, width=np.full(4, stream.normal() + pf)) for pf in (True, False) for n in range(8)]
    twice = [replace(one, name=f"{one.name}+") for one in them] + them  # says nothing new
    (alone, doubled) = ({row.feature: row for row in measured.says(some)}["width"] for some in (them, twice))
    assert doubled.area[0] == alone.area[0]
    assert np.ptp(doubled.area[1:]) == pytest.approx(np.ptp(alone.area[1:]), abs=0.05)
