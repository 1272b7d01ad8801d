"""Many members trained by compiled loops, several steps at a time: the fast way on a CPU, for layers known there."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from preflare.model.loss import CrossEntropy, Loss
from preflare.model.swarm import loops
from preflare.model.swarm.layout import Layout
from preflare.model.swarm.operations import Program
from preflare.model.swarm.optimizers import StackedAdam, StackedAdamW, StackedOptimizer, StackedSGD
from preflare.model.swarm.program import program
from preflare.model.swarm.streams import GOLDEN, mix

KINDS: dict[type[StackedOptimizer], int] = {
    StackedSGD: loops.SGD,
    StackedAdam: loops.ADAM,
    StackedAdamW: loops.ADAMW,
}
# Spectra that are evaluated at once: what they pass through stays in the cache of one core.
AT_ONCE = 64
ALIGNMENT = 64  # bytes of a cache line


Share = Callable[[Callable[[Tensor], None], Tensor], None]


def compile_(network: nn.Module, losses: Sequence[Loss], layout: Layout, points: int) -> "Compiled | None":
    """The compiled way to train this network, if there is one."""
    if any(type(loss) is not CrossEntropy for loss in losses):
        return None
    found = program(network, layout, points)
    if found is None:
        return None
    penalties = np.array([loss.l2 for loss in losses if isinstance(loss, CrossEntropy)], dtype=np.float64)
    return Compiled(*found, penalties)


class Compiled:
    """Trains members and answers for them, on the CPU; a member is computed alike whoever else is there.

    table, names, rows: of ``program``. penalties: (member,) float64, L2.
    """

    def __init__(self, table: Program, names: Sequence[str], rows: int, penalties: np.ndarray) -> None:
        self.table = table
        self.names = names
        self.rows = rows
        self.penalties = penalties

    def train(
        self,
        optimizer: StackedOptimizer,
        buffers: dict[str, Tensor],
        held: Tensor,
        labels: Tensor,
        places: Tensor,
        counts: np.ndarray,
        seeds: Sequence[int],
        share: Share,
    ) -> None:
        """Move every member by its steps, in place: weights, moments, step counts, and buffers (member, ...).

        held: (n, points), all spectra; labels: (n,); places: (step, member, batch) in them; counts: (step, member),
        the spectra of each batch, 0 for none; seeds: (member,) of dropout; share: as Workers.share.
        """
        state = optimizer.state[optimizer.rows]
        moments = [state[name].numpy() for name in optimizer.moments]
        running, batch = self._running(buffers, optimizer.rows), places.shape[-1]
        mixed = mix(torch.tensor([seed % (1 << 63) for seed in seeds]) + GOLDEN).numpy().view(np.uint64)

        def compute(members: Tensor) -> None:
            loops.train(
                self.table,
                KINDS[type(optimizer)],
                members.numpy(),
                _numbers(optimizer),
                self.penalties,
                mixed,
                optimizer.rows.detach().numpy(),
                moments[0],
                moments[-1],
                state["step"].numpy(),
                running,
                held.numpy(),
                labels.numpy(),
                places.numpy(),
                counts,
                _room(self.rows * batch, optimizer.rows),
                _room(self.rows * batch, optimizer.rows),
            )

        share(compute, torch.from_numpy(np.flatnonzero(counts.any(axis=0))))
        self._put_back(running, buffers, torch.from_numpy((counts > 0).sum(axis=0)))

    def log_odds(
        self, members: Tensor, weights: Tensor, buffers: dict[str, Tensor], held: Tensor, places: Tensor
    ) -> Tensor:
        """Log-odds (m, n) of members (m,), with dropout off, for the spectra at places (n,)."""
        found = torch.empty(len(members), len(places), dtype=weights.dtype)
        loops.answer(
            self.table,
            members.numpy(),
            weights.detach().numpy(),
            self._running(buffers, weights),
            held.numpy(),
            places.numpy(),
            AT_ONCE,
            _room(self.rows * AT_ONCE, weights),
            found.numpy(),
        )
        return found

    def _running(self, buffers: dict[str, Tensor], weights: Tensor) -> np.ndarray:
        """Running means and variances (member, n), as the operations have them; a copy."""
        parts = [buffers[f"{name}.running_{which}"] for name in self.names for which in ("mean", "var")]
        return torch.cat([*parts, weights.new_zeros(len(weights), 0)], 1).detach().numpy()

    def _put_back(self, running: np.ndarray, buffers: dict[str, Tensor], steps: Tensor) -> None:
        start = 0
        for name in self.names:
            for which in ("mean", "var"):
                buffer = buffers[f"{name}.running_{which}"]
                buffer.copy_(torch.from_numpy(running[:, start : start + buffer.shape[1]]))
                start += buffer.shape[1]
            buffers[f"{name}.num_batches_tracked"] += steps


def _numbers(optimizer: StackedOptimizer) -> np.ndarray:
    """(member, numbers) float64, in the order of the optimizer's options."""
    flat = [
        np.hstack([np.atleast_1d(numbers[name]) for name in optimizer.options])
        for numbers in optimizer.param_groups[0]["numbers"]
    ]
    return np.array(flat, dtype=np.float64)


def _room(count: int, like: Tensor) -> np.ndarray:
    """Memory that begins where a cache line does."""
    dtype = torch.empty(0, dtype=like.dtype).numpy().dtype
    spare = ALIGNMENT // dtype.itemsize
    whole = np.empty(count + spare, dtype)
    start = -whole.ctypes.data % ALIGNMENT // dtype.itemsize
    return whole[start : start + count]
