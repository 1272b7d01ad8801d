"""Gradients and answers of many networks at once as few large operations, written out for the layers known here.

A network is lowered if it calls, one after the other, convolutions without padding with ReLU, at most one
max-pooling by two after the last of them, a flattening, and linear layers with ReLU between, and if its loss is
CrossEntropy. Convolutions become dense tiles (see tiles), and max-pooling goes before its ReLU, which changes
nothing. Every other network goes the way of torch.func.
"""

import math
import threading
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from preflare.model.loss import CrossEntropy, Loss
from preflare.model.swarm.chain import Chain, chain
from preflare.model.swarm.layout import ALIGNMENT, Layout
from preflare.model.swarm.tiles import REGISTER, Shape, Tiling, plan

_threshold_backward = torch.ops.aten.threshold_backward.grad_input
# One member is computed by other kernels than several, which differ in the last bit.
FEWEST = 2


def lower(network: nn.Module, losses: Sequence[Loss], layout: Layout, points: int) -> "Lowered | None":
    """The fast way to compute this network, if there is one."""
    if any(type(loss) is not CrossEntropy for loss in losses):
        return None
    found = chain(network, points)
    if found is None:
        return None
    shapes, length = [], points
    for _, layer in found.convolutions:
        shapes.append(Shape(layer.in_channels, layer.out_channels, layer.kernel_size[0], layer.stride[0], length))
        length = shapes[-1].outputs
    tilings = plan(shapes, 2 if found.pooled else 1) if shapes else []
    penalties = torch.tensor([loss.l2 for loss in losses if isinstance(loss, CrossEntropy)], dtype=torch.float64)
    return Lowered(tilings, found, penalties, layout, points)


class Lowered:
    """As Vectorised, for a chain of layers; see ``lower``."""

    # Several threads may compute different members.
    parallel = True

    def __init__(self, tilings: Sequence[Tiling], found: Chain, penalties: Tensor, layout: Layout, points: int) -> None:
        self.tilings = tilings
        self.linear = len(found.linear)
        self.penalties = penalties
        self.layout = layout
        self.row = tilings[0].positions if tilings else points
        self._build(found)
        self._room = threading.local()

    def _build(self, found: Chain) -> None:
        """Where in a member's row each entry of all matrices and offsets comes from; ``width`` is a zero."""
        zero, starts = self.layout.width, self.layout.starts
        pieces: list[np.ndarray] = []
        for tiling, (name, _) in zip(self.tilings, found.convolutions, strict=True):
            weights = tiling.weights(-1)
            channel = tiling.order()[1][: tiling.columns // tiling.pool]
            pieces += [
                np.where(weights < 0, zero, weights + starts[f"{name}.weight"]),
                np.tile(channel, tiling.tiles) + starts[f"{name}.bias"],
            ]
        for number, (name, layer) in enumerate(found.linear):
            inputs, outputs = layer.in_features, layer.out_features
            weights = starts[f"{name}.weight"] + np.arange(inputs * outputs).reshape(outputs, inputs).T
            bias = starts[f"{name}.bias"] + np.arange(outputs)
            if number:
                # The units that fill up the layer before have no weight.
                weights = np.pad(weights, ((0, -inputs % REGISTER), (0, 0)), constant_values=zero)
            elif self.tilings:
                weights = self._as_they_lie(weights, zero)
            if number < self.linear - 1:
                weights = np.pad(weights, ((0, 0), (0, -outputs % REGISTER)), constant_values=zero)
                bias = np.pad(bias, (0, -outputs % REGISTER), constant_values=zero)
            pieces += [weights, bias]
        self._shapes = [piece.shape for piece in pieces]
        # Each begins where vector registers do, whoever else is there: products depend on it in the last bit.
        padded = [np.pad(piece.ravel(), (0, -piece.size % ALIGNMENT), constant_values=zero) for piece in pieces]
        self._starts = np.cumsum([0, *(len(piece) for piece in padded)]).tolist()
        entries = np.concatenate(padded)
        self._entries = torch.from_numpy(entries)
        self._back = _inverse(entries, self.layout.width)
        penalised = np.zeros(self.layout.width)
        for name, shape in zip(self.layout.names, self.layout.shapes, strict=True):
            if len(shape) > 1:
                penalised[starts[name] : starts[name] + shape.numel()] = 2
        self._penalised = torch.from_numpy(penalised)

    def _as_they_lie(self, weights: np.ndarray, zero: int) -> np.ndarray:
        """The rows of the first linear layer, which expects (channel, position), by tile and column."""
        last = self.tilings[-1]
        position, channel = last.order()[:, : last.columns // last.pool] // np.array([[last.pool], [1]])
        position = (np.arange(last.tiles)[:, np.newaxis] * (last.width // last.pool) + position).ravel()
        channel = np.tile(channel, last.tiles)
        count = last.shape.outputs // last.pool
        rows = weights[channel * count + position.clip(max=count - 1)]
        return np.where((position < count)[:, np.newaxis], rows, zero)

    def hold(self, spectra: Tensor) -> Tensor:
        """Spectra (n, 1, points) as this engine takes them: rows with zeros behind, (n, row)."""
        return nn.functional.pad(spectra[:, 0], (0, self.row - spectra.shape[-1]))

    def gradients(
        self,
        members: Tensor,
        rows: Tensor,
        buffers: dict[str, Tensor],
        held: Tensor,
        places: Tensor,
        labels: Tensor,
        streams: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Gradients (m, width); see Vectorised. There are no buffers and no dropout here."""
        count, true_batch = len(rows), places.shape[1]
        # A short batch is filled up with spectra that have no slope.
        batch = -(-true_batch // 32) * 32
        places = nn.functional.pad(places, (0, batch - true_batch))
        if count < FEWEST:
            members, rows, places, labels = (_wide(given) for given in (members, rows, places, labels))
        pieces = self._pieces(rows)
        inputs, winners, hidden, logits = self._forward(pieces, held, places)
        signs = nn.functional.pad((2 * labels - 1).to(rows), (0, batch - true_batch))
        slope = (signs * torch.sigmoid((logits[..., 0] - logits[..., 1]) * signs)).div_(true_batch)
        outer = torch.stack([slope, -slope], -1)
        found: list[Tensor] = [None] * len(pieces)  # type: ignore[list-item]
        for number in range(self.linear - 1, -1, -1):
            place = 2 * (len(self.tilings) + number)
            found[place] = torch.bmm(hidden[number].transpose(1, 2), outer)
            found[place + 1] = outer.sum(1)
            if number or self.tilings:
                inner = self._take(f"hidden {number}", tuple(hidden[number].shape), rows)
                torch.bmm(outer, pieces[place].transpose(1, 2), out=inner)
                outer = _threshold_backward(inner, hidden[number], 0, grad_input=inner)
        for number in range(len(self.tilings) - 1, -1, -1):
            tiling = self.tilings[number]
            found[2 * number + 1] = outer.reshape(len(rows), batch, -1).sum(1)
            block, shifted = inputs[number]
            if number or tiling.pool == 2:
                padded = self._spread(number, outer, winners, batch)
                full = padded[:, 1:]
            else:
                full = outer.view(len(rows), -1, tiling.columns)
            first = self._take(f"first {number}", (len(rows), block.shape[2], tiling.columns), rows)
            second = self._take(f"second {number}", (len(rows), shifted.shape[2], tiling.columns), rows)
            torch.bmm(block.transpose(1, 2), full, out=first)
            # The last block's is the next member's, and no output that is used reads it.
            torch.bmm(shifted[:, :-1].transpose(1, 2), full[:, :-1], out=second)
            found[2 * number] = torch.cat([first, second], 1)
            if number:
                inner = self._take(f"inner {number}", tuple(block.shape), rows)
                weights = pieces[2 * number].transpose(1, 2)
                torch.bmm(full, weights[..., : block.shape[2]], out=inner)
                inner.baddbmm_(padded[:, :-1], _beside(weights[..., block.shape[2] :], block.shape[2]))
                _threshold_backward(inner, block, 0, grad_input=inner)
                outer = inner
        gradient = self._fold(found, rows)
        penalty = self.penalties.to(rows)[members].unsqueeze(1) * self._penalised.to(rows)
        return (gradient + penalty * rows)[:count], buffers

    def _spread(self, number: int, outer: Tensor, winners: Tensor, batch: int) -> Tensor:
        """The gradient of a convolution's outputs (m, 1 + blocks, columns): zeros, where the shifted product begins,
        then those of every block."""
        tiling, members = self.tilings[number], len(outer)
        padded = self._take(f"slope {number}", (members, 1 + batch * tiling.tiles, tiling.columns), outer)
        padded[:, 0] = 0
        full = padded[:, 1:]
        if tiling.pool == 1:
            full.copy_(outer.view(full.shape))
        else:
            half = tiling.columns // 2
            outer = outer.view(members, -1, half)
            torch.mul(outer, winners, out=full[..., :half])
            torch.sub(outer, full[..., :half], out=full[..., half:])
        return padded

    def log_odds(self, rows: Tensor, buffers: dict[str, Tensor], held: Tensor, places: Tensor) -> Tensor:
        """Log-odds (m, batch); see Vectorised."""
        count = len(rows)
        if count < FEWEST:
            rows, places = _wide(rows), _wide(places)
        logits = self._forward(self._pieces(rows), held, places)[3]
        return (logits[..., 1] - logits[..., 0])[:count]

    def _forward(
        self, pieces: list[Tensor], held: Tensor, places: Tensor
    ) -> tuple[list[tuple[Tensor, Tensor]], Tensor, list[Tensor], Tensor]:
        """What each convolution read, who won the pooling, what each linear layer read, and the logits."""
        members, batch = places.shape
        now = self._take("input", (members * batch, self.row), held, self.tilings[0].block if self.tilings else 0)
        torch.index_select(held, 0, places.flatten(), out=now)
        inputs, winners = [], now
        for number, tiling in enumerate(self.tilings):
            blocks, size = batch * tiling.tiles, tiling.block * tiling.shape.before
            block = now.view(members, blocks, size)
            over = (members, blocks, tiling.over * tiling.shape.before)
            shifted = now.as_strided(over, (blocks * size, size, 1), now.storage_offset() + size)
            inputs.append((block, shifted))
            weights, offset = pieces[2 * number], pieces[2 * number + 1]
            last = number == len(self.tilings) - 1
            room = 0 if last else self.tilings[number + 1].block * tiling.shape.after
            out = self._take(f"output {number}", (members, blocks, tiling.columns), held, room)
            torch.bmm(block, weights[:, :size], out=out)
            out.baddbmm_(shifted, weights[:, size:])
            if tiling.pool == 2:
                half = tiling.columns // 2
                even, odd = out[..., :half], out[..., half:]
                winners = self._take("winners", tuple(even.shape), held)
                torch.ge(even, odd, out=winners)
                out = torch.maximum(even, odd, out=self._take("pooled", tuple(even.shape), held))
            out.view(members, batch, -1).add_(offset.unsqueeze(1)).relu_()
            # What lies beyond the outputs has read the beginning of the next spectrum. That is only of use to other
            # such places, but a member that has diverged must not reach its neighbour through the last one.
            out.view(members, batch, -1)[:, -1, tiling.shape.outputs // tiling.pool * tiling.shape.after :] = 0
            now = out
        hidden, flat = [], now.view(members, batch, -1)
        for number in range(self.linear):
            place = 2 * (len(self.tilings) + number)
            hidden.append(flat)
            flat = torch.bmm(flat, pieces[place]).add_(pieces[place + 1].unsqueeze(1))
            if number < self.linear - 1:
                flat.relu_()
        return inputs, winners, hidden, flat

    def _pieces(self, rows: Tensor) -> list[Tensor]:
        """All matrices and offsets, (m, ...) each."""
        everything = nn.functional.pad(rows, (0, 1))[:, self._entries]
        return [
            everything[:, start : start + math.prod(shape)].view(len(rows), *shape)
            for start, shape in zip(self._starts, self._shapes, strict=False)
        ]

    def _fold(self, found: Sequence[Tensor], rows: Tensor) -> Tensor:
        """Gradients of the rows from gradients of matrices and offsets: every entry goes back where it came from."""
        everything = self._take("found", (len(rows), self._starts[-1]), rows)
        for start, piece in zip(self._starts, found, strict=False):
            everything[:, start : start + piece[0].numel()] = piece.reshape(len(rows), -1)
        gradient = torch.zeros_like(rows)
        for target, entries in self._back:
            gradient[:, target] = everything[:, entries.flatten()].view(len(rows), *entries.shape).sum(-1)
        return gradient

    def _take(self, name: str, shape: tuple[int, ...], like: Tensor, room: int = 0) -> Tensor:
        """Memory that this thread keeps from call to call, with zeros behind for shifted views."""
        count = math.prod(shape)
        room_of_thread = vars(self._room)
        kept = room_of_thread.get(name)
        if kept is None or len(kept) < count + room or kept.dtype != like.dtype or kept.device != like.device:
            kept = room_of_thread[name] = like.new_zeros(count + room)
        kept[count : count + room] = 0
        return kept[:count].view(shape)


def _beside(second: Tensor, size: int) -> Tensor:
    """Zeros beside a matrix (m, columns, over), so that it is as wide as a block."""
    return nn.functional.pad(second, (0, size - second.shape[2]))


def _wide(given: Tensor) -> Tensor:
    return torch.cat([given] * FEWEST)[:FEWEST]


def _inverse(entries: np.ndarray, width: int) -> list[tuple[Tensor, Tensor]]:
    """For weights used equally often: (which, (len(which), times) the entries where each is used)."""
    order = np.argsort(entries, kind="stable")
    counts = np.bincount(entries, minlength=width + 1)[:width]
    begins = np.concatenate([[0], np.cumsum(counts)[:-1]])
    groups = []
    for times in np.unique(counts[counts > 0]):
        which = np.flatnonzero(counts == times)
        where = order[begins[which][:, np.newaxis] + np.arange(times)]
        groups.append((torch.from_numpy(which), torch.from_numpy(where)))
    return groups
