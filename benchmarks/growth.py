"""Seconds of an epoch against the number of members, as benchmarks/growth.png: flat at first, then linear.

python benchmarks/growth.py                               simulated shards in data/simulation
python benchmarks/growth.py data.root=DIR threads=1
"""

import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import torch  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import ScalarFormatter  # noqa: E402
from swarm import classifier, config, data_module, fit, quiet  # noqa: E402

from preflare.model.swarm.data import SwarmData  # noqa: E402
from preflare.model.swarm.module import SwarmClassifier  # noqa: E402

MEMBERS = (1, 5, 10, 25, 50, 100, 200)


def main() -> None:
    """Measure each size in turns and draw the medians."""
    asked = config()
    quiet()
    root = str(asked.data.root)
    swarms = {count: SwarmData([data_module(root, seed) for seed in range(count)]) for count in MEMBERS}
    seconds: dict[int, list[float]] = {count: [] for count in MEMBERS}
    for _ in range(asked.turns):
        for count, data in swarms.items():
            torch.set_num_threads(asked.threads)
            data.setup()
            members = [classifier(seed, data.members[0].line.points) for seed in range(count)]
            seconds[count].append(fit(SwarmClassifier(members, range(count), data), data, 1))
    medians = [statistics.median(seconds[count]) for count in MEMBERS]
    for count, median in zip(MEMBERS, medians, strict=True):
        print(f"{count:4d} members: {median:6.2f} s an epoch, {1000 * median / count:6.1f} ms each")
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.loglog(MEMBERS, medians, "o-", label="swarm")
    axes.loglog(MEMBERS, [medians[0] * count for count in MEMBERS], ":", label="as many swarms of one")
    axes.set(xlabel="members", ylabel="seconds an epoch, scores included")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_formatter("")
    axes.set_xticks(MEMBERS)
    axes.legend(frameon=False)
    figure.savefig(ROOT / "benchmarks" / "growth.png", dpi=150)


if __name__ == "__main__":
    main()
