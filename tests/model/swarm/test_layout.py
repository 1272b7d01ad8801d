"""Rows of weights."""

import torch

from preflare.model.convnet import ConvNet
from preflare.model.swarm.layout import ALIGNMENT, Layout, stack


def test_rows_hold_every_weight_once_and_give_it_back() -> None:
    networks = [ConvNet(240) for _ in range(3)]
    stacked = stack([dict(network.named_parameters()) for network in networks])
    layout = Layout(dict(networks[0].named_parameters()))
    rows = layout.pack(stacked)
    assert rows.shape == (3, layout.width) and layout.width % ALIGNMENT == 0
    for k, network in enumerate(networks):
        expected = torch.cat([parameter.detach().flatten() for parameter in network.parameters()])
        torch.testing.assert_close(rows[k, : len(expected)], expected, rtol=0, atol=0)
        assert not rows[k, len(expected) :].any()
        for name, parameter in network.named_parameters():
            assert torch.equal(layout.unpack(rows)[name][k], parameter)
            assert torch.equal(layout.unpack(rows[k])[name], parameter)


def test_unpacked_weights_are_views() -> None:
    layout = Layout({"a": torch.zeros(2, 3), "b": torch.zeros(())})
    rows = torch.zeros(4, layout.width)
    layout.unpack(rows)["b"][2] = 5
    assert rows.sum() == 5 and rows[2, 6] == 5
