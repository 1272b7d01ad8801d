"""What has nothing to do with flares: without precursors, looks alone make splits leak and confounders pay.

Each effect is measured by a discriminant of principal components, trained on some observations and asked about others.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score

from preflare.sun.line import Line
from preflare.sun.observation import Label, Phase
from preflare.sun.simulation.source import Simulation

Simulate = Callable[..., Simulation]


@dataclass(frozen=True, eq=False)
class Seen:
    """values: (n, feature). flares: its label. region, mu: of its header."""

    values: np.ndarray
    flares: bool
    region: str
    mu: float


def observe(simulate: Simulate, line: Line, *overrides: str) -> dict[str, Seen]:
    """Features of the clean spectra before any flare, by observation."""
    spectra, headers = {}, {}
    small = ("simulation.programme.size=120", "simulation.programme.spread=0.1", "simulation.precursors=0")
    for observation in simulate(*small, "window.after=nothing", *overrides, simulation="default").observations(line):
        blocks = list(observation.blocks())
        clean = [block.spectra[(block.quality == 0) & (block.phase == Phase.PREFLARE)[..., None]] for block in blocks]
        name = observation.header.name
        spectra[name], headers[name] = np.concatenate(clean), observation.header
    components = PCA(14, whiten=True, random_state=0).fit(np.concatenate(list(spectra.values())))
    return {
        name: Seen(
            np.clip(components.transform(values), -4, 4),
            headers[name].label is Label.PF,
            headers[name].active_region,
            float(headers[name].settings["mu"]),
        )
        for name, values in spectra.items()
    }


def correct(train: Iterable[Seen], asked: Seen) -> float:
    """Share of the asked observation's spectra that are called what they are."""
    seen = list(train)
    truth = np.concatenate([np.full(len(one.values), one.flares) for one in seen])
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.02, priors=[0.5, 0.5])
    model.fit(np.concatenate([one.values for one in seen]), truth)
    return float((model.predict(asked.values) == asked.flares).mean())


def held_out(data: Mapping[str, Seen]) -> float:
    """TSS when each observation is asked about by those of other regions."""
    found = {name: correct((o for o in data.values() if o.region != one.region), one) for name, one in data.items()}
    return sum(np.mean([found[n] for n in data if data[n].flares is flares]) for flares in (True, False)) - 1


def split_by_spectrum(data: Mapping[str, Seen]) -> float:
    """TSS when every other spectrum trains and the rest is asked about."""
    half = {n: [Seen(o.values[i::2], o.flares, o.region, o.mu) for i in (0, 1)] for n, o in data.items()}
    found = {name: correct((train for train, _ in half.values()), asked) for name, (_, asked) in half.items()}
    return sum(np.mean([found[n] for n in data if data[n].flares is flares]) for flares in (True, False)) - 1


@pytest.fixture(scope="module")
def suns(simulate: Simulate, line: Line) -> list[dict[str, Seen]]:
    return [observe(simulate, line, f"simulation.seed={seed}") for seed in range(4)]


@pytest.mark.slow
def test_splitting_by_spectrum_inflates_skill(suns: list[dict[str, Seen]]) -> None:
    leaking, fair = (np.mean([split(data) for data in suns]) for split in (split_by_spectrum, held_out))
    print(f"TSS without precursors: split by spectrum {leaking:.2f}, by region {fair:.2f}")
    assert leaking > fair + 0.15


@pytest.mark.slow
def test_splitting_inside_a_region_inflates_skill(suns: list[dict[str, Seen]]) -> None:
    inside, outside = [], []
    for data in suns:
        for name, asked in data.items():
            others = [one for other, one in data.items() if other != name]
            strangers = [one for one in others if one.region != asked.region]
            if len(strangers) < len(others):
                inside.append(correct(others, asked))
                outside.append(correct(strangers, asked))
    gain = np.array(inside) - np.array(outside)
    print(f"share correct: siblings train {np.mean(inside):.2f}, strangers alone {np.mean(outside):.2f}")
    assert gain.mean() > 2 * gain.std() / np.sqrt(len(gain))


@pytest.mark.slow
def test_a_confounder_pays_and_is_seen_in_the_metadata(
    simulate: Simulate, line: Line, suns: list[dict[str, Seen]]
) -> None:
    planted = [observe(simulate, line, f"simulation.seed={seed}", "simulation.confounder=3") for seed in range(4)]
    auc = {}
    for name, group in (("without", suns), ("with", planted)):
        seen = [one for data in group for one in data.values()]
        auc[name] = roc_auc_score([one.flares for one in seen], [one.mu for one in seen])
    skill = [np.mean([held_out(data) for data in group]) for group in (suns, planted)]
    print(f"AUC of mu {auc['without']:.2f}, planted {auc['with']:.2f}; TSS {skill[0]:.2f}, planted {skill[1]:.2f}")
    assert 0.35 < auc["without"] < 0.65 and auc["with"] > 0.95
    assert skill[1] > skill[0] + 0.1
