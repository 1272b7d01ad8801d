"""Lowered networks against automatic differentiation."""

import copy
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.nn import functional

from preflare.explain.chain import Chain, lower
from preflare.explain.target import QUANTITIES

POINTS = 60
CONF = Path(__file__).resolve().parents[2] / "conf" / "model"
# The autoencoder has no logits.
MODELS = sorted(path for path in CONF.glob("*.yaml") if path.stem != "vae")


def draw(count: int, points: int = POINTS, seed: int = 0) -> Tensor:
    return torch.rand(count, points, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow(
    network: nn.Module, spectra: Tensor, baselines: Tensor, positions: Tensor, quantity: str = "log_odds"
) -> Tensor:
    """Eq. C.2 pair by pair."""
    found = torch.zeros_like(spectra)
    for row, x in zip(found, spectra, strict=True):
        for b, a in zip(baselines, positions, strict=True):
            point = (b + a * (x - b)).requires_grad_()
            (gradient,) = torch.autograd.grad(QUANTITIES[quantity](network(point[None, None])).sum(), point)
            row += (x - b) * gradient / len(positions)
    return found


def check(network: nn.Module, points: int = POINTS) -> Chain:
    """That the network is lowered, and gives what differentiation gives, to rounding in float64."""
    network = network.double().eval()
    chain = lower(network, points)
    assert chain is not None
    spectra, baselines = draw(4, points, 1), draw(7, points, 2)
    positions = torch.linspace(0.05, 0.95, 7, dtype=torch.float64)
    with torch.no_grad():
        logits = network(spectra[:, None])
    torch.testing.assert_close(chain.log_odds(spectra), logits[:, 1] - logits[:, 0], rtol=0, atol=1e-12)
    expected = slow(network, spectra, baselines, positions)
    assert expected.abs().max() > 1e-6
    torch.testing.assert_close(chain.along(baselines, positions)(spectra), expected, rtol=0, atol=1e-12)
    return chain


@pytest.mark.parametrize("config", MODELS, ids=lambda path: path.stem)
def test_every_model_of_ours_is_a_chain(config: Path) -> None:
    torch.manual_seed(0)
    network = instantiate(OmegaConf.merge(OmegaConf.load(config), {"wavelengths": 240})).double()
    for _ in range(3):  # running means that are not 0 and 1
        network(draw(32, 240)[:, None])
    check(network, 240)


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv1d(1, 3, 5, padding=2), nn.ReLU(), nn.MaxPool1d(3), nn.Flatten(), nn.Linear(60, 2)],
        [nn.Conv1d(1, 2, 7, dilation=2, stride=2), nn.MaxPool1d(2), nn.ReLU(), nn.Conv1d(2, 3, 4), nn.ReLU()]
        + [nn.Flatten(), nn.Linear(27, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 2)],
        [nn.Conv1d(1, 2, 5), nn.AvgPool1d(2), nn.ReLU(), nn.MaxPool1d(5), nn.Conv1d(2, 2, 2), nn.ReLU()]
        + [nn.MaxPool1d(2), nn.Flatten(), nn.Linear(4, 2)],
        [nn.Flatten(), nn.Linear(POINTS, 3), nn.Linear(3, 5), nn.ReLU(inplace=True), nn.Linear(5, 2)],
    ],
    ids=["padding, window of three", "dilation, dropout", "average, remainder", "two dense in a row"],
)
def test_chains_of_every_kind(layers: list[nn.Module]) -> None:
    torch.manual_seed(1)
    for layer in layers:  # made when this file was read, with whatever numbers
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
        if isinstance(layer, nn.Conv1d):  # alive
            nn.init.ones_(layer.bias)
    check(nn.Sequential(*layers))


@pytest.mark.parametrize("quantity", list(QUANTITIES))
def test_every_quantity_may_be_explained(quantity: str) -> None:
    torch.manual_seed(1)
    network = nn.Sequential(nn.Conv1d(1, 3, 5), nn.ReLU(), nn.MaxPool1d(4), nn.Flatten(), nn.Linear(42, 2)).double()
    chain = lower(network, POINTS, quantity)
    assert chain is not None
    spectra, baselines = draw(4, POINTS, 1), draw(7, POINTS, 2)
    positions = torch.linspace(0.05, 0.95, 7, dtype=torch.float64)
    logits = network(spectra[:, None]).detach()
    torch.testing.assert_close(chain.explained(spectra), QUANTITIES[quantity](logits), rtol=0, atol=1e-12)
    torch.testing.assert_close(chain.log_odds(spectra), logits[:, 1] - logits[:, 0], rtol=0, atol=1e-12)
    found = chain.along(baselines, positions)(spectra)
    torch.testing.assert_close(found, slow(network, spectra, baselines, positions, quantity), rtol=0, atol=1e-12)


def test_ties_fall_as_in_pytorch() -> None:
    """Flat spectra make every window of the pooling a tie."""
    torch.manual_seed(2)
    network = nn.Sequential(nn.Conv1d(1, 3, 5), nn.ReLU(), nn.MaxPool1d(4), nn.Flatten(), nn.Linear(42, 2)).double()
    chain = lower(network, POINTS)
    assert chain is not None
    flat = torch.full((1, POINTS), 0.5, dtype=torch.float64)
    baseline, position = torch.zeros(1, POINTS, dtype=torch.float64), torch.tensor([1.0], dtype=torch.float64)
    found = chain.along(baseline, position)(flat)
    torch.testing.assert_close(found, slow(network, flat, baseline, position), rtol=0, atol=1e-14)


def test_many_spectra_are_one_spectrum_many_times() -> None:
    torch.manual_seed(0)
    network = instantiate(OmegaConf.merge(OmegaConf.load(CONF / "convnet.yaml"), {"wavelengths": 240})).double()
    chain = lower(network, 240)
    assert chain is not None
    spectra, along = draw(50, 240), chain.along(draw(300, 240, 1), draw(1, 300, 2)[0])
    together = along(spectra)
    one_by_one = torch.cat([along(one[None]) for one in spectra])
    assert together.abs().max() > 1e-4
    torch.testing.assert_close(together, one_by_one, rtol=0, atol=1e-14)


class Functional(nn.Module):
    """Its ReLU is no layer: nothing that hooks can see."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(POINTS, 4), nn.Linear(4, 2)

    def forward(self, spectra: Tensor) -> Tensor:
        return self.last(functional.relu(self.first(spectra[:, 0])))


class InPlace(nn.Module):
    """Changes an answer behind the layers' backs: the tensor is the same, its values are not."""

    def __init__(self) -> None:
        super().__init__()
        self.flatten, self.first, self.relu, self.last = nn.Flatten(), nn.Linear(POINTS, 4), nn.ReLU(), nn.Linear(4, 2)

    def forward(self, spectra: Tensor) -> Tensor:
        hidden = self.first(self.flatten(spectra))
        hidden.mul_(2)
        return self.last(self.relu(hidden))


class Skipping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.flatten, self.first, self.relu, self.last = nn.Flatten(), nn.Linear(POINTS, 4), nn.ReLU(), nn.Linear(4, 2)

    def forward(self, spectra: Tensor) -> Tensor:
        hidden = self.first(self.flatten(spectra))
        return self.last(hidden + self.relu(hidden))


@pytest.mark.parametrize(
    "network",
    [
        Functional(),
        InPlace(),
        Skipping(),
        nn.Sequential(nn.Flatten(), nn.Linear(POINTS, 4), nn.GELU(), nn.Linear(4, 2)),
        nn.Sequential(nn.Flatten(), nn.Linear(POINTS, 2)),
        nn.Sequential(nn.Conv1d(1, 2, 5), nn.ReLU(), nn.MaxPool1d(3, stride=1), nn.Flatten(), nn.Linear(108, 2)),
        nn.Sequential(nn.Flatten(), nn.Linear(POINTS, 4), nn.ReLU(), nn.Linear(4, 3)),
    ],
    ids=["functional", "in place", "skipping", "GELU", "linear", "overlapping pool", "three logits"],
)
def test_what_is_no_known_chain_is_refused(network: nn.Module) -> None:
    assert lower(network, POINTS) is None


def test_the_network_itself_is_left_alone() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(POINTS, 4), nn.ReLU(), nn.Linear(4, 2)).train()
    before = copy.deepcopy(network.state_dict())
    chain = lower(network, POINTS)
    assert chain is not None and network.training
    assert not any(module._forward_hooks for module in network.modules())
    chain.along(draw(3).float(), torch.rand(3))(draw(2).float())
    for name, value in network.state_dict().items():
        assert value.dtype == torch.float32 and torch.equal(value, before[name])
