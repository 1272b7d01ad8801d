"""Networks that are chains of affine layers, ReLU and max-pooling, lowered to banded matrix products.

Arrays have the batch innermost, (row, batch), and the rows of a convolution's answer are ordered by position, then
channel: an output then depends on neighbouring rows alone, and a convolution is a few dense products of tiles of
its banded matrix. Such a chain explains spectra at many times the rate of automatic differentiation:

- Along a path b + a (x - b) the first pre-activation is linear, a P(x) + (1 - a) P(b): one product for each spectrum
  and one for each baseline, none for each pair.
- The gradient g before the first ReLU is wanted only through sums over samples of g and of g times b: products, with
  no pass over the wavelengths of each pair.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from preflare.explain.target import LOG_ODDS, QUANTITIES

# What a call and each of its tiles cost beside arithmetic, in multiply-adds for each column.
CALL, TILE = 150, 30
# Columns (pairs of a spectrum and a sample) at a time: what they take should stay in a processor's cache.
COLUMNS = 2048

AFFINE = (nn.Conv1d, nn.Linear, nn.BatchNorm1d, nn.AvgPool1d, nn.Flatten, nn.Identity, nn.Dropout, nn.Dropout1d)


Saved = tuple[Tensor, ...]
# Of a tile: first and last row, first and last column.
Corners = tuple[int, int, int, int]


class Step(Protocol):
    """Forward returns the answer and what backward needs. A step may work in place."""

    def forward(self, rows: Tensor) -> tuple[Tensor, Saved]: ...

    def backward(self, gradient: Tensor, saved: Saved) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class Band:
    """Tiles of a matrix, (tile, height, width), each of the next rows, and so many columns after the one before."""

    rows: slice
    first: int
    step: int
    blocks: Tensor

    def every_column(self) -> Tensor:
        """(tile, width): the matrix's column of each of a tile's."""
        return self.first + self.step * torch.arange(len(self))[:, None] + torch.arange(self.blocks.shape[2])

    def __len__(self) -> int:
        return len(self.blocks)


@dataclass(frozen=True, eq=False)
class Affine:
    """matrix (out, in) times rows plus bias (out, 1)."""

    matrix: Tensor
    bias: Tensor
    bands: tuple[Band, ...]
    transposed: tuple[Band, ...]

    @classmethod
    def of(cls, matrix: Tensor, bias: Tensor) -> "Affine":
        return cls(matrix, bias[:, None], bands(matrix), bands(matrix.T))

    def forward(self, rows: Tensor) -> tuple[Tensor, Saved]:
        return product(self.bands, rows).add_(self.bias), ()

    def backward(self, gradient: Tensor, saved: Saved) -> Tensor:
        return product(self.transposed, gradient)


class Rectify:
    """ReLU, in place; its gradient at 0 is 0, as PyTorch's is."""

    def forward(self, rows: Tensor) -> tuple[Tensor, Saved]:
        rows.clamp_min_(0)
        return rows, (rows,)

    def backward(self, gradient: Tensor, saved: Saved) -> Tensor:
        return where_positive(gradient, saved[0])


@dataclass(frozen=True)
class Pool:
    """Max-pooling over windows of so many neighbouring positions; of equal ones the first wins, as in PyTorch."""

    window: int
    channels: int

    def forward(self, rows: Tensor) -> tuple[Tensor, Saved]:
        parts = self._parts(rows)
        largest, leads = parts[:, 0], []
        for place in range(1, self.window):
            leads.append(parts[:, place] - largest)
            largest = torch.maximum(largest, parts[:, place])
        return largest.reshape(-1, rows.shape[1]), (rows, *leads)

    def backward(self, gradient: Tensor, saved: Saved) -> Tensor:
        spread = torch.empty_like(saved[0])
        parts = self._parts(spread)
        spread[parts.shape[0] * self.window * self.channels :] = 0
        left = gradient.view(parts[:, 0].shape)
        for place in range(self.window - 1, 0, -1):
            # Who leads all before it takes what none after it took.
            where_positive(left, saved[place], out=parts[:, place])
            left = left - parts[:, place]
        parts[:, 0] = left
        return spread

    def _parts(self, rows: Tensor) -> Tensor:
        """(windows, window, channels, batch); what does not fill a window is left out."""
        windows = rows.shape[0] // (self.window * self.channels)
        used = rows[: windows * self.window * self.channels]
        return used.view(windows, self.window, self.channels, rows.shape[1])


def where_positive(values: Tensor, sign: Tensor, out: Tensor | None = None) -> Tensor:
    """values where sign is above 0, else 0: what ReLU's gradient is, in one pass."""
    if out is None:
        out = torch.empty_like(sign)
    torch.ops.aten.threshold_backward.grad_input(values, sign, 0, grad_input=out)
    return out


class Chain:
    """A lowered network: the log-odds of PF, what is explained, and the sums that expected gradients need.

    first: the affine map of a spectrum; steps: those between; logits: (2, rows) and two numbers, to AR and PF.
    quantity: what is explained, of target.QUANTITIES.
    """

    def __init__(self, first: Affine, steps: Sequence[Step], logits: Affine, quantity: str) -> None:
        self.first = first
        self.steps = tuple(steps)
        self.odds = _sum(logits, QUANTITIES[LOG_ODDS].weights)
        self.last = _sum(logits, QUANTITIES[quantity].weights)
        self.squashed = QUANTITIES[quantity].squashed
        self.sums = bands(first.matrix, extra=1)

    def log_odds(self, spectra: Tensor) -> Tensor:
        """(n,) of spectra (n, wavelength)."""
        return self._answer(spectra, self.odds)

    def explained(self, spectra: Tensor) -> Tensor:
        """The quantity explained, (n,) of spectra (n, wavelength)."""
        answer = self._answer(spectra, self.last)
        return torch.sigmoid(answer) if self.squashed else answer

    def _answer(self, spectra: Tensor, last: Affine) -> Tensor:
        parts = []
        for part in spectra.split(COLUMNS):
            rows, _ = self.first.forward(part.T.contiguous())
            for step in self.steps:
                rows, _ = step.forward(rows)
            parts.append(last.forward(rows)[0][0])
        return torch.cat(parts)

    def along(self, baselines: Tensor, positions: Tensor) -> "Along":
        """Expected gradients along these paths. baselines: (sample, wavelength); positions: (sample,)."""
        return Along(self, baselines, positions)


class Along:
    """The mean over samples of (x - b) times the gradient at b + a (x - b): (n, wavelength) -> the same."""

    def __init__(self, chain: Chain, baselines: Tensor, positions: Tensor) -> None:
        self.chain = chain
        self.positions = positions
        self.samples = len(positions)
        self.starts = chain.first.forward(baselines.T.contiguous())[0] * (1 - positions)
        # With a column of ones, one product gives the sums of g b and of g.
        with_ones = torch.cat([baselines, baselines.new_ones(self.samples, 1)], dim=1)
        self.columns = [band.every_column() for band in chain.sums]
        self.factors = [
            with_ones[:, torch.nn.functional.pad(columns, (0, 1), value=baselines.shape[1])].movedim(1, 0).contiguous()
            for columns in self.columns
        ]

    def __call__(self, spectra: Tensor) -> Tensor:
        ends = self.chain.first.forward(spectra.T.contiguous())[0]
        count = len(spectra)
        sums = [
            spectra.new_empty(*band.blocks.shape[:2], count, factor.shape[2])
            for band, factor in zip(self.chain.sums, self.factors, strict=True)
        ]
        at_once = max(1, COLUMNS // self.samples)
        for first in range(0, count, at_once):
            some = slice(first, first + at_once)
            gradient = self._gradient(ends[:, some])
            for band, factor, out in zip(self.chain.sums, self.factors, sums, strict=True):
                product = torch.bmm(gradient[band.rows].view(len(band), -1, self.samples), factor)
                out[:, :, some] = product.view(*out.shape[:2], -1, out.shape[3])
        found = torch.zeros_like(spectra.T)
        for band, columns, total in zip(self.chain.sums, self.columns, sums, strict=True):
            gradients = total[..., -1].movedim(2, 1) @ band.blocks
            products = (total[..., :-1] * band.blocks[:, :, None]).sum(dim=1)
            values = (gradients * spectra.T[columns].movedim(2, 1) - products).movedim(1, 2)
            found.index_add_(0, columns.flatten(), values.reshape(-1, count))
        return found.T.div(self.samples)

    def _gradient(self, ends: Tensor) -> Tensor:
        """Of what is explained before the first step, (row, spectrum x sample), on all paths to these ends."""
        rows = torch.addcmul(self.starts[:, None], ends[:, :, None], self.positions).view(len(ends), -1)
        kept = []
        for step in self.chain.steps:
            rows, saved = step.forward(rows)
            kept.append(saved)
        gradient = self.chain.last.matrix.T.expand(-1, rows.shape[1])
        if self.chain.squashed:
            value = torch.sigmoid(self.chain.last.forward(rows)[0])
            gradient = gradient * (value * (1 - value))
        for step, saved in zip(reversed(self.chain.steps), reversed(kept), strict=True):
            gradient = step.backward(gradient, saved)
        return gradient


def _sum(logits: Affine, weights: tuple[float, float]) -> Affine:
    """The weighted sum of two logits."""
    ar, pf = weights
    return Affine.of(ar * logits.matrix[:1] + pf * logits.matrix[1:], ar * logits.bias[0] + pf * logits.bias[1])


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
        if isinstance(layer, nn.ReLU):
            steps.append(Rectify())
        elif isinstance(layer, nn.MaxPool1d) and _plain(layer) and len(before) == 2:
            # The maximum of rectified values is the rectified maximum: half the values to rectify.
            place = len(steps) - 1 if steps and isinstance(steps[-1], Rectify) else len(steps)
            steps.insert(place, Pool(_single(layer.kernel_size), before[0]))
        else:
            return None
        shape = after
    if not group or len(steps) < 2 or not isinstance(steps[0], Affine):
        return None
    last = _affine(group, shape, precision)
    if len(last.matrix) != 2:
        return None
    chain = Chain(steps[0], steps[1:], last, quantity)
    return chain if _agrees(chain, network, points, precision) else None


def bands(matrix: Tensor, extra: int = 0) -> tuple[Band, ...]:
    """Tiles of equal height that cover what is not zero in a matrix, of the height that costs least.

    extra: columns that come with every tile.
    """
    used = (matrix != 0).numpy()
    ends = np.arange(1, used.shape[1] + 1)
    stop = (used * ends).max(axis=1)
    start = np.where(used, ends - 1, used.shape[1]).min(axis=1)
    best: list[list[Corners]] = []
    lowest = float("inf")
    for height in range(1, len(used) + 1):
        tops = np.arange(0, len(used), height)
        right = np.maximum.reduceat(stop, tops)
        left = np.minimum(np.minimum.reduceat(start, tops), right)
        bottoms = np.minimum(tops + height, len(used))
        cost = int(((bottoms - tops) * (right - left + extra) + TILE).sum())
        if cost >= lowest:
            continue
        found: list[list[Corners]] = []
        for tile in zip(tops.tolist(), bottoms.tolist(), left.tolist(), right.tolist(), strict=True):
            if found and _continues(found[-1], tile):
                found[-1].append(tile)
            else:
                found.append([tile])
        cost += CALL * len(found)
        if cost < lowest:
            best, lowest = found, cost
    return tuple(
        Band(
            slice(run[0][0], run[-1][1]),
            run[0][2],
            run[1][2] - run[0][2] if len(run) > 1 else 0,
            torch.stack([matrix[a:b, c:d] for a, b, c, d in run]),
        )
        for run in best
    )


def _continues(run: Sequence[Corners], tile: Corners) -> bool:
    """Whether a tile has the shape of a run's tiles and lies as far from the last as those from each other."""
    last = run[-1]
    same = tile[1] - tile[0] == last[1] - last[0] and tile[3] - tile[2] == last[3] - last[2]
    step = tile[2] - last[2]
    return same and step >= 0 and (len(run) == 1 or step == last[2] - run[-2][2])


def product(parts: Sequence[Band], rows: Tensor) -> Tensor:
    """A matrix in bands times rows (in, batch)."""
    batch = rows.shape[1]
    out = rows.new_empty(parts[-1].rows.stop, batch)
    rows = rows.contiguous()
    for band in parts:
        count, height, width = band.blocks.shape
        # Tiles overlap in the rows that they read.
        read = rows.as_strided(
            (count, width, batch), (band.step * batch, batch, 1), rows.storage_offset() + band.first * batch
        )
        torch.bmm(band.blocks, read, out=out[band.rows].view(count, height, batch))
    return out


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
    if precision is None:
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
    return Affine.of(matrix.to(precision).contiguous(), bias.flatten()[after].to(precision))


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
