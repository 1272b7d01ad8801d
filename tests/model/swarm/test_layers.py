"""Single layers where torch.func, against which test_compiled holds whole networks, does not reach."""

import numba
import numpy as np
import pytest
import torch
from torch import nn

from preflare.model.swarm import layers, streams
from preflare.model.swarm.layout import Layout
from preflare.model.swarm.operations import OUT
from preflare.model.swarm.program import program

POINTS, BATCH = 12, 5


@numba.njit
def _mix(number):
    return layers.mix(number)


@numba.njit
def _through(program, held, places, values, row, running, own):
    layers.gather(program, held, places, values)
    layers.forward(program, len(places), False, values, row, running, own, np.uint64(0))


def test_bits_are_those_of_streams() -> None:
    numbers = [0, 1, 2**40 + 3, 2**63 - 1]
    expected = streams.mix(torch.tensor(numbers)).numpy().view(np.uint64)
    assert [_mix(np.uint64(number)) for number in numbers] == expected.tolist()


@pytest.fixture
def chain() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.ReLU(), nn.MaxPool1d(5), nn.Flatten(), nn.Linear(2, 2)).double()


def test_rows_of_every_layer_are_torchs_with_whatever_is_not_a_number(chain: nn.Sequential) -> None:
    layout = Layout(dict(chain.named_parameters()))
    table, _, rows = program(chain, layout, POINTS)
    held = torch.randn(9, POINTS, dtype=torch.float64)
    held[3, 4], held[6, 0], held[8, 11] = torch.nan, torch.inf, torch.nan
    places, values = np.array([3, 8, 0, 6, 1]), np.zeros(rows * BATCH)
    row = layout.pack({name: value.detach() for name, value in chain.named_parameters()}).numpy()
    _through(table, held.numpy(), places, values, row, np.zeros(0), np.zeros(0))
    lying = values.reshape(rows, BATCH)
    given = held[places].unsqueeze(1)
    np.testing.assert_array_equal(lying[table.inputs], given[:, 0].numpy().T)
    for layer, op in zip(chain[:2], table.ops, strict=False):
        given = layer(given)
        np.testing.assert_array_equal(lying[op[OUT] : op[OUT] + given.shape[2]], given[:, 0].numpy().T)
    logits = chain[3](given.flatten(1)).detach().numpy().T
    np.testing.assert_allclose(lying[table.ops[-1][OUT] :][:2], logits, rtol=1e-14)
