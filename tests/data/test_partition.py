"""Partitions: the authors' split 44 to the letter, and the properties every draw must have."""

from collections.abc import Sequence

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf
from scipy import stats

from preflare.command import CONF
from preflare.data.partition import SIDES, Partition, Partitioner
from preflare.errors import ConfigError, PartitionError
from preflare.sun.observation import Header, Label

# The paper's observations in catalog order.
AR = (
    "20150728_151849_3660109122 20150704_100921_3860108354 20150408_045717_3860107054 20150518_143915_3860256971 "
    "20150130_112715_3860607366 20150703_165917_3620006130 20150809_061551_3860009180 20140329_201426_3820011652 "
    "20150521_185917_3800507454 20150518_161415_3860256971 20141201_154438_3800008053 20140313_093521_3820109554 "
    "20141128_210538_3860009154 20150724_053523_3620109103 20151017_003115_3660105403 20150807_221421_3860259180 "
    "20150916_181744_3600101141 20150704_165917_3620006130"
).split()
PF = (
    "20140612_110933_3863605329 20140212_215458_3860257280 20141026_185250_3864111353 20141027_140420_3860354980 "
    "20140329_140938_3860258481 20141109_151704_3860258971 20150312_054519_3860107053 20150821_160115_3660104044 "
    "20141107_093726_3860602088 20141022_081850_3860261381 20140611_181927_3863605329 20141025_145828_3880106953 "
    "20141027_205655_3864111353 20150311_044603_3860259280 20140910_112825_3860259453 20150311_151947_3860107071 "
    "20150622_170003_3660100039 20141021_181052_3860261353 20140906_112339_3820259253"
).split()
SPLIT_44_TEST = {
    "AR_20150408_045717_3860107054",
    "AR_20150703_165917_3620006130",
    "AR_20141128_210538_3860009154",
    "AR_20150807_221421_3860259180",
    "AR_20150916_181744_3600101141",
    "PF_20141026_185250_3864111353",
    "PF_20141109_151704_3860258971",
    "PF_20141027_205655_3864111353",
    "PF_20150311_151947_3860107071",
    "PF_20150622_170003_3660100039",
}


def paper(seed: int = 0, **changes: object) -> Partitioner:
    config = OmegaConf.load(CONF / "partition/paper.yaml")
    return instantiate(config, seed=seed, **changes)


def header(identity: str, label: Label, number: int = -1) -> Header:
    onset = "2014-01-01T00:00:00" if label is Label.PF else ""
    return Header(identity, label, "simulation", "tiny", np.arange(2.0), 0.1, "", "", "", onset, number=number)


def catalog() -> list[Header]:
    """All 37 in an order that is not the catalog's."""
    headers = [header(name, Label.AR, i) for i, name in enumerate(AR)]
    headers += [header(name, Label.PF, len(AR) + i) for i, name in enumerate(PF)]
    return sorted(headers, key=lambda h: h.id)


def small(ar: int = 8, pf: int = 9) -> list[Header]:
    """Observations that are in no catalog."""
    return [
        header(f"2014{i:04}_000000_000000000{int(label)}", label)
        for label, count in ((Label.AR, ar), (Label.PF, pf))
        for i in range(count)
    ]


def masks(headers: Sequence[Header], seed: int = 0) -> dict[str, np.ndarray]:
    """Clean spectra of very different number; PF has more."""
    rng = np.random.default_rng(seed)
    return {h.name: rng.random((rng.integers(2, 40), 2, 3)) < (0.6 if h.label is Label.PF else 0.3) for h in headers}


def per_class(partition: Partition, side: str) -> dict[str, int]:
    counts = {"AR": 0, "PF": 0}
    for name, rows in partition.rows[side].items():
        counts[name[:2]] += len(rows)
    return counts


def same(one: Partition, other: Partition) -> bool:
    return one.sides == other.sides and all(
        list(one.rows[side]) == list(other.rows[side])
        and all(np.array_equal(one.rows[side][name], other.rows[side][name]) for name in one.rows[side])
        for side in SIDES
    )


def test_split_44_is_the_authors() -> None:
    sides = paper(44).observations(catalog())
    assert set(sides["test"]) == SPLIT_44_TEST
    everyone = {f"AR_{name}" for name in AR} | {f"PF_{name}" for name in PF}
    assert set(sides["train"]) == everyone - SPLIT_44_TEST
    assert (len(sides["train"]), len(sides["test"]), sides["validation"]) == (27, 10, ())
    # The last PF that trains is the one which the authors' pairing of the two lists left out.
    assert sides["train"][-1] == "PF_20141027_140420_3860354980"
    assert all(name.startswith("AR") for name in sides["train"][:13])


def test_over_50_splits_the_observation_the_authors_left_out_is_one_of_17() -> None:
    assert len({paper(seed).observations(catalog())["train"][-1] for seed in range(50)}) == 17


def test_the_shipped_order_is_the_papers() -> None:
    with open(CONF.parent / "preflare/sun/catalog.csv") as file:
        rows = [line.split(",")[:3] for line in file.read().splitlines()[1:]]
    shipped = [header(name, Label[label], int(number)) for number, label, name in rows]
    assert paper(44).observations(shipped) == paper(44).observations(catalog())


def test_every_listed_observation_is_used() -> None:
    headers = catalog()
    partition = paper(44).divide(headers, masks(headers))
    for side in SIDES:
        assert tuple(partition.rows[side]) == partition.sides[side]
        assert all(len(rows) > 0 for rows in partition.rows[side].values())


@pytest.mark.parametrize("validation", [0, 2])
@pytest.mark.parametrize("seed", range(6))
def test_sides_are_disjoint_balanced_capped_and_clean(seed: int, validation: int) -> None:
    headers = catalog()
    clean = masks(headers, seed)
    partition = paper(seed, validation=validation).divide(headers, clean)

    names = [name for side in SIDES for name in partition.sides[side]]
    assert sorted(names) == sorted(h.name for h in headers)
    available = {
        side: {
            prefix: sum(int(clean[name].sum()) for name in partition.sides[side] if name[:2] == prefix)
            for prefix in ("AR", "PF")
        }
        for side in SIDES
    }
    trains = min(available["train"].values())
    assert per_class(partition, "train") == {"AR": trains, "PF": trains}
    for side in ("validation", "test"):
        expected = min(*available[side].values(), int(0.4 * trains + 1e-9))
        assert per_class(partition, side) == {"AR": expected, "PF": expected}
        assert partition.spectra(side) == 2 * expected
    for side in SIDES:
        for name, rows in partition.rows[side].items():
            assert np.array_equal(rows, np.unique(rows)), "sorted, none twice"
            assert clean[name].reshape(-1)[rows].all()


def test_the_published_sizes_of_split_44_follow() -> None:
    headers = catalog()
    sides = paper(44).observations(headers)
    # 24193 spectra of the smaller class train; the test side has plenty.
    clean = {name: np.ones((3000, 1, 1), bool) for side in sides.values() for name in side}
    names = [name for name in sides["train"] if name.startswith("AR")]
    for name in names:
        clean[name] = np.ones((1861 if name != names[0] else 24193 - 12 * 1861, 1, 1), bool)
    partition = paper(44).divide(headers, clean)
    assert (partition.spectra("train"), partition.spectra("test")) == (48386, 19354)


@pytest.mark.parametrize(("share", "expected"), [(0.29, 29), (0.4, 40), (2 / 3, 66), (1.0, 100)])
def test_the_cap_is_the_whole_part_of_the_share(share: float, expected: int) -> None:
    headers = small(2, 2)
    clean = {h.name: np.ones((100, 1, 1), bool) for h in headers}
    partition = paper(test_observations=1, test_share=share).divide(headers, clean)
    assert per_class(partition, "test") == {"AR": expected, "PF": expected}


def test_the_order_of_files_does_not_matter() -> None:
    headers = small()
    clean = masks(headers)
    shuffled = [headers[i] for i in np.random.default_rng(1).permutation(len(headers))]
    assert same(paper(3).divide(headers, clean), paper(3).divide(shuffled, dict(reversed(clean.items()))))


def test_observations_of_no_catalog_come_after_it_by_name() -> None:
    extra = header("20130101_000000_0000000000", Label.AR)
    later = header("20120101_000000_0000000000", Label.AR)
    numbered = [*catalog(), extra, later]
    renumbered = [*catalog(), header(later.id, Label.AR, 100), header(extra.id, Label.AR, 101)]
    assert paper(5).observations(numbered) == paper(5).observations(renumbered)


def test_another_seed_is_another_partition() -> None:
    headers = catalog()
    clean = masks(headers)
    a, b = paper(0).divide(headers, clean), paper(1).divide(headers, clean)
    assert set(a.sides["test"]) != set(b.sides["test"])
    # The same observations draw other spectra, too.
    shared = set(a.sides["train"]) & set(b.sides["train"])
    assert any(not np.array_equal(a.rows["train"][name], b.rows["train"][name]) for name in shared)


def test_validation_takes_from_those_that_train_and_leaves_the_test_observations() -> None:
    headers = catalog()
    without, with_two = paper(7).observations(headers), paper(7, validation=2).observations(headers)
    assert with_two["test"] == without["test"]
    assert [name[:2] for name in with_two["validation"]] == ["AR", "AR", "PF", "PF"]
    kept = tuple(name for name in without["train"] if name not in with_two["validation"])
    assert with_two["train"] == kept and len(kept) == 23
    # Who is set aside changes with the seed and does not follow from who tests.
    aside = {name for seed in range(50) for name in paper(seed, validation=2).observations(headers)["validation"]}
    assert len(aside) == 37


def test_a_smaller_share_is_a_part_of_a_larger_and_leaves_training_alone() -> None:
    headers = catalog()
    clean = masks(headers)
    a, b = (paper(2, test_share=share).divide(headers, clean) for share in (0.1, 0.2))
    assert all(np.array_equal(a.rows["train"][name], b.rows["train"][name]) for name in a.sides["train"])
    assert a.spectra("test") < b.spectra("test")
    assert all(np.isin(a.rows["test"][name], b.rows["test"][name]).all() for name in a.sides["test"])


def test_undersampling_takes_every_spectrum_as_often() -> None:
    headers = small(2, 2)
    clean = {h.name: np.ones((40 if h.label is Label.PF else 20, 1, 1), bool) for h in headers}
    taken = np.zeros(40, int)
    times = 200
    for seed in range(times):
        partition = paper(seed, test_observations=1, test_share=1.0).divide(headers, clean)
        (name,) = [name for name in partition.sides["train"] if name.startswith("PF")]
        taken[partition.rows["train"][name]] += 1
    assert taken.sum() == 20 * times
    # Each is in or out with probability 1/2; draws without replacement vary a little less than independent ones.
    spread = ((taken - times / 2) ** 2).sum() / (times / 4)
    assert stats.chi2.cdf(spread, 39) < 0.999
    assert stats.chi2.cdf(spread, 39) > 0.001


def test_a_tiny_observation_beside_large_ones_is_still_used() -> None:
    headers = small(3, 3)
    tiny = "PF_20140000_000000_0000000001"
    # Where the tiny one trains, chance alone would take it in one of ten draws.
    clean = {h.name: np.ones((5000 if h.label is Label.PF else 500, 1, 1), bool) for h in headers}
    clean[tiny] = np.ones((1, 1, 1), bool)
    for seed in range(10):
        partition = paper(seed, test_observations=1).divide(headers, clean)
        side = "train" if tiny in partition.sides["train"] else "test"
        assert partition.rows[side][tiny].tolist() == [0]


def test_the_draws_are_pinned() -> None:
    """A partition must not change with a new version of NumPy or scikit-learn."""
    headers = small(2, 2)
    clean = {h.name: np.ones((5 if h.label is Label.AR else 12, 1, 1), bool) for h in headers}
    rows = paper(1, test_observations=1, test_share=0.6).divide(headers, clean).rows
    assert {side: {name[:11]: found.tolist() for name, found in rows[side].items()} for side in SIDES} == {
        "train": {"AR_20140001": [0, 1, 2, 3, 4], "PF_20140001": [0, 1, 6, 8, 9]},
        "validation": {},
        "test": {"AR_20140000": [0, 2, 4], "PF_20140000": [1, 3, 7]},
    }


def test_other_labels_are_left_out() -> None:
    quiet = header("20140101_000000_0000000000", Label.QS)
    unknown = header("20140102_000000_0000000000", Label.UNKNOWN)
    assert paper(4).observations([quiet, *catalog(), unknown]) == paper(4).observations(catalog())


def test_too_few_observations_are_counted() -> None:
    with pytest.raises(
        PartitionError, match=r"There are 6 AR and 9 PF observations; .* at least 7 of each \(5 to test, 1 to val"
    ):
        paper(validation=1).observations(small(6, 9))
    paper(validation=1).observations(small(7, 9))


def test_no_observation_at_all_is_the_same_sentence() -> None:
    with pytest.raises(PartitionError, match="There are 0 AR and 0 PF observations"):
        paper().observations([])


def test_an_observation_without_a_clean_spectrum_is_named() -> None:
    headers = catalog()
    clean = masks(headers)
    name = "AR_20150704_165917_3620006130"
    clean[name] = np.zeros((3, 2, 4), bool)
    with pytest.raises(PartitionError, match=f"{name}, of the train side, has no clean spectrum .* Remove its shard"):
        paper(44).divide(headers, clean)


def test_a_side_too_small_for_its_observations_is_refused() -> None:
    headers = catalog()
    clean = {h.name: np.ones((2, 1, 1), bool) for h in headers}
    with pytest.raises(PartitionError, match="The test side gets 2 AR spectra, fewer than its 5 AR observations"):
        paper(test_share=0.1).divide(headers, clean)


def test_two_shards_of_one_observation_are_refused() -> None:
    headers = catalog()
    with pytest.raises(PartitionError, match=f"more than one shard of {headers[3].name}, which could then train"):
        paper().observations([*headers, headers[3]])


def test_one_observation_as_ar_and_as_pf_is_refused() -> None:
    twice = header(PF[4], Label.AR, 30)
    with pytest.raises(PartitionError, match=f"more than one shard of AR_{PF[4]} and PF_{PF[4]}, which could then"):
        paper().observations([*catalog(), twice])


def test_what_enters_no_partition_may_be_there_twice() -> None:
    others = [header(PF[4], Label.UNKNOWN), header(AR[4], Label.QS)]
    assert paper(4).observations([*catalog(), *others]) == paper(4).observations(catalog())


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("seed", -1, "partition.seed is -1, expected a whole number from 0 to 4294967295."),
        ("seed", 2**32, "partition.seed is 4294967296"),
        ("seed", 1.5, "partition.seed is 1.5"),
        ("seed", "one", "partition.seed is 'one'"),
        ("seed", None, "partition.seed is null"),
        ("seed", True, "partition.seed is true"),
        ("test_observations", 0, "partition.test_observations is 0, expected a whole number of 1 or more."),
        ("validation", -1, "partition.validation is -1, expected a whole number of 0 or more."),
        ("test_share", 0, "partition.test_share is 0, expected a number above 0"),
        ("test_share", 1.01, "partition.test_share is 1.01"),
        ("test_share", float("nan"), "partition.test_share is nan"),
        ("test_share", "most", "partition.test_share is 'most'"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(key: str, value: object, message: str) -> None:
    values = {"seed": 0, "test_observations": 5, "validation": 0, "test_share": 0.4} | {key: value}
    with pytest.raises(ConfigError) as raised:
        Partitioner(**values)
    assert str(raised.value).startswith(message)
