"""The lowering against torch.func, which autograd checks: every network of the framework through both."""

from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from preflare.command import CONF
from preflare.model.convnet import ConvNet
from preflare.model.fnn import FNN
from preflare.model.loss import CrossEntropy
from preflare.model.swarm.layout import Layout, stack
from preflare.model.swarm.lowering import Lowered, lower
from preflare.model.swarm.vectorised import Vectorised

POINTS = 240
LOWERED = {"convnet": True, "fnn": True, "deep_convnet": False}


def network(name: str) -> nn.Module:
    config = OmegaConf.load(CONF / "model" / f"{name}.yaml")
    config.wavelengths = POINTS
    return instantiate(config)


def both(networks: list[nn.Module], points: int = POINTS) -> tuple[Vectorised, Lowered, Tensor]:
    layout = Layout(dict(networks[0].named_parameters()))
    losses = [CrossEntropy(0.01 * k) for k in range(len(networks))]
    fast = lower(networks[0], losses, layout, points)
    assert fast is not None
    rows = layout.pack(stack([dict(one.named_parameters()) for one in networks]))
    return Vectorised(networks[0], losses, layout), fast, rows


def check(networks: list[nn.Module], points: int = POINTS, batch: int = 21) -> None:
    slow, fast, rows = both(networks, points)
    generator = torch.Generator().manual_seed(1)
    spectra = torch.randn(100, 1, points, generator=generator, dtype=rows.dtype)
    everyone = torch.arange(len(networks))
    places = torch.randint(0, 100, (len(networks), batch), generator=generator)
    labels = torch.randint(0, 2, (len(networks), batch), generator=generator)
    for _ in range(2):  # the second time in memory that was used before
        expected, _ = slow.gradients(everyone, rows, {}, slow.hold(spectra), places, labels, everyone)
        found, _ = fast.gradients(everyone, rows, {}, fast.hold(spectra), places, labels, everyone)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)
        answers = slow.log_odds(rows, {}, slow.hold(spectra), places)
        torch.testing.assert_close(fast.log_odds(rows, {}, fast.hold(spectra), places), answers, rtol=0, atol=1e-12)


def test_every_network_is_known_here() -> None:
    assert set(LOWERED) == {path.stem for path in Path(CONF / "model").glob("*.yaml")}


@pytest.mark.parametrize("name", LOWERED)
def test_networks_are_computed_alike_both_ways(name: str) -> None:
    torch.manual_seed(0)
    networks = [network(name).double() for _ in range(3)]
    if LOWERED[name]:
        check(networks)
        check(networks[:1], batch=64)
    else:
        layout = Layout(dict(networks[0].named_parameters()))
        assert lower(networks[0], [CrossEntropy(0)] * 3, layout, POINTS) is None


@pytest.mark.parametrize(
    "options",
    [
        {"channels": (3,), "kernels": (7,), "strides": (2,)},
        {"channels": (3, 5, 2), "kernels": (6, 4, 3), "strides": (1, 2, 3), "hidden": 9},
        {"channels": (2, 2), "kernels": (4, 4), "strides": (4, 4)},
        {"channels": (8, 16), "kernels": (20, 10), "strides": (3, 3), "hidden": 16},
    ],
)
@pytest.mark.parametrize("points", [97, 100])
def test_other_sizes(options, points: int) -> None:
    torch.manual_seed(0)
    check([ConvNet(points, **options).double() for _ in range(2)], points)


def test_no_hidden_layer_and_no_pooling() -> None:
    torch.manual_seed(0)
    check([FNN(50, hidden=()).double() for _ in range(2)], 50)
    plain = [nn.Sequential(nn.Conv1d(1, 2, 5, 2), nn.ReLU(), nn.Flatten(), nn.Linear(46, 2)) for _ in range(2)]
    check([one.double() for one in plain], 50)


@pytest.mark.parametrize("name", [name for name, lowered in LOWERED.items() if lowered])
@pytest.mark.parametrize("batch", [64, 37])
def test_a_member_does_not_depend_on_the_others_in_the_last_bit(name: str, batch: int) -> None:
    torch.manual_seed(0)
    _, fast, rows = both([network(name) for _ in range(50)])
    held = fast.hold(torch.rand(300, 1, POINTS))
    places, labels = torch.randint(0, 300, (50, batch)), torch.randint(0, 2, (50, batch))
    everyone = torch.arange(50)
    gradients, _ = fast.gradients(everyone, rows, {}, held, places, labels, everyone)
    gradients, answers = gradients.clone(), fast.log_odds(rows, {}, held, places).clone()
    for count in (1, 2, 7, 25, 50):
        some = torch.randperm(50)[:count]
        found, _ = fast.gradients(some, rows[some], {}, held, places[some], labels[some], some)
        assert torch.equal(found, gradients[some])
        assert torch.equal(fast.log_odds(rows[some], {}, held, places[some]), answers[some])


def test_a_member_that_diverged_does_not_reach_its_neighbours() -> None:
    torch.manual_seed(0)
    _, fast, rows = both([ConvNet(POINTS) for _ in range(3)])
    held, places, labels = fast.hold(torch.rand(90, 1, POINTS)), torch.arange(90).view(3, 30), torch.ones(3, 30).long()
    everyone = torch.arange(3)
    expected = fast.gradients(everyone, rows, {}, held, places, labels, everyone)[0].clone()
    rows[1] = torch.nan
    found, _ = fast.gradients(everyone, rows, {}, held, places, labels, everyone)
    assert torch.equal(found[[0, 2]], expected[[0, 2]])
    assert found[1].isnan().any()


class Weighted(CrossEntropy):
    """A loss of a user's own."""


def test_a_loss_or_a_network_that_is_not_known_is_left_to_torch_func() -> None:
    for network, loss in ((ConvNet(POINTS), Weighted(0)), (ConvNet(POINTS, pool=3), CrossEntropy(0))):
        assert lower(network, [loss], Layout(dict(network.named_parameters())), POINTS) is None
