"""SGD, Adam and AdamW over stacked rows of weights, every row with its own numbers and its own step count.

A row that is not to move stands still: weights, moments, step count. Every operation rounds once (no fused
multiply-add), so that a row's last bit does not depend on where in memory the row lies.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from preflare.model.swarm import CannotSwarm

# Options of torch's optimizers that decide how an update is computed, not what it is.
INDIFFERENT = {"params", "foreach", "fused", "capturable", "differentiable"}

Numbers = list[dict[str, float]]


class StackedOptimizer(torch.optim.Optimizer):
    """Moves the rows of one parameter (member, width), each as torch's optimizer of the same name would alone.

    numbers: one mapping a member, of every name in ``options``.
    moving: the members that the next step moves, an index tensor; None for all.
    """

    options: ClassVar[tuple[str, ...]]
    moments: ClassVar[tuple[str, ...]]

    def __init__(self, rows: nn.Parameter, numbers: Numbers) -> None:
        super().__init__([rows], {"numbers": numbers})
        self.rows = rows
        self.moving: Tensor | None = None
        self.state[rows]["step"] = torch.zeros(len(rows), dtype=torch.int64)
        for moment in self.moments:
            self.state[rows][moment] = torch.zeros_like(rows, requires_grad=False)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move the moving rows along their gradients."""
        outcome = None
        if closure is not None:
            with torch.enable_grad():
                outcome = closure()
        gradient = self.rows.grad
        if gradient is None:
            return outcome
        state, numbers = self.state[self.rows], self.param_groups[0]["numbers"]
        everything = [self.rows, *(state[moment] for moment in self.moments)]
        if self.moving is None:
            state["step"] += 1
            self.update(gradient, everything, numbers, state["step"].tolist())
            return outcome
        which = self.moving.tolist()
        state["step"][which] += 1
        parts = [whole[self.moving] for whole in everything]
        self.update(gradient[self.moving], parts, [numbers[k] for k in which], state["step"][which].tolist())
        for whole, part in zip(everything, parts, strict=True):
            whole[self.moving] = part
        return outcome

    def update(self, gradient: Tensor, parts: Sequence[Tensor], numbers: Numbers, steps: Sequence[int]) -> None:
        """Change weights and moments, the parts, in place. All (moving, width)."""
        raise NotImplementedError

    def columns(self, values: list[tuple[float, ...]]) -> tuple[Tensor, ...]:
        """One (moving, 1) tensor for each number of a row."""
        table = torch.tensor(values, dtype=torch.float64).to(self.rows)
        return table.unsqueeze(-1).unbind(1)

    def member_state(self, member: int) -> dict[str, Any]:
        """A member's step count and moments, copied."""
        state = self.state[self.rows]
        return {"step": int(state["step"][member])} | {name: state[name][member].clone() for name in self.moments}

    def load_member_state(self, member: int, given: dict[str, Any]) -> None:
        """Put back what ``member_state`` gave."""
        for name in ("step", *self.moments):
            self.state[self.rows][name][member] = given[name]


class StackedSGD(StackedOptimizer):
    """torch.optim.SGD, with momentum or without."""

    options = ("lr", "momentum", "weight_decay")
    moments = ("momentum_buffer",)

    def update(self, gradient: Tensor, parts: Sequence[Tensor], numbers: Numbers, steps: Sequence[int]) -> None:
        weights, buffer = parts
        lr, momentum, decay = self.columns([(n["lr"], n["momentum"], n["weight_decay"]) for n in numbers])
        buffer.mul_(momentum).add_(gradient + decay * weights)
        weights.sub_(lr * buffer)


class StackedAdam(StackedOptimizer):
    """torch.optim.Adam."""

    options = ("lr", "betas", "eps", "weight_decay")
    moments = ("exp_avg", "exp_avg_sq")
    decoupled: ClassVar[bool] = False

    def update(self, gradient: Tensor, parts: Sequence[Tensor], numbers: Numbers, steps: Sequence[int]) -> None:
        weights, mean, square = parts
        beta1, rest1, beta2, rest2, rate, root, eps, decay = self.columns(
            [_adam(step, self.decoupled, *n.values()) for step, n in zip(steps, numbers, strict=True)]
        )
        if self.decoupled:
            weights.mul_(decay)
        else:
            gradient = gradient + decay * weights
        mean.mul_(beta1).add_(rest1 * gradient)
        square.mul_(beta2).add_(gradient.square().mul_(rest2))
        weights.sub_((mean / square.sqrt().div_(root).add_(eps)).mul_(rate))


class StackedAdamW(StackedAdam):
    """torch.optim.AdamW."""

    decoupled = True


STACKED: dict[type[torch.optim.Optimizer], type[StackedOptimizer]] = {
    torch.optim.SGD: StackedSGD,
    torch.optim.Adam: StackedAdam,
    torch.optim.AdamW: StackedAdamW,
}


@lru_cache(maxsize=4096)
def _adam(
    step: int, decoupled: bool, lr: float, betas: tuple[float, float], eps: float, weight_decay: float
) -> tuple[float, ...]:
    # In Python's floats, so that one member's numbers do not depend on how many there are.
    beta1, beta2 = betas
    rate, root = lr / (1 - beta1**step), math.sqrt(1 - beta2**step)
    return beta1, 1 - beta1, beta2, 1 - beta2, rate, root, eps, 1 - lr * weight_decay if decoupled else weight_decay


def stacked(optimizers: Sequence[torch.optim.Optimizer], rows: nn.Parameter) -> StackedOptimizer:
    """The stacked optimizer that moves row k as optimizers[k] would move its network.

    Raises CannotSwarm if they are of different kinds, or of one (or with an option) that is not known here.
    """
    kinds = {type(optimizer) for optimizer in optimizers}
    if len(kinds) > 1:
        raise CannotSwarm(f"Members have different optimizers ({', '.join(sorted(k.__name__ for k in kinds))}).")
    kind = kinds.pop()
    if kind not in STACKED:
        known = ", ".join(known.__name__ for known in STACKED)
        raise CannotSwarm(f"The optimizer {kind.__name__} is not one that can be stacked ({known}).")
    options = STACKED[kind].options
    usual = kind([nn.Parameter(torch.zeros(1))]).defaults  # type: ignore[call-arg]
    numbers = []
    for optimizer in optimizers:
        if len(optimizer.param_groups) > 1:
            raise CannotSwarm(f"{kind.__name__} has {len(optimizer.param_groups)} groups of parameters, expected 1.")
        group = optimizer.param_groups[0]
        for name in usual.keys() - {*options, *INDIFFERENT}:
            if group[name] != usual[name]:
                raise CannotSwarm(f"{kind.__name__} with {name}={group[name]} is not one that can be stacked.")
        numbers.append({name: group[name] for name in options})
    return STACKED[kind](rows, numbers)
