"""Every observation is held out once, by the share of its class, and nothing of it trains."""

from collections.abc import Sequence

import numpy as np
import pytest

from preflare.data.folds import Folds
from preflare.errors import ConfigError, PartitionError
from preflare.sun.observation import Header, Label


def headers(ar: int = 7, pf: int = 8) -> list[Header]:
    made = []
    for label, count in ((Label.AR, ar), (Label.PF, pf)):
        for number in range(count):
            made.append(
                Header(
                    id=f"201403{number + 10}_140000_386025848{int(label)}",
                    label=label,
                    origin="simulation",
                    line="mg_ii",
                    wavelength=np.linspace(2794.14, 2805.72, 240),
                    dispersion=0.0255,
                    start="2014-03-10T14:00:00",
                    window_start="2014-03-10T14:00:00",
                    window_end="2014-03-10T14:25:00",
                    onset="2014-03-10T14:25:00" if label is Label.PF else "",
                    number=number,
                )
            )
    return made


def clean(given: Sequence[Header], spectra: int = 30) -> dict[str, np.ndarray]:
    return {header.name: np.ones((spectra, 1, 1), bool) for header in given}


def folds(seed: int, count: int | None = 5, validation: int = 0) -> Folds:
    return Folds(seed, count, 0, validation, 0.4)


def test_every_observation_is_held_out_once() -> None:
    given = headers()
    found = [folds(seed).observations(given) for seed in range(5)]
    held_out = [name for sides in found for name in sides["test"]]
    assert sorted(held_out) == sorted(header.name for header in given)
    for sides in found:
        assert not set(sides["test"]) & set(sides["train"])
        assert len(sides["test"]) + len(sides["train"]) == len(given)
        # 7 and 8 in five folds: one or two of each class.
        assert {sum(name.startswith(prefix) for name in sides["test"]) for prefix in ("AR", "PF")} <= {1, 2}


def test_another_shuffle_deals_otherwise_and_the_order_of_files_does_not_matter() -> None:
    given = headers()
    first = [folds(seed).observations(given) for seed in range(5)]
    assert first == [folds(seed).observations(given[::-1]) for seed in range(5)]
    assert first != [Folds(seed, 5, 1, 0, 0.4).observations(given) for seed in range(5)]


def test_leave_one_out_holds_out_the_one_observation() -> None:
    given = headers()
    names = [header.name for header in given]
    for seed in (0, 6, 7, 14):
        partition = folds(seed, None).divide(given, clean(given))
        assert partition.sides["test"] == (names[seed],)
        assert partition.spectra("test") == 30
        assert len(partition.sides["train"]) == 14
        by_class = [
            sum(len(rows) for name, rows in partition.rows["train"].items() if name.startswith(prefix))
            for prefix in ("AR", "PF")
        ]
        assert by_class[0] == by_class[1] > 0


def test_both_classes_are_balanced_on_every_side() -> None:
    given = headers()
    partition = folds(2, validation=1).divide(given, clean(given))
    for side in ("train", "validation", "test"):
        counts = [
            sum(len(rows) for name, rows in partition.rows[side].items() if name.startswith(prefix))
            for prefix in ("AR", "PF")
        ]
        assert counts[0] == counts[1] > 0
    assert [len(partition.sides[side]) for side in ("validation",)] == [2]


def test_folds_that_are_not_there_are_refused() -> None:
    with pytest.raises(ConfigError, match="no fold of partition.count=5"):
        folds(5)
    with pytest.raises(PartitionError, match="none of the 15 observations"):
        folds(15, None).observations(headers())
    with pytest.raises(PartitionError, match="too few for 5 folds"):
        folds(0).observations(headers(ar=4))
    with pytest.raises(PartitionError, match="leaves 6 AR observations to train and validate, expected at least 7"):
        folds(0, None, validation=6).observations(headers())
    with pytest.raises(ConfigError, match="partition.count"):
        folds(0, 1)
