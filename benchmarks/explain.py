"""Expected gradients several ways, side by side: evaluations per second, and error against evaluations.

    python benchmarks/explain.py run=runs/demo                       a finished run of the paper's network
    python benchmarks/explain.py run=runs/demo data.root=DIR seconds=2 rounds=7

One evaluation is a gradient of one network at one point: spectrum x member x sample. All take the same network, the
same held-out spectra and as many samples; those that let us choose also take the same baselines and positions, and
must then give the same answer. Each is measured in turns, so that a busy machine is busy for all; the median turn
counts. Writes benchmarks/explain_error.png.
"""

import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from captum.attr import GradientShap
from hydra.utils import instantiate
from matplotlib.figure import Figure
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.func import grad, vmap

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from preflare import run  # noqa: E402
from preflare.explain.engine import Differentiated, Engine  # noqa: E402
from preflare.explain.ensemble import Ensemble  # noqa: E402
from preflare.explain.expected_gradients import ExpectedGradients, Paths  # noqa: E402
from preflare.explain.explanation import Explanation  # noqa: E402
from preflare.explain.target import log_odds  # noqa: E402
from preflare.figures import style  # noqa: E402
from preflare.run import Run  # noqa: E402
from preflare.threads import cores, torch_threads  # noqa: E402

SETTINGS = OmegaConf.create(
    {"run": "runs/demo", "data": {"root": None}, "samples": 200, "members": 9, "seconds": 1.0, "rounds": 5, "job": True}
)
# Clean and unclean PF spectra of the paper, by how many members and with how many samples it explained them.
SPECTRA, MEMBERS, SAMPLES = 2_352_972, 9, 500
PAPER = SPECTRA * MEMBERS * SAMPLES
CAPTUM_BATCHES = (4, 8, 16, 32, 64)
Way = Callable[[], int]


def main() -> None:
    settings = OmegaConf.merge(SETTINGS, OmegaConf.from_cli())
    assert isinstance(settings, DictConfig)
    finished = run.read(settings.run)
    config = finished.config.data.copy()
    config.root = settings.data.root or config.root
    data = instantiate(config)
    data.setup()
    train, network = data.datasets["train"], finished.network()
    spectra = data.datasets["test"].spectra[:, 0]
    spectra = spectra[torch.from_numpy(np.random.default_rng(0).permutation(len(spectra)).copy())]
    console = Console()
    console.print(f"{type(network).__name__}, {cores()} cores, PyTorch {torch.__version__}")
    console.print(rates(network, train.spectra[:, 0], train.labels.numpy(), spectra, settings))
    figure, table = errors(network, train.spectra, train.labels.numpy(), spectra[:64])
    console.print(table)
    path = Path(__file__).with_name("explain_error.png")
    path.write_bytes(style.png(figure))
    console.print(f"Figure: {path}", soft_wrap=True)
    if settings.job:
        console.print(job(finished, Path(config.root)))


def job(finished: Run, home: Path) -> str:
    """The paper's job on every observation there is, about a hundredth of it for the default simulation, as explain.py
    does it: reading, scores, distances, attributions by MEMBERS along SAMPLES paths, and writing."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "run"
        shutil.copytree(finished.folder.path, copy, ignore=shutil.ignore_patterns("cubes"))
        one = run.read(copy)
        method = ExpectedGradients(SAMPLES // 2, 2, "herding", 0)
        choices = ("log_odds", "best", "clean", None, 0, "all", MEMBERS, (), "float32", None, 0)
        names = list(one.record["data"])
        start, begun = time.perf_counter(), time.process_time()
        cubes = Explanation(*choices, method)(Ensemble(one.folder, (one,) * MEMBERS), home, None, names)
        spent, busy = time.perf_counter() - start, time.process_time() - begun
        count = sum(int(cube.attributes["explained"]) for cube in cubes)
    rate = count * MEMBERS * SAMPLES / spent
    return (
        f"The paper's job, {MEMBERS} members and {SAMPLES} samples, whole verb: {count:,} spectra "
        f"(1/{SPECTRA / count:.0f} of it) in {spent:.0f} s, {rate:,.0f} evaluations/s, {busy:.0f} s of processor time; "
        f"all of it: {spent * SPECTRA / count / 3600:.1f} h, {busy * SPECTRA / count / 3600:.1f} h of processor time."
    )


def rates(network: nn.Module, training: Tensor, labels: np.ndarray, spectra: Tensor, settings: DictConfig) -> Table:
    """Evaluations per second of each way, processor time of each, as medians over turns, and the paper's job."""
    samples = settings.samples
    allowed = np.ones(len(training), dtype=bool)
    paths, usual = (
        ExpectedGradients(samples // positions, positions, "herding", 0).paths(training[:, None], labels, allowed)
        for positions in (1, 2)
    )
    explained = log_odds(network)
    captum = GradientShap(explained)

    def gradient_shap(count: int, threads: int) -> Way:
        def call() -> int:
            torch.set_num_threads(threads)
            captum.attribute(spectra[:count, None], baselines=paths.baselines[:, None], n_samples=samples)
            return count * samples

        return call

    def functional() -> int:
        torch.set_num_threads(1)
        count = 16
        points = torch.lerp(paths.baselines[None], spectra[:count, None], paths.positions[None, :, None])
        gradients = vmap(grad(lambda point: explained(point[None, None])[0]))(points.flatten(0, 1))
        ((spectra[:count, None] - paths.baselines) * gradients.view(points.shape)).mean(dim=1)
        return count * samples

    def ours(members: int, count: int, paths: Paths = paths) -> Way:
        engine = Engine([network] * members, paths.baselines, paths.positions, cores())

        def call() -> int:
            engine(spectra[:count])
            return members * count * samples

        return call

    differentiated = Differentiated(network).along(paths.baselines, paths.positions)

    def generic() -> int:
        with torch_threads(1):
            differentiated(spectra[:64])
        return 64 * samples

    ways: dict[str, Way] = {"the authors' way: one spectrum, one member per call": gradient_shap(1, cores())}
    for count in CAPTUM_BATCHES:
        ways |= {f"Captum, {count} spectra, {t} thread{'s' * (t > 1)}": gradient_shap(count, t) for t in {1, cores()}}
    ways |= shap_way(network, paths.baselines, spectra[:16], samples)
    ways |= {
        "torch.func, vmap of grad": functional,
        "ours, generic path, 1 thread": generic,
        "ours, 1 member": ours(1, 1024),
        f"ours, {settings.members} members": ours(settings.members, 512),
        f"ours, {settings.members} members, two positions each (the default)": ours(settings.members, 512, usual),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    busy: dict[str, list[float]] = {name: [] for name in ways}
    for call in ways.values():
        call()
    for _ in range(settings.rounds):
        for name, call in ways.items():
            start, begun, done = time.perf_counter(), time.process_time(), 0
            while (spent := time.perf_counter() - start) < settings.seconds:
                done += call()
            found[name].append(done / spent)
            busy[name].append((time.process_time() - begun) / done * 1e9)
    rate = {name: float(np.median(values)) for name, values in found.items()}
    best = max((name for name in rate if name.startswith("Captum")), key=lambda name: rate[name])
    table = Table(title=f"{samples} samples; ratio to Captum at its best ({best})", box=None, title_justify="left")
    for column in ("way", "evaluations/s", "ratio", "processor, ns", "ratio", "the paper's job"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for name, value in rate.items():
        # Of the same turn, so that what else the machine did cancels.
        ratio = float(np.median(np.array(found[name]) / np.array(found[best])))
        spared = float(np.median(np.array(busy[best]) / np.array(busy[name])))
        took = float(np.median(busy[name]))
        table.add_row(
            name, f"{value:,.0f}", f"{ratio:.2f}", f"{took:,.0f}", f"{spared:.2f}", f"{PAPER / value / 3600:.2f} h"
        )
    return table


def shap_way(network: nn.Module, baselines: Tensor, spectra: Tensor, samples: int) -> dict[str, Way]:
    """SHAP's GradientExplainer, if it is installed."""
    try:
        from shap import GradientExplainer
    except ImportError as error:
        print(f"SHAP is left out ({error}); python -m pip install shap to have it.")
        return {}

    class LogOdds(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, spectra: Tensor) -> Tensor:
            return log_odds(self.network)(spectra)[:, None]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explainer = GradientExplainer(LogOdds(), baselines[:, None])

    def call() -> int:
        torch.set_num_threads(cores())
        explainer.shap_values(spectra[:, None], nsamples=samples, rseed=0)
        return len(spectra) * samples

    return {f"SHAP's GradientExplainer, {len(spectra)} spectra": call}


def errors(network: nn.Module, training: Tensor, labels: np.ndarray, spectra: Tensor) -> tuple[Figure, Table]:
    """Relative RMS error against the attributions over the whole training side, for several choices of paths."""
    everyone, stream, draws = training[:, 0], np.random.default_rng(0), 5
    truth = torch.zeros(spectra.shape, dtype=torch.float64)
    for _ in range(4):
        order = torch.from_numpy(stream.permutation(len(everyone)).copy())
        positions = (torch.arange(len(everyone)) + 0.5) / len(everyone)
        truth += Engine([network], everyone[order], positions, cores())(spectra).attributions[0] / 4
    scale = truth.square().mean().sqrt()

    def error(baselines: Tensor, positions: Tensor) -> float:
        found = Engine([network], baselines, positions, cores())(spectra).attributions[0]
        return float((found - truth).square().mean().sqrt() / scale)

    def chosen(samples: int, positions: int, choice: str, seed: int) -> float:
        allowed = np.ones(len(training), dtype=bool)
        method = ExpectedGradients(samples // positions, positions, choice, seed)
        paths = method.paths(training, labels, allowed)
        return error(paths.baselines, paths.positions)

    def independent(samples: int, seed: int) -> float:
        random = np.random.default_rng(seed)
        rows = torch.from_numpy(random.integers(0, len(everyone), samples))
        return error(everyone[rows], torch.from_numpy(random.uniform(size=samples)).float())

    sizes = [20, 40, 100, 200, 400, 1000, 2000]
    ways: dict[str, Callable[[int, int], float]] = {
        "independent draws (Captum, SHAP)": independent,
        "random baselines, even positions": lambda n, seed: chosen(n, 1, "random", seed),
        "herded baselines, even positions": lambda n, seed: chosen(n, 1, "herding", seed),
        "herded, two positions each (the default)": lambda n, seed: chosen(n, 2, "herding", seed),
    }
    curves = {name: [float(np.mean([way(n, s) for s in range(draws)])) for n in sizes] for name, way in ways.items()}
    table = Table(title="Relative RMS error of attributions, mean over 5 seeds", box=None, title_justify="left")
    table.add_column("samples for each spectrum")
    for size in sizes:
        table.add_column(str(size), justify="right")
    for name, values in curves.items():
        table.add_row(name, *(f"{value:.1%}" for value in values))
    with style.applied():
        figure = Figure(figsize=(6.4, 4.2), layout="constrained")
        axes = figure.add_subplot()
        colours = (style.INK, style.GREY, style.BLUE, style.RED)
        for (name, values), colour in zip(curves.items(), colours, strict=True):
            axes.plot(sizes, values, marker="o", markersize=4, color=colour, label=name)
        axes.set(xscale="log", yscale="log", xlabel="gradient evaluations for each spectrum")
        axes.set_ylabel("relative RMS error of attributions")
        axes.legend()
    return figure, table


if __name__ == "__main__":
    main()
