"""Which observations train, validate and test, and which of their spectra (paper Sect. 4).

A partition is a pure function of the observations' headers, the masks of their clean spectra and one seed: the
order of files does not matter. Every draw has its own random stream, so that changing one leaves the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from sklearn.model_selection import train_test_split

from preflare.checks import check_integer, check_number
from preflare.errors import PartitionError
from preflare.sun.observation import Header, Label

SIDES = ("train", "validation", "test")
CLASSES = (Label.AR, Label.PF)
# The stream of each draw is SeedSequence((seed, draw, label)).
DRAWS = {"observations to validate": 1, "train": 2, "validation": 3, "test": 4}

# Observation name -> flat indices of spectra.
Pool = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Partition:
    """The outcome for one seed.

    sides: side -> names of its observations, AR then PF, each in the order they were drawn.
    rows: side -> name -> sorted indices of the spectra used, flat (C order) over (repeat, step, slit); int64.
    """

    seed: int
    sides: Mapping[str, tuple[str, ...]]
    rows: Mapping[str, Mapping[str, np.ndarray]]

    def spectra(self, side: str) -> int:
        """How many spectra a side uses."""
        return sum(len(rows) for rows in self.rows[side].values())


@dataclass(frozen=True)
class Partitioner:
    """The rules; ``divide`` applies them.

    seed: which partition. With the paper's catalog, seed i holds out the observations of the authors' split i.
    test_observations: how many observations of each class test (5 in the paper).
    validation: how many of each class are then taken from those that train, to choose the epoch; 0, as in the
        paper, leaves that to the test side.
    test_share: the most spectra a test or validation side may have, as a share of those that train
        (0.4 in the authors' code, 2/3 in the paper's text).

    Raises ConfigError for values that cannot be meant.
    """

    seed: int
    test_observations: int
    validation: int
    test_share: float

    def __post_init__(self) -> None:
        check_integer("partition.seed", self.seed, 0, 2**32 - 1)
        check_integer("partition.test_observations", self.test_observations, 1)
        check_integer("partition.validation", self.validation, 0)
        check_number("partition.test_share", self.test_share, maximum=1, above=0)

    def observations(self, headers: Sequence[Header]) -> dict[str, tuple[str, ...]]:
        """Side -> names, drawn class by class from the observations in catalog order.

        Raises PartitionError if an observation appears twice, also under two labels, or if a class has too few.
        """
        check_unique(headers)
        drawn: dict[str, list[str]] = {side: [] for side in SIDES}
        classes = {label: in_catalog_order(headers, label) for label in CLASSES}
        self._check_enough(classes)
        for label, names in classes.items():
            # The authors' very call. Their next step pairs the classes and loses an observation; ours does not.
            train, test = train_test_split(names, test_size=self.test_observations, random_state=self.seed)
            order = stream(self.seed, "observations to validate", label).permutation(len(train))
            aside = set(order[: self.validation].tolist())
            drawn["train"] += [name for place, name in enumerate(train) if place not in aside]
            drawn["validation"] += [train[place] for place in order[: self.validation]]
            drawn["test"] += test
        return {side: tuple(names) for side, names in drawn.items()}

    def divide(self, headers: Sequence[Header], clean: Mapping[str, np.ndarray]) -> Partition:
        """Divide the AR and PF observations and draw their spectra; see ``draw``."""
        return draw(self.seed, self.observations(headers), headers, clean, self.test_share)

    def _check_enough(self, classes: Mapping[Label, Sequence[str]]) -> None:
        needed = self.test_observations + self.validation + 1
        if min(len(names) for names in classes.values()) < needed:
            found = " and ".join(f"{len(names)} {label.name}" for label, names in classes.items())
            raise PartitionError(
                f"There are {found} observations; this partition needs at least {needed} of each "
                f"({self.test_observations} to test, {self.validation} to validate, 1 to train). "
                "Ingest more, or lower partition.test_observations or partition.validation."
            )


class Division(Protocol):
    """What says which observations and spectra train, validate and test; the configs of ``partition=`` build one."""

    seed: int

    def observations(self, headers: Sequence[Header]) -> dict[str, tuple[str, ...]]:
        """Side -> names. Raises PartitionError."""
        ...

    def divide(self, headers: Sequence[Header], clean: Mapping[str, np.ndarray]) -> Partition:
        """The observations and their spectra. Raises PartitionError."""
        ...


def stream(seed: int, what: str, label: Label) -> np.random.Generator:
    """The random stream of one draw."""
    return np.random.default_rng(np.random.SeedSequence((seed, DRAWS[what], int(label))))


def draw(
    seed: int,
    sides: Mapping[str, tuple[str, ...]],
    headers: Sequence[Header],
    clean: Mapping[str, np.ndarray],
    test_share: float,
) -> Partition:
    """Draw the spectra of the observations on each side, as many AR as PF where a side has both.

    sides: side -> names. clean: name -> bool array over (repeat, step, slit), the spectra that may be used: clean and
    preflare. test_share: see Partitioner.

    The class with more spectra is undersampled without replacement; every observation keeps at least one.
    Raises PartitionError if observations have too few clean spectra.
    """
    labels = {header.name: header.label for header in headers}
    pools: dict[str, dict[Label, Pool]] = {side: {label: {} for label in CLASSES} for side in SIDES}
    for side, names in sides.items():
        for name in names:
            pools[side][labels[name]][name] = _usable_rows(name, clean[name], side)
    sizes = {side: min((_count(pool) for pool in pools[side].values() if pool), default=0) for side in SIDES}
    # The tiny excess keeps a share such as 0.29 of 100 from becoming 28.
    most = int(test_share * sizes["train"] + 1e-9)
    chosen: dict[str, Pool] = {side: {} for side in SIDES}
    for side, by_class in pools.items():
        size = sizes[side] if side == "train" else min(sizes[side], most)
        for label, pool in by_class.items():
            if size < len(pool):
                advice = "" if side == "train" else ", or raise partition.test_share"
                raise PartitionError(
                    f"The {side} side gets {size} {label.name} spectra, fewer than its {len(pool)} {label.name} "
                    f"observations. Ingest observations with more clean spectra{advice}."
                )
            chosen[side] |= _draw(pool, size, stream(seed, side, label))
    return Partition(seed, sides, chosen)


def check_unique(headers: Sequence[Header]) -> None:
    # By id: AR and PF shards of one observation hold the same spectra.
    names: dict[str, list[str]] = {}
    for header in headers:
        if header.label in CLASSES:
            names.setdefault(header.id, []).append(header.name)
    twice = sorted({name for same in names.values() if len(same) > 1 for name in same})
    if twice:
        raise PartitionError(
            f"There is more than one shard of {' and '.join(twice)}, which could then train and test at once. "
            "Keep one of them."
        )


def in_catalog_order(headers: Sequence[Header], label: Label) -> list[str]:
    chosen = [header for header in headers if header.label is label]
    chosen.sort(key=lambda header: (header.number < 0, max(header.number, 0), header.name))
    return [header.name for header in chosen]


def _usable_rows(name: str, clean: np.ndarray, side: str) -> np.ndarray:
    rows = np.flatnonzero(clean)
    if len(rows) == 0:
        raise PartitionError(
            f"{name}, of the {side} side, has no clean spectrum in its window. Remove its shard, or ingest it with "
            "another window or other mask rules."
        )
    return rows


def _count(pool: Pool) -> int:
    return sum(len(rows) for rows in pool.values())


def _draw(pool: Pool, size: int, stream: np.random.Generator) -> Pool:
    """Size spectra of a class without replacement, one from each observation first; rows sorted.

    A smaller size gives a part of what a larger one gives.
    """
    if not pool:
        return {}
    owner = np.repeat(np.arange(len(pool)), [len(rows) for rows in pool.values()])
    rows = np.concatenate(list(pool.values()))
    order = stream.permutation(len(rows))
    first = np.unique(owner[order], return_index=True)[1]
    taken = np.concatenate([order[first], np.delete(order, first)])[:size]
    return {name: np.sort(rows[taken[owner[taken] == place]]) for place, name in enumerate(pool)}
