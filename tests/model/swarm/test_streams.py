"""Dropout from counters: against a slow SplitMix64, in its statistics, and member by member."""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap

from preflare.model.swarm.streams import StreamDropout, kept, mix, streams, with_streams

WORD = (1 << 64) - 1


def slow_mix(z: int) -> int:
    """The output function of SplitMix64 in Python's integers."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


def test_mix_is_splitmix64() -> None:
    numbers = [0, 1, 2, 12345, (1 << 63) - 1, -1, -(1 << 63), -987654321]
    assert [number & WORD for number in mix(torch.tensor(numbers)).tolist()] == [slow_mix(n & WORD) for n in numbers]
    # The first number that the generator gives for the seed 0.
    assert slow_mix(0x9E3779B97F4A7C15) == 0xE220A8397B1DCDAF


def test_streams_are_of_seed_and_step_alone() -> None:
    both = streams([3, 4, 3], torch.tensor([0, 0, 1]))
    assert len(set(both.tolist())) == 3
    assert torch.equal(streams([4], torch.tensor([0])), both[1:2])


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_as_many_are_kept_as_asked(probability: float) -> None:
    keep = kept(streams([1, 2], torch.tensor([5, 5])), 0, (100, 200), probability)
    assert keep.shape == (2, 100, 200)
    assert keep.double().mean((1, 2)).tolist() == pytest.approx([1 - probability] * 2, abs=0.012)
    if probability == 0.3:
        agreement = (keep[0] == keep[1]).double().mean()
        assert float(agreement) == pytest.approx(0.7**2 + 0.3**2, abs=0.015)  # independent
        other = kept(streams([1], torch.tensor([5])), 1, (100, 200), probability)[0]
        assert float((keep[0] == other).double().mean()) == pytest.approx(0.58, abs=0.015)


def test_dropout_zeroes_scales_and_stands_aside_when_it_should() -> None:
    layer = StreamDropout(0.25, 0)
    layer.stream.fill_(99)
    values = torch.ones(50, 8)
    dropped = layer(values)
    assert dropped.unique().tolist() == pytest.approx([0, 4 / 3])
    assert torch.equal(dropped, layer(values))
    assert torch.equal(layer.eval()(values), values)
    assert not StreamDropout(1.0, 0)(values).any()


def test_members_draw_as_they_would_alone() -> None:
    network = with_streams(nn.Sequential(nn.Linear(6, 5), nn.Dropout(0.5), nn.Linear(5, 2), nn.Dropout(0.5)))
    assert [type(layer) for layer in network] == [nn.Linear, StreamDropout, nn.Linear, StreamDropout]
    assert [layer.layer for layer in network if isinstance(layer, StreamDropout)] == [0, 1]
    parameters, values = dict(network.named_parameters()), torch.randn(3, 7, 6)
    given = streams([1, 2, 3], torch.zeros(3, dtype=torch.int64))

    def call(stream, values):
        return functional_call(network, (parameters, {"1.stream": stream, "3.stream": stream}), (values,))

    together = vmap(call)(given, values)
    for stream, mine, expected in zip(given, values, together, strict=True):
        torch.testing.assert_close(call(stream, mine), expected)
    assert not torch.equal(together[0] == 0, together[1] == 0)


def test_other_layers_are_left_alone() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    assert repr(with_streams(copy.deepcopy(network))) == repr(network)
