"""Gradients by torch.func against autograd, one member at a time."""

import copy

import pytest
import torch
from torch import nn

from preflare.model.convnet import ConvNet
from preflare.model.loss import CrossEntropy, Draws
from preflare.model.swarm import CannotSwarm
from preflare.model.swarm.layout import Layout, stack
from preflare.model.swarm.vectorised import Vectorised


def members(count: int) -> list[nn.Module]:
    torch.manual_seed(0)
    return [ConvNet(240).double() for _ in range(count)]


@pytest.mark.parametrize("count", [1, 3])
def test_gradients_are_autograds_each_with_its_own_penalty(count: int) -> None:
    networks, losses = members(count), [CrossEntropy(0.1 * k) for k in range(count)]
    stacked = stack([dict(network.named_parameters()) for network in networks])
    layout = Layout(dict(networks[0].named_parameters()))
    engine = Vectorised(networks[0], losses, layout)
    spectra, labels = torch.rand(count, 8, 1, 240).double(), torch.randint(0, 2, (count, 8))
    everyone = torch.arange(count)
    places = torch.arange(8 * count).view(count, 8)
    held = engine.hold(spectra.flatten(0, 1))
    gradients, _ = engine.gradients(everyone, layout.pack(stacked), {}, held, places, labels, everyone)
    answers = engine.log_odds(layout.pack(stacked), {}, held, places)
    for k, (network, loss) in enumerate(zip(networks, losses, strict=True)):
        parameters = dict(network.named_parameters())
        expected = loss(lambda p, x, n=network: n(x), parameters, spectra[k], labels[k], Draws(everyone[k], 0))
        expected.backward()
        gradient = layout.pack({name: value.grad for name, value in parameters.items()})
        torch.testing.assert_close(gradients[k], gradient, rtol=0, atol=1e-12)
        logits = network(spectra[k]).detach()
        torch.testing.assert_close(answers[k], logits[:, 1] - logits[:, 0])


def test_losses_that_differ_in_more_than_numbers_are_refused() -> None:
    class Other(CrossEntropy):
        pass

    class Named(CrossEntropy):
        def __init__(self, name: str) -> None:
            super().__init__(0)
            self.name = name

    network = members(1)[0]
    layout = Layout(dict(network.named_parameters()))
    with pytest.raises(CannotSwarm, match=r"different losses \(CrossEntropy, Other\)"):
        Vectorised(network, [CrossEntropy(0), Other(0)], layout)
    with pytest.raises(CannotSwarm, match="Members differ in Named.name, which is no number."):
        Vectorised(network, [Named("a"), Named("b")], layout)


def test_the_network_given_stays_as_it_is() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(240, 2), nn.Dropout(0.5))
    before = copy.deepcopy(network.state_dict())
    Vectorised(network, [CrossEntropy(0)], Layout(dict(network.named_parameters())))
    assert type(network[2]) is nn.Dropout
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
