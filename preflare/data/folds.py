"""Cross-validation over observations: every observation is held out once (the paper dismisses it as too expensive)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedKFold

from preflare.checks import check_integer, check_number
from preflare.data.partition import CLASSES, SIDES, Partition, check_unique, draw, in_catalog_order, stream
from preflare.errors import ConfigError, PartitionError
from preflare.sun.observation import Header, Label


@dataclass(frozen=True)
class Folds:
    """The rules; ``divide`` applies them.

    seed: which fold, from 0. With ``python train.py -m 'partition.seed=range(5)'`` all five are trained.
    count: of folds, each with its share of AR and of PF; None for leave-one-out: fold i holds out observation i, all
        AR before all PF, in catalog order, so that its test side has one class and no TSS of its own.
    shuffle: seed of the order in which observations are dealt; leave-one-out has none.
    validation: how many observations of each class, of those left to train, choose the epoch; 0 leaves that to the
        test side.
    test_share: the most spectra a test or validation side may have, as a share of those that train.

    Raises ConfigError for values that cannot be meant.
    """

    seed: int
    count: int | None
    shuffle: int
    validation: int
    test_share: float

    def __post_init__(self) -> None:
        check_integer("partition.seed", self.seed, 0, 2**32 - 1)
        if self.count is not None:
            check_integer("partition.count", self.count, 2)
            if self.seed >= self.count:
                raise ConfigError(
                    f"partition.seed={self.seed} is no fold of partition.count={self.count}: they count from 0."
                )
        check_integer("partition.shuffle", self.shuffle, 0, 2**32 - 1)
        check_integer("partition.validation", self.validation, 0)
        check_number("partition.test_share", self.test_share, maximum=1, above=0)

    def observations(self, headers: Sequence[Header]) -> dict[str, tuple[str, ...]]:
        """Side -> names, AR then PF.

        Raises PartitionError if an observation appears twice, or there are too few for so many folds.
        """
        check_unique(headers)
        classes = {label: in_catalog_order(headers, label) for label in CLASSES}
        held_out = self._held_out([name for names in classes.values() for name in names], classes)
        drawn: dict[str, list[str]] = {side: [] for side in SIDES}
        for label, names in classes.items():
            rest = [name for name in names if name not in held_out]
            if len(rest) <= self.validation:
                raise PartitionError(
                    f"Fold {self.seed} leaves {len(rest)} {label.name} observations to train and validate, expected "
                    f"at least {self.validation + 1}. Ingest more, or lower partition.validation."
                )
            order = stream(self.seed, "observations to validate", label).permutation(len(rest))
            aside = {rest[place] for place in order[: self.validation]}
            drawn["train"] += [name for name in rest if name not in aside]
            drawn["validation"] += [name for name in rest if name in aside]
            drawn["test"] += [name for name in names if name in held_out]
        return {side: tuple(names) for side, names in drawn.items()}

    def divide(self, headers: Sequence[Header], clean: Mapping[str, np.ndarray]) -> Partition:
        """Divide the AR and PF observations and draw their spectra; see ``draw``."""
        return draw(self.seed, self.observations(headers), headers, clean, self.test_share)

    def _held_out(self, names: Sequence[str], classes: Mapping[Label, Sequence[str]]) -> set[str]:
        if self.count is None:
            if self.seed >= len(names):
                raise PartitionError(
                    f"partition.seed={self.seed} is none of the {len(names)} observations: they count from 0."
                )
            return {names[self.seed]}
        fewest = min(len(same) for same in classes.values())
        if fewest < self.count:
            raise PartitionError(
                f"A class has {fewest} observations, too few for {self.count} folds. Lower partition.count."
            )
        labels = [label for label, same in classes.items() for _ in same]
        folds = StratifiedKFold(self.count, shuffle=True, random_state=self.shuffle).split(names, labels)
        held_out = [test for _, test in folds][self.seed]
        return {names[place] for place in held_out}
