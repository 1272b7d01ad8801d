"""The null: without precursors a network has no skill beyond chance, if the epoch is fixed."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from preflare import run
from preflare.data.shard import Shard
from preflare.sun.observation import Phase

PARTITIONS = 20
# The first three Suns, none of them picked: in a single one, chance looks of 37 observations tell the classes apart.
SEEDS = (0, 1, 2)


def called(shards: Path, network: torch.nn.Module, name: str) -> float:
    """The share of an observation's clean preflare spectra that the network calls PF."""
    shard = Shard.open(shards / f"{name}.h5")
    clean = (shard.read("quality") == 0) & (shard.read("phase") == Phase.PREFLARE)[:, :, None]
    with torch.no_grad():
        logits = network(torch.from_numpy(shard.read("spectra")[clean])[:, None])
    return float((logits[:, 1] > logits[:, 0]).float().mean())


@pytest.mark.slow
def test_without_precursors_the_mean_skill_is_none(
    verb: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shares: dict[tuple[int, str], list[float]] = {}
    chosen = []
    for seed in SEEDS:
        shards, runs = tmp_path / f"shards{seed}", tmp_path / f"runs{seed}"
        sizes = ("simulation.programme.size=150", "simulation.programme.spread=0.3")
        null = (f"simulation.seed={seed}", "simulation.precursors=0", *sizes, "window.after=nothing")
        assert verb("ingest", *null, f"data.root={shards}") == 0
        sweep = f"partition.seed=range({PARTITIONS})"
        assert (
            verb("train", "-m", "experiment=paper_splits", sweep, f"data.root={shards}", f"hydra.sweep.dir={runs}") == 0
        )
        with (runs / "summary.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == PARTITIONS
        chosen += [float(row["test/tss"]) for row in rows]
        for row in rows:
            found = run.read(runs / row["run"])
            network = found.network("last")
            for name in found.record["partition"]["sides"]["test"]:
                shares.setdefault((seed, name), []).append(called(shards, network, name))
    assert len(shares) > 0.9 * 37 * len(SEEDS)

    # The observations are what chance drew: whole ones are drawn again.
    sums = {
        label: np.array([(sum(v), len(v)) for (_, n), v in shares.items() if n.startswith(label)]) for label in "AP"
    }

    def skill(rows: dict[str, np.ndarray]) -> float:
        rates = {label: sums[label][rows[label]].sum(axis=0) for label in "AP"}
        return float(rates["P"][0] / rates["P"][1] - rates["A"][0] / rates["A"][1])

    random = np.random.default_rng(0)
    drawn = [skill({k: random.integers(0, len(v), len(v)) for k, v in sums.items()}) for _ in range(2000)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    mean = skill({label: np.arange(len(values)) for label, values in sums.items()})
    with capsys.disabled():
        print(
            f"\nnull, last epoch: mean TSS {mean:.3f}, 95% interval {low:.3f} to {high:.3f}; "
            f"epoch chosen on the test side: {np.mean(chosen):.3f}"
        )
    assert low < 0 < high and high - low < 0.4
    # Choosing on the test side finds skill where there is none.
    assert np.mean(chosen) > mean
