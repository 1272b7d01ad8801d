"""One table of how far each explanation of a run can be trusted."""

import csv
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from rich.table import Table
from torch import Tensor, nn

from preflare.explain.activation_maps import MAPS
from preflare.explain.engine import Engine
from preflare.explain.expected_gradients import Paths
from preflare.explain.faithfulness import area, deletion_and_insertion, rank_correlation, redrawn, share_inside

# Steps of a deletion, spectra that fill in, and networks with redrawn weights.
STEPS, FILL, REDRAWN = 20, 20, 5
# Above this mean |rank correlation| with what redrawn networks give, an explanation did not come from the weights.
KEPT = 0.5

Method = Callable[[Sequence[nn.Module]], np.ndarray]


@dataclass(frozen=True)
class Row:
    """What is known of one explanation, on so many spectra; NaN where a measure does not apply.

    deletion, insertion: mean log-odds on the way when the worthiest wavelengths go, or come, first.
    redrawn: mean |rank correlation| with the explanation of networks with redrawn weights.
    members: mean rank correlation between members. default: mean rank correlation with expected gradients as set.
    share, chance: of |attribution| on the wavelengths that a simulated precursor changed after normalisation.
    area, area_before: ROC AUC of |attribution| for these, and for those changed in DN/s, before normalisation.
    """

    method: str
    spectra: int
    deletion: float
    insertion: float
    redrawn: float
    members: float
    default: float
    share: float
    chance: float
    area: float
    area_before: float

    @property
    def from_weights(self) -> bool:
        """Whether the explanation passes the check of redrawn weights."""
        return not self.redrawn > KEPT


@dataclass(frozen=True, eq=False)
class Truth:
    """Wavelengths that a precursor changed, (n, wavelength) bool: after and before normalisation; False for none."""

    after: np.ndarray
    before: np.ndarray


def assess(
    methods: Mapping[str, Method], networks: Sequence[nn.Module], spectra: Tensor, paths: Paths, truth: Truth | None
) -> list[Row]:
    """A row for each method, the first of which is the default, then for two orders that know nothing of the network.

    methods: networks -> (n, wavelength), explanations of ``spectra`` (n, wavelength). networks: in evaluation mode.
    """
    engine = Engine(networks, paths.baselines, paths.positions, workers=1)
    fill = paths.baselines[torch.linspace(0, len(paths.baselines) - 1, FILL).long()]
    others = [[redrawn(one, seed) for one in networks] for seed in range(REDRAWN)]

    def answer(points: Tensor) -> Tensor:
        return torch.stack([one.log_odds(points) for one in engine.members]).mean(dim=0)

    def row(name: str, said: np.ndarray, default: np.ndarray, method: Method | None) -> Row:
        worth = np.nan_to_num(said)
        away, put_in = deletion_and_insertion(answer, spectra, worth, fill, STEPS)
        kept = members = float("nan")
        if method is not None:
            kept = float(np.mean([np.abs(rank_correlation(said, method(other))).mean() for other in others]))
            alone = [method([one]) for one in networks]
            pairs = [rank_correlation(a, b).mean() for i, a in enumerate(alone) for b in alone[:i]]
            members = float(np.mean(pairs)) if pairs else float("nan")
        return Row(
            name,
            len(spectra),
            float(away.mean()),
            float(put_in.mean()),
            kept,
            members,
            float(rank_correlation(said, default).mean()),
            *_against(said, truth),
        )

    said = {name: method(networks) for name, method in methods.items()}
    default = next(iter(said.values()))
    rows = [row(name, said[name], default, method) for name, method in methods.items()]
    stream = np.random.default_rng(0)
    rows.append(row("random order", stream.random(spectra.shape), default, None))
    rows.append(row("brightest first", spectra.numpy(), default, None))
    return rows


def usual(spectra: Tensor, paths: Paths, maps: Sequence[str], workers: int) -> dict[str, Method]:
    """Expected gradients as set, the activation maps, and expected gradients from other baselines.

    The last two are what the paper rejects: no light at all, and Gaussian noise of the spectra's mean and scatter.
    """
    baselines, positions = paths.baselines, paths.positions
    noise = torch.randn(baselines.shape, generator=torch.Generator().manual_seed(0))
    sets = {
        "expected gradients": baselines,
        "... AR baselines only": baselines[::2].repeat_interleave(2, dim=0)[: len(baselines)],
        "... PF baselines only": baselines[1::2].repeat_interleave(2, dim=0)[: len(baselines)],
        "... zeros": torch.zeros_like(baselines),
        "... noise": baselines.mean() + baselines.std() * noise,
    }

    def gradients(baselines: Tensor) -> Method:
        return lambda networks: (
            Engine(networks, baselines, positions, workers)(spectra).attributions.mean(dim=0).numpy()
        )

    def activations(name: str) -> Method:
        return lambda networks: np.stack([MAPS[name](one, spectra[:, None]) for one in networks]).mean(axis=0)

    found = {"expected gradients": gradients(sets.pop("expected gradients"))}
    found |= {name: activations(name) for name in maps}
    return found | {name: gradients(some) for name, some in sets.items()}


def _against(said: np.ndarray, truth: Truth | None) -> tuple[float, float, float, float]:
    changed = truth.after.any(axis=1) if truth is not None else np.zeros(len(said), dtype=bool)
    if truth is None or not changed.any():
        return (float("nan"),) * 4
    shares, chances = share_inside(said[changed], truth.after[changed])
    areas = area(said[changed], truth.after[changed]), area(said[changed], truth.before[changed])
    return _mean(shares), _mean(chances), _mean(areas[0]), _mean(areas[1])


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def write(path: Path, rows: Sequence[Row]) -> None:
    """The rows as CSV; a measure that does not apply is left empty."""
    scratch = path.with_name(f".{path.name}.part")
    with scratch.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(Row)])
        for row in rows:
            writer.writerow(["" if value != value else value for value in asdict(row).values()])
    os.replace(scratch, path)


def read(path: Path) -> list[Row]:
    """What ``write`` wrote."""
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    return [
        Row(
            line.pop("method"),
            int(line.pop("spectra")),
            **{name: float(value) if value else float("nan") for name, value in line.items()},
        )
        for line in lines
    ]


def table(rows: Sequence[Row]) -> Table:
    """The rows as the verb prints them."""
    made = Table(
        title=f"How far to trust the explanations, on {rows[0].spectra} spectra",
        caption=(
            "del, ins: mean log-odds while the worthiest wavelengths go (low is good) or come (high is good) first. "
            f"redrawn: |rank correlation| with redrawn weights; above {KEPT} it did not come from the network (!). "
            "default: rank correlation with the first row. share, AUC: on what a simulated precursor changed."
        ),
        title_justify="left",
        caption_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
    )
    made.add_column("", no_wrap=True)
    for column in ("del", "ins", "redrawn", "members", "default", "share", "chance", "AUC"):
        made.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        kept = _number(row.redrawn) + ("" if row.from_weights else " !")
        made.add_row(
            row.method,
            _number(row.deletion),
            _number(row.insertion),
            kept,
            *(_number(value) for value in (row.members, row.default, row.share, row.chance, row.area)),
        )
    return made


def _number(value: float) -> str:
    return "" if value != value else f"{value:.2f}"
