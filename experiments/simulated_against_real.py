"""The simulated Sun beside a real raster: how alike they are, and how a classifier still tells them apart.

python experiments/simulated_against_real.py real=PATH                                  a raster file or folder
python experiments/simulated_against_real.py real=PATH simulation.seed=5 output=DIR     another Sun, another folder

Ends with a table, comparison.csv, and a figure, comparison.png, in runs/simulated_against_real/.

Beside the raster of 2014-03-29 (mu 0.81) the default Sun gives an AUC of 0.75; a simulated observation beside the
other simulated ones gives 0.90, since observations have looks. The classifier goes by log intensity (AUC falls by
0.06 without it: the range is the same, but one region has another distribution over it than 18), the depth of Cr II
(0.05), the noise of the pseudo-continuum (0.05; median 0.043 against 0.036, as weak lines give the real one more
structure), the core ratio (0.04; median 1.22 against 1.20) and the depth of Mn I (0.03; median 0.37 against 0.36).
The triplet is in emission more often in the real raster, hours before a flare (depth at the 5th percentile -0.31
against -0.19). Log intensity and pseudo-continuum correlate by -0.94 within an observation and -0.80 over all of
them, -0.89 in the real one.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from hydra.utils import instantiate
from matplotlib.figure import Figure
from omegaconf import MISSING, DictConfig
from rich.console import Console
from rich.table import Table
from scipy.stats import ks_2samp
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.inspection import permutation_importance
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from preflare.checks import check_path
from preflare.command import Drawn, verb
from preflare.errors import ConfigError
from preflare.figures import style, two_suns
from preflare.figures.two_suns import Sun
from preflare.sun.folder import Folder
from preflare.sun.line import Line
from preflare.sun.observation import Label, Observation, Phase
from preflare.sun.quality import is_clean

# Spectra of either Sun, drawn evenly over intensity; groups of neighbours stay on one side of the classifier.
MOST = 3000
GROUPS = 12
# Fewer clean spectra than that do not make a comparison.
FEWEST = 300
# So many simulated observations, the largest, are each told apart from the others.
JUDGED = 5
# Features whose distributions are drawn.
SHOWN = 9


@dataclass
class Config(Drawn):
    """The keys of conf/simulated_against_real.yaml; any other is refused."""

    real: str | None = None
    output: str = MISSING
    line: Any = MISSING
    source: Any = MISSING
    simulation: Any = MISSING
    window: Any = MISSING
    everything: Any = MISSING
    observations: Any = None


@dataclass(frozen=True, eq=False)
class Sample:
    """spectra: (n, wavelength). intensity: (n,) DN/s. place: (n,) int, of neighbours along the slit. observation: (n,)
    int. clean: share of all spectra.
    """

    spectra: np.ndarray
    intensity: np.ndarray
    place: np.ndarray
    observation: np.ndarray
    clean: float

    def take(self, rows: np.ndarray) -> "Sample":
        return Sample(self.spectra[rows], self.intensity[rows], self.place[rows], self.observation[rows], self.clean)

    def thin(self, most: int = MOST) -> "Sample":
        """At most so many of them, drawn evenly."""
        return self.take(np.sort(np.random.default_rng(0).permutation(len(self.spectra))[:most]))

    @property
    def group(self) -> np.ndarray:
        """(n,) int: what stays together when a classifier is tested, parts of the slit if there is one observation."""
        return self.place if len(np.unique(self.observation)) == 1 else self.observation


@verb("simulated_against_real", Config)
def main(config: DictConfig) -> None:
    """Compare, draw and tell."""
    if config.real is None:
        raise ConfigError(
            "There is no real raster to compare with. Add real=PATH, a level-2 raster at full resolution."
        )
    path = check_path("real", config.real)
    if not path.exists():
        raise ConfigError(f"There is no file or folder {path}. Correct real=PATH.")
    line = instantiate(config.line)
    real = gather(line, Folder(str(path), instantiate(config.everything), None).observations(line))
    if len(real.spectra) < FEWEST:
        raise ConfigError(
            f"{path} holds {len(real.spectra)} clean spectra, expected {FEWEST} or more to compare with. "
            "Give real=PATH a larger raster, or a folder of several."
        )
    # Regions that do not flare, as the real raster was recorded three hours before its flare.
    calm = (o for o in instantiate(config.source).observations(line) if o.header.label is Label.AR)
    whole = gather(line, calm)
    if len(np.unique(whole.observation)) <= JUDGED or len(whole.spectra) < FEWEST:
        raise ConfigError(
            f"The simulated Sun has {len(whole.spectra)} clean spectra in {len(np.unique(whole.observation))} AR "
            f"observations, expected {FEWEST} or more in more than {JUDGED}. Leave out observations=..., or take a "
            "larger simulation."
        )
    real, simulated = real.thin(), whole.thin()
    output = check_path("output", config.output)
    output.mkdir(parents=True, exist_ok=True)
    compared = compare(line, real, simulated)
    auc, telling = tell_apart(features(line, real), features(line, simulated), real.group, simulated.group)
    among = yardstick(line, whole)
    with (output / "comparison.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("quantity", "real 5%", "real 50%", "real 95%", "simulated 5%", "simulated 50%", "simulated 95%"))
        rows.writerows((name, *(f"{value:.4g}" for value in values)) for name, values in compared.items())
        rows.writerow(("AUC of a classifier that tells them apart", f"{auc:.3f}"))
        rows.writerow(("AUC of one that tells a simulated observation from the others", f"{among:.3f}"))
        rows.writerows((f"it goes by: {name}", f"{drop:.3f}") for name, drop in telling.items())
    (output / "comparison.png").write_bytes(style.png(draw(line, real, simulated, telling)))
    console = Console()
    console.print(_table(compared))
    console.print(
        f"A classifier tells them apart with an AUC of {auc:.3f} (0.5: not at all; a simulated observation and the "
        f"others: {among:.3f}). It goes by:"
    )
    for name, drop in telling.items():
        console.print(f"  {name} (AUC falls by {drop:.3f} without it)")
    console.print(f"Figure and table: {output}", soft_wrap=True)


def gather(line: Line, observations: Iterable[Observation]) -> Sample:
    """The clean spectra before any flare."""
    parts, total = [], 0
    for number, observation in enumerate(observations):
        for block in observation.blocks():
            wanted = (block.phase == Phase.PREFLARE)[:, :, None] & np.ones_like(block.quality, bool)
            good = wanted & is_clean(block.quality, line)
            total += int(wanted.sum())
            place = np.broadcast_to(np.arange(good.shape[2]) * GROUPS // good.shape[2], good.shape)[good]
            parts.append((block.spectra[good], block.intensity[good], place, np.full(len(place), number)))
    spectra, intensity, places, numbers = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Sample(spectra, intensity, places, numbers, len(spectra) / total)


def features(line: Line, sample: Sample) -> dict[str, np.ndarray]:
    """What one would measure in a spectrum, name -> (n,); by the line's cores, features and pseudo-continuum."""
    wavelength, spectra = line.wavelength, sample.spectra
    step = wavelength[1] - wavelength[0]
    quiet = _between(wavelength, *line.continuum)
    found = {
        "log intensity": np.log10(sample.intensity),
        "pseudo-continuum": spectra[:, quiet].mean(axis=1),
    }
    peaks = {}
    for name, centre in line.cores.items():
        core = spectra[:, _between(wavelength, centre - 1, centre + 1)]
        axis = wavelength[_between(wavelength, centre - 1, centre + 1)]
        peaks[name] = core.max(axis=1)
        above = core > 0.5 * core.max(axis=1, keepdims=True)
        first, last = above.argmax(axis=1), above.shape[1] - 1 - above[:, ::-1].argmax(axis=1)
        found[f"{name} width (Å)"] = (last - first + 1) * step
        middle = (axis[first] + axis[last]) / 2
        found[f"{name} shift (Å)"] = middle - centre
        reversal = np.where(np.abs(axis - middle[:, None]) <= 2.5 * step, core, np.inf).min(axis=1)
        found[f"{name} reversal"] = reversal / peaks[name]
        blue, red = (np.where(side, core, 0).max(axis=1) for side in _sides(axis, middle))
        found[f"{name} asymmetry"] = (blue - red) / (blue + red)
        found[f"{name} far wings"] = spectra[:, _ring(wavelength, centre, 0.9, 1.4)].mean(axis=1)
    first_core, second_core = list(line.cores)[:2]
    found["core ratio"] = peaks[first_core] / peaks[second_core]
    for name, centre in line.features.items():
        near = spectra[:, _between(wavelength, centre - 0.08, centre + 0.08)].mean(axis=1)
        found[f"{name} depth"] = 1 - near / spectra[:, _ring(wavelength, centre, 0.15, 0.35)].mean(axis=1)
    # Of neighbouring points in the pseudo-continuum, less its lines and zero point, which an observation has in common.
    residual = spectra[:, quiet] / found["pseudo-continuum"][:, None]
    for number in np.unique(sample.observation):
        rows = sample.observation == number
        residual[rows] -= np.median(residual[rows], axis=0)
    residual = residual - residual.mean(axis=1, keepdims=True)
    found["noise"] = residual.std(axis=1)
    found["noise of differences over noise"] = np.diff(residual, axis=1).std(axis=1) / found["noise"]
    return found


def _between(wavelength: np.ndarray, low: float, high: float) -> np.ndarray:
    return (wavelength >= low) & (wavelength <= high)


def _ring(wavelength: np.ndarray, centre: float, near: float, far: float) -> np.ndarray:
    return (np.abs(wavelength - centre) >= near) & (np.abs(wavelength - centre) <= far)


def _sides(axis: np.ndarray, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return axis < centre[:, None], axis > centre[:, None]


def compare(line: Line, real: Sample, simulated: Sample) -> dict[str, tuple[float, ...]]:
    """Name -> 5th, 50th and 95th percentile of the real feature and of the simulated one; then single numbers."""
    one, other = features(line, real), features(line, simulated)
    table = {
        name: tuple(float(p) for values in (one[name], other[name]) for p in np.percentile(values, [5, 50, 95]))
        for name in one
    }
    empty = float("nan")
    for name, value in {
        "clean fraction": [sample.clean for sample in (real, simulated)],
        "correlation of log intensity and pseudo-continuum": [
            float(np.corrcoef(found["log intensity"], found["pseudo-continuum"])[0, 1]) for found in (one, other)
        ],
        "the same within an observation": [_correlation(*pair) for pair in ((one, real), (other, simulated))],
    }.items():
        table[name] = (empty, value[0], empty, empty, value[1], empty)
    shares = [_shares(sample.spectra) for sample in (real, simulated)]
    for number in range(4):
        pair = [float(share[number]) for share in shares]
        table[f"variance of principal component {number + 1}"] = (empty, pair[0], empty, empty, pair[1], empty)
    return table


def _correlation(found: dict[str, np.ndarray], sample: Sample) -> float:
    """Of log intensity and pseudo-continuum within observations, their median."""
    pairs = [
        [found[name][sample.observation == number] for name in ("log intensity", "pseudo-continuum")]
        for number in np.unique(sample.observation)
    ]
    return float(np.median([np.corrcoef(*pair)[0, 1] for pair in pairs if len(pair[0]) > 2]))


def _shares(spectra: np.ndarray) -> np.ndarray:
    variance = np.linalg.svd(spectra - spectra.mean(axis=0), compute_uv=False) ** 2
    return variance / variance.sum()


def tell_apart(
    real: dict[str, np.ndarray], simulated: dict[str, np.ndarray], real_group: np.ndarray, simulated_group: np.ndarray
) -> tuple[float, dict[str, float]]:
    """AUC on held-out groups of neighbours, and by how much it falls when a feature is shuffled: the five worst."""
    names = list(real)
    values, truth = _together(real, simulated)
    scores, drops = np.empty(len(truth)), []
    for model, test in _trained(values, truth, real_group, simulated_group):
        scores[test] = model.predict_proba(values[test])[:, 1]
        shuffled = permutation_importance(
            model, values[test], truth[test], scoring="roc_auc", n_repeats=2, random_state=0
        )
        drops.append(shuffled.importances_mean)
    drop = np.mean(drops, axis=0)
    order = np.argsort(-drop)[:5]
    return float(roc_auc_score(truth, scores)), {names[index]: float(drop[index]) for index in order}


def _together(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, feature) of both, and 0 for those of the first, 1 for the other's."""
    parts = [np.stack(list(found.values()), axis=1) for found in (one, other)]
    return np.concatenate(parts), np.repeat([0, 1], [len(part) for part in parts])


def _trained(
    values: np.ndarray, truth: np.ndarray, one_group: np.ndarray, other_group: np.ndarray
) -> Iterator[tuple[HistGradientBoostingClassifier, np.ndarray]]:
    """Of three folds a classifier and the rows that it has not seen."""
    for train, test in _folds(one_group, other_group):
        yield HistGradientBoostingClassifier(max_iter=80, random_state=0).fit(values[train], truth[train]), test


def _folds(real_group: np.ndarray, simulated_group: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Three pairs of rows that train and rows that test, groups whole, either Sun on both sides."""
    parts = [np.empty(len(group), int) for group in (real_group, simulated_group)]
    for part, group in zip(parts, (real_group, simulated_group), strict=True):
        for fold, (_, test) in enumerate(GroupKFold(3).split(part, groups=group)):
            part[test] = fold
    fold_of = np.concatenate(parts)
    for fold in range(3):
        yield np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)


def yardstick(line: Line, simulated: Sample) -> float:
    """AUC of telling one simulated observation from the others: what a perfect simulation would get, as the real Sun
    is one observation, too. The median over the largest ones.
    """
    numbers, counts = np.unique(simulated.observation, return_counts=True)
    found = []
    for number in numbers[np.argsort(-counts)[:JUDGED]]:
        alone = simulated.observation == number
        one, rest = simulated.take(np.flatnonzero(alone)), simulated.take(np.flatnonzero(~alone)).thin()
        values, truth = _together(features(line, one), features(line, rest))
        scores = np.empty(len(truth))
        for model, test in _trained(values, truth, one.group, rest.group):
            scores[test] = model.predict_proba(values[test])[:, 1]
        found.append(roc_auc_score(truth, scores))
    return float(np.median(found))


def draw(line: Line, real: Sample, simulated: Sample, telling: Mapping[str, float]) -> Figure:
    """Spectra of both, and the features' distributions: first those that the classifier goes by (with the AUC lost
    without each), then those that are most different alone.
    """
    one, other = features(line, real), features(line, simulated)
    rest = sorted(one.keys() - telling.keys(), key=lambda name: -ks_2samp(one[name], other[name]).statistic)
    shown = {name: f"AUC falls by {drop:.3f} without it" for name, drop in telling.items()} | dict.fromkeys(rest, "")
    shown = dict(list(shown.items())[:SHOWN])
    suns = [_sun("real raster", real, one), _sun("simulated Sun", simulated, other)]
    against = ("log intensity", "pseudo-continuum")
    return two_suns.draw(line.wavelength, suns, against, shown, "regions that do not flare")


def _sun(title: str, sample: Sample, found: Mapping[str, np.ndarray]) -> Sun:
    order = np.argsort(sample.intensity)
    fifths = {
        float(np.median(sample.intensity[fifth])): np.median(sample.spectra[fifth], axis=0)
        for fifth in np.array_split(order, 5)
    }
    examples = sample.spectra[order[np.linspace(0, len(order) - 1, 8).astype(int)[1:-1]]]
    return Sun(title, fifths, examples, found, _shares(sample.spectra)[:8])


def _table(compared: dict[str, tuple[float, ...]]) -> Table:
    table = Table(
        title="Real and simulated: 5th, 50th, 95th percentile", title_justify="left", box=None, pad_edge=False
    )
    table.add_column("quantity")
    for head in ("real", "", "", "simulated", "", ""):
        table.add_column(head, justify="right")
    for name, values in compared.items():
        table.add_row(name, *("" if np.isnan(value) else f"{value:.3g}" for value in values))
    return table


if __name__ == "__main__":
    main()
