"""Networks that are chains of affine layers, ReLU and max-pooling, lowered to steps that compiled passes carry out.

The rows of a convolution's answer are ordered by position, then channel: an output then depends on neighbouring rows
alone, and its matrix is a band, which ``tiles`` cover. Such a chain explains spectra at many times the rate of
automatic differentiation:

- Along a path b + a (x - b) the first pre-activation is linear, a P(x) + (1 - a) P(b): one product for each spectrum
  and one for each baseline, none for each pair.
- The gradient before the first ReLU is summed over the positions on the path from one baseline, and only then goes
  back through the first layer: (x - b) is the same for all of them.
- ReLU and its gradient cost nothing of their own: they are part of the products that they follow.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from preflare.explain import passes
from preflare.explain.emission import BYTES, VECTORS
from preflare.explain.passes import Blocks, Program
from preflare.explain.target import LOG_ODDS, QUANTITIES
from preflare.explain.tiles import PACKED, tiles

AFFINE = (nn.Conv1d, nn.Linear, nn.BatchNorm1d, nn.AvgPool1d, nn.Flatten, nn.Identity, nn.Dropout, nn.Dropout1d)
PRECISIONS = (torch.float32, torch.float64)


@dataclass(frozen=True, eq=False)
class Affine:
    """matrix (out, in) times rows plus bias (out,). rectified: its answer passes a ReLU."""

    matrix: np.ndarray
    bias: np.ndarray
    rectified: bool = False


@dataclass(frozen=True)
class Pool:
    """Max-pooling over windows of so many neighbouring positions; of equal ones the first wins, as in PyTorch."""

    window: int
    channels: int
    rectified: bool = False


Step = Affine | Pool


def program(steps: Sequence[Step]) -> Program:
    """The table of a chain that begins and ends with affine steps."""
    first, *others = steps
    assert isinstance(first, Affine)
    tables: list[np.ndarray] = []
    packed: list[np.ndarray] = []

    def add(matrix: np.ndarray, bias: np.ndarray | None = None) -> tuple[int, int]:
        made = tiles(matrix, bias)
        made.table[:, PACKED] += sum(map(len, packed))
        before = sum(map(len, tables))
        tables.append(made.table)
        packed.append(made.packed)
        return before, before + len(made.table)

    opening, closing = add(first.matrix, first.bias), add(first.matrix.T)
    table = np.zeros((len(others), passes.COLUMNS), dtype=np.int64)
    start, count = 0, len(first.bias)
    for step, row in zip(others, table, strict=True):
        if isinstance(step, Affine):
            written = len(step.bias)
            row[passes.FIRST : passes.BACK_LAST + 1] = *add(step.matrix, step.bias), *add(step.matrix.T)
        else:
            written = count // (step.window * step.channels) * step.channels
            row[passes.WINDOW], row[passes.CHANNELS] = step.window, step.channels
        row[passes.KIND] = passes.AFFINE if isinstance(step, Affine) else passes.POOL
        row[passes.IN : passes.WRITTEN + 1] = start, count, start + count, written
        start, count = start + count, written
    floors = np.array([0 if step.rectified else -np.inf for step in steps], first.matrix.dtype)
    return Program(
        table,
        floors,
        np.concatenate(tables),
        np.concatenate(packed),
        opening[1],
        closing[1] - closing[0],
        start + count,
    )


class Chain:
    """A lowered network: the log-odds of PF, what is explained, and its expected gradients.

    steps: from a spectrum to the logits of AR and PF. quantity: what is explained, of target.QUANTITIES.
    """

    def __init__(self, steps: Sequence[Step], quantity: str) -> None:
        self.program = program(steps)
        self.quantity = QUANTITIES[quantity]
        first = steps[0]
        assert isinstance(first, Affine)
        self.rows, self.points = first.matrix.shape
        self.precision = torch.from_numpy(first.matrix).dtype

    def log_odds(self, spectra: Tensor) -> Tensor:
        """(n,) of spectra (n, wavelength)."""
        return QUANTITIES[LOG_ODDS](self.answer(spectra)[1])

    def explained(self, spectra: Tensor) -> Tensor:
        """The quantity explained, (n,) of spectra (n, wavelength)."""
        return self.quantity(self.answer(spectra)[1])

    def answer(self, spectra: Tensor) -> tuple[Tensor, Tensor]:
        """What the first affine map says, (n, row), and the logits (n, 2) of spectra (n, wavelength)."""
        spectra = self.checked(spectra)
        firsts, logits = spectra.new_empty(len(spectra), self.rows), spectra.new_empty(len(spectra), 2)
        inputs, values = self.room(self.points), self.room(self.program.rows)
        passes.answer(self.program, spectra.numpy(), inputs, values, firsts.numpy(), logits.numpy())
        return firsts, logits

    def along(self, baselines: Tensor, positions: Tensor) -> "Along":
        """Expected gradients along these paths. baselines: (sample, wavelength); positions: (sample,)."""
        return Along(self, baselines, positions)

    def room(self, rows: int, vectors: int = VECTORS) -> np.ndarray:
        """Rows of so many vectors; torch's memory begins where a cache line does."""
        room: np.ndarray = torch.zeros(rows * vectors * BYTES // self.precision.itemsize, dtype=self.precision).numpy()
        return room

    def checked(self, spectra: Tensor) -> Tensor:
        """Spectra as the passes take them, which look at no shape. Raises ValueError for others."""
        if spectra.shape[1:] != (self.points,) or spectra.dtype != self.precision:
            raise ValueError(
                f"The spectra are {tuple(spectra.shape)}, {spectra.dtype}, expected (n, {self.points}), "
                f"{self.precision}, as the network is."
            )
        return spectra.detach().contiguous()


class Along:
    """The mean over samples of (x - b) times the gradient at b + a (x - b): (n, wavelength) -> the same."""

    def __init__(self, chain: Chain, baselines: Tensor, positions: Tensor) -> None:
        if positions.shape != baselines.shape[:1]:
            raise ValueError(
                f"The positions are {tuple(positions.shape)}, expected ({len(baselines)},): one for each baseline."
            )
        self.chain = chain
        self.samples = len(positions)
        self.blocks = blocks(chain, chain.checked(baselines), positions.to(chain.precision))
        self.seeds = np.array(chain.quantity.weights, dtype=chain.program.packed.dtype)

    def __call__(self, spectra: Tensor) -> Tensor:
        chain, spectra = self.chain, self.chain.checked(spectra)
        ends, _ = chain.answer(spectra)
        values, slopes = chain.room(chain.program.rows), chain.room(chain.program.rows)
        sums = chain.room(passes.GROUP * chain.points, 1).reshape(passes.GROUP, -1)
        found = torch.empty_like(spectra)
        passes.attribute(
            chain.program, self.blocks, ends.numpy(), spectra.numpy(), self.seeds, chain.quantity.squashed,
            values, slopes, sums, found.numpy(),
        )  # fmt: skip
        return found.div_(self.samples)


def blocks(chain: Chain, baselines: Tensor, positions: Tensor) -> Blocks:
    """Samples in blocks of nearly equal width; a baseline with several positions is one, if all have as many."""
    distinct, which, counts = torch.unique(baselines, dim=0, return_inverse=True, return_counts=True)
    rounds = int(counts[0]) if bool((counts == counts[0]).all()) else 1
    if rounds == 1:
        distinct, which = baselines, torch.arange(len(baselines))
    order = which.argsort(stable=True).view(-1, rounds)
    ends, _ = chain.answer(distinct)
    starts = ends[:, None] * (1 - positions[order])[:, :, None]
    lanes = BYTES // chain.precision.itemsize
    vectors = -(-len(distinct) // lanes)
    number = -(-vectors // VECTORS)
    widths = [vectors // number + (k < vectors % number) for k in range(number)]
    table = np.zeros((number, 4), dtype=np.int64)
    parts: list[list[Tensor]] = [[], [], [], []]
    first = 0
    for row, width in zip(table, widths, strict=True):
        here = slice(first * lanes, (first + width) * lanes)
        row[:] = width, first * lanes * rounds * chain.rows, first * lanes, first * lanes * chain.points
        missing = width * lanes - len(distinct[here])
        for part, values in zip(
            parts,
            (
                starts[here].permute(1, 2, 0),
                positions[order[here]].T,
                torch.ones_like(distinct[here, 0]),
                distinct[here].T,
            ),
            strict=True,
        ):
            part.append(nn.functional.pad(values, (0, missing)).flatten())
        first += width
    return Blocks(table, rounds, *(torch.cat(part).numpy() for part in parts))


def lower(network: nn.Module, points: int, quantity: str = LOG_ODDS) -> Chain | None:
    """The network in evaluation mode as a chain; None if it is none, or has a layer that is not known here.

    points: length of a spectrum. quantity: what is explained, of target.QUANTITIES.
    Numbers have the network's precision.
    """
    network = copy.deepcopy(network).eval()
    calls = _calls(network, points)
    if calls is None:
        return None
    precision = next(network.parameters()).dtype
    steps: list[Step] = []
    group: list[nn.Module] = []
    shape: torch.Size = torch.Size((1, points))
    for layer, before, after in calls:
        if isinstance(layer, AFFINE):
            group.append(layer)
            continue
        if group:
            steps.append(_affine(group, shape, precision))
            group = []
        if not steps:
            return None
        if isinstance(layer, nn.ReLU):
            steps[-1] = replace(steps[-1], rectified=True)
        elif isinstance(layer, nn.MaxPool1d) and _plain(layer) and len(before) == 2:
            # The maximum of rectified values is the rectified maximum: half the values to rectify.
            rectified = steps[-1].rectified
            steps[-1] = replace(steps[-1], rectified=False)
            steps.append(Pool(_single(layer.kernel_size), before[0], rectified))
        else:
            return None
        shape = after
    if not group or not steps:
        return None
    logits = _affine(group, shape, precision)
    if len(logits.bias) != 2:
        return None
    chain = Chain([*steps, logits], quantity)
    return chain if _agrees(chain, network, points, precision) else None


def _calls(network: nn.Module, points: int) -> list[tuple[nn.Module, torch.Size, torch.Size]] | None:
    """The layers in the order in which a spectrum passes them, with the shapes before and after, batch excluded.

    None unless each takes the very answer of the one before, and the last gives the network's.
    """
    seen: list[tuple[nn.Module, Tensor, Tensor]] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen.append((layer, inputs[0], output))

    layers = [module for module in network.modules() if not any(module.children())]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    precision = next((parameter.dtype for parameter in network.parameters()), None)
    if precision not in PRECISIONS:
        return None
    probe = torch.zeros(2, 1, points, dtype=precision)
    try:
        with torch.no_grad():
            answer = network(probe)
    finally:
        for hook in hooks:
            hook.remove()
    links = [probe, *(output for _, _, output in seen)]
    if not seen or links[-1] is not answer:
        return None
    if any(given is not link for (_, given, _), link in zip(seen, links, strict=False)):
        return None
    return [(layer, given.shape[1:], output.shape[1:]) for layer, given, output in seen]


def _affine(group: Sequence[nn.Module], shape: torch.Size, precision: torch.dtype) -> Affine:
    """The matrix of affine layers in a row, found by unit inputs, with rows ordered by position, then channel."""
    layers = nn.Sequential(*(copy.deepcopy(layer).double() for layer in group)).eval()
    size = shape.numel()
    with torch.no_grad():
        bias = layers(torch.zeros(1, *shape, dtype=torch.float64))
        answers = layers(torch.eye(size, dtype=torch.float64).view(size, *shape)) - bias
    after, before = _order(bias.shape[1:]), _order(shape)
    matrix = answers.flatten(1).T[after][:, before]
    return Affine(matrix.to(precision).contiguous().numpy(), bias.flatten()[after].to(precision).numpy())


def _order(shape: torch.Size) -> Tensor:
    return torch.arange(shape.numel()).view(shape).T.flatten() if len(shape) == 2 else torch.arange(shape.numel())


def _agrees(chain: Chain, network: nn.Module, points: int, precision: torch.dtype) -> bool:
    """Whether the chain answers as the network does: what a network does between its layers is not seen here."""
    probe = torch.rand(64, points, dtype=precision, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = network(probe[:, None])
    expected = QUANTITIES[LOG_ODDS](logits)
    return bool((chain.log_odds(probe) - expected).abs().max() <= 1e-4 * (1 + expected.abs().max()))


def _plain(layer: nn.MaxPool1d) -> bool:
    window = _single(layer.kernel_size)
    moves = _single(layer.stride) == window and _single(layer.dilation) == 1
    return moves and _single(layer.padding) == 0 and not layer.ceil_mode and not layer.return_indices


def _single(value: int | tuple[int, ...]) -> int:
    return value if isinstance(value, int) else value[0]
