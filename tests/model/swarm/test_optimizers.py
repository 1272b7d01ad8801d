"""Stacked optimizers against torch's, row by row."""

import pytest
import torch
from torch import nn

from preflare.model.swarm import CannotSwarm
from preflare.model.swarm.optimizers import stacked

KINDS = [
    (torch.optim.SGD, [{"lr": 0.1}, {"lr": 0.2, "momentum": 0.9}, {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.1}]),
    (torch.optim.Adam, [{"lr": 0.1}, {"lr": 0.02, "weight_decay": 0.1}, {"betas": (0.5, 0.9), "eps": 1e-3}]),
    (torch.optim.AdamW, [{"lr": 0.1}, {"lr": 0.02, "weight_decay": 0.3}, {"betas": (0.5, 0.9), "eps": 1e-3}]),
]


@pytest.mark.parametrize(("kind", "numbers"), KINDS)
def test_rows_move_as_torchs_optimizer_moves_them_and_stand_still_while_they_wait(kind, numbers) -> None:
    generator = torch.Generator().manual_seed(0)
    rows = nn.Parameter(torch.randn(3, 16, dtype=torch.float64, generator=generator))
    alone = [nn.Parameter(row.detach().clone()) for row in rows]
    theirs = [kind([row], **given) for row, given in zip(alone, numbers, strict=True)]
    ours = stacked(theirs, rows)
    for step in range(12):
        rows.grad = torch.randn(3, 16, dtype=torch.float64, generator=generator)
        moving = [k for k in range(3) if step % (k + 2) or step < 2]
        ours.moving = None if len(moving) == 3 else torch.tensor(moving, dtype=torch.int64)
        ours.step()
        for k in moving:
            alone[k].grad = rows.grad[k].clone()
            theirs[k].step()
        for row, expected in zip(rows, alone, strict=True):
            torch.testing.assert_close(row, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("kind", "numbers"), KINDS)
def test_a_waiting_row_and_its_state_do_not_change(kind, numbers) -> None:
    rows = nn.Parameter(torch.randn(3, 16))
    optimizer = stacked([kind([nn.Parameter(torch.zeros(1))], **given) for given in numbers], rows)
    rows.grad = torch.randn(3, 16)
    optimizer.step()
    weights, state = rows.detach()[1].clone(), optimizer.member_state(1)
    optimizer.moving = torch.tensor([0, 2])
    optimizer.step()
    assert torch.equal(rows[1], weights)
    after = optimizer.member_state(1)
    assert after["step"] == 1 and optimizer.member_state(0)["step"] == 2
    assert all(torch.equal(after[name], state[name]) for name in optimizer.moments)


@pytest.mark.parametrize(("kind", "numbers"), KINDS)
def test_state_goes_on_in_another_optimizer(kind, numbers) -> None:
    ones = [kind([nn.Parameter(torch.zeros(1))], **given) for given in numbers]
    whole = nn.Parameter(torch.randn(3, 16))
    optimizer = stacked(ones, whole)
    gradients = torch.randn(4, 3, 16)
    for gradient in gradients[:2]:
        whole.grad = gradient
        optimizer.step()
    part = nn.Parameter(whole.detach()[[2, 0]].clone())
    resumed = stacked([ones[2], ones[0]], part)
    for place, member in enumerate((2, 0)):
        resumed.load_member_state(place, optimizer.member_state(member))
    for gradient in gradients[2:]:
        whole.grad, part.grad = gradient, gradient[[2, 0]]
        optimizer.step()
        resumed.step()
    assert torch.equal(part, whole[[2, 0]])


def refusal(*optimizers: torch.optim.Optimizer) -> str:
    with pytest.raises(CannotSwarm) as raised:
        stacked(optimizers, nn.Parameter(torch.zeros(len(optimizers), 16)))
    return str(raised.value)


def test_what_cannot_be_stacked_is_refused() -> None:
    one = [nn.Parameter(torch.zeros(1))]
    assert "different optimizers (Adam, SGD)" in refusal(torch.optim.SGD(one), torch.optim.Adam(one))
    assert "RMSprop is not one that can be stacked (SGD, Adam, AdamW)" in refusal(torch.optim.RMSprop(one))
    assert "Adam with amsgrad=True" in refusal(torch.optim.Adam(one, amsgrad=True))
    assert "SGD with nesterov=True" in refusal(torch.optim.SGD(one, momentum=0.9, nesterov=True))
    groups = [{"params": one}, {"params": [nn.Parameter(torch.zeros(1))]}]
    assert "2 groups" in refusal(torch.optim.Adam(groups))
