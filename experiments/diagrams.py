"""How it works, drawn from the networks and the data themselves (Figs. 1 to 6, 8, 18, A.1, A.2, C.1).

python experiments/diagrams.py sweep=runs/paper_swarm                          layers, maps, the loss between networks
python experiments/diagrams.py sweep=runs/paper_swarm snapshots=runs/default   and Fig. 6 (train.py callbacks=snapshot)
python experiments/diagrams.py sweep=runs/paper_swarm images=DIR               and slit-jaw images from DIR

The loss plane of Fig. 8, which the paper sketches, is measured here.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import MISSING, DictConfig
from torch import Tensor, nn

from preflare.checks import check_integer
from preflare.command import Drawn, verb
from preflare.data.datamodule import Pool
from preflare.data.shard import Shard
from preflare.errors import RunError
from preflare.explain import ensemble, snapshot
from preflare.explain.ensemble import Ensemble
from preflare.explain.expected_gradients import ExpectedGradients
from preflare.explain.side import Side
from preflare.explain.target import LOG_ODDS, QUANTITIES, log_odds
from preflare.figures import architecture as architecture_figure
from preflare.figures import collection as collection_figure
from preflare.figures import convolution as convolution_figure
from preflare.figures import evolution as evolution_figure
from preflare.figures import feature_maps as feature_maps_figure
from preflare.figures import gradcam as gradcam_figure
from preflare.figures import learning_curve as learning_curve_figure
from preflare.figures import loss_plane as loss_plane_figure
from preflare.figures import paths as paths_figure
from preflare.figures.architecture import Stage
from preflare.report import architecture, collection, feature_maps, loss_plane, paths
from preflare.report.experiment import conclude
from preflare.report.loss_plane import Plane
from preflare.report.section import Claim, Plot, Section, judge_real, remark
from preflare.report.swarm import skill
from preflare.report.tables import Table
from preflare.run import Run, RunFolder
from preflare.sun.goes import CLASSES
from preflare.sun.line import Line

# Positions on a way, ends included; those drawn as spectra.
STEPS, SHOWN = 101, 6
STREAM = 9
# Feature maps before the last convolution that are drawn, at most.
MAPS = 8
# The kernel of the paper's Fig. 4, and points drawn to each side of the core.
KERNEL, AROUND = (-1.0, 0.0, 1.0), 15


@dataclass
class Data:
    """Where the shards are."""

    root: str | None = None


@dataclass
class Config(Drawn):
    """The keys of conf/diagrams.yaml; any other is refused."""

    sweep: str = MISSING
    snapshots: str | None = None
    images: str | None = None
    spectra: Any = MISSING
    grid: Any = MISSING
    ways: Any = MISSING
    data: Data = field(default_factory=Data)
    beside: Any = None
    output: str = MISSING


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Spectra (n, wavelength) of the test side and their labels (n,); shards: of the training folder."""

    spectra: Tensor
    labels: Tensor
    shards: Sequence[Shard]


@verb("diagrams", Config)
def main(config: DictConfig) -> None:
    """Read the networks and the data, draw and tell."""
    count = check_integer("spectra", config.spectra, 10)
    grid = check_integer("grid", config.grid, 5)
    ways = check_integer("ways", config.ways, 2)
    by = ensemble.read(Path(config.sweep))
    skill(by.runs)
    root = Path(config.data.root or by.runs[0].config.data.root)
    seen = None
    if config.snapshots is not None:
        seen = RunFolder(Path(config.snapshots)).snapshots
        if not seen.is_file():
            raise RunError(f"{seen} is missing. Train a run with it: python train.py callbacks=snapshot")
    films = Path(config.images) if config.images else None
    if films is not None and not films.is_dir():
        raise RunError(f"There is no folder {films} of images. Leave images= out, or correct it.")
    inputs = {one.folder.path.as_posix(): str(one.record["finished"]) for one in by.runs}
    inputs |= {f"shard {name}": digest for name, digest in by.runs[0].record["data"].items()}
    if seen is not None:
        inputs["snapshots"] = hashlib.sha256(seen.read_bytes()).hexdigest()
    beside = instantiate(config.beside, wavelengths=by.runs[0].config.line.points) if config.beside else None

    def make() -> Section:
        side = Side.of(by.runs[0], Pool(root, instantiate(by.runs[0].config.line)), 0)
        test = side.data.datasets["test"]
        drawn = np.sort(np.random.default_rng(STREAM).choice(len(test), min(count, len(test)), replace=False))
        rows = torch.from_numpy(drawn)
        held_out = HeldOut(test.spectra[rows][:, 0], test.labels[rows], list(side.data.shards.values()))
        baselines = side.paths(ExpectedGradients(ways + ways % 2, 1, "herding", 0))[0].baselines
        return draw(by, held_out, baselines, grid, beside, seen, films)

    conclude(config, inputs, make)


def draw(
    by: Ensemble,
    held_out: HeldOut,
    baselines: Tensor,
    grid: int,
    beside: nn.Module | None,
    seen: Path | None,
    films: Path | None,
) -> Section:
    """The section."""
    record = by.runs[0].record
    line = instantiate(by.runs[0].config.line)
    origin = record["trained_on"]["origin"]
    note = remark(origin)
    networks = [one.network() for one in by.runs]
    seeds = [f"seed {one.config.seed}" for one in by.runs]
    with torch.no_grad():
        odds = log_odds(networks[0])(held_out.spectra[:, None])
    one = int(torch.where(held_out.labels == 1, odds, -torch.inf).argmax())
    spectrum = held_out.spectra[one]
    told = f"the held-out PF spectrum of the highest score, {torch.sigmoid(odds[one]):.2f}"
    plane = loss_plane.measure(networks[:3], held_out.spectra[:, None], held_out.labels, grid)

    plots = [
        _collection(held_out.shards, films, note),
        _learning(by.runs[0], seeds[0], note),
        _layers(networks[0], beside, line),
        _convolution(spectrum, told, line, note),
    ]
    tables = {"Layers": _table(networks[0], line), "Between three networks": _between(plane, seeds)}
    claims = [_well(plane, origin)]
    if feature_maps.convolutional(networks[0]):
        plain, weighted = feature_maps.resemblance(networks, held_out.spectra)
        alive = [int(feature_maps.answering(network, held_out.spectra).sum()) for network in networks]
        fullest = int(np.argmax(alive))
        plots.append(_maps(networks[fullest], spectrum, plain, told, seeds[fullest], line, note))
        plots.append(_scheme(networks[fullest], spectrum, told, seeds[fullest], note))
        tables["What sums of feature maps look like"] = _resemblance(plain, weighted, alive, seeds)
        claims.append(_spectrum_again(plain, weighted, origin))
    plots.append(_plane(plane, seeds, len(held_out.spectra), note))
    if seen is not None:
        plots.append(_training(seen))
    plots.append(_ways(networks[0], spectrum, baselines, told, seeds[0], line, note))
    return Section(
        name="diagrams",
        title="How it works",
        paper="Sects. 3 to 5, 7, App. A to C, Figs. 1 to 6, 8, 18, A.1, A.2, C.1",
        lead=f"Drawn from {len(networks)} trained networks and their data, not sketched. The mean of three networks' "
        f"weights has a loss of {plane.centre_loss:.2f}, the networks {plane.corner_loss.min():.2f} to "
        f"{plane.corner_loss.max():.2f}, the mean of their probabilities {plane.ensemble_loss:.2f}.",
        origin=origin,
        plots=plots,
        tables=tables,
        claims=claims,
    )


def _stages(network: nn.Module, points: int) -> list[Stage]:
    stages = [Stage(1, points, "")]
    for layer in architecture.trace(network, points):
        weights = f"{layer.weights:,} weights" if layer.weights else ""
        above = "\n".join(text for text in (layer.kind.replace(" + ", "\n+ "), layer.reach, weights) if text)
        kind = "dense" if layer.kind.startswith("Linear") else "sliding" if layer.weights else "pooling"
        stages.append(Stage(layer.channels, layer.length, above, kind))
    return stages


def _layers(network: nn.Module, beside: nn.Module | None, line: Line) -> Plot:
    drawn, totals = [], []
    for module in (network, beside):
        if module is not None:
            total = sum(values.numel() for values in module.parameters())
            totals.append(f"{type(module).__name__} {total:,} weights")
            drawn.append((f"{type(module).__name__}: {total:,} weights", _stages(module, line.points)))
    return Plot(
        "layers",
        "Layers, as the networks have them",
        f"What a spectrum of {line.points} wavelengths becomes on its way to two logits, of AR and PF (Figs. 3 and "
        f"A.1): channels × cells; {' and '.join(totals)}. Heights go with the square root of the number of cells.",
        architecture_figure.draw(drawn),
        ("3", "A.1") if beside is not None else ("3",),
    )


def _collection(shards: Sequence[Shard], films: Path | None, note: str) -> Plot:
    chosen = collection.examples(shards)
    found = [collection.collect(shard, films) for shard in chosen]
    pictures = sum(one.view is not None for one in found)
    behind = (
        f"{pictures} of them over a slit-jaw image, co-aligned AIA images beside it where there are (Fig. 18)."
        if pictures
        else "Without images, as none were given."
    )
    return Plot(
        "collection",
        "How observations were collected",
        f"A PF and an AR observation (Fig. 1): {' and '.join(_size(shard) for shard in chosen)}. Left, the X-rays of "
        "the whole Sun, the window grey, the onset orange, the time of one raster as a bar; right, where the spectra "
        f"of the raster in the middle of the window are from. {behind}",
        collection_figure.draw(found, CLASSES, note),
        ("1", "18") if pictures else ("1",),
    )


def _size(shard: Shard) -> str:
    repeats, steps, pixels = shard.shape[:3]
    return f"{shard.name} with {repeats} rasters of {steps} steps and {pixels} pixels"


def _maps(network: nn.Module, spectrum: Tensor, plain: np.ndarray, told: str, who: str, line: Line, note: str) -> Plot:
    found = feature_maps.answer(network, spectrum)
    titles = [f"last: A{k},\nweight {weight.round(2) + 0.0:.2f}" for k, weight in enumerate(found.weights, 1)]
    before = [
        {f"convolution {number}:\nchannel {k}": answers for k, answers in enumerate(channels, 1)}
        for number, channels in enumerate(feature_maps.reservoirs(network, spectrum)[:-1], 1)
    ]
    # A deep network has more maps than a page has room for.
    before = before if sum(len(channels) for channels in before) <= MAPS else []
    return Plot(
        "feature_maps",
        "What each channel sees",
        f"Answers of {'all convolutions' if before else 'the last convolution'} of {who} to {told}, each at the "
        "centre of what its cells see (Fig. 5), those of a convolution on one scale; "
        "below, their plain sum, and the sum by weights, which is Grad-CAM before its ReLU (Fig. A.2). Over all "
        f"networks and {plain.shape[1]} spectra the plain sum correlates with the spectrum by {np.median(plain):.2f} "
        "in the median.",
        feature_maps_figure.draw(
            line.wavelength,
            spectrum.numpy(),
            [*before, dict(zip(titles, found.answers, strict=True))],
            {"plain sum": found.answers.sum(axis=0), "weighted:\nGrad-CAM": found.weighted},
            {**line.cores, **line.features},
            note,
        ),
        ("5",),
    )


def _scheme(network: nn.Module, spectrum: Tensor, told: str, who: str, note: str) -> Plot:
    found = feature_maps.answer(network, spectrum)
    kept = np.clip((found.weights[:, None] * found.cells).sum(axis=0), 0, None)
    return Plot(
        "gradcam",
        "How Grad-CAM comes about",
        f"{who[0].upper()}{who[1:]} and {told} (Fig. A.2). A channel's weight is the mean gradient over its "
        f"{found.cells.shape[1]} cells: the place of the gradient is lost there. Of the sum the ReLU leaves "
        f"{int((kept > 0).sum())} cells.",
        gradcam_figure.draw(
            found.cells,
            found.gradients,
            found.weights,
            found.weights[:, None] * found.cells,
            QUANTITIES[LOG_ODDS].title,
            note,
        ),
        ("A.2",),
    )


def _learning(one: Run, who: str, note: str) -> Plot:
    record = one.record
    side, best, mean = record["partition"]["chosen_by"], record["best_epoch"], record["best_mean_epoch"]
    train, choosing = (np.array([row[f"{name}/loss"] for row in one.history]) for name in ("train", side))
    return Plot(
        "learning",
        "How a network learns",
        f"The learning curve of {who} (Fig. 2). The {side} loss is lowest after epoch {best} ({choosing[best]:.3f}, "
        f"from 0), the mean of both after epoch {mean}; at the end it is {choosing[-1]:.3f}.",
        learning_curve_figure.draw(train, choosing, best, mean, side, note=note),
        ("2",),
    )


def _convolution(spectrum: Tensor, told: str, line: Line, note: str) -> Plot:
    name, core = next(iter(line.cores.items()))
    around = int(np.abs(line.wavelength - core).argmin())
    first = max(around - AROUND, 0)
    found = feature_maps.filtered(spectrum[first : around + AROUND + 1], KERNEL)
    return Plot(
        "convolution",
        "What a filter makes of a spectrum",
        f"{told[0].upper()}{told[1:]}, {len(found.points)} points around {name} (Fig. 4). The kernel answers to what "
        f"rises towards red, most ({found.answer[found.place]:.2f}) at the points in blue; the ReLU drops what falls. "
        "A network learns its kernels, and how far they step.",
        convolution_figure.draw(found.points, KERNEL, found.answer, found.kept, found.place, note),
        ("4",),
    )


def _plane(plane: Plane, seeds: Sequence[str], count: int, note: str) -> Plot:
    return Plot(
        "loss_plane",
        "The loss between three networks",
        f"Mean cross-entropy of {count} held-out spectra on the plane through the weights of three networks that "
        f"differ in their seed (Fig. 8, measured). They have {_three(plane.corner_loss)}; on the straight ways between "
        f"them the loss rises by {_three(plane.barriers)} above its ends; the mean of their weights (cross) has "
        f"{plane.centre_loss:.2f}. The mean of their probabilities, which is no point of this plane, has "
        f"{plane.ensemble_loss:.2f}.",
        loss_plane_figure.draw(
            plane.x.numpy(),
            plane.y.numpy(),
            plane.loss.numpy(),
            plane.corners.numpy(),
            seeds[:3],
            "cross-entropy per held-out spectrum",
            note,
        ),
        ("8",),
    )


def _training(seen: Path) -> Plot:
    with h5py.File(seen, "r", locking="best-effort") as file:
        odds = file["log_odds"][()]
    return Plot(
        "training",
        "Attributions while a network trains",
        f"{odds.shape[1]} held-out spectra, looks from above down (Fig. 6), of the run in {seen.parent.name}. From the "
        f"first look to the last their log-odds go from {_span(odds[0])} to {_span(odds[-1])}.",
        evolution_figure.draw(snapshot.read(seen)),
        ("6",),
    )


def _span(odds: np.ndarray) -> str:
    return f"{odds.min():+.2f}...{odds.max():+.2f}"


def _ways(network: nn.Module, spectrum: Tensor, baselines: Tensor, told: str, who: str, line: Line, note: str) -> Plot:
    function = log_odds(network)
    found = [paths.walk(function, spectrum, one, STEPS) for one in baselines]
    shown = np.linspace(0, STEPS - 1, SHOWN).round().astype(int)
    attributions = np.stack([way.attribution for way in found])
    gain = np.array([way.said[-1] - way.said[0] for way in found])
    missed = np.abs(attributions.sum(axis=1) - gain).max()
    return Plot(
        "ways",
        "The ways of expected gradients",
        f"{told[0].upper()}{told[1:]}, asked of {who} (Fig. C.1). On {len(found)} ways, half from AR, half from PF "
        f"training spectra, the log-odds change by {gain.min():+.1f} to {gain.max():+.1f}; each way's attributions sum "
        f"to that within {missed:.3f}. Their mean is what expected gradients say.",
        paths_figure.draw(
            line.wavelength,
            found[0].spectra[shown],
            found[0].positions,
            np.stack([way.said for way in found]),
            attributions,
            {**line.cores, **line.features},
            QUANTITIES[LOG_ODDS].title,
            note,
        ),
        ("C.1",),
    )


def _table(network: nn.Module, line: Line) -> Table:
    layers = architecture.trace(network, line.points)
    rows = [(one.kind, one.reach, f"{one.channels} × {one.length}", f"{one.weights:,}") for one in layers]
    rows.append(("all", "", "", f"{sum(one.weights for one in layers):,}"))
    return Table(("layer", "what it does", "channels × cells", "weights"), tuple(rows))


def _between(plane: Plane, seeds: Sequence[str]) -> Table:
    rows = [(seeds[place], f"{loss:.3f}") for place, loss in enumerate(plane.corner_loss.tolist())]
    for (one, other), rise in zip(((0, 1), (1, 2), (2, 0)), plane.barriers.tolist(), strict=True):
        rows.append((f"highest rise between {seeds[one]} and {seeds[other]}", f"{rise:.3f}"))
    rows.append(("mean of their weights", f"{plane.centre_loss:.3f}"))
    rows.append(("mean of their probabilities", f"{plane.ensemble_loss:.3f}"))
    return Table(("network", "cross-entropy"), tuple(rows))


def _resemblance(plain: np.ndarray, weighted: np.ndarray, alive: Sequence[int], seeds: Sequence[str]) -> Table:
    rows = [
        (name, f"{np.median(a):.2f}", f"{np.median(b):.2f}", str(count))
        for name, a, b, count in zip(seeds, plain, weighted, alive, strict=True)
    ]
    return Table(("correlation with the spectrum", "plain sum", "weighted sum", "channels that answer"), tuple(rows))


def _well(plane: Plane, origin: str) -> Claim:
    centred = plane.centre_loss <= float(plane.corner_loss.min())
    return Claim(
        "Sect. 5, Fig. 8",
        "Networks lie at the rim of one well of the loss, and their mean at its centre.",
        f"The mean of the weights has {plane.centre_loss:.2f}, {'below' if centred else 'above'} the best of the three "
        f"({float(plane.corner_loss.min()):.2f}), with rises of {_three(plane.barriers)} on the ways between them: "
        f"they lie in {'one well' if float(plane.barriers.max()) < 0.05 else 'wells of their own'}. It is "
        f"probabilities and attributions that are averaged; the mean of probabilities has {plane.ensemble_loss:.2f}.",
        "",
        judge_real(origin, centred),
        "well",
    )


def _spectrum_again(plain: np.ndarray, weighted: np.ndarray, origin: str) -> Claim:
    middle = float(np.median(plain))
    return Claim(
        "App. B",
        "Feature maps summed without weights resemble the spectrum; the weights say what counts.",
        f"Median correlation with it {middle:.2f} of the plain, {np.median(weighted):.2f} of the weighted one.",
        "",
        judge_real(origin, middle > 0.5),
        "feature_maps",
    )


def _three(values: Tensor) -> str:
    return ", ".join(f"{value:.2f}" for value in values.tolist())


if __name__ == "__main__":
    main()
