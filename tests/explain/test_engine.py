"""The engine against Captum, a float64 loop and exact Shapley values; and that only the spectrum decides its answer."""

from itertools import combinations
from math import factorial
from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import GradientShap
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from preflare.explain import engine
from preflare.explain.chain import Chain
from preflare.explain.engine import Differentiated, Engine, member
from preflare.explain.target import QUANTITIES, explained, log_odds

POINTS, SAMPLES = 240, 30
CONF = Path(__file__).resolve().parents[2] / "conf" / "model"
# The autoencoder has no logits.
MODELS = sorted(path.stem for path in CONF.glob("*.yaml") if path.stem != "vae")


def network(name: str = "convnet", seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    made: nn.Module = instantiate(OmegaConf.merge(OmegaConf.load(CONF / f"{name}.yaml"), {"wavelengths": POINTS}))
    with torch.no_grad():  # log-odds of order one, as after training
        for weights in made.parameters():
            if weights.ndim > 1:
                weights *= 2
    return made.eval()


def draw(count: int, seed: int, precision: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(count, POINTS, generator=torch.Generator().manual_seed(seed)).to(precision)


def paths(precision: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    return draw(SAMPLES, 5, precision), (torch.arange(SAMPLES) + 0.5).to(precision) / SAMPLES


def slow(one: nn.Module, spectra: Tensor, baselines: Tensor, positions: Tensor) -> Tensor:
    """Eq. C.2 pair by pair, in float64."""
    one = one.double()
    found = torch.zeros_like(spectra)
    for row, x in zip(found, spectra, strict=True):
        for b, a in zip(baselines, positions, strict=True):
            point = (b + a * (x - b)).requires_grad_()
            (gradient,) = torch.autograd.grad(log_odds(one)(point[None, None]).sum(), point)
            row += (x - b) * gradient / len(positions)
    return found


@pytest.mark.parametrize("name", MODELS)
def test_every_model_on_both_paths_equals_a_slow_loop(name: str) -> None:
    one, spectra = network(name).double(), draw(3, 6, torch.float64)
    baselines, positions = paths(torch.float64)
    expected = slow(one, spectra, baselines, positions)
    fast, generic = member(one, POINTS), Differentiated(one)
    assert isinstance(fast, Chain)
    for path in (fast, generic):
        torch.testing.assert_close(path.along(baselines, positions)(spectra), expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(path.log_odds(spectra), log_odds(one)(spectra[:, None]).detach(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("generic", [False, True], ids=["fast", "generic"])
def test_captum_gives_the_same_along_the_same_paths(name: str, generic: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    one, spectra, (baselines, positions) = network(name), draw(4, 7), paths()
    # Captum draws a baseline and a position for each copy of each spectrum, copies of one spectrum together.
    copies = np.tile(np.arange(SAMPLES), len(spectra))
    monkeypatch.setattr(np.random, "choice", lambda n, size: copies)
    monkeypatch.setattr(np.random, "uniform", lambda low, high, size: positions.double().numpy()[copies])
    expected = GradientShap(log_odds(one)).attribute(spectra[:, None], baselines=baselines[:, None], n_samples=SAMPLES)
    path = Differentiated(one) if generic else member(one, POINTS)
    found = path.along(baselines, positions)(spectra)
    scale = float(expected.abs().max())
    torch.testing.assert_close(found, expected.detach()[:, 0], rtol=0, atol=1e-5 * scale)


def test_members_spectra_and_residuals_have_their_places() -> None:
    members, spectra, (baselines, positions) = [network(seed=s) for s in range(3)], draw(5, 8), paths()
    found = Engine(members, baselines, positions, workers=1)(spectra)
    assert found.attributions.shape == (3, 5, POINTS)
    for number, one in enumerate(members):
        odds = log_odds(one)(spectra[:, None]).detach()
        reference = log_odds(one)(baselines[:, None]).detach().mean()
        torch.testing.assert_close(found.log_odds[number], odds, rtol=0, atol=1e-5)
        residual = found.attributions[number].sum(dim=1) - (odds - reference)
        torch.testing.assert_close(found.residual[number], residual, rtol=0, atol=1e-5)
        expected = Differentiated(one).along(baselines, positions)(spectra)
        torch.testing.assert_close(found.attributions[number], expected, rtol=0, atol=1e-6)
    assert found.residual.abs().max() > 1e-3


@pytest.mark.parametrize("quantity", list(QUANTITIES))
def test_captum_explains_the_same_quantity(quantity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one, spectra, (baselines, positions) = network(), draw(4, 7), paths()
    copies = np.tile(np.arange(SAMPLES), len(spectra))
    monkeypatch.setattr(np.random, "choice", lambda n, size: copies)
    monkeypatch.setattr(np.random, "uniform", lambda low, high, size: positions.double().numpy()[copies])
    shap = GradientShap(explained(one, quantity))
    expected = shap.attribute(spectra[:, None], baselines=baselines[:, None], n_samples=SAMPLES).detach()[:, 0]
    value, reference = (explained(one, quantity)(some[:, None]).detach() for some in (spectra, baselines))
    made, scale = Engine([one], baselines, positions, 1, quantity)(spectra), float(expected.abs().max())
    torch.testing.assert_close(made.attributions[0], expected, rtol=0, atol=1e-5 * scale)
    residual = expected.sum(dim=1) - (value - reference.mean())
    torch.testing.assert_close(made.residual[0], residual, rtol=0, atol=1e-5)
    generic = Differentiated(one, quantity)
    torch.testing.assert_close(generic.along(baselines, positions)(spectra), expected, rtol=0, atol=1e-5 * scale)
    torch.testing.assert_close(generic.explained(spectra), value)


def test_each_member_may_have_baselines_of_its_own() -> None:
    members, spectra, (_, positions) = [network(seed=s) for s in range(2)], draw(5, 8), paths()
    baselines = torch.stack([draw(SAMPLES, 20), draw(SAMPLES, 21)])
    found = Engine(members, baselines, positions, workers=2)(spectra)
    for number, one in enumerate(members):
        alone = Engine([one], baselines[number], positions, workers=1)(spectra)
        torch.testing.assert_close(found.attributions[number], alone.attributions[0], rtol=0, atol=1e-7)
        torch.testing.assert_close(found.residual[number], alone.residual[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["convnet", "gelu"])
def test_an_answer_depends_on_its_spectrum_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not on order, company, size of tasks or workers; the generic path included."""
    gelu = nn.Sequential(nn.Flatten(), nn.Linear(POINTS, 8), nn.GELU(), nn.Linear(8, 2))
    members = [network()] if name == "convnet" else [gelu.eval()]
    spectra = draw(40, 9)
    together = Engine(members, *paths(), workers=1)(spectra).attributions[0]
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(engine, "TASK", 7)
    made = Engine(members, *paths(), workers=2)
    torch.testing.assert_close(made(spectra[order]).attributions[0], together[order], rtol=0, atol=1e-6)
    alone = torch.cat([made(one[None]).attributions[0] for one in spectra[:5]])
    torch.testing.assert_close(alone, together[:5], rtol=0, atol=1e-6)
    torch.testing.assert_close(made(spectra).attributions[0], together, rtol=0, atol=1e-6)


def test_the_same_call_gives_the_same_bits_whatever_the_workers() -> None:
    members, spectra = [network(), network("fnn")], draw(300, 9)
    one, other = (Engine(members, *paths(), workers=workers)(spectra) for workers in (1, 2))
    assert torch.equal(one.attributions, other.attributions) and torch.equal(one.residual, other.residual)


def test_completeness_falls_with_more_positions() -> None:
    one, spectra, baselines = network(), draw(20, 10), draw(10, 11)
    sizes = []
    for count in (1, 8, 64):
        positions = ((torch.arange(count) + 0.5) / count).repeat_interleave(10)
        residual = Engine([one], baselines.repeat(count, 1), positions, workers=1)(spectra).residual
        sizes.append(float(residual.abs().mean()))
    assert sizes[2] < sizes[1] / 3 < sizes[0] / 9


class Bands(nn.Module):
    """Smooth and with interactions, of the mean of each of ten bands alone."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.hidden, self.last = nn.Linear(10, 6), nn.Linear(6, 2)

    def forward(self, spectra: Tensor) -> Tensor:
        return self.last(torch.tanh(2 * self.hidden(spectra.view(-1, 10, POINTS // 10).mean(dim=2))))


def shapley(one: nn.Module, x: Tensor, baselines: Tensor) -> Tensor:
    """Eq. C.1 on ten bands; a band that is out has the baselines' values, and F is averaged over them."""
    bands = torch.arange(POINTS) // (POINTS // 10)
    value = {}
    for size in range(11):
        for inside in combinations(range(10), size):
            mask = torch.isin(bands, torch.tensor(inside, dtype=torch.long))
            with torch.no_grad():
                value[inside] = float(log_odds(one)(torch.where(mask, x, baselines)[:, None]).mean())
    found = torch.zeros(10)
    for band in range(10):
        for inside in value:
            if band not in inside:
                weight = factorial(len(inside)) * factorial(9 - len(inside)) / factorial(10)
                found[band] += weight * (value[tuple(sorted((*inside, band)))] - value[inside])
    return found


def test_shapley_values_agree_where_they_must() -> None:
    """Exactly for an additive network, whose features do not interact; closely for a mildly curved one.

    The two are different games in between: expected gradients are the Aumann-Shapley values of the path.
    """

    class Additive(nn.Module):
        def forward(self, spectra: Tensor) -> Tensor:
            value = torch.sin(3 * spectra[:, 0]).sum(dim=1) / 10
            return torch.stack([torch.zeros_like(value), value], dim=1)

    x, baselines = draw(1, 12)[0], draw(4, 13)
    fine = ((torch.arange(200) + 0.5) / 200).repeat_interleave(4)
    for one, tolerance in ((Additive(), 1e-3), (Bands().eval(), 0.05)):
        found = Engine([one], baselines.repeat(200, 1), fine, workers=1)(x[None]).attributions[0, 0]
        expected = shapley(one, x, baselines)
        per_band = found.view(10, -1).sum(dim=1)
        assert (per_band - expected).abs().max() < tolerance * expected.abs().max()
