"""One table of how far each explanation of a run can be trusted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from rich.table import Table
from scipy.stats import rankdata
from torch import Tensor, nn

from preflare.explain.committee import Committee
from preflare.explain.faithfulness import deletion_and_insertion, rank_correlation, redrawn
from preflare.explain.target import QUANTITIES
from preflare.explain.truth import Truth, against
from preflare.threads import torch_threads

# Steps of a deletion, spectra that fill in, and networks with redrawn weights.
STEPS, FILL, REDRAWN = 20, 20, 5
# Above this mean |rank correlation| with what redrawn networks give, an explanation did not come from the weights;
# with what networks trained on shuffled labels give, not from the labels.
KEPT = 0.5

# Of each of some networks, who sit in the first seats of the committee: (member, n, wavelength).
Method = Callable[[Sequence[nn.Module]], np.ndarray]


@dataclass(frozen=True)
class Row:
    """What is known of one explanation, on so many spectra; NaN where a measure does not apply.

    deletion, insertion: mean of what is explained on the way when the worthiest wavelengths go, or come, first.
    redrawn: mean |rank correlation| with the explanation of networks with redrawn weights; labels: of the first member
    with that of a network trained on shuffled labels.
    members: mean rank correlation between members. default: mean rank correlation with expected gradients as set.
    share, chance: of |attribution| on the wavelengths that a simulated precursor changed after normalisation.
    area, area_before: ROC AUC of |attribution| for these, and for those changed in DN/s, before normalisation.
    """

    method: str
    spectra: int
    deletion: float
    insertion: float
    redrawn: float
    labels: float
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

    @property
    def from_labels(self) -> bool:
        """Whether the explanation passes the check of shuffled labels."""
        return not self.labels > KEPT


@torch_threads(1)
def assess(
    methods: Mapping[str, Method],
    committee: Committee,
    shuffled: nn.Module,
    spectra: Tensor,
    truth: Truth | None,
) -> list[Row]:
    """A row for each method, the first of which is the default, then for two orders that know nothing of the network.

    methods: explain ``spectra`` (n, wavelength). shuffled: trained as the first member on shuffled labels.
    """
    networks, baselines = committee.networks, committee.paths[0].baselines
    fill = baselines[torch.linspace(0, len(baselines) - 1, FILL).long()]
    others = [[redrawn(one, seed) for one in networks] for seed in range(REDRAWN)]

    def row(name: str, each: np.ndarray, default: np.ndarray, method: Method | None) -> Row:
        said = each.mean(axis=0)
        away, put_in = deletion_and_insertion(committee.explained, spectra, np.nan_to_num(said), fill, STEPS)
        kept = labels = members = float("nan")
        if method is not None:
            kept = float(np.mean([np.abs(rank_correlation(said, method(o).mean(axis=0))).mean() for o in others]))
            labels = float(np.abs(rank_correlation(each[0], method([shuffled])[0])).mean())
            members = agreement(each)
        return Row(
            name,
            len(spectra),
            float(away.mean()),
            float(put_in.mean()),
            kept,
            labels,
            members,
            float(rank_correlation(said, default).mean()),
            *against(said, truth),
        )

    said = {name: method(networks) for name, method in methods.items()}
    default = next(iter(said.values())).mean(axis=0)
    rows = [row(name, said[name], default, method) for name, method in methods.items()]
    stream = np.random.default_rng(0)
    rows.append(row("random order", stream.random((1, *spectra.shape)), default, None))
    rows.append(row("brightest first", spectra.numpy()[None], default, None))
    return rows


def usual(spectra: Tensor, committee: Committee, maps: Sequence[str], faint: Tensor) -> dict[str, Method]:
    """Expected gradients as set, the activation maps, and expected gradients from other baselines.

    faint: as many spectra of low intensity, (sample, wavelength), for the quiet Sun. The last two are what the paper
    rejects: no light at all, and Gaussian noise of the baselines' mean and scatter.
    """
    baselines = committee.baselines
    noise = torch.randn(baselines.shape, generator=torch.Generator().manual_seed(0))
    count = baselines.shape[-2]

    def of_class(label: int) -> Tensor:
        return baselines[..., label::2, :].repeat_interleave(2, dim=-2)[..., :count, :]

    sets = {
        "expected gradients": baselines,
        "... from AR alone": of_class(0),
        "... from PF alone": of_class(1),
        "... from faint ones": faint,
        "... from zeros": torch.zeros_like(baselines),
        "... from noise": baselines.mean() + baselines.std() * noise,
    }

    def gradients(some: Tensor) -> Method:
        def explain(networks: Sequence[nn.Module]) -> np.ndarray:
            own = some[: len(networks)] if some.ndim == 3 else some
            return committee.engine_of(networks, own)(spectra).attributions.numpy()

        return explain

    def activations(name: str) -> Method:
        return lambda networks: committee.map(name, networks, spectra)

    found = {"expected gradients": gradients(sets.pop("expected gradients"))}
    found |= {name: activations(name) for name in maps}
    return found | {name: gradients(some) for name, some in sets.items()}


def table(rows: Sequence[Row], quantity: str) -> Table:
    """The rows as the verb prints them."""
    made = Table(
        title=f"How far to trust the explanations, on {rows[0].spectra} spectra",
        caption=(
            f"del, ins: mean {QUANTITIES[quantity].title} while the worthiest wavelengths go (low is good) or come "
            "(high is good) first. redrawn, labels: |rank correlation| with redrawn weights, and with training on "
            f"shuffled labels; above {KEPT} it did not come from there (!). seeds, first: rank correlation between "
            "members, and with the first row. share, AUC: on what a simulated precursor changed."
        ),
        title_justify="left",
        caption_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
    )
    made.add_column("", no_wrap=True)
    for column in HEAD:
        made.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        made.add_row(row.method, *cells(row))
    return made


def agreement(each: np.ndarray) -> float:
    """Mean rank correlation between members, (member, n, wavelength), on what all support; NaN of one alone."""
    if len(each) == 1:
        return float("nan")
    ranks = rankdata(each[:, :, np.isfinite(each).all(axis=(0, 1))], axis=2)
    ranks -= ranks.mean(axis=2, keepdims=True)
    size = np.linalg.norm(ranks, axis=2, keepdims=True)
    units = np.divide(ranks, size, out=np.zeros_like(ranks), where=size > 0)
    both = np.einsum("anw,bnw->ab", units, units) / each.shape[1]
    return float(both[np.triu_indices(len(each), 1)].mean())


HEAD = ("del", "ins", "redrawn", "labels", "seeds", "first", "share", "chance", "AUC")


def cells(row: Row) -> list[str]:
    """The numbers of a row under HEAD; a check that it fails has a "!"."""
    return [
        number(row.deletion),
        number(row.insertion),
        number(row.redrawn) + ("" if row.from_weights else " !"),
        number(row.labels) + ("" if row.from_labels else " !"),
        *(number(value) for value in (row.members, row.default, row.share, row.chance, row.area)),
    ]


def number(value: float) -> str:
    """Two decimals; empty where a measure does not apply."""
    return "" if value != value else f"{value:.2f}"
