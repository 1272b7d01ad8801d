"""What it changes that the paper explains observations which its networks were trained with.

Each observation is explained twice: by members that did not see it, and by networks of one partition, most of whose
observations they were trained with. Those that were on its test side are the control: there, too, other networks
speak, but none has seen the observation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from preflare.explain.equivalence import compare
from preflare.explain.faithfulness import share_inside
from preflare.explain.trial import gather
from preflare.report.explained import Explained
from preflare.sun.observation import Label

METHOD = "expected_gradients"


@dataclass(frozen=True)
class Beside:
    """Clean spectra of one observation. seen: whether the other networks trained with it. spectra: explained both ways,
    in the window.

    unseen_score, other_score: mean over the window. ranks: Spearman's correlation of the two scores over its spectra.
    alike: median correlation over wavelengths of the two attributions of a spectrum. unseen_share, other_share,
    chance: mean share of |attribution| on what a simulated precursor changed; NaN where none did.
    """

    name: str
    label: Label
    seen: bool
    spectra: int
    unseen_score: float
    other_score: float
    ranks: float
    alike: float
    unseen_share: float
    other_share: float
    chance: float


@dataclass(frozen=True, eq=False)
class Pair:
    """An observation explained both ways; index: the spectra that both explained, in the window."""

    unseen: Explained
    other: Explained
    index: np.ndarray

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Attributions, (n, wavelength) each: unseen, other."""
        return self.unseen.cube.rows(METHOD, self.index), self.other.cube.rows(METHOD, self.index)

    def changed(self) -> np.ndarray | None:
        """What precursors changed, (n, wavelength) bool; None on real shards."""
        shard = self.unseen.shard
        if "changed_normalised" not in shard.truth:
            return None
        mask: np.ndarray = gather(shard, "truth/changed_normalised", self.index) > 0
        return mask


def pairs(unseen: Sequence[Explained], others: Sequence[Explained]) -> list[Pair]:
    """Observations in both with spectra in common, in the order of the first; those whose first way has seen them are
    left out."""
    by_name = {one.name: one for one in others}
    found = []
    for one in unseen:
        other = by_name.get(one.name)
        if other is None or one.cube.attributes["seen"]:
            continue
        index = np.intersect1d(one.in_window(), other.in_window())
        if len(index):
            found.append(Pair(one, other, index))
    return found


def beside(pair: Pair) -> Beside:
    """Compare the two ways."""
    scores = [one.scores() for one in (pair.unseen, pair.other)]
    both = np.isfinite(scores[0]) & np.isfinite(scores[1]) & pair.unseen.window()[:, :, None]
    first, second = (score[both].astype(np.float64) for score in scores)
    rank = float(stats.spearmanr(first, second).statistic) if min(np.ptp(first), np.ptp(second)) > 0 else np.nan
    own, theirs = pair.rows()
    shares = (np.nan,) * 3
    changed = pair.changed()
    if changed is not None and changed.any():
        some = changed.any(axis=1)
        mine, chance = share_inside(own[some], changed[some])
        other, _ = share_inside(theirs[some], changed[some])
        shares = (float(np.nanmean(mine)), float(np.nanmean(other)), float(np.nanmean(chance)))
    return Beside(
        pair.unseen.name,
        pair.unseen.label,
        bool(pair.other.cube.attributes["seen"]),
        len(pair.index),
        float(first.mean()),
        float(second.mean()),
        rank,
        float(np.median(compare(own, theirs).correlation)),
        *shares,
    )


def profile(some: Sequence[Pair]) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Mean |attribution| over wavelengths, each observation with the same weight: unseen, other, and the mean share of
    spectra in which a precursor changed a wavelength (None on real shards), (wavelength,) each."""
    rows = [pair.rows() for pair in some]
    own, theirs = (np.mean([np.abs(row[way]).mean(axis=0) for row in rows], axis=0) for way in (0, 1))
    masks = [pair.changed() for pair in some]
    known = [mask.mean(axis=0) for mask in masks if mask is not None]
    return own, theirs, np.mean(known, axis=0) if known else None


def above_chance(rows: Sequence[Beside]) -> tuple[float, float]:
    """By how much the unseen way's share exceeds chance, as a ratio, mean over observations that have one, and the
    one-sided p of Wilcoxon's signed ranks over them; NaN for fewer than three."""
    pairs = [(row.unseen_share, row.chance) for row in rows if np.isfinite(row.unseen_share) and row.chance > 0]
    if len(pairs) < 3:
        return np.nan, np.nan
    share, chance = np.array(pairs).T
    return float((share / chance).mean()), float(stats.wilcoxon(share, chance, alternative="greater").pvalue)
