"""Measures of faithfulness against closed forms, SciPy, scikit-learn and Quantus; a bad explanation fails them."""

import numpy as np
import quantus
import torch
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from preflare.explain.engine import Engine
from preflare.explain.faithfulness import (
    area,
    deletion,
    deletion_and_insertion,
    rank_correlation,
    redrawn,
    share_inside,
)
from preflare.explain.target import log_odds
from preflare.model.convnet import ConvNet

POINTS = 12
WEIGHT = torch.linspace(-1, 1, POINTS, dtype=torch.float64)


def linear(spectra: Tensor) -> Tensor:
    return spectra @ WEIGHT


def draw(count: int, seed: int, points: int = POINTS) -> Tensor:
    return torch.rand(count, points, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_deletion_of_a_linear_answer_is_a_sum_by_hand() -> None:
    spectra, fill = draw(3, 0), draw(5, 1)
    stream = np.random.default_rng(0)
    order = np.stack([stream.permutation(POINTS) for _ in range(3)])
    found = deletion(linear, spectra, order, fill, steps=6)
    assert found.shape == (3, 7)
    for n in range(3):
        for step in range(7):
            gone = set(order[n, : 2 * step].tolist())
            expected = sum(
                float(WEIGHT[i] * (fill[:, i].mean() if i in gone else spectra[n, i])) for i in range(POINTS)
            )
            np.testing.assert_allclose(found[n, step], expected, atol=1e-12)


def test_the_true_attribution_beats_every_other_order() -> None:
    spectra, fill = draw(20, 0), draw(5, 1)
    true = (WEIGHT * (spectra - fill.mean(dim=0))).numpy()
    away, put_in = deletion_and_insertion(linear, spectra, true, fill, POINTS)
    stream = np.random.default_rng(0)
    for worth in (stream.random((20, POINTS)), spectra.numpy(), -true):
        other_away, other_put_in = deletion_and_insertion(linear, spectra, worth, fill, POINTS)
        assert (away <= other_away + 1e-12).all() and (put_in >= other_put_in - 1e-12).all()
        assert away.mean() < other_away.mean() - 0.05


def test_rank_correlation_is_scipys() -> None:
    stream = np.random.default_rng(0)
    one, other = stream.normal(size=(2, 4, 30))
    one[0, :5] = np.nan
    other[0, 7] = np.nan
    one[1] = np.round(one[1])  # ties
    expected = [spearmanr(a, b, nan_policy="omit").statistic for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(rank_correlation(one, other), expected, rtol=1e-12)
    np.testing.assert_array_equal(rank_correlation(np.ones((1, 5)), np.arange(5.0)[None]), [0])


def test_the_randomisation_check_fails_what_does_not_depend_on_the_network() -> None:
    torch.manual_seed(3)
    spectra, baselines = draw(20, 4, 240).float(), draw(10, 5, 240).float()
    positions = (torch.arange(10) + 0.5) / 10

    def explained(network: nn.Module) -> np.ndarray:
        return Engine([network], baselines, positions, workers=1)(spectra).attributions[0].numpy()

    def independent(network: nn.Module) -> np.ndarray:
        return np.tile(np.linspace(0, 1, 240), (20, 1))

    def brightness(network: nn.Module) -> np.ndarray:
        return spectra.numpy()

    network = ConvNet(240).eval()
    with torch.no_grad():
        for name, weights in network.named_parameters():
            weights.copy_(torch.randn(weights.shape, generator=torch.Generator().manual_seed(len(name))) * 0.3)
    others = [redrawn(network, seed) for seed in range(5)]
    for method, passes in ((explained, True), (independent, False), (brightness, False)):
        kept = np.mean([np.abs(rank_correlation(method(network), method(one))).mean() for one in others])
        assert (kept < 0.5) is np.bool_(passes), f"{method.__name__} {kept}"


def test_a_redrawn_network_has_the_same_numbers_in_other_places() -> None:
    network = ConvNet(240).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    other = redrawn(network, 0)
    for name, value in other.state_dict().items():
        assert torch.equal(value.flatten().sort().values, before[name].flatten().sort().values)
        assert torch.equal(network.state_dict()[name], before[name])
    x = draw(5, 1, 240).float()[:, None]
    assert not torch.allclose(log_odds(network)(x), log_odds(other)(x))


def test_share_and_chance_by_hand() -> None:
    attributions = np.array([[1.0, -3.0, np.nan, 0.0], [0.0, 0.0, 0.0, 0.0]])
    mask = np.array([[False, True, True, False], [True, False, False, False]])
    share, chance = share_inside(attributions, mask)
    np.testing.assert_allclose(share, [0.75, np.nan])
    np.testing.assert_allclose(chance, [1 / 3, 1 / 4])


def test_the_area_is_scikit_learns() -> None:
    stream = np.random.default_rng(0)
    attributions = np.round(stream.normal(size=(6, 40)), 1)  # with ties
    mask = stream.random((6, 40)) < 0.3
    mask[5] = False
    expected = [roc_auc_score(m, np.abs(a)) for a, m in zip(attributions[:5], mask, strict=False)]
    found = area(attributions, mask)
    np.testing.assert_allclose(found[:5], expected, rtol=1e-12)
    assert np.isnan(found[5])


# Quantus wants a channel: (n, 1, wavelength). Its explanations are taken as they are.
PLAIN = {"normalise": False, "disable_warnings": True, "display_progressbar": False}


def test_quantus_agrees_on_share_and_area() -> None:
    stream = np.random.default_rng(0)
    said, mask = stream.normal(size=(4, 40)), stream.random((4, 40)) < 0.3
    batch = {"x_batch": np.zeros((4, 1, 40)), "y_batch": np.ones(4, dtype=int), "device": "cpu"}
    batch |= {
        "model": nn.Sequential(nn.Flatten(), nn.Linear(40, 2)),
        "a_batch": said[:, None],
        "s_batch": mask[:, None],
    }
    mass = quantus.RelevanceMassAccuracy(abs=True, **PLAIN)(**batch)
    np.testing.assert_allclose(share_inside(said, mask)[0], mass, rtol=1e-6)
    np.testing.assert_allclose(area(said, mask), quantus.AUC(abs=True, **PLAIN)(**batch), rtol=1e-12)


def test_quantus_agrees_on_deletion() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(40, 8), nn.Tanh(), nn.Linear(8, 2)).eval()
    spectra, said = draw(4, 0, 40).float(), np.random.default_rng(0).normal(size=(4, 40))
    flipping = quantus.PixelFlipping(features_in_step=2, perturb_baseline=0.5, abs=False, **PLAIN)
    expected = flipping(
        model=network,
        x_batch=spectra[:, None].numpy(),
        y_batch=np.ones(4, dtype=int),
        a_batch=said[:, None],
        softmax=False,
        device="cpu",
    )

    def logit(points: Tensor) -> Tensor:
        return network(points[:, None])[:, 1].detach()

    order = np.argsort(-said, axis=1, kind="stable")
    found = deletion(logit, spectra, order, torch.full((1, 40), 0.5), 20)
    np.testing.assert_allclose(found[:, 1:], np.array(expected), atol=1e-6)
    assert np.ptp(found) > 0.05
